//! Messages to the page, from the queue to the acknowledgement: a state machine without a clock,
//! a thread or a lock of its own. Time and messages come in, effects go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::call_series::OpenCalls;
use super::caller::Credit;
use super::delivery::DeliveryTiming;
use super::outbound::{Body, Effects, EndedMessage, Outbound, Replay, undelivered};
use super::protocol::limits::Limits;
use super::protocol::script::{BatchWriter, Content, Item, Script};
use super::series::{self, Outcome};
use crate::clock::Stamp;
use crate::queue::Popped;
use crate::semconv::ErrorType;

#[derive(Debug)]
pub(super) struct Outbox {
    limits: Limits,
    /// Replies, ahead of everything: bounded, since each stands for a call that spent a credit.
    replies: VecDeque<Outbound>,
    /// Everything that left the queue or the replies and did not end, by id.
    // Ordered: acknowledgements name ranges, and the lowest id is a batch's floor.
    in_flight: BTreeMap<u64, InFlight>,
    /// Of these, what is to be sent (again), before anything new.
    // Ordered, so that messages are sent again in the order of their ids.
    staged: BTreeSet<u64>,
    /// Raw scripts that were sent and whose end the page was not asked for yet.
    unsettled: BTreeSet<u64>,
    next_id: u64,
    /// Bytes of the replies that did not end.
    reply_bytes: usize,
    /// Credits that the page gets with the next script.
    credits: u64,
    /// Whether a script is worth its cost for the credits alone.
    credits_due: bool,
    // Any acknowledgement sets it back, and so does the end of the page.
    failed_in_a_row: u32,
    /// How long the main thread has kept the wire waiting in all.
    main_thread_delay: Duration,
}

/// Whether the bound on unacknowledged replies holds for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyBound {
    Enforced,
    /// The reply is the small refusal in the place of one that did not fit.
    Exempt,
}

/// A reply that was not taken in.
#[derive(Debug)]
pub(super) enum RefusedReply {
    /// It does not fit; a refusal in its place does.
    NoRoom(Box<Outbound>),
    /// It ended.
    Ended(Box<Outbound>, ErrorType),
}

#[derive(Debug)]
struct InFlight {
    message: Outbound,
    timing: DeliveryTiming,
}

