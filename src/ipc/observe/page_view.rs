//! What an observer knows of its page: its state, and its clock.

use std::time::Duration;

use crate::clock::Stamp;
use crate::ipc::page_clock::PageClock;
use crate::ipc::page_life::{PageLife, PageVitals};
use crate::ipc::page_load::PageLoad;
use crate::ipc::page_state::PageState;
use crate::ipc::protocol::inbound_message::PageTime;
use crate::ipc::spans::page::{Arrival, MessageStart};

/// When the page made a message and when it posted it: `performance.now()` of the document, in
/// milliseconds.
///
/// The observer learns the page's clock from them; no two clocks need to agree. A time that is
/// negative, not finite or beyond what a page's clock can say is ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageTimes {
    /// When the page's code called.
    pub began: f64,
    /// When the message left the page.
    pub posted: f64,
}

#[derive(Debug)]
pub(super) struct PageView {
    state: PageState,
    /// What the next page counts as.
    next_load: PageLoad,
    clock: PageClock,
    life: PageLife,
}

/// Where a message began on its page.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) message: MessageStart,
    pub(super) arrival: Arrival,
    pub(super) transit: Option<Duration>,
}

impl PageView {
    pub(super) fn new() -> Self {
        Self {
            state: PageState::Loading,
            next_load: PageLoad::First,
            clock: PageClock::default(),
            life: PageLife::default(),
        }
    }

    pub(super) fn state(&self) -> PageState {
        self.state
    }

    /// A page that was not there before is there, and is to be counted.
    pub(super) fn set_state(&mut self, state: PageState, now: Stamp) -> Option<PageLoad> {
        if !is_there(state) {
            // Each document has a clock of its own.
            self.clock = PageClock::default();
            self.life = PageLife::default();
        }
        let before = std::mem::replace(&mut self.state, state);
        (is_there(state) && !is_there(before)).then(|| {
            self.life = PageLife::began(now, false);
            let load = self.next_load.take();
            load.because(before == PageState::Gone, None)
        })
    }

    /// Whether the page can be seen.
    pub(super) fn set_visible(&mut self, is_visible: bool) {
        self.life.set_visible(is_visible);
    }

    /// Whether what was sent `at` that time was sent before the page was there.
    pub(super) fn is_startup(&self, at: Stamp) -> bool {
        self.life.loaded_at().is_some_and(|loaded| at < loaded)
    }

    pub(super) fn vitals(&self, now: Stamp) -> PageVitals {
        self.life.vitals(now)
    }

    /// A message came now that the page stamped.
    pub(super) fn posted(&mut self, times: PageTimes, now: Stamp) -> Option<Start> {
        let began = PageTime::from_ms(times.began)?;
        let sent = PageTime::from_ms(times.posted)?;
        self.clock.heard(sent, now);
        Some(Start {
            message: MessageStart {
                parent: None,
                began: self.clock.to_host(began, now),
                posted: self.clock.to_host(sent, now),
            },
            arrival: Arrival {
                sent: Some(sent),
                received: now,
                posted: 1,
            },
            transit: self.clock.transit(sent, now),
        })
    }

    /// What was sent at `dispatched` ran on the page from `begin` to `end`; in host time.
    pub(super) fn ran(
        &mut self,
        dispatched: Stamp,
        begin: f64,
        end: f64,
        now: Stamp,
    ) -> Option<(Stamp, Stamp)> {
        let begin = PageTime::from_ms(begin)?;
        let end = PageTime::from_ms(end)?;
        self.clock.ran(dispatched, begin);
        let begin = self.clock.to_host(begin, now)?.max(dispatched).min(now);
        let end = self.clock.to_host(end, now)?.max(begin).min(now);
        Some((begin, end))
    }
}

fn is_there(state: PageState) -> bool {
    match state {
        PageState::Ready | PageState::Unresponsive => true,
        PageState::Loading | PageState::Gone | PageState::Closed => false,
    }
}
