//! Messages to the page, from the queue to the acknowledgement: a state machine without a clock,
//! a thread or a lock of its own. Time and messages come in, facts go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::call::Rejection;
use super::protocol::limits::Limits;
use super::protocol::script::{BatchWriter, Content, Item, ReplyItem, Script};
use super::series::{End, EventSeries};
use super::spans::timed::LiveSpan;
use crate::clock::Stamp;
use crate::queue::Popped;
use crate::semconv::ErrorType;

/// The state that a page is in by what was told of it, whether or not it shows signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Loading,
    Ready,
    Gone,
    Closed,
}

/// A message to the page.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) body: Body,
    pub(super) series: Arc<EventSeries>,
    /// Its span, where it has one.
    pub(super) span: Option<Box<LiveSpan>>,
    pub(super) enqueued_at: Stamp,
    /// How long the UI thread had kept the wire waiting in all then.
    pub(super) waited_for_ui: Duration,
}

#[derive(Debug)]
pub(super) enum Body {
    Event {
        name: Arc<str>,
        data: Box<RawValue>,
        replay: Replay,
    },
    Eval {
        script: Box<str>,
    },
    Reply {
        call: u64,
        result: Result<Box<RawValue>, Rejection>,
        credit: Credit,
    },
}

/// Whether a message is sent again to the next page when its page goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    No,
    Yes,
}

/// Whether a reply's end gives the page a credit back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credit {
    /// The call came through a transport without credits.
    None,
    /// The page spent one for the call.
    Spent,
}

impl Body {
    /// Payload bytes on the wire.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Event { data, .. }
            | Self::Reply {
                result: Ok(data), ..
            } => data.get().len(),
            Self::Reply {
                result: Err(rejection),
                ..
            } => rejection.message.len(),
            Self::Eval { script } => script.len(),
        }
    }
}

impl Outbound {
    /// Payload bytes on the wire.
    pub(super) fn size(&self) -> usize {
        self.body.size()
    }

    fn is_eval(&self) -> bool {
        matches!(self.body, Body::Eval { .. })
    }

    fn is_reply(&self) -> bool {
        matches!(self.body, Body::Reply { .. })
    }

    fn item(&self, id: u64) -> Item<'_> {
        match &self.body {
            Body::Event { name, data, .. } => Item::Event {
                id,
                event: name,
                data,
            },
            Body::Eval { .. } => Item::Begin { id },
            Body::Reply { call, result, .. } => Item::Reply {
                id,
                call: *call,
                result: match result {
                    Ok(data) => ReplyItem::Data(data),
                    Err(Rejection {
                        name,
                        message,
                        code,
                    }) => ReplyItem::Error {
                        name,
                        message,
                        code: code.as_str(),
                    },
                },
            },
        }
    }
}

/// A message that ended, and how it got there.
#[derive(Debug)]
pub(super) struct Ended {
    /// What it was called on the wire; 0 when it did not get that far.
    pub(super) id: u64,
    pub(super) message: Outbound,
    pub(super) end: End,
    pub(super) journey: Journey,
    /// When the page ran it, if that is known.
    pub(super) ran: Option<Ran>,
    /// The span of the page's call, when this was its reply.
    pub(super) call: Option<Box<LiveSpan>>,
    /// It was the reply to a call that the page had withdrawn.
    pub(super) is_ignored: bool,
}

/// A message that never left, as it ended.
pub(super) fn died(message: Outbound, end: End) -> Ended {
    Ended {
        id: 0,
        message,
        end,
        journey: Journey::default(),
        ran: None,
        call: None,
        is_ignored: false,
    }
}

/// The stages that a message to the page went through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Journey {
    /// When it left the queue, and after what wait.
    pub(super) dequeued: Option<(Stamp, Duration)>,
    /// How long of that wait the UI thread was woken and did not come.
    pub(super) main_thread: Duration,
    /// When it was last sent, and with how many others.
    pub(super) dispatched: Option<(Stamp, usize)>,
    pub(super) attempts: u32,
}

/// When the page ran a message, in host time: not before it was sent, and not after now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) begin: Stamp,
    pub(super) end: Stamp,
}

/// What came of an input.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) ended: Vec<Ended>,
    pub(super) retries: u64,
    /// Acknowledgements of messages that were not in flight.
    pub(super) unknown_acks: u64,
    /// How long what was acknowledged had been on its way to the page.
    pub(super) transit: Option<Duration>,
    /// What a page had open in the traces when it went away, and why it did.
    pub(super) open: Vec<(Box<LiveSpan>, ErrorType)>,
}

