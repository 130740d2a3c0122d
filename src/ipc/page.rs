//! One webview's page as the host sees it: its state, its generation, its calls and its credits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::AbortHandle;

use super::acknowledgement::set_executions;
use super::call_series::OpenCalls;
use super::caller::CallKey;
use super::close_notices::CloseNotices;
use super::handler_slot::HandlerSlot;
use super::liveness::{AskAgain, Liveness};
use super::open_call::OpenCall;
use super::outbound::{Effects, Outbound};
use super::outbox::{Outbox, RefusedReply, ReplyBound};
use super::page_clock::PageClock;
use super::page_life::{PageLife, PageVitals, Startup};
use super::page_load::PageLoad;
use super::page_state::{PagePhase, PageState};
use super::protocol::envelope::constant_time_eq;
use super::protocol::inbound_message::{Ack, PageTime, PostedMessage, Ready, SpanStart};
use super::protocol::limits::Limits;
use super::protocol::script::Script;
use super::series::InFlight;
use super::spans::open::OpenSpans;
use super::spans::page::{Arrival, MessageStart};
use super::spans::timed::{ParentSpan, TimedSpan};
use super::withdrawal::Withdrawal;
use crate::clock::Stamp;
use crate::queue::Popped;
use crate::semconv::ErrorType;

/// Pages that were replaced and are remembered, so that none of them can come back.
// An id has 32 bytes at most, so a page that reloads without end cannot grow the host by more than
// some tens of kilobytes.
const RETIRED_MAX: usize = 1_000;

/// The page and the wire's two sides of it. Pure: time comes in, effects go out.
#[derive(Debug)]
pub(super) struct Page {
    limits: Limits,
    phase: PagePhase,
    /// What the next page counts as.
    next_load: PageLoad,
    id: String,
    /// Counts the pages; what belongs to an earlier one is stale.
    generation: u64,
    retired: VecDeque<String>,
    liveness: Liveness,
    life: PageLife,
    close_notices: CloseNotices,
    outbox: Outbox,
    /// The highest id that the page used: ids rise, so one that does not was seen before.
    last_id: u64,
    /// Calls and events that the page sent and that did not end.
    unanswered: u32,
    /// Calls whose handler runs in the background.
    // The window bounds them; those of a transport without one,
    // `Inner::has_too_many_held_messages`.
    calls: HashMap<CallKey, HeldCall>,
    clock: PageClock,
    spans: OpenSpans,
}

