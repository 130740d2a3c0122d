//! More messages in one script.

use super::changed::Changed;
use super::{LARGER_BATCHES, Optimization, optimization_id};
use crate::ipc::WeakIpc;
use crate::report::facts::{Facts, WireFacts};

/// Sends up to four times as many messages in one script.
pub(super) struct LargerBatches {
    id: String,
    wire: String,
    ipc: WeakIpc,
    changed: Changed<usize>,
}

const FACTOR: usize = 4;
/// A script beyond it takes the page's thread for too long at once.
const BATCH_LEN_MAX: usize = 10_000;

impl LargerBatches {
    pub(super) fn new(ipc: WeakIpc, wire: &str) -> Self {
        Self {
            id: optimization_id(LARGER_BATCHES, wire),
            wire: wire.to_owned(),
            ipc,
            changed: Changed::new(),
        }
    }
}

/// Whether more messages waited at once than one script takes.
pub(in crate::report) fn is_backed_up(wire: &WireFacts) -> bool {
    // What fits into one script already gains nothing from a longer one.
    wire.metrics.peak_queue_length > wire.batch_len_max
}

impl Optimization for LargerBatches {
    fn id(&self) -> &str {
        &self.id
    }

    fn title(&self) -> &str {
        "More messages in one script to the page"
    }

    fn setting(&self) -> String {
        let now = self.ipc.upgrade().map_or(0, |ipc| ipc.batch_len_max());
        format!("{now} messages in one script of {}", self.wire)
    }

    fn evidence(&self, facts: &Facts) -> Option<String> {
        let wire = facts.wires.iter().find(|wire| wire.name == self.wire)?;
        is_backed_up(wire).then(|| {
            format!(
                "up to {} messages waited at once",
                wire.metrics.peak_queue_length
            )
        })
    }

    fn is_lossless(&self) -> bool {
        true
    }

    fn is_gone(&self) -> bool {
        self.ipc.upgrade().is_none()
    }

    fn apply(&self) -> bool {
        self.ipc.upgrade().is_some_and(|ipc| {
            let now = ipc.batch_len_max();
            // An app may have set more than our bound. That is kept and not lowered.
            let to = now.saturating_mul(FACTOR).min(BATCH_LEN_MAX.max(now));
            self.changed.apply(now, to, |to| ipc.set_batch_len_max(to))
        })
    }

    fn undo(&self) -> bool {
        self.ipc.upgrade().is_some_and(|ipc| {
            self.changed
                .undo(ipc.batch_len_max(), |to| ipc.set_batch_len_max(to))
        })
    }
}
