//! What tail sampling did, counted.

use metrics::{Counter, Gauge};

use super::fate::{DropReason, EarlyReason, Fate, KeepReason};
use crate::instrument::handles;
use crate::semconv::{
    OUTCOME, SAMPLING_EARLY, SAMPLING_REASON, SAMPLING_SPANS_DROPPED, SAMPLING_SPANS_HELD,
    SAMPLING_SPANS_UNJUDGED, SAMPLING_TRACES, SAMPLING_TRACES_HELD,
};

/// Counted since the recorder was last told, in plain numbers: they change under the lock that the
/// traces have anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) kept: [u64; KeepReason::ALL.len()],
    /// By their spans' reason; traces are not dropped for all of them.
    pub(super) dropped: [u64; DropReason::ALL.len()],
    pub(super) early: [u64; EarlyReason::ALL.len()],
    pub(super) lost: [u64; DropReason::ALL.len()],
}

impl Counts {
    /// A trace was decided; `loss` says why it was dropped if it was.
    pub(super) fn decide(&mut self, fate: Fate, loss: DropReason, spans: usize) {
        match fate {
            // Variants are declared in the order of `ALL`, so a variant's number is its place.
            Fate::Kept(reason) => self.kept[reason as usize] += 1,
            Fate::Dropped => {
                self.dropped[loss as usize] += 1;
                // A trace may be dropped without a span that was held, and spans without their
                // trace.
                self.lose(loss, spans);
            }
        }
    }

    pub(super) fn hurry(&mut self, early: EarlyReason) {
        self.early[early as usize] += 1;
    }

    pub(super) fn lose(&mut self, loss: DropReason, spans: usize) {
        self.lost[loss as usize] += spans as u64;
    }
}

/// Why a trace is dropped.
const TRACE_LOSSES: [DropReason; 3] = [
    DropReason::OverRate,
    DropReason::RepeatedError,
    DropReason::SlowerThanUsual,
];

/// Where the counts go.
pub(super) struct Meters {
    kept: [Counter; KeepReason::ALL.len()],
    dropped: [Counter; TRACE_LOSSES.len()],
    early: [Counter; EarlyReason::ALL.len()],
    lost: [Counter; DropReason::ALL.len()],
    unjudged: Counter,
    traces_held: Gauge,
    spans_held: Gauge,
}

impl Meters {
    pub(super) fn register() -> Self {
        let traces = |outcome, reason| {
            let labels = [(OUTCOME, outcome), (SAMPLING_REASON, reason)];
            handles::counter(&SAMPLING_TRACES, &labels)
        };
        Self {
            // All at once, so that each series exists at zero before its first increase.
            kept: KeepReason::ALL.map(|reason| traces("kept", reason.as_str())),
            dropped: TRACE_LOSSES.map(|loss| traces("dropped", loss.as_str())),
            early: EarlyReason::ALL.map(|early| {
                handles::counter(&SAMPLING_EARLY, &[(SAMPLING_REASON, early.as_str())])
            }),
            lost: DropReason::ALL.map(|loss| {
                handles::counter(&SAMPLING_SPANS_DROPPED, &[(SAMPLING_REASON, loss.as_str())])
            }),
            unjudged: handles::counter(&SAMPLING_SPANS_UNJUDGED, &[]),
            traces_held: handles::gauge(&SAMPLING_TRACES_HELD, &[]),
            spans_held: handles::gauge(&SAMPLING_SPANS_HELD, &[]),
        }
    }

    pub(super) fn count(&self, counts: &Counts) {
        let each = |counters: &[Counter], counts: &[u64]| {
            for (counter, count) in counters.iter().zip(counts) {
                counter.increment(*count);
            }
        };
        each(&self.kept, &counts.kept);
        for (counter, loss) in self.dropped.iter().zip(TRACE_LOSSES) {
            counter.increment(counts.dropped[loss as usize]);
        }
        each(&self.early, &counts.early);
        each(&self.lost, &counts.lost);
    }

    pub(super) fn leave_unjudged(&self, spans: u64) {
        self.unjudged.increment(spans);
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 are held")]
    pub(super) fn hold(&self, traces: usize, spans: usize) {
        self.traces_held.set(traces as f64);
        self.spans_held.set(spans as f64);
    }
}
