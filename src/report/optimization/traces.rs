//! Fewer traces of what went well.

use super::Optimization;
use super::changed::Changed;
use crate::telemetry::SamplingRate;

/// Keeps a tenth of the traces that neither failed nor were slow.
pub(super) struct FewerTraces {
    rate: SamplingRate,
    changed: Changed<u32>,
}

const ID: &str = "telemetry.traces_per_second";
const DIVISOR: u32 = 10;

impl FewerTraces {
    pub(super) fn new(rate: SamplingRate) -> Self {
        Self {
            rate,
            changed: Changed::new(),
        }
    }
}

impl Optimization for FewerTraces {
    fn id(&self) -> &str {
        ID
    }

    fn title(&self) -> &str {
        "Fewer traces of what went well"
    }

    fn setting(&self) -> String {
        let rate = self.rate.traces_per_second();
        format!("{rate} traces a second that neither failed nor were slow")
    }

    fn apply(&self) -> bool {
        let now = self.rate.traces_per_second();
        // Failed and slow traces have no rate: the tail sampler keeps all of them.
        self.changed
            .apply(now, now / DIVISOR, |to| self.rate.set_traces_per_second(to))
    }

    fn undo(&self) -> bool {
        self.changed.undo(self.rate.traces_per_second(), |to| {
            self.rate.set_traces_per_second(to);
        })
    }
}
