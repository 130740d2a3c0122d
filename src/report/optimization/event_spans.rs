//! Spans for fewer events.

use super::changed::Changed;
use super::{EVENT_SPANS, Optimization, optimization_id};
use crate::ipc::WeakIpc;
use crate::report::facts::{Facts, WireFacts};

/// Gives a tenth of the events spans that may have them now.
pub(super) struct FewerEventSpans {
    id: String,
    wire: String,
    ipc: WeakIpc,
    changed: Changed<u32>,
}

const DIVISOR: u32 = 10;

impl FewerEventSpans {
    pub(super) fn new(ipc: WeakIpc, wire: &str) -> Self {
        Self {
            id: optimization_id(EVENT_SPANS, wire),
            wire: wire.to_owned(),
            ipc,
            changed: Changed::new(),
        }
    }
}

/// What says that a wire has more messages than may have spans, if it has.
pub(in crate::report) fn has_many_events(wire: &WireFacts) -> Option<String> {
    let rate = wire.messages_per_second()?;
    let max = wire.event_spans_per_second_max;
    // At 0 no event has a span already.
    (max > 0 && rate > f64::from(max)).then(|| {
        let name = &wire.name;
        format!("{rate:.0} messages a second cross {name}, of which {max} events may have spans")
    })
}

impl Optimization for FewerEventSpans {
    fn id(&self) -> &str {
        &self.id
    }

    fn title(&self) -> &str {
        "Spans for fewer events"
    }

    fn setting(&self) -> String {
        let ipc = self.ipc.upgrade();
        let now = ipc.map_or(0, |ipc| ipc.event_spans_per_second_max());
        format!("spans for {now} events a second of {}", self.wire)
    }

    fn evidence(&self, facts: &Facts) -> Option<String> {
        let wire = facts.wires.iter().find(|wire| wire.name == self.wire)?;
        has_many_events(wire)
    }

    fn is_gone(&self) -> bool {
        self.ipc.upgrade().is_none()
    }

    fn apply(&self) -> bool {
        self.ipc.upgrade().is_some_and(|ipc| {
            let now = ipc.event_spans_per_second_max();
            // Fewer spans are lost information, so a snapshot does not apply this by itself.
            self.changed.apply(now, now / DIVISOR, |to| {
                ipc.set_event_spans_per_second_max(to);
            })
        })
    }

    fn undo(&self) -> bool {
        self.ipc.upgrade().is_some_and(|ipc| {
            self.changed.undo(ipc.event_spans_per_second_max(), |to| {
                ipc.set_event_spans_per_second_max(to);
            })
        })
    }
}
