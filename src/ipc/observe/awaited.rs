//! What waits for the page's word: calls that it has not settled, and messages that it has not
//! acknowledged.
//!
//! Pure: spans are made and ended without the lock that this is under, so they come in and go out
//! whole. The page's word may come before the message layer's, so either side may be first.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::open_message::{Acknowledged, OpenMessage};
use crate::clock::Stamp;
use crate::ipc::delivery::PageExecution;
use crate::ipc::series::Outcome;
use crate::ipc::spans::timed::TimedSpan;

/// Calls of the page that may be open at once. Those beyond end with their reply at the host.
const CALLS_MAX: usize = 1_000;
/// Messages that may wait for the page's acknowledgement. Those beyond end when they are handed over.
const MESSAGES_MAX: usize = 4_096;
/// Calls that the page settled before they came to the host, which most of them never will.
const EARLY_MAX: usize = 100;

/// How a call ended on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settlement {
    /// When the page's code got the outcome.
    pub(super) at: Stamp,
    /// When what it did at once was done.
    pub(super) done: Stamp,
    /// The page's own word, where the host has none.
    pub(super) error: Option<&'static str>,
    /// The page gave the call up: it does nothing with the reply.
    pub(super) is_withdrawn: bool,
}

impl Settlement {
    /// What the page did with a reply that was sent at `sent`.
    fn of_reply(self, sent: Option<Stamp>, now: Stamp) -> Acknowledged {
        if self.is_withdrawn {
            return Acknowledged::Never;
        }
        let sent = sent.unwrap_or(self.at);
        Acknowledged::Reported(PageExecution::clamped(self.at, self.done, sent, now))
    }
}

/// The span of a call that the page settled or gave up.
#[derive(Debug)]
pub(super) struct EndedCall {
    span: Box<TimedSpan>,
    error: Option<&'static str>,
    page: Settlement,
}

impl EndedCall {
    /// Ends the span. Called without a lock, since that is the app's code.
    pub(super) fn finish(mut self) {
        if !self.page.is_withdrawn {
            self.span.add_event("settled", self.page.at);
        }
        self.span.finish_on_page(self.error, self.page.at);
    }
}

/// What ends now, to be recorded without the lock.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) call: Option<EndedCall>,
    /// The message that ends, and what the page did with it.
    pub(super) message: Option<(OpenMessage, Acknowledged)>,
}

/// What was open when the page went away.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) spans: Vec<TimedSpan>,
    pub(super) messages: Vec<OpenMessage>,
}

#[derive(Debug, Default)]
pub(super) struct Awaited {
    calls: Ids<OpenCall>,
    early: VecDeque<(u64, Settlement)>,
    /// Messages that the page will acknowledge by their numbers; none before the webview has it.
    // Ordered, since the page acknowledges ranges.
    messages: BTreeMap<u64, Option<OpenMessage>>,
    /// What the page acknowledged before that.
    acknowledged: Ids<Acknowledged>,
}

type Ids<V> = HashMap<u64, V, foldhash::quality::RandomState>;

#[derive(Debug)]
struct OpenCall {
    span: Option<Box<TimedSpan>>,
    settled: Option<Settlement>,
    host: HostSide,
}

/// How far the host is with a call.
#[derive(Debug)]
enum HostSide {
    /// Its handler runs.
    Handling,
    /// The message layer has its reply.
    Replying(Outcome),
    /// The webview has its reply.
    HandedOver(Outcome, OpenMessage),
    /// It ended, and nothing of a reply was seen.
    Ended(Outcome),
}

impl HostSide {
    fn error(&self) -> Option<&'static str> {
        match self {
            Self::Handling => None,
            Self::Replying(outcome) | Self::HandedOver(outcome, _) | Self::Ended(outcome) => {
                outcome.err().map(|error| error.as_str())
            }
        }
    }
}

impl Awaited {
    /// A call came to the host; it keeps its span unless it is returned with how it ends.
    ///
    /// # Errors
    ///
    /// The span, when the page does not end it: the id is taken, or too many are open.
    pub(super) fn open_call(
        &mut self,
        id: u64,
        span: Option<Box<TimedSpan>>,
    ) -> Result<Ended, Option<Box<TimedSpan>>> {
        // The page can cause both: it chooses the ids, and it may settle nothing.
        if self.calls.len() >= CALLS_MAX || self.calls.contains_key(&id) {
            return Err(span);
        }
        let early = self.early.iter().position(|(early, _)| *early == id);
        let settled = early
            .and_then(|at| self.early.remove(at))
            .map(|(_, settled)| settled);
        let (span, ended) = match (span, settled) {
            (Some(span), Some(settled)) => {
                // The host has no outcome yet, so the page's word is all there is.
                let error = settled.error;
                let page = settled;
                let call = Some(EndedCall { span, error, page });
                (
                    None,
                    Ended {
                        call,
                        message: None,
                    },
                )
            }
            (span, _) => (span, Ended::default()),
        };
        let host = HostSide::Handling;
        // The table keeps the call although the page has settled it: the hand-over of its reply
        // looks for that.
        self.calls.insert(
            id,
            OpenCall {
                span,
                settled,
                host,
            },
        );
        Ok(ended)
    }