impl Page {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: PagePhase::Loading,
            next_load: PageLoad::First,
            id: String::new(),
            generation: 0,
            retired: VecDeque::new(),
            liveness: Liveness::new(limits.unresponsive_after),
            life: PageLife::default(),
            close_notices: CloseNotices::default(),
            outbox: Outbox::new(limits),
            last_id: 0,
            unanswered: 0,
            calls: HashMap::new(),
            clock: PageClock::default(),
            spans: OpenSpans::default(),
        }
    }

    pub(super) fn batch_len_max(&self) -> usize {
        self.outbox.batch_len_max()
    }

    pub(super) fn set_batch_len_max(&mut self, messages: usize) {
        self.outbox.set_batch_len_max(messages);
    }

    pub(super) fn phase(&self) -> PagePhase {
        self.phase
    }

    pub(super) fn state(&self, now: Stamp) -> PageState {
        match self.phase {
            PagePhase::Loading => PageState::Loading,
            PagePhase::Ready if self.liveness.is_unresponsive(now) => PageState::Unresponsive,
            PagePhase::Ready => PageState::Ready,
            PagePhase::Gone => PageState::Gone,
            PagePhase::Closed => PageState::Closed,
        }
    }

    /// The wire's state is read for a scrape, an export or the history; whether the event loop should
    /// be woken for it.
    pub(super) fn beat(&mut self, now: Stamp) -> bool {
        // Not behind the `||` below: `Liveness::beat` has to run whenever a page is there.
        let asks = self.phase == PagePhase::Ready && self.liveness.beat(now);
        // A closed wire has nothing to ask of the event loop.
        self.phase != PagePhase::Closed && (self.liveness.wakes(now) || asks)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// A page says that it is there: from here on it is the one that messages go to.
    pub(super) fn ready(
        &mut self,
        id: &str,
        ready: Ready,
        now: Stamp,
        effects: &mut Effects,
    ) -> Result<(PageLoad, Vec<AbortHandle>), ErrorType> {
        match self.phase {
            PagePhase::Closed => return Err(ErrorType::Shutdown),
            PagePhase::Ready if constant_time_eq(self.id.as_bytes(), id.as_bytes()) => {
                return Err(ErrorType::Duplicate);
            }
            // A retired id opens nothing, so this comparison needs no constant time.
            _ if self.retired.iter().any(|retired| retired == id) => {
                return Err(ErrorType::StaleGeneration);
            }
            PagePhase::Loading | PagePhase::Ready | PagePhase::Gone => {}
        }
        // The phase is read before `end_generation`, which sets it.
        let was_gone = self.phase == PagePhase::Gone;
        let aborts = self.end_generation(PagePhase::Ready, effects);
        self.id = id.to_owned();
        self.liveness.ready(now);
        self.life = PageLife::began(now, ready.loading);
        let load = self.next_load.take().because(was_gone, ready.navigation);
        Ok((load, aborts))
    }

    /// The page went away, and `phase` is what comes now.
    pub(super) fn left(&mut self, phase: PagePhase, effects: &mut Effects) -> Vec<AbortHandle> {
        if self.phase == PagePhase::Closed {
            return Vec::new();
        }
        self.end_generation(phase, effects)
    }

    /// Nothing crosses the wire from here on.
    pub(super) fn close(&mut self, effects: &mut Effects) -> Vec<AbortHandle> {
        if self.phase == PagePhase::Closed {
            return Vec::new();
        }
        if self.phase == PagePhase::Ready {
            // The notice precedes `end_generation`, which takes the id away.
            self.close_notices.notify_closed(&self.id);
        }
        let aborts = self.end_generation(PagePhase::Closed, effects);
        self.outbox.close(effects);
        aborts
    }

    fn end_generation(&mut self, phase: PagePhase, effects: &mut Effects) -> Vec<AbortHandle> {
        // The phase is set first, since `why_gone` reads it.
        self.phase = phase;
        let why = self.why_gone();
        let before = effects.ended.len();
        self.outbox.end_generation(why, effects);
        for ended in effects.ended.iter_mut().skip(before) {
            if let Some(call) = ended.message.call_of_page() {
                // The page gave this call up before it went: the call ends as withdrawn, not as
                // `page_gone`.
                ended.withdrawal = self.spans.take_withdrawn(call);
            }
        }
        self.liveness.gone();
        self.life = PageLife::default();
        let open = std::mem::take(&mut self.spans).into_open();
        effects.open_spans.extend(open.map(|span| (span, why)));
        // `performance.now()` begins anew with each document.
        self.clock = PageClock::default();
        if !self.id.is_empty() {
            self.retired.truncate(RETIRED_MAX - 1);
            self.retired.push_front(std::mem::take(&mut self.id));
        }
        self.generation += 1;
        // The next generation's page script begins with id 1 and all credits.
        self.last_id = 0;
        self.unanswered = 0;
        // A page that is gone takes no reply, so its calls end here and not when they are done.
        let calls = self.calls.drain().map(|(_, held)| {
            effects.open_calls.push((held.call, why));
            held.abort
        });
        calls.collect()
    }

    /// Why a page that is not there any more takes nothing.
    pub(super) fn why_gone(&self) -> ErrorType {
        match self.phase {
            PagePhase::Closed => ErrorType::Shutdown,
            PagePhase::Loading | PagePhase::Ready | PagePhase::Gone => ErrorType::PageGone,
        }
    }

    /// A page came that is not taken; whether it gets a notice, since the wire was closed before.
    pub(super) fn page_after_close(&mut self, id: &str) -> bool {
        let is_closed = self.phase == PagePhase::Closed;
        if is_closed {
            self.close_notices.notify_closed(id);
        }
        is_closed
    }

    /// A page that is not allowed says that it is there; whether it gets a notice.
    pub(super) fn reject_page(&mut self, id: &str) -> bool {
        self.phase != PagePhase::Closed && self.close_notices.reject(id)
    }

    /// The close notice that waits, whatever page is there now.
    pub(super) fn next_close_script(&mut self, now: Stamp) -> Option<Script> {
        self.close_notices.next_script(now)
    }

    /// Whether `id` is the page that messages go to; the generation to answer to if so.
    pub(super) fn current(&self, id: &str) -> Option<u64> {
        // Only the page itself knows its id, so no time may tell how much of a guess is right.
        (self.phase == PagePhase::Ready && constant_time_eq(self.id.as_bytes(), id.as_bytes()))
            .then_some(self.generation)
    }

    /// A batch of the page with that id came: a sign of life. Returns how long it was on its way, once
    /// both clocks are known.
    pub(super) fn batch_arrived(&mut self, id: &str, arrival: Arrival) -> Option<Duration> {
        // The id is checked first: a message of a replaced page is no sign of life of the current
        // page.
        self.current(id)?;
        self.liveness.heard(arrival.received);
        let sent = arrival.sent?;
        self.clock.heard(sent, arrival.received);
        self.clock.transit(sent, arrival.received)
    }

    /// The transport's own page sent something; the generation to answer to.
    pub(super) fn heard_trusted(&mut self, now: Stamp) -> u64 {
        if self.phase == PagePhase::Ready {
            self.liveness.heard(now);
        }
        self.generation
    }

    /// The current page answers a ping; whether a script should be sent for the next.
    pub(super) fn pong(&mut self, id: u64, at: Option<PageTime>) -> Result<bool, ErrorType> {
        let asked = self.liveness.answered(id)?;
        if let Some(at) = at {
            self.clock.answered(asked, at);
        }
        Ok(self.liveness.due().is_some())
    }

    /// The host time of the page's `at`, while anything is known of its clock.
    pub(super) fn to_host(&self, at: PageTime, now: Stamp) -> Option<Stamp> {
        self.clock.to_host(at, now)
    }

    /// The open spans of that generation, unless its page is gone.
    pub(super) fn spans(&mut self, generation: u64) -> Option<&mut OpenSpans> {
        (generation == self.generation).then_some(&mut self.spans)
    }

    /// Takes in a call or an event of the page with that id, for a credit.
    pub(super) fn admit(
        &mut self,
        page: &str,
        posted: &PostedMessage<'_>,
        arrival: Arrival,
    ) -> Result<Admitted, Refused> {
        let refused = |error| Refused {
            error,
            credits_due: false,
        };
        let generation = self
            .current(page)
            .ok_or(refused(ErrorType::StaleGeneration))?;
        // Unlike a duplicate this gives no credit back: the page had none to spend.
        if self.unanswered >= self.limits.unanswered_max {
            return Err(refused(ErrorType::OverCredit));
        }
        if posted.id <= self.last_id {
            // The page spent a credit on it, and gets it back at once.
            self.outbox.refund();
            let credits_due = self.credits_due();
            return Err(Refused {
                error: ErrorType::Duplicate,
                credits_due,
            });
        }
        self.unanswered += 1;
        self.life.acted();
        self.last_id = posted.id;
        Ok(Admitted {
            generation,
            credits_due: self.credits_due(),
            start: self.message_start(posted, arrival),
        })
    }

    /// Where a message began on the page; `None` when the page does not say so.
    fn message_start(&self, posted: &PostedMessage<'_>, arrival: Arrival) -> Option<MessageStart> {
        if posted.at.is_none() && posted.span.is_none() {
            return None;
        }
        let host = |time| self.clock.to_host(time, arrival.received);
        Some(MessageStart {
            parent: posted
                .span
                .and_then(|span| self.spans.parent(span))
                .cloned(),
            began: posted.at.and_then(host),
            posted: arrival.sent.and_then(host),
        })
    }

    /// The current page opens a span of its own: its parent, and when it began.
    pub(super) fn reserve_span(
        &mut self,
        open: &SpanStart<'_>,
        received: Stamp,
    ) -> Result<(Option<ParentSpan>, Option<Stamp>), ErrorType> {
        self.life.acted();
        self.spans.reserve_at(open, &self.clock, received)
    }

    /// The current page closes a span of its own: what is to be ended, and when it did.
    pub(super) fn close_span(
        &mut self,
        id: u64,
        at: Option<PageTime>,
        now: Stamp,
    ) -> Result<Option<(Box<TimedSpan>, Stamp)>, ErrorType> {
        self.spans.close_at(id, at, &self.clock, now)
    }

    /// Gives the page the credit back for what ended; whether a script should be sent for it.
    pub(super) fn refund(&mut self, generation: u64) -> bool {
        // The window of an earlier page went with it.
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

    /// A call's async handler runs.
    pub(super) fn open_call(
        &mut self,
        generation: u64,
        call: CallKey,
        held: HeldCall,
    ) -> Result<(), ErrorType> {
        if generation != self.generation {
            return Err(ErrorType::StaleGeneration);
        }
        // Ids of the page's own script rise. Those of `handle_message` are the transport's, which
        // may repeat one.
        if self.calls.contains_key(&call) {
            return Err(ErrorType::Duplicate);
        }
        self.calls.insert(call, held);
        Ok(())
    }

    /// The call ended: whether its page still waits for the answer.
    pub(super) fn close_call(&mut self, generation: u64, call: CallKey) -> bool {
        generation == self.generation && self.calls.remove(&call).is_some()
    }

    /// The current page withdraws a call of its own. One without a handler in the background has its
    /// reply already, or gets it.
    pub(super) fn withdraw(
        &mut self,
        id: u64,
        at: Option<PageTime>,
        error: ErrorType,
        now: Stamp,
    ) -> Withdrawn {
        let at = at.and_then(|at| self.clock.to_host(at, now)).unwrap_or(now);
        let span = self.spans.take_call(id);
        let held = self.calls.remove(&CallKey::OfPage(id));
        // Not for an id that was never used: nothing would ever take its entry out again, and the
        // entries have a bound.
        if held.is_none() && id <= self.last_id {
            // Each such call has a credit until its reply ends, so there are no more of them.
            let max = self.limits.unanswered_max as usize;
            self.spans.mark_withdrawn(id, Withdrawal { at, error }, max);
        }
        Withdrawn { span, at, held }
    }

    /// The page's own script did something beside calls and events.
    pub(super) fn acted(&mut self) {
        self.life.acted();
    }

    /// The page has the page script, which says so when something listens and when it is hidden.
    pub(super) fn listens_to_nothing(&mut self) {
        self.life.told(false, true);
    }

    /// The page says whether anything listens, whether it can be seen and whether it is being loaded.
    pub(super) fn told(&mut self, listens: bool, is_visible: bool, is_loading: bool, now: Stamp) {
        self.life.told(listens, is_visible);
        if !is_loading {
            self.life.loaded(now);
        }
    }

    /// What of the page is its start.
    pub(super) fn startup(&self) -> Startup {
        self.life.startup()
    }

    /// When it was heard last; `None` while there is none.
    pub(super) fn heard_at(&self) -> Option<Stamp> {
        self.liveness.heard_at()
    }

    /// What is known of the page that is there.
    pub(super) fn vitals(&self, now: Stamp) -> PageVitals {
        self.life.vitals(now)
    }

    /// What was handed to the page and not acknowledged.
    pub(super) fn in_flight(&self) -> InFlight {
        self.outbox.in_flight()
    }

    /// The calls that are not settled: those whose handler runs in the background, and those whose
    /// reply is on its way.
    pub(super) fn open_calls(&self) -> OpenCalls {
        let mut open = OpenCalls::default();
        for HeldCall { call, .. } in self.calls.values() {
            call.add_to(&mut open);
        }
        self.outbox.add_open_calls(&mut open);
        open
    }

    /// Sends a reply; it comes back when its page is gone or it does not fit.
    pub(super) fn reply(
        &mut self,
        generation: u64,
        reply: Outbound,
        bound: ReplyBound,
    ) -> Result<(), RefusedReply> {
        // The phase is asked, too: before the first page the generation is 0, and a transport's
        // call of that time has no page to reply to.
        if generation != self.generation || self.phase != PagePhase::Ready {
            return Err(RefusedReply::Ended(Box::new(reply), self.why_gone()));
        }
        self.outbox.reply(reply, bound)
    }

    pub(super) fn next_script(
        &mut self,
        now: Stamp,
        main_thread_delay: Duration,
        pop: &mut dyn FnMut() -> Option<Popped<Outbound>>,
        effects: &mut Effects,
    ) -> Option<Script> {
        self.outbox.set_main_thread_delay(main_thread_delay);
        // Ahead of the phase: a page that is rejected or whose wire is closed gets its notice in
        // any phase.
        if let Some(notice) = self.close_notices.next_script(now) {
            return Some(notice);
        }
        if self.phase != PagePhase::Ready {
            return None;
        }
        let ping = self.liveness.due();
        let script = self
            .outbox
            .next_script(&self.id, self.generation, now, ping, pop, effects)?;
        // The page answers messages and pings. It does not answer credits, so these start no wait.
        if script.is_answered() {
            self.liveness.sent(script.ping, now);
        }
        Some(script)
    }

    /// Whether there is something to send again.
    pub(super) fn evaluation_failed(&mut self, script: &Script, effects: &mut Effects) -> bool {
        if script.generation != self.generation {
            // Its messages ended, or were staged again, with their page.
            return false;
        }
        let before = effects.ended.len();
        let again = self.outbox.evaluation_failed(script, effects);
        let when = if self.outbox.takes_scripts() {
            AskAgain::Now
        } else {
            AskAgain::WithTheNextBeat
        };
        let asks = self.liveness.not_taken(script.ping, script.at, when);
        self.settle_replies(before, effects) || again || asks
    }

    /// The current page acknowledges messages; whether a script should be sent for the credits that
    /// came back.
    pub(super) fn acknowledged(&mut self, mut ack: Ack, now: Stamp, effects: &mut Effects) -> bool {
        // Looked up for each message in flight, and a hostile page names a great many.
        ack.failed.sort_unstable();
        let before = effects.ended.len();
        for &(first, last) in &ack.ids {
            self.outbox.acknowledged(first, last, &ack.failed, effects);
        }
        // The replies are settled before `set_executions`, which asks whether the page had
        // withdrawn the call.
        let due = self.settle_replies(before, effects);
        let ended = effects.ended.get_mut(before..).unwrap_or_default();
        let startup = self.life.startup();
        for ended in ended.iter_mut() {
            ended.is_startup = startup.had(now, now.since(ended.message.enqueued_at));
        }
        effects.transit = set_executions(&mut self.clock, ended, &mut ack, now);
        due
    }

    /// A call's credit comes back with the end of its reply, so that a page which never
    /// acknowledges cannot make the host keep replies without end.
    fn settle_replies(&mut self, from: usize, effects: &mut Effects) -> bool {
        let mut due = false;
        for ended in effects.ended.iter_mut().skip(from) {
            // A transport's own call has no span here, and cost no credit.
            if let Some(call) = ended.message.call_of_page() {
                // Not ended here: a span's end runs code of the app, and this is under the page's
                // lock.
                ended.call = self.spans.take_call(call);
                ended.withdrawal = self.spans.take_withdrawn(call);
                due |= self.refund(self.generation);
            }
        }
        due
    }
}

/// A message of the page was taken in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The page to reply to.
    pub(super) generation: u64,
    /// Whether a script should be sent for the credits that came back before.
    pub(super) credits_due: bool,
    /// Where it began on the page, if the page says so.
    pub(super) start: Option<MessageStart>,
}

/// A message of the page was not taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) error: ErrorType,
    /// Whether a script should be sent for the credit that it gave back.
    pub(super) credits_due: bool,
}

/// A call that its page withdrew.
#[derive(Debug)]
pub(super) struct Withdrawn {
    /// Its span, if it is open.
    pub(super) span: Option<Box<TimedSpan>>,
    pub(super) at: Stamp,
    /// The call, if its handler runs in the background.
    pub(super) held: Option<HeldCall>,
}

/// A call whose handler runs in the background.
#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) abort: AbortHandle,
    pub(super) call: OpenCall,
    pub(super) slot: Arc<HandlerSlot>,
}
