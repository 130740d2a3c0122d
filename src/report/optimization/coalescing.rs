//! The latest of a chatty event only.

use super::{COALESCE, Optimization, optimization_id};
use crate::ipc::WeakIpc;
use crate::report::facts::{Facts, WireFacts};

/// Sends of one event only the latest that waits.
pub(super) struct Coalescing {
    id: String,
    title: String,
    wire: String,
    event: String,
    ipc: WeakIpc,
}

/// So many of an event are a flood.
const EVENTS_MIN: u64 = 1_000;

impl Coalescing {
    pub(super) fn new(ipc: WeakIpc, wire: &str, event: &str) -> Self {
        Self {
            id: optimization_id(COALESCE, &format!("{wire}/{event}")),
            title: format!("Only the latest {event} that waits"),
            wire: wire.to_owned(),
            event: event.to_owned(),
            ipc,
        }
    }
}

/// The event that more than half of a wire's events are, if they are many, and what says so.
pub(in crate::report) fn chatty_event(wire: &WireFacts) -> Option<(&str, String)> {
    let all: u64 = wire.emitted.iter().map(|(_, count)| count).sum();
    let (event, count) = wire.emitted.first()?;
    // More than half of all: to coalesce one of many would hardly change the load.
    (*count >= EVENTS_MIN && count * 2 > all).then(|| {
        let evidence = format!("of {all} events to {} {count} were {event}", wire.name);
        (event.as_str(), evidence)
    })
}

impl Optimization for Coalescing {
    fn id(&self) -> &str {
        &self.id
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn setting(&self) -> String {
        let ipc = self.ipc.upgrade();
        match ipc.is_some_and(|ipc| ipc.is_coalesced(&self.event)) {
            true => format!("the latest {} that waits is sent", self.event),
            false => format!("each {} is sent", self.event),
        }
    }

    fn evidence(&self, facts: &Facts) -> Option<String> {
        let wire = facts.wires.iter().find(|wire| wire.name == self.wire)?;
        let (event, evidence) = chatty_event(wire)?;
        (event == self.event).then_some(evidence)
    }

    // `is_lossless` keeps its default, which is no: the page does not get each value.
    fn is_gone(&self) -> bool {
        self.ipc.upgrade().is_none()
    }

    fn apply(&self) -> bool {
        let ipc = self.ipc.upgrade();
        ipc.is_some_and(|ipc| ipc.set_coalesced(&self.event, true))
    }

    fn undo(&self) -> bool {
        let ipc = self.ipc.upgrade();
        ipc.is_some_and(|ipc| ipc.set_coalesced(&self.event, false))
    }
}
