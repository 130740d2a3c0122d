//! The spool's metrics, there from the start with 0.

use metrics::{Counter, Gauge};

use crate::instrument::handles;
use crate::semconv::{ERROR_TYPE, OUTCOME, SPOOL_ITEMS, SPOOL_SIZE, SpoolErrorType};

#[derive(Debug)]
pub(super) struct Meters {
    pub(super) size: Gauge,
    pub(super) spooled: Counter,
    pub(super) replayed: Counter,
    /// By the reason's place.
    pub(super) dropped: Vec<Counter>,
}

impl Meters {
    pub(super) fn register() -> Self {
        let items = |outcome| handles::counter(&SPOOL_ITEMS, &[(OUTCOME, outcome)]);
        let dropped = SpoolErrorType::ALL.iter().map(|why| {
            let labels = [(OUTCOME, "dropped"), (ERROR_TYPE, why.as_str())];
            handles::counter(&SPOOL_ITEMS, &labels)
        });
        let meters = Self {
            size: handles::gauge(&SPOOL_SIZE, &[]),
            spooled: items("spooled"),
            replayed: items("replayed"),
            dropped: dropped.collect(),
        };
        // Over OTLP a counter that was never told anything is not there.
        for counter in [&meters.spooled, &meters.replayed]
            .into_iter()
            .chain(&meters.dropped)
        {
            counter.increment(0);
        }
        meters
    }
}