impl Outbox {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            replies: VecDeque::new(),
            in_flight: BTreeMap::new(),
            staged: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            next_id: 1,
            reply_bytes: 0,
            credits: 0,
            credits_due: false,
            failed_in_a_row: 0,
            main_thread_delay: Duration::ZERO,
        }
    }

    /// How many messages one script has at most.
    pub(super) fn batch_len_max(&self) -> usize {
        self.limits.batch_len_max
    }

    pub(super) fn set_batch_len_max(&mut self, messages: usize) {
        self.limits.batch_len_max = messages;
    }

    /// Sets how long the main thread, which is here now, kept the wire waiting in all.
    pub(super) fn set_main_thread_delay(&mut self, in_all: Duration) {
        self.main_thread_delay = in_all;
    }

    /// Takes a reply in, unless it does not fit among those that did not end. A refusal in the place of
    /// one that did not fit is taken in any case: refusals are small, and there are no more of them
    /// than credits. A reply that stands for no credit has a bound of its own.
    pub(super) fn reply(&mut self, reply: Outbound, bound: ReplyBound) -> Result<(), RefusedReply> {
        debug_assert!(reply.is_reply());
        let left = self
            .limits
            .unacknowledged_bytes_max
            .saturating_sub(self.reply_bytes);
        if bound == ReplyBound::Enforced && reply.size() > left {
            return Err(RefusedReply::NoRoom(Box::new(reply)));
        }
        let is_free = matches!(
            reply.body,
            Body::Reply {
                credit: Credit::None,
                ..
            }
        );
        // In-flight events alone may come to `in_flight_max`; the factor leaves as much room for
        // such replies again.
        if is_free && self.replies.len() + self.in_flight.len() >= 2 * self.limits.in_flight_max {
            return Err(RefusedReply::Ended(Box::new(reply), ErrorType::QueueFull));
        }
        self.reply_bytes += reply.size();
        self.replies.push_back(reply);
        Ok(())
    }

    /// Gives back the room of a reply that ended.
    fn release(&mut self, ended: &Outbound) {
        if ended.is_reply() {
            debug_assert!(self.reply_bytes >= ended.size());
            self.reply_bytes = self.reply_bytes.saturating_sub(ended.size());
        }
    }

    /// Whether the page takes scripts, as far as the last ones tell.
    pub(super) fn takes_scripts(&self) -> bool {
        self.failed_in_a_row <= self.limits.retries_max
    }

    /// Gives the page a credit back.
    pub(super) fn refund(&mut self) {
        self.credits += 1;
    }

    /// Whether a script should be sent for the credits that came back, when `free` are the page's
    /// or on their way to it.
    pub(super) fn credits_due(&mut self, free: u32) -> bool {
        // A quarter at a time: the page never waits, and few scripts are sent for it. Of what is
        // free and not of the window, or calls that last could leave the page without any.
        self.credits_due |= self.credits > 0 && self.credits >= u64::from(free / 4);
        self.credits_due
    }

    /// The next script for `page`: replies first, then what is sent again, then the queue.
    ///
    /// A `ping` goes ahead of them in the first batch there is, or in one of its own: the page reads
    /// its clock before it runs what else is in it.
    pub(super) fn next_script(
        &mut self,
        page: &str,
        generation: u64,
        now: Stamp,
        ping: Option<u64>,
        pop: &mut dyn FnMut() -> Option<Popped<Outbound>>,
        effects: &mut Effects,
    ) -> Option<Script> {
        // No id below it is sent again, so the page may forget that it ran those.
        let floor = self
            .in_flight
            .keys()
            .next()
            .copied()
            .unwrap_or(self.next_id);
        // In a script of its own: a raw script that throws or does not parse takes along whatever
        // stands behind it in the same text.
        if let Some(id) = self.unsettled.pop_first() {
            let mut writer = BatchWriter::new(page, floor);
            writer.push(&Item::Settle { id });
            return Some(Script {
                content: writer.into_content(),
                generation,
                ids: vec![id],
                settles: true,
                credits: 0,
                ping: None,
                at: now,
            });
        }
        let mut writer = BatchWriter::new(page, floor);
        let mut ids = Vec::new();
        if let Some(id) = ping {
            writer.push(&Item::Ping { id });
        }
        // The size is tested before a message is added, so one that is larger than the bound still
        // goes.
        while ids.len() < self.limits.batch_len_max && writer.bytes() < self.limits.batch_bytes_max
        {
            let Some(id) = self.take_next(now, pop) else {
                break;
            };
            let Some(entry) = self.in_flight.get_mut(&id) else {
                continue;
            };
            if entry.message.is_eval() {
                // A raw script stands alone: it goes with the next look, ahead of the queue.
                if !ids.is_empty() {
                    self.staged.insert(id);
                    break;
                }
                return Some(self.eval_script(page, generation, id, floor, now, effects));
            }
            writer.push(&entry.message.item(id));
            ids.push(id);
        }
        if ids.is_empty() && !self.credits_due && ping.is_none() {
            return None;
        }
        for &id in &ids {
            // This call follows the loop above, which determines the batch's length.
            self.dispatched(id, ids.len(), now, effects);
        }
        // In whatever script goes out, due or not: there they cost next to nothing.
        let credits = std::mem::take(&mut self.credits);
        self.credits_due = false;
        if credits > 0 {
            writer.push(&Item::Credit { count: credits });
        }
        Some(Script {
            content: writer.into_content(),
            generation,
            ids,
            settles: false,
            credits,
            ping,
            at: now,
        })
    }

    /// The id of the next message to send, which is open and not staged from here on.
    fn take_next(
        &mut self,
        now: Stamp,
        pop: &mut dyn FnMut() -> Option<Popped<Outbound>>,
    ) -> Option<u64> {
        // Replies come first, and they pass the bound on what is in flight: a queue full of events
        // must not hold up a promise. The page's credits bound the replies.
        if let Some(reply) = self.replies.pop_front() {
            let waited = now.since(reply.enqueued_at);
            return Some(self.number(reply, now, waited));
        }
        if let Some(id) = self.staged.pop_first() {
            return Some(id);
        }
        if self.in_flight.len() >= self.limits.in_flight_max {
            return None;
        }
        let popped = pop()?;
        Some(self.number(popped.message, now, popped.wait))
    }

    fn number(&mut self, message: Outbound, now: Stamp, waited: Duration) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let timing = DeliveryTiming {
            dequeued: Some((now, waited)),
            // The sum grew by this much since `emit`. It is read on two threads and may be a little
            // off, so the message's own wait bounds it.
            main_thread_delay: self
                .main_thread_delay
                .saturating_sub(message.main_thread_delay_before)
                .min(waited),
            ..DeliveryTiming::default()
        };
        self.in_flight.insert(id, InFlight { message, timing });
        id
    }

    fn eval_script(
        &mut self,
        page: &str,
        generation: u64,
        id: u64,
        floor: u64,
        now: Stamp,
        effects: &mut Effects,
    ) -> Script {
        self.dispatched(id, 1, now, effects);
        self.unsettled.insert(id);
        let around = |item: Item<'_>| {
            let mut writer = BatchWriter::new(page, floor);
            writer.push(&item);
            writer.finish()
        };
        // A copy: an evaluation error sends the same script again.
        let script = match self.in_flight.get(&id).map(|entry| &entry.message.body) {
            Some(Body::Eval { script }) => script.clone(),
            _ => Box::default(),
        };
        let content = Content::Eval {
            before: around(Item::Begin { id }),
            script,
            after: around(Item::End { id }),
        };
        Script {
            content,
            generation,
            ids: vec![id],
            settles: false,
            credits: 0,
            ping: None,
            at: now,
        }
    }

    fn dispatched(&mut self, id: u64, batch: usize, now: Stamp, effects: &mut Effects) {
        let Some(entry) = self.in_flight.get_mut(&id) else {
            return;
        };
        effects.retries += u64::from(entry.timing.attempts > 0);
        entry.timing.attempts += 1;
        entry.timing.dispatched = Some((now, batch));
    }

    /// The page could not take `script`: what it held is sent again or fails.
    ///
    /// Returns whether there is something to send again.
    pub(super) fn evaluation_failed(&mut self, script: &Script, effects: &mut Effects) -> bool {
        self.failed_in_a_row += 1;
        // The page never got them.
        self.credits += script.credits;
        // A page that takes nothing must not keep the event loop busy with its credits alone.
        self.credits_due |= script.credits > 0 && self.takes_scripts();
        for &id in &script.ids {
            let Some(entry) = self.in_flight.get_mut(&id) else {
                continue;
            };
            self.unsettled.remove(&id);
            // The first attempt is no retry, so `retries_max` of them are `retries_max + 1`
            // attempts.
            if entry.timing.attempts > self.limits.retries_max {
                self.end(id, Err(ErrorType::ScriptError), effects);
            } else if script.settles {
                // The raw script itself ran: only the question is asked again.
                entry.timing.attempts += 1;
                self.unsettled.insert(id);
            } else {
                self.staged.insert(id);
            }
        }
        self.credits_due || !self.staged.is_empty() || !self.unsettled.is_empty()
    }

    /// The page ran the messages from `first` to `last`; those in `failed`, which are in order,
    /// threw or did not parse.
    pub(super) fn acknowledged(
        &mut self,
        first: u64,
        last: u64,
        failed: &[u64],
        effects: &mut Effects,
    ) {
        self.failed_in_a_row = 0;
        if first > last {
            effects.unknown_acks += 1;
            return;
        }
        let before = effects.ended.len();
        // Only what was sent at least once can have been run, be it waiting to be sent again. In
        // one sweep, since this is the UI thread.
        let mut in_flight = std::mem::take(&mut self.in_flight);
        for (id, entry) in in_flight.extract_if(first..=last, |_, entry| entry.timing.attempts > 0)
        {
            let threw = failed.binary_search(&id).is_ok();
            let outcome = if threw {
                Err(ErrorType::ScriptError)
            } else {
                Ok(())
            };
            self.ended(id, entry, outcome, effects);
        }
        // The map was taken out since `ended` needs all of `self` during the sweep.
        self.in_flight = in_flight;
        // One for a range, however wide a hostile page makes it.
        let known = (effects.ended.len() - before) as u64;
        effects.unknown_acks += u64::from((last - first).saturating_add(1) > known);
    }

    /// The page is gone: what it had in flight ends with it, but for what asked to be replayed.
    pub(super) fn end_generation(&mut self, why: ErrorType, effects: &mut Effects) {
        self.credits = 0;
        self.credits_due = false;
        self.failed_in_a_row = 0;
        self.unsettled.clear();
        effects
            .ended
            .extend(self.replies.drain(..).map(|reply| undelivered(reply, why)));
        let ids: Vec<u64> = self.in_flight.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.in_flight.get_mut(&id) else {
                continue;
            };
            let again = match entry.message.body {
                // Bounded, or a message that crashes its page would crash each page after it, too.
                Body::Event {
                    replay: Replay::Yes,
                    ..
                } => entry.timing.attempts <= self.limits.retries_max,
                // It has an id and was never sent, as a raw script that waits for a script of its
                // own: the next page gets it.
                Body::Event { .. } | Body::Eval { .. } => entry.timing.attempts == 0,
                Body::Reply { .. } => false,
            };
            if again {
                self.staged.insert(id);
            } else {
                self.end(id, Err(why), effects);
            }
        }
        // Replies end with their page.
        self.reply_bytes = 0;
    }

    /// What was handed to the page and is not to be sent again.
    pub(super) fn in_flight(&self) -> series::InFlight {
        let mut in_flight = series::InFlight::default();
        for (id, entry) in &self.in_flight {
            if let Some((at, _)) = entry.timing.dispatched
                && !self.staged.contains(id)
            {
                in_flight.add(at);
            }
        }
        in_flight
    }

    /// Adds the calls whose reply did not end.
    pub(super) fn add_open_calls(&self, open: &mut OpenCalls) {
        let in_flight = self.in_flight.values().map(|entry| &entry.message);
        for message in self.replies.iter().chain(in_flight) {
            if let Body::Reply { began, .. } = message.body {
                open.add(message.series.label(), began);
            }
        }
    }

    /// The wire is closed: everything that is open is dropped.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        self.end_generation(ErrorType::Shutdown, effects);
        // `end_generation` left what the next page would get, and none will come.
        let ids: Vec<u64> = self.in_flight.keys().copied().collect();
        for id in ids {
            self.end(id, Err(ErrorType::Shutdown), effects);
        }
    }

    fn end(&mut self, id: u64, outcome: Outcome, effects: &mut Effects) {
        if let Some(entry) = self.in_flight.remove(&id) {
            self.ended(id, entry, outcome, effects);
        }
    }

    /// What was open under `id`, and is no more, ended.
    fn ended(&mut self, id: u64, entry: InFlight, outcome: Outcome, effects: &mut Effects) {
        self.staged.remove(&id);
        self.unsettled.remove(&id);
        self.release(&entry.message);
        effects.ended.push(EndedMessage {
            id,
            message: entry.message,
            outcome,
            timing: entry.timing,
            execution: None,
            call: None,
            withdrawal: None,
            is_startup: false,
        });
    }
}