    /// The call's handler ended, and the message layer has its reply.
    pub(super) fn replying(&mut self, id: u64, outcome: Outcome) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.host = HostSide::Replying(outcome);
        }
    }

    /// The call's handler ended, and nothing is seen of its reply.
    pub(super) fn handled(&mut self, id: u64, outcome: Outcome) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.host = HostSide::Ended(outcome);
        if call.settled.is_some() {
            // Otherwise the page's word removes it.
            self.calls.remove(&id);
        }
    }

    /// The message layer saw its reply end: the call's span, unless it ended before.
    pub(super) fn take_call(&mut self, id: u64) -> Option<Box<TimedSpan>> {
        self.calls.remove(&id)?.span
    }

    /// The webview has a call's reply. It comes back when it ends at once: with the page's word, or
    /// without when the page is gone.
    pub(super) fn hand_over_reply(
        &mut self,
        id: u64,
        reply: OpenMessage,
        now: Stamp,
    ) -> Option<(OpenMessage, Option<Acknowledged>)> {
        let Some(call) = self.calls.get_mut(&id) else {
            return Some((reply, None));
        };
        if let Some(settled) = call.settled {
            self.calls.remove(&id);
            // The page's word came first, so the reply ends here and is kept nowhere.
            let page = settled.of_reply(reply.dispatched(), now);
            return Some((reply, Some(page)));
        }
        match call.host {
            HostSide::Replying(outcome) => {
                call.host = HostSide::HandedOver(outcome, reply);
                None
            }
            // Another reply than this one: nothing will say more of it.
            HostSide::Handling | HostSide::HandedOver(..) | HostSide::Ended(_) => {
                Some((reply, Some(Acknowledged::Never)))
            }
        }
    }

    /// The page's code got the outcome of a call; `None` when it had got it before.
    pub(super) fn settled(&mut self, id: u64, page: Settlement, now: Stamp) -> Option<Ended> {
        let Some(call) = self.calls.get_mut(&id) else {
            // The oldest goes: most such calls never come to the host.
            self.early.truncate(EARLY_MAX - 1);
            self.early.push_front((id, page));
            return Some(Ended::default());
        };
        if call.settled.is_some() {
            return None;
        }
        // The host knows the kind of the error, the page only that there was one.
        let error = call.host.error().or(page.error);
        let mut ended = Ended {
            call: call.span.take().map(|span| EndedCall { span, error, page }),
            message: None,
        };
        match &call.host {
            HostSide::Handling | HostSide::Replying(_) => call.settled = Some(page),
            HostSide::Ended(_) => drop(self.calls.remove(&id)),
            HostSide::HandedOver(..) => {
                if let Some(OpenCall {
                    host: HostSide::HandedOver(_, reply),
                    ..
                }) = self.calls.remove(&id)
                {
                    let page = page.of_reply(reply.dispatched(), now);
                    ended.message = Some((reply, page));
                }
            }
        }
        Some(ended)
    }

    /// When a call's reply was handed over, if the page can only have settled the call after that.
    pub(super) fn reply_dispatched(&self, id: u64) -> Option<Stamp> {
        match &self.calls.get(&id)?.host {
            HostSide::HandedOver(_, reply) => reply.dispatched_once(),
            _ => None,
        }
    }

    /// A message gets a number that the page will acknowledge it with. False: too many wait.
    pub(super) fn number(&mut self, number: u64) -> bool {
        // Both kinds of messages wait for the other side, so one bound holds for the two together.
        let has_room = self.messages.len() + self.acknowledged.len() < MESSAGES_MAX;
        if has_room {
            self.messages.insert(number, None);
        }
        has_room
    }

    /// A numbered message ended without the page's word.
    pub(super) fn forget(&mut self, number: u64) {
        self.messages.remove(&number);
        self.acknowledged.remove(&number);
    }

    /// The webview has a numbered message. It comes back as in
    /// [`hand_over_reply`](Self::hand_over_reply).
    pub(super) fn hand_over(
        &mut self,
        number: u64,
        message: OpenMessage,
        now: Stamp,
    ) -> Option<(OpenMessage, Option<Acknowledged>)> {
        if let Some(page) = self.acknowledged.remove(&number) {
            let page = match (page, message.dispatched()) {
                // Only now is it known when it was sent, which its time on the page cannot precede.
                (Acknowledged::Reported(ran), Some(sent)) => {
                    Acknowledged::Reported(PageExecution::clamped(ran.begin, ran.end, sent, now))
                }
                (page, _) => page,
            };
            return Some((message, Some(page)));
        }
        match self.messages.get_mut(&number) {
            Some(waiting) => {
                *waiting = Some(message);
                None
            }
            // Its number went with its page.
            None => Some((message, None)),
        }
    }

    /// The page acknowledges a range of numbers: takes those that wait for it.
    pub(super) fn take_numbered(
        &mut self,
        first: u64,
        last: u64,
        taken: &mut Vec<(u64, Option<OpenMessage>)>,
    ) {
        // Each look takes what it finds, so a page that names ranges without end costs no more.
        while let Some(number) = (first <= last)
            .then(|| self.messages.range(first..=last).next())
            .flatten()
            .map(|(number, _)| *number)
        {
            let message = self.messages.remove(&number);
            taken.push((number, message.flatten()));
        }
    }

    /// What the page acknowledged before the webview was known to have it.
    pub(super) fn acknowledged_early(&mut self, number: u64, page: Acknowledged) {
        self.acknowledged.insert(number, page);
    }

    /// Everything that is open, when the page is gone.
    pub(super) fn take(&mut self) -> Left {
        let mut left = Left::default();
        for (_, call) in self.calls.drain() {
            left.spans.extend(call.span.map(|span| *span));
            if let HostSide::HandedOver(_, reply) = call.host {
                // Other replies are with the message layer, which ends them itself.
                left.messages.push(reply);
            }
        }
        let messages = std::mem::take(&mut self.messages).into_values();
        left.messages.extend(messages.flatten());
        self.acknowledged.clear();
        self.early.clear();
        left
    }
}
