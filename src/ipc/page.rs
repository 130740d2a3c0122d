//! One webview's page as the host sees it: its state, its generation, its calls and its credits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::future::AbortHandle;

use super::close_notices::Byes;
use super::liveness::{Again, Liveness};
use super::outbox::{Body, Credit, Facts, Outbound, Outbox, Phase};
use super::page_state::PageState;
use super::protocol::envelope::same;
use super::protocol::limits::Limits;
use super::protocol::message::{Ack, PageTime};
use super::protocol::script::Script;
use super::spans::open::PageTrace;
use crate::clock::Stamp;
use crate::queue::Popped;
use crate::semconv::ErrorType;

/// Pages that were replaced and are remembered, so that none of them can come back.
const RETIRED_MAX: usize = 1_000;

/// The page and the wire's two sides of it. Pure: time comes in, facts go out.
#[derive(Debug)]
pub(super) struct Page {
    limits: Limits,
    phase: Phase,
    id: String,
    /// Counts the pages; what belongs to an earlier one is stale.
    generation: u64,
    retired: VecDeque<String>,
    liveness: Liveness,
    byes: Byes,
    outbox: Outbox,
    /// The highest id that the page used: ids rise, so one that does not was seen before.
    last_id: u64,
    /// Calls and events that the page sent and that did not end.
    unanswered: u32,
    /// Calls whose handler runs in the background.
    calls: HashMap<u64, AbortHandle>,
    trace: PageTrace,
}

impl Page {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Loading,
            id: String::new(),
            generation: 0,
            retired: VecDeque::new(),
            liveness: Liveness::new(limits.unresponsive_after),
            byes: Byes::default(),
            outbox: Outbox::new(limits),
            last_id: 0,
            unanswered: 0,
            calls: HashMap::new(),
            trace: PageTrace::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn state(&self, now: Stamp) -> PageState {
        match self.phase {
            Phase::Loading => PageState::Loading,
            Phase::Ready if self.liveness.is_unresponsive(now) => PageState::Unresponsive,
            Phase::Ready => PageState::Ready,
            Phase::Gone => PageState::Gone,
            Phase::Closed => PageState::Closed,
        }
    }

    /// Somebody looks: whether the event loop should be woken for it.
    pub(super) fn beat(&mut self, now: Stamp) -> bool {
        let asks = self.phase == Phase::Ready && self.liveness.beat(now);
        // Nobody waits for a closed wire any more.
        self.phase != Phase::Closed && (self.liveness.wakes(now) || asks)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// A page says that it is there: from here on it is the one that messages go to.
    pub(super) fn ready(
        &mut self,
        id: &str,
        now: Stamp,
        facts: &mut Facts,
    ) -> Result<Vec<AbortHandle>, ErrorType> {
        match self.phase {
            Phase::Closed => return Err(ErrorType::Shutdown),
            Phase::Ready if same(self.id.as_bytes(), id.as_bytes()) => {
                return Err(ErrorType::Duplicate);
            }
            _ if self.retired.iter().any(|retired| retired == id) => {
                return Err(ErrorType::StaleGeneration);
            }
            Phase::Loading | Phase::Ready | Phase::Gone => {}
        }
        let aborts = self.end_generation(Phase::Ready, facts);
        self.id = id.to_owned();
        self.liveness.ready(now);
        Ok(aborts)
    }

    /// The page went away, and `phase` is what comes now.
    pub(super) fn left(&mut self, phase: Phase, facts: &mut Facts) -> Vec<AbortHandle> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        self.end_generation(phase, facts)
    }

    /// The page of `generation` goes away, unless another took its place meanwhile.
    pub(super) fn leave(&mut self, generation: u64, facts: &mut Facts) -> Vec<AbortHandle> {
        if generation != self.generation {
            return Vec::new();
        }
        self.left(Phase::Loading, facts)
    }

