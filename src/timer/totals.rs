//! How many operations ended in the whole process, for readers that have no recorder.
//!
//! They are counted only while something listens: an app without a recorder or a reader pays for a
//! look at a flag.

use std::time::Duration;

use crate::instrument::ended::{Reader, operations_ended};

/// Operations that ended, but for those that were cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationTotals {
    pub(crate) count: u64,
    pub(crate) failed: u64,
    pub(crate) duration: Duration,
}

impl OperationTotals {
    /// What came after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let count = self.count.saturating_sub(earlier.count);
        Self {
            count,
            // One that is counted right now may have only one of the two.
            failed: self.failed.saturating_sub(earlier.failed).min(count),
            duration: self.duration.saturating_sub(earlier.duration),
        }
    }
}

/// What an operation counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Operation,
    /// An event that the app handled outside of the wire.
    Event,
}

/// Operations are counted, and their durations summed up, as long as one of these is there.
#[derive(Debug)]
pub(crate) struct TotalsReader {
    /// Keeps durations summed up.
    _durations: Reader,
}

impl TotalsReader {
    pub(crate) fn new() -> Self {
        Self {
            _durations: Reader::of_durations(),
        }
    }

    /// All so far; what counts is how much more they are than when the reader came.
    pub(crate) fn totals(&self, kind: Kind) -> OperationTotals {
        let (operations, events) = operations_ended();
        let ended = match kind {
            Kind::Operation => operations,
            Kind::Event => events,
        };
        OperationTotals {
            count: ended.total,
            failed: ended.failed,
            duration: Duration::from_nanos(ended.nanos),
        }
    }
}
