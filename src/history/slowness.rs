//! Why a record counts as slow.

use std::time::Duration;

use crate::instrument::duration_sketch::DurationSketch;
use crate::instrument::record_sink::{Record, RecordKind, RecordOutcome};

/// Why a record counts as slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlowReason {
    /// It took its threshold or longer.
    Threshold,
    /// It was below it, and took many times as long as its series usually does.
    SlowerThanUsual,
}

impl SlowReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::SlowerThanUsual => "slower_than_usual",
        }
    }
}

/// By what a record is judged, on the writer's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    pub(crate) ipc_threshold: Duration,
    /// 0: nothing is slower than usual.
    pub(crate) factor: u32,
}

impl Slowness {
    /// Judges a record of the series whose past this is, and adds it to that.
    pub(crate) fn of(
        self,
        record: &Record,
        usual: &mut Option<Box<DurationSketch>>,
    ) -> Option<SlowReason> {
        let passed =
            // An operation's threshold is known where it is measured, which sets `is_slow`.
            // Messages are judged here.
            record.is_slow || record.kind.is_message() && record.duration >= self.ipc_threshold;
        // As the tail sampler does: one that failed may have ended early or waited in vain, and says
        // nothing of how long it usually takes.
        let is_compared = self.factor > 0
            && record.outcome == RecordOutcome::Ok
            // It is as long as the app leaves it in place.
            && record.kind != RecordKind::CurrentOperation;
        let slower = is_compared
            && usual
                .get_or_insert_with(|| Box::new(DurationSketch::new()))
                .compare(record.duration, self.factor)
                .is_some();
        match (passed, slower) {
            (true, _) => Some(SlowReason::Threshold),
            (false, true) => Some(SlowReason::SlowerThanUsual),
            (false, false) => None,
        }
    }
}
