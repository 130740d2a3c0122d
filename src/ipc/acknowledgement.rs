//! When the page ran what it acknowledges.

use std::time::Duration;

use super::delivery::PageExecution;
use super::outbound::{Body, EndedMessage};
use super::page_clock::PageClock;
use super::protocol::inbound_message::{Ack, PageTime};
use crate::clock::Stamp;

/// Notes on the messages that an acknowledgement ended when the page ran them, if it says so.
///
/// Returns how long they were on their way.
pub(super) fn set_executions(
    clock: &mut PageClock,
    ended: &mut [EndedMessage],
    ack: &mut Ack,
    now: Stamp,
) -> Option<Duration> {
    let at = ack.at?;
    // One that was sent twice may have run after the first time, whenever that was. The first
    // to run was sent no earlier than the first to be sent.
    let once = ended.iter().all(|ended| ended.timing.attempts == 1);
    let sent = ended.iter().filter_map(|ended| ended.timing.dispatched);
    let first = sent.map(|(stamp, _)| stamp).min().filter(|_| once);
    // Of a raw script it is known when it was asked for its end, and not when it ran.
    let any_raw = ended.iter().any(|ended| ended.message.is_eval());
    if let Some(first) = first {
        // This call precedes the translation of the times, since this acknowledgement may narrow
        // the clock's bounds.
        clock.ran(first, at);
    }
    let times = AckTimes::new(clock, ack, now)?;
    for ended in ended {
        let Some((sent, _)) = ended.timing.dispatched else {
            continue;
        };
        // A page that withdrew the call did nothing with the reply.
        if ended.outcome.is_ok() && ended.withdrawal.is_none() && !ended.message.is_eval() {
            let mut execution = times.of(ended.id, sent);
            // The continuations of a reply's promise run behind it, until the page posts at `done`.
            if let (Body::Reply { .. }, Some(done)) = (&ended.message.body, times.done) {
                execution.end = done.max(execution.begin).min(now);
            }
            ended.execution = Some(execution);
        }
    }
    first
        .filter(|_| !any_raw)
        .map(|first| times.at.since(first))
}

/// When the page ran what one acknowledgement names, in host time.
pub(super) struct AckTimes<'a> {
    clock: &'a PageClock,
    at: Stamp,
    done: Option<Stamp>,
    ran: &'a [(u64, f64, f64)],
    now: Stamp,
}

impl<'a> AckTimes<'a> {
    /// `None` when the page does not say it, or nothing is known of its clock.
    pub(super) fn new(clock: &'a PageClock, ack: &'a mut Ack, now: Stamp) -> Option<Self> {
        let host = |time| clock.to_host(time, now);
        // Looked up for each message, and a hostile page names a great many.
        ack.ran.sort_unstable_by_key(|(id, ..)| *id);
        Some(Self {
            clock,
            at: host(ack.at?)?,
            done: ack.done.and_then(host),
            ran: &ack.ran,
            now,
        })
    }

    /// When the first of them began to run.
    pub(super) fn at(&self) -> Stamp {
        self.at
    }

    /// When the page ran a message that was sent at `sent`.
    pub(super) fn of(&self, id: u64, sent: Stamp) -> PageExecution {
        let found = self.ran.binary_search_by_key(&id, |(id, ..)| *id);
        let named = found.ok().and_then(|place| self.ran.get(place));
        let time = |ms| PageTime::from_ms(ms).and_then(|at| self.clock.to_host(at, self.now));
        let begin = named
            .and_then(|&(_, begin, _)| time(begin))
            .unwrap_or(self.at);
        let end = named.and_then(|&(_, _, end)| time(end)).unwrap_or(begin);
        PageExecution::clamped(begin, end, sent, self.now)
    }
}