    /// Nothing crosses the wire from here on.
    pub(super) fn close(&mut self, facts: &mut Facts) -> Vec<AbortHandle> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        if self.phase == Phase::Ready {
            self.byes.leave_behind(&self.id);
        }
        let aborts = self.end_generation(Phase::Closed, facts);
        self.outbox.close(facts);
        aborts
    }

    fn end_generation(&mut self, phase: Phase, facts: &mut Facts) -> Vec<AbortHandle> {
        self.outbox.end_generation(facts);
        self.liveness.gone();
        let why = match phase {
            Phase::Closed => ErrorType::Shutdown,
            Phase::Loading | Phase::Ready | Phase::Gone => ErrorType::PageGone,
        };
        let open = std::mem::take(&mut self.trace).into_open();
        facts.open.extend(open.map(|span| (span, why)));
        if !self.id.is_empty() {
            self.retired.truncate(RETIRED_MAX - 1);
            self.retired.push_front(std::mem::take(&mut self.id));
        }
        self.phase = phase;
        self.generation += 1;
        self.last_id = 0;
        self.unanswered = 0;
        // A page that is gone takes no answer, so its calls end here and not when they are done.
        self.calls.drain().map(|(_, abort)| abort).collect()
    }

    /// A page came after the wire was closed; whether it is to be told so.
    pub(super) fn came_late(&mut self, id: &str) -> bool {
        let is_late = self.phase == Phase::Closed;
        if is_late {
            self.byes.leave_behind(id);
        }
        is_late
    }

    /// A page that is not allowed says that it is there; whether a script should be sent for it.
    pub(super) fn turn_away(&mut self, id: &str) -> bool {
        self.phase != Phase::Closed && self.byes.refuse(id)
    }

    /// The `bye` that waits, whatever page is there now.
    pub(super) fn next_bye(&mut self, now: Stamp) -> Option<Script> {
        self.byes.next(now)
    }

    /// Whether `id` is the page that messages go to; the generation to answer to if so.
    pub(super) fn current(&self, id: &str) -> Option<u64> {
        // Only the page itself knows its id, so no time may tell how much of a guess is right.
        (self.phase == Phase::Ready && same(self.id.as_bytes(), id.as_bytes()))
            .then_some(self.generation)
    }

    /// The page with that id sent something.
    pub(super) fn heard(&mut self, id: &str, now: Stamp) {
        if self.current(id).is_some() {
            self.liveness.heard(now);
        }
    }

    /// The transport's own page sent something; the generation to answer to.
    pub(super) fn heard_trusted(&mut self, now: Stamp) -> u64 {
        if self.phase == Phase::Ready {
            self.liveness.heard(now);
        }
        self.generation
    }

    /// The page answers a ping; whether a script should be sent for the next.
    pub(super) fn pong(
        &mut self,
        generation: u64,
        id: u64,
        at: Option<PageTime>,
    ) -> Result<bool, ErrorType> {
        if generation != self.generation {
            return Err(ErrorType::StaleGeneration);
        }
        let asked = self.liveness.answered(id)?;
        if let Some(at) = at {
            self.trace.clock.answered(asked, at);
        }
        Ok(self.liveness.due().is_some())
    }

    /// The traces' part of that generation, unless its page is gone.
    pub(super) fn trace(&mut self, generation: u64) -> Option<&mut PageTrace> {
        (generation == self.generation).then_some(&mut self.trace)
    }

    /// Takes in a call or an event of the page with that id, for a credit.
    pub(super) fn admit(&mut self, page: &str, id: u64) -> Result<Admitted, Refused> {
        let refused = |error| Refused {
            error,
            credits_due: false,
        };
        let generation = self
            .current(page)
            .ok_or(refused(ErrorType::StaleGeneration))?;
        if self.unanswered >= self.limits.unanswered_max {
            return Err(refused(ErrorType::OverCredit));
        }
        if id <= self.last_id {
            // The page spent a credit on it, and gets it back at once.
            self.outbox.refund();
            let credits_due = self.credits_due();
            return Err(Refused {
                error: ErrorType::Duplicate,
                credits_due,
            });
        }
        self.unanswered += 1;
        self.last_id = id;
        Ok(Admitted {
            generation,
            credits_due: self.credits_due(),
        })
    }

    /// Gives the page the credit back for what ended; whether a script should be sent for it.
    pub(super) fn refund(&mut self, generation: u64) -> bool {
        if generation != self.generation || self.unanswered == 0 {
            return false;
        }
        self.unanswered -= 1;
        self.outbox.refund();
        self.credits_due()
    }

    fn credits_due(&mut self) -> bool {
        let free = self.limits.unanswered_max - self.unanswered;
        self.outbox.credits_due(free)
    }

    /// A call's handler goes on in the background.
    pub(super) fn open_call(
        &mut self,
        generation: u64,
        id: u64,
        abort: AbortHandle,
    ) -> Result<(), ErrorType> {
        if generation != self.generation {
            return Err(ErrorType::StaleGeneration);
        }
        if self.calls.contains_key(&id) {
            return Err(ErrorType::Duplicate);
        }
        self.calls.insert(id, abort);
        Ok(())
    }

    /// The call ended: whether its page still waits for the answer.
    pub(super) fn close_call(&mut self, generation: u64, id: u64) -> bool {
        generation == self.generation && self.calls.remove(&id).is_some()
    }

    /// The page withdraws a call. One that is not in the background has been answered already.
    pub(super) fn cancel(&mut self, generation: u64, id: u64) -> Option<AbortHandle> {
        if generation != self.generation {
            return None;
        }
        let abort = self.calls.remove(&id);
        if abort.is_none() && id <= self.last_id {
            // Each such call has a credit until its reply ends, so there are no more of them.
            self.trace
                .call_withdrawn(id, self.limits.unanswered_max as usize);
        }
        abort
    }

    /// Keeps room for a reply; false when it has to become a refusal of the size `instead`.
    pub(super) fn reserve_reply(&mut self, generation: u64, bytes: usize, instead: usize) -> bool {
        // Without its page it is not kept: see `reply`.
        let kept = generation == self.generation && self.phase == Phase::Ready;
        !kept || self.outbox.reserve_reply(bytes, instead)
    }

    /// Sends a reply that room was kept for; it comes back when its page is gone.
    pub(super) fn reply(
        &mut self,
        generation: u64,
        reply: Outbound,
    ) -> Result<(), (Outbound, ErrorType)> {
        if generation != self.generation || self.phase != Phase::Ready {
            return Err((reply, ErrorType::PageGone));
        }
        self.outbox.reply(reply)
    }

    pub(super) fn next_script(
        &mut self,
        now: Stamp,
        waited_for_ui: Duration,
        pop: &mut dyn FnMut() -> Option<Popped<Outbound>>,
        facts: &mut Facts,
    ) -> Option<Script> {
        self.outbox.waited_for_ui(waited_for_ui);
        if let Some(bye) = self.byes.next(now) {
            return Some(bye);
        }
        if self.phase != Phase::Ready {
            return None;
        }
        let ping = self.liveness.due();
        let script = self
            .outbox
            .next_script(&self.id, self.generation, now, ping, pop, facts)?;
        if script.is_answered() {
            self.liveness.sent(script.ping, now);
        }
        Some(script)
    }

    /// Whether there is something to send again.
    pub(super) fn evaluation_failed(&mut self, script: &Script, facts: &mut Facts) -> bool {
        if script.generation != self.generation {
            // Its messages ended, or were staged again, with their page.
            return false;
        }
        let before = facts.ended.len();
        let again = self.outbox.evaluation_failed(script, facts);
        let when = if self.outbox.takes_scripts() {
            Again::Now
        } else {
            Again::WithTheNextBeat
        };
        let asks = self.liveness.not_taken(script.ping, script.at, when);
        self.settle_replies(before, facts) || again || asks
    }

    /// Whether a script should be sent for the credits that came back.
    pub(super) fn acknowledged(
        &mut self,
        generation: u64,
        mut ack: Ack,
        now: Stamp,
        facts: &mut Facts,
    ) -> bool {
        if generation != self.generation {
            return false;
        }
        // Looked up for each message in flight, and a hostile page names a great many.
        ack.failed.sort_unstable();
        let before = facts.ended.len();
        for &(first, last) in &ack.ids {
            self.outbox.acknowledged(first, last, &ack.failed, facts);
        }
        let due = self.settle_replies(before, facts);
        let ended = facts.ended.get_mut(before..).unwrap_or_default();
        facts.transit = self.trace.ran(ended, &mut ack, now);
        due
    }

    /// A call's credit comes back with the end of its reply, so that a page which never
    /// acknowledges cannot make the host keep replies without end.
    fn settle_replies(&mut self, from: usize, facts: &mut Facts) -> bool {
        let mut due = false;
        for ended in facts.ended.iter_mut().skip(from) {
            if let Body::Reply {
                call,
                credit: Credit::Spent,
                ..
            } = ended.message.body
            {
                ended.call = self.trace.call_ended(call);
                ended.is_ignored = self.trace.was_withdrawn(call);
                due |= self.refund(self.generation);
            }
        }
        due
    }
}

/// A message of the page was taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    /// The page to answer to.
    pub(super) generation: u64,
    /// Whether a script should be sent for the credits that came back before.
    pub(super) credits_due: bool,
}

/// A message of the page was not taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) error: ErrorType,
    /// Whether a script should be sent for the credit that it gave back.
    pub(super) credits_due: bool,
}
