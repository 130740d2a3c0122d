//! What an observer knows of its page: its state, its clock, and what waits for its word.

use std::collections::VecDeque;
use std::time::Duration;

use super::awaited::{Awaited, Left};
use crate::clock::Stamp;
use crate::ipc::delivery::PageExecution;
use crate::ipc::page_clock::PageClock;
use crate::ipc::page_life::{PageLife, PageVitals};
use crate::ipc::page_load::PageLoad;
use crate::ipc::page_state::PageState;
use crate::ipc::protocol::envelope::constant_time_eq;
use crate::ipc::protocol::inbound_message::PageTime;
use crate::ipc::spans::open::OpenSpans;
use crate::ipc::spans::page::{Arrival, MessageStart};
use crate::semconv::ErrorType;

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

/// Pages that were replaced and are remembered, so that none of them can come back.
const RETIRED_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct PageView {
    state: PageState,
    /// What the next page counts as.
    next_load: PageLoad,
    pub(super) clock: PageClock,
    life: PageLife,
    /// What the page with a script calls itself; empty before it said so.
    id: String,
    retired: VecDeque<String>,
    /// Counts the pages: what is of an earlier one waits for nothing.
    generation: u64,
    pub(super) spans: OpenSpans,
    pub(super) awaited: Awaited,
    /// The last number that a message to the page got. It is never used again.
    last_number: u64,
}

/// A page came or went: how the page that is there counts, and what the one before had open.
#[derive(Debug, Default)]
pub(super) struct PageChange {
    pub(super) load: Option<PageLoad>,
    pub(super) left: Left,
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
            id: String::new(),
            retired: VecDeque::new(),
            generation: 0,
            spans: OpenSpans::default(),
            awaited: Awaited::default(),
            last_number: 0,
        }
    }

    pub(super) fn state(&self) -> PageState {
        self.state
    }

    /// The message layer says what state the page is in.
    pub(super) fn set_state(&mut self, state: PageState, now: Stamp) -> PageChange {
        let mut change = PageChange::default();
        if !is_there(state) {
            change.left = self.end_generation();
            // A page that is gone has no age and is not visible.
            self.life = PageLife::default();
        }
        let before = std::mem::replace(&mut self.state, state);
        if is_there(state) && !is_there(before) {
            // The view takes the page for loaded: the message layer does not say when the
            // document's scripts have run.
            self.life = PageLife::began(now, false);
            let load = self.next_load.take();
            change.load = Some(load.because(before == PageState::Gone, None));
        }
        change
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

    /// A report of the page with that id begins; one that says `ready` is of a page that is there.
    ///
    /// # Errors
    ///
    /// [`ErrorType::StaleGeneration`]: another page took its place, or it never said that it is there.
    pub(super) fn report_began(
        &mut self,
        id: &str,
        is_ready: bool,
        now: Stamp,
    ) -> Result<PageChange, ErrorType> {
        // Only the page itself knows its id, so no time may tell how much of a guess is right.
        if !self.id.is_empty() && constant_time_eq(self.id.as_bytes(), id.as_bytes()) {
            return Ok(PageChange::default());
        }
        // Only `ready` may begin a page, and no page begins twice.
        if !is_ready || self.retired.iter().any(|retired| retired == id) {
            return Err(ErrorType::StaleGeneration);
        }
        let mut change = PageChange::default();
        if !self.id.is_empty() {
            self.retire();
            // The message layer may have seen this page come: then what is open is this one's.
            if is_there(self.state) {
                change.left = self.end_generation();
                // So that `set_state` below sees a page come, and counts its load.
                self.state = PageState::Loading;
            }
        }
        self.clock = PageClock::default();
        self.id = id.to_owned();
        change.load = self.set_state(PageState::Ready, now).load;
        Ok(change)
    }

    /// The page says that it goes away.
    pub(super) fn page_left(&mut self, now: Stamp) -> PageChange {
        self.retire();
        self.set_state(PageState::Loading, now)
    }

    fn retire(&mut self) {
        self.retired.truncate(RETIRED_MAX - 1);
        self.retired.push_front(std::mem::take(&mut self.id));
    }

    /// Nothing that is open has a page any more.
    pub(super) fn end_generation(&mut self) -> Left {
        // Each document has a clock of its own.
        self.clock = PageClock::default();
        self.generation += 1;
        let mut left = self.awaited.take();
        let open = std::mem::take(&mut self.spans).into_open();
        left.spans.extend(open.map(|span| *span));
        left
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// What waits for the page of that generation's word, unless that page is gone.
    pub(super) fn awaited_of(&mut self, generation: u64) -> Option<&mut Awaited> {
        (generation == self.generation).then_some(&mut self.awaited)
    }

    /// A number for a message to the page, and the page that may acknowledge it: none without a
    /// script, or when too many messages wait for that.
    pub(super) fn number(&mut self, has_script: bool) -> (u64, Option<u64>) {
        self.last_number += 1;
        // The number is given out in any case, so that the message layer need not care.
        let waits = has_script && self.awaited.number(self.last_number);
        (self.last_number, waits.then_some(self.generation))
    }

    /// A message came now that the page stamped, made within its own `span`.
    pub(super) fn posted(
        &mut self,
        times: PageTimes,
        span: Option<u64>,
        now: Stamp,
    ) -> Option<Start> {
        let began = PageTime::from_ms(times.began)?;
        let sent = PageTime::from_ms(times.posted)?;
        // This call comes first, so that a page's first message already bounds its clock.
        self.clock.heard(sent, now);
        Some(Start {
            message: MessageStart {
                parent: span.and_then(|span| self.spans.parent(span)).cloned(),
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
    ) -> Option<PageExecution> {
        let begin = PageTime::from_ms(begin)?;
        let end = PageTime::from_ms(end)?;
        self.clock.ran(dispatched, begin);
        let (begin, end) = (
            self.clock.to_host(begin, now)?,
            self.clock.to_host(end, now)?,
        );
        Some(PageExecution::clamped(begin, end, dispatched, now))
    }
}

fn is_there(state: PageState) -> bool {
    match state {
        PageState::Ready | PageState::Unresponsive => true,
        PageState::Loading | PageState::Gone | PageState::Closed => false,
    }
}