#[derive(Debug)]
pub(super) struct Outbox {
    limits: Limits,
    /// Replies, ahead of everything: bounded, since each stands for a call that spent a credit.
    replies: VecDeque<Outbound>,
    /// Everything that left the queue or the reply lane and did not end, by id.
    open: BTreeMap<u64, Open>,
    /// Of these, what is to be sent (again), before anything new.
    staged: BTreeSet<u64>,
    /// Raw scripts that were sent and whose end the page was not asked for yet.
    unsettled: BTreeSet<u64>,
    next_id: u64,
    /// Bytes of the replies that did not end, and of those that there is room kept for.
    reply_bytes: usize,
    /// Credits that the page gets with the next script.
    credits: u64,
    /// Whether a script is worth its cost for the credits alone.
    credits_due: bool,
    failed_in_a_row: u32,
    /// How long the UI thread has kept the wire waiting in all.
    waited_for_ui: Duration,
}

#[derive(Debug)]
struct Open {
    message: Outbound,
    journey: Journey,
}

impl Outbox {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            replies: VecDeque::new(),
            open: BTreeMap::new(),
            staged: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            next_id: 1,
            reply_bytes: 0,
            credits: 0,
            credits_due: false,
            failed_in_a_row: 0,
            waited_for_ui: Duration::ZERO,
        }
    }

    /// How long the UI thread, which is here now, kept the wire waiting in all.
    pub(super) fn waited_for_ui(&mut self, in_all: Duration) {
        self.waited_for_ui = in_all;
    }

    /// Keeps room for a reply of that size. Without room it keeps that for a refusal of the size
    /// `instead` and says so: refusals are small, and there are no more of them than credits.
    ///
    /// Ahead of the reply itself, since its call ends otherwise then.
    pub(super) fn reserve_reply(&mut self, bytes: usize, instead: usize) -> bool {
        let room = self
            .limits
            .unacknowledged_bytes_max
            .saturating_sub(self.reply_bytes);
        let fits = bytes <= room;
        self.reply_bytes += if fits { bytes } else { instead };
        fits
    }

    /// Takes a reply in, which room was kept for. One that stands for no credit has a bound of its
    /// own.
    pub(super) fn reply(&mut self, reply: Outbound) -> Result<(), (Outbound, ErrorType)> {
        debug_assert!(reply.is_reply());
        let free = matches!(
            reply.body,
            Body::Reply {
                credit: Credit::None,
                ..
            }
        );
        if free && self.replies.len() + self.open.len() >= 2 * self.limits.in_flight_max {
            self.release(&reply);
            return Err((reply, ErrorType::QueueFull));
        }
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
        facts: &mut Facts,
    ) -> Option<Script> {
        let floor = self.open.keys().next().copied().unwrap_or(self.next_id);
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
        while ids.len() < self.limits.batch_len_max && writer.bytes() < self.limits.batch_bytes_max
        {
            let Some(id) = self.take_next(now, pop) else {
                break;
            };
            let Some(open) = self.open.get_mut(&id) else {
                continue;
            };
            if open.message.is_eval() {
                if !ids.is_empty() {
                    self.staged.insert(id);
                    break;
                }
                return Some(self.eval_script(page, generation, id, floor, now, facts));
            }
            writer.push(&open.message.item(id));
            ids.push(id);
        }
        if ids.is_empty() && !self.credits_due && ping.is_none() {
            return None;
        }
        for &id in &ids {
            self.dispatched(id, ids.len(), now, facts);
        }
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
        if let Some(reply) = self.replies.pop_front() {
            let waited = now.since(reply.enqueued_at);
            return Some(self.take_in(reply, now, waited));
        }
        if let Some(id) = self.staged.pop_first() {
            return Some(id);
        }
        if self.open.len() >= self.limits.in_flight_max {
            return None;
        }
        let popped = pop()?;
        Some(self.take_in(popped.message, now, popped.wait))
    }

    fn take_in(&mut self, message: Outbound, now: Stamp, waited: Duration) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let journey = Journey {
            dequeued: Some((now, waited)),
            main_thread: self
                .waited_for_ui
                .saturating_sub(message.waited_for_ui)
                .min(waited),
            ..Journey::default()
        };
        self.open.insert(id, Open { message, journey });
        id
    }

    fn eval_script(
        &mut self,
        page: &str,
        generation: u64,
        id: u64,
        floor: u64,
        now: Stamp,
        facts: &mut Facts,
    ) -> Script {
        self.dispatched(id, 1, now, facts);
        self.unsettled.insert(id);
        let around = |item: Item<'_>| {
            let mut writer = BatchWriter::new(page, floor);
            writer.push(&item);
            writer.finish()
        };
        let script = match self.open.get(&id).map(|open| &open.message.body) {
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

    fn dispatched(&mut self, id: u64, batch: usize, now: Stamp, facts: &mut Facts) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        facts.retries += u64::from(open.journey.attempts > 0);
        open.journey.attempts += 1;
        open.journey.dispatched = Some((now, batch));
    }

    /// The page could not take `script`: what it held is sent again or fails.
    ///
    /// Returns whether there is something to send again.
    pub(super) fn evaluation_failed(&mut self, script: &Script, facts: &mut Facts) -> bool {
        self.failed_in_a_row += 1;
        self.credits += script.credits;
        // A page that takes nothing must not keep the event loop busy with its credits alone.
        self.credits_due |= script.credits > 0 && self.takes_scripts();
        for &id in &script.ids {
            let Some(open) = self.open.get_mut(&id) else {
                continue;
            };
            self.unsettled.remove(&id);
            if open.journey.attempts > self.limits.retries_max {
                self.end(id, Err(ErrorType::ScriptError), facts);
            } else if script.settles {
                // The raw script itself ran: only the question is asked again.
                open.journey.attempts += 1;
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
        facts: &mut Facts,
    ) {
        self.failed_in_a_row = 0;
        if first > last {
            facts.unknown_acks += 1;
            return;
        }
        let before = facts.ended.len();
        // Only what was sent at least once can have been run, be it waiting to be sent again. In
        // one sweep, since this is the UI thread.
        let mut open = std::mem::take(&mut self.open);
        for (id, open) in open.extract_if(first..=last, |_, open| open.journey.attempts > 0) {
            let threw = failed.binary_search(&id).is_ok();
            let end = if threw {
                Err(ErrorType::ScriptError)
            } else {
                Ok(())
            };
            self.ended(id, open, end, facts);
        }
        self.open = open;
        // One for a range, however wide a hostile page makes it.
        let known = (facts.ended.len() - before) as u64;
        facts.unknown_acks += u64::from((last - first).saturating_add(1) > known);
    }

    /// The page is gone: what it had in flight dies with it, but for what asked to be replayed.
    pub(super) fn end_generation(&mut self, facts: &mut Facts) {
        self.credits = 0;
        self.credits_due = false;
        self.failed_in_a_row = 0;
        self.unsettled.clear();
        facts.ended.extend(
            self.replies
                .drain(..)
                .map(|reply| died(reply, Err(ErrorType::PageGone))),
        );
        let ids: Vec<u64> = self.open.keys().copied().collect();
        for id in ids {
            let Some(open) = self.open.get_mut(&id) else {
                continue;
            };
            let again = match open.message.body {
                Body::Event {
                    replay: Replay::Yes,
                    ..
                } => open.journey.attempts <= self.limits.retries_max,
                Body::Event { .. } | Body::Eval { .. } => open.journey.attempts == 0,
                Body::Reply { .. } => false,
            };
            if again {
                self.staged.insert(id);
            } else {
                self.end(id, Err(ErrorType::PageGone), facts);
            }
        }
        // Replies die with their page, those that room was kept for with them.
        self.reply_bytes = 0;
    }

    /// The wire is closed: everything that is open is dropped.
    pub(super) fn close(&mut self, facts: &mut Facts) {
        self.end_generation(facts);
        let ids: Vec<u64> = self.open.keys().copied().collect();
        for id in ids {
            self.end(id, Err(ErrorType::Shutdown), facts);
        }
    }

    fn end(&mut self, id: u64, end: End, facts: &mut Facts) {
        if let Some(open) = self.open.remove(&id) {
            self.ended(id, open, end, facts);
        }
    }

    /// What was open under `id`, and is no more, ended.
    fn ended(&mut self, id: u64, open: Open, end: End, facts: &mut Facts) {
        self.staged.remove(&id);
        self.unsettled.remove(&id);
        self.release(&open.message);
        facts.ended.push(Ended {
            id,
            journey: open.journey,
            ..died(open.message, end)
        });
    }
}
