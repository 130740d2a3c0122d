//! Exemplars: for each bucket the last trace that went into it and can be looked at.

use std::sync::{Mutex, PoisonError};

use opentelemetry::trace::{SpanId, TraceId};

/// One measurement, and the span that it was made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) value: f64,
    /// When the span ended, in milliseconds since 1970: as exact as Prometheus keeps it.
    pub(super) millis: u64,
}

/// The exemplars of one series, one for each bucket at most. Takes no memory before the first.
#[derive(Debug, Default)]
pub(super) struct BucketExemplars(Mutex<Vec<Option<Exemplar>>>);

impl BucketExemplars {
    /// Puts `exemplar` into that one of `buckets`, unless a newer one is there.
    ///
    /// A span ends before another and arrives after it, and Prometheus refuses what is not newer
    /// than the last that it has. One from the future, from before the clock was set back, is in
    /// nobody's way.
    #[cfg(feature = "otlp")]
    pub(super) fn keep(&self, bucket: usize, buckets: usize, exemplar: Exemplar, now: u64) {
        if exemplar.millis > now {
            return;
        }
        // A lock and no atomics: exemplars come once for each span that was exported, and not with
        // each value.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // At the first exemplar: most series never have one.
        if kept.is_empty() {
            kept.resize(buckets, None);
        }
        let Some(place) = kept.get_mut(bucket) else {
            return;
        };
        // The one that is kept may be from the future, too, if the clock was set back after it.
        let is_newer = |old: &Exemplar| exemplar.millis > old.millis || old.millis > now;
        if place.as_ref().is_none_or(is_newer) {
            *place = Some(exemplar);
        }
    }

    pub(super) fn all(&self) -> Vec<Option<Exemplar>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
