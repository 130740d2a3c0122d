//! The state of a wire's page, for who looks from outside.

use std::sync::Arc;

use super::wire::Inner;
use crate::instrument::page_snapshots::{HasPage, PageSnapshot};

impl HasPage for Inner {
    fn snapshot(&self) -> PageSnapshot {
        let now = self.recorder.clock.now();
        let state = self.state();
        // Read before the wake of this look, which the UI thread cannot have answered yet.
        let ui_blocked = self.waker.unanswered_since().map(|at| now.since(at));
        let mut page = self.page();
        // One lock for all, so that they belong together.
        let (heard_at, in_flight, calls) = (page.heard_at(), page.in_flight(), page.open_calls());
        let wakes = page.beat(now);
        drop(page);
        // The event loop is asked for a sign of life: the next look sees whether it gave one.
        if wakes {
            self.wake();
        }
        PageSnapshot {
            webview: Arc::clone(self.recorder.series.webview()),
            state: state.as_str(),
            silent: heard_at.map(|at| now.since(at)),
            queued: Some(self.queue.len()),
            in_flight: in_flight.messages,
            in_flight_age: in_flight.oldest.map(|at| now.since(at)),
            ui_blocked,
            calls: calls.snapshots(now),
        }
    }
}
