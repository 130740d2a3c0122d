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
        clock.ran(first, at);
    }
    let host = |time| clock.to_host(time, now);
    let at = host(at)?;
    let done = ack.done.and_then(host);
    // Looked up for each message, and a hostile page names a great many.
    ack.ran.sort_unstable_by_key(|(id, ..)| *id);
    for ended in ended {
        let Some((sent, _)) = ended.timing.dispatched else {
            continue;
        };
        let found = ack.ran.binary_search_by_key(&ended.id, |(id, ..)| *id);
        let named = found.ok().and_then(|place| ack.ran.get(place));
        let time = |ms| PageTime::from_ms(ms).and_then(host);
        let begin = named.and_then(|&(_, begin, _)| time(begin)).unwrap_or(at);
        let end = named.and_then(|&(_, _, end)| time(end)).unwrap_or(begin);
        let end = match ended.message.body {
            Body::Reply { .. } => done.unwrap_or(end),
            Body::Event { .. } | Body::Eval { .. } => end,
        };
        // A page that withdrew the call did nothing with the reply.
        if ended.outcome.is_ok() && ended.withdrawal.is_none() && !ended.message.is_eval() {
            let begin = begin.max(sent).min(now);
            let end = end.max(begin).min(now);
            ended.execution = Some(PageExecution { begin, end });
        }
    }
    first.filter(|_| !any_raw).map(|first| at.since(first))
}
