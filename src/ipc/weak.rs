//! What watches a wire without keeping it.

use std::sync::Weak;

use super::wire::{Inner, Ipc};

/// A wire that is not kept alive.
#[derive(Clone)]
pub(crate) struct WeakIpc(Weak<Inner>);

impl WeakIpc {
    pub(crate) fn of(ipc: &Ipc) -> Self {
        Self(std::sync::Arc::downgrade(&ipc.0))
    }

    pub(crate) fn upgrade(&self) -> Option<Ipc> {
        self.0.upgrade().map(Ipc)
    }
}

impl Ipc {
    /// The events that were emitted, with how often; the most frequent first.
    pub(crate) fn emitted_events(&self) -> Vec<(String, u64)> {
        let mut events = Vec::new();
        self.0.recorder.series.for_each_event(|event| {
            let emitted = event.sending().emitted();
            if emitted > 0 {
                events.push((event.label().to_string(), emitted));
            }
        });
        events.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        events
    }

    /// The web vitals that the page told last, in seconds.
    pub(crate) fn last_vitals(&self) -> Vec<(&'static str, f64)> {
        self.0.recorder.series.last_vitals().seconds()
    }

    /// How many messages may wait for the page, and how many do.
    pub(crate) fn queue_capacity_and_len(&self) -> (usize, usize) {
        (self.0.queue.capacity(), self.0.queue.len())
    }
}
