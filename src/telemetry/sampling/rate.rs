//! The rate of kept traces, which may be set while telemetry runs.

use std::sync::{Arc, Weak};

use super::tail::Tail;

/// How many traces a second are kept that neither failed nor were slow, for as long as telemetry
/// runs; given by [`Telemetry::sampling_rate`](crate::Telemetry::sampling_rate).
///
/// Clones are handles to one rate. After the shutdown it is zero and setting it does nothing.
#[derive(Clone, Debug)]
pub struct SamplingRate(Weak<Tail>);

impl SamplingRate {
    pub(crate) fn of(tail: &Arc<Tail>) -> Self {
        // Weak: a handle that the app keeps must not keep the spans that are held.
        Self(Arc::downgrade(tail))
    }

    /// The rate now.
    #[must_use]
    pub fn traces_per_second(&self) -> u32 {
        self.0.upgrade().map_or(0, |tail| tail.traces_per_second())
    }

    /// Sets the rate, from the next trace that is decided.
    pub fn set_traces_per_second(&self, rate: u32) {
        if let Some(tail) = self.0.upgrade() {
            tail.set_traces_per_second(rate);
        }
    }
}
