//! What of telemetry is not in place, though it was asked for.

use std::sync::atomic::{AtomicBool, Ordering};

/// One that the app would not notice by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum Problem {
    /// Another recorder has the app's metrics.
    RecorderTaken,
    /// The subscriber in force has no layer of ours.
    #[cfg(feature = "otlp")]
    SubscriberTaken,
    /// The subscriber in force turns our spans down.
    #[cfg(feature = "otlp")]
    SpansFiltered,
}

impl Problem {
    pub(in crate::telemetry) const ALL: &[Self] = &[
        Self::RecorderTaken,
        #[cfg(feature = "otlp")]
        Self::SubscriberTaken,
        #[cfg(feature = "otlp")]
        Self::SpansFiltered,
    ];

    /// The value of `error.type`.
    pub(in crate::telemetry) fn as_str(self) -> &'static str {
        match self {
            Self::RecorderTaken => crate::semconv::RECORDER_TAKEN,
            #[cfg(feature = "otlp")]
            Self::SubscriberTaken => crate::semconv::SUBSCRIBER_TAKEN,
            #[cfg(feature = "otlp")]
            Self::SpansFiltered => crate::semconv::SPANS_FILTERED,
        }
    }

    pub(in crate::telemetry) fn found(self) {
        FOUND[self as usize].store(true, Ordering::Relaxed);
    }

    pub(in crate::telemetry) fn is_found(self) -> bool {
        FOUND[self as usize].load(Ordering::Relaxed)
    }
}

/// By [`Problem`]. Relaxed: each stands alone. Of the process, as the places are that they tell of.
// As many as there are with every feature: the index is the variant's number.
static FOUND: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
