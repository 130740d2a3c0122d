//! What one page has open in the traces: its own spans and its calls; and its clock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::timed::{LiveSpan, Place};
use crate::clock::Stamp;
use crate::ipc::outbox::{Body, Ended, Ran};
use crate::ipc::page_clock::PageClock;
use crate::ipc::protocol::message::{Ack, PageTime};
use crate::semconv::ErrorType;

/// Spans that a page may have open at once. What it opens beyond is not made.
const OPEN_SPANS_MAX: usize = 1_000;
/// Spans that ended and can still be a parent: a call waits for a credit, and its span's end does
/// not. Of 100 bytes each.
const CLOSED_SPANS_MAX: usize = 1_000;

type Ids<V> = HashMap<u64, V, foldhash::quality::RandomState>;

/// The traces' part of one generation.
///
/// Pure: spans are made, ended and dropped without the lock that this is under, so they come in
/// and go out whole.
#[derive(Debug, Default)]
pub(in crate::ipc) struct PageTrace {
    pub(in crate::ipc) clock: PageClock,
    spans: Ids<PageSpan>,
    /// Those of them that are closed, the oldest first.
    closed: VecDeque<u64>,
    /// The highest id that the page gave a span: they rise, so one that does not was seen before.
    last_span: Option<u64>,
    /// The page's calls by their ids: no more than the window, since each ends with its reply.
    calls: Ids<Box<LiveSpan>>,
    /// Those of them that the page withdrew while their reply was on its way.
    withdrawn: Ids<()>,
}

#[derive(Debug)]
enum PageSpan {
    /// Without a span while there is no tracer, or while it is being made.
    Open(Option<Box<LiveSpan>>),
    Closed(Place),
}

impl PageTrace {
    /// Takes up a span's id before the span is made.
    pub(in crate::ipc) fn reserve(&mut self, id: u64) -> Result<(), ErrorType> {
        if self.last_span.is_some_and(|last| id <= last) {
            return Err(ErrorType::Duplicate);
        }
        if self.spans.len() - self.closed.len() >= OPEN_SPANS_MAX {
            return Err(ErrorType::TooManySpans);
        }
        self.last_span = Some(id);
        self.spans.insert(id, PageSpan::Open(None));
        Ok(())
    }

    /// Keeps a reserved span open; it comes back when the page has closed it meanwhile.
    pub(in crate::ipc) fn opened(
        &mut self,
        id: u64,
        span: Box<LiveSpan>,
    ) -> Result<(), Box<LiveSpan>> {
        match self.spans.get_mut(&id) {
            Some(PageSpan::Open(open @ None)) => {
                *open = Some(span);
                Ok(())
            }
            _ => Err(span),
        }
    }

    /// The page closed a span: what is to be ended, if it was made.
    pub(in crate::ipc) fn close(&mut self, id: u64) -> Result<Option<Box<LiveSpan>>, ErrorType> {
        let span = match self.spans.get_mut(&id) {
            Some(PageSpan::Open(open)) => open.take(),
            Some(PageSpan::Closed(_)) | None => return Err(ErrorType::UnknownSpan),
        };
        match &span {
            None => drop(self.spans.remove(&id)),
            Some(span) => {
                self.spans
                    .insert(id, PageSpan::Closed(span.place().clone()));
                self.closed.push_back(id);
            }
        }
        if self.closed.len() > CLOSED_SPANS_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.spans.remove(&oldest);
        }
        Ok(span)
    }

    /// Where the page's span with that id is, open or not.
    pub(in crate::ipc) fn place(&self, id: u64) -> Option<&Place> {
        match self.spans.get(&id)? {
            PageSpan::Open(span) => span.as_deref().map(LiveSpan::place),
            PageSpan::Closed(place) => Some(place),
        }
    }

    /// A call was admitted. Ids rise, so it is no other's.
    pub(in crate::ipc) fn call_began(&mut self, call: u64, span: Box<LiveSpan>) {
        self.calls.insert(call, span);
    }

    /// A call is over: its span, unless it ended before.
    pub(in crate::ipc) fn call_ended(&mut self, call: u64) -> Option<Box<LiveSpan>> {
        self.calls.remove(&call)
    }

    /// The page withdrew a call that is not in the background. What is beyond `max` was never open.
    pub(in crate::ipc) fn call_withdrawn(&mut self, call: u64, max: usize) {
        if self.withdrawn.len() < max {
            self.withdrawn.insert(call, ());
        }
    }

    /// Whether the page withdrew the call, whose reply ended.
    pub(in crate::ipc) fn was_withdrawn(&mut self, call: u64) -> bool {
        self.withdrawn.remove(&call).is_some()
    }

    /// Everything that is open, when the page is gone.
    pub(in crate::ipc) fn into_open(self) -> impl Iterator<Item = Box<LiveSpan>> {
        let spans = self.spans.into_values().filter_map(|span| match span {
            PageSpan::Open(span) => span,
            PageSpan::Closed(_) => None,
        });
        spans.chain(self.calls.into_values())
    }

    /// Notes on the messages that an acknowledgement ended when the page ran them, if it says so.
    ///
    /// Returns how long they were on their way.
    pub(in crate::ipc) fn ran(
        &mut self,
        ended: &mut [Ended],
        ack: &mut Ack,
        now: Stamp,
    ) -> Option<Duration> {
        let at = ack.at?;
        // One that was sent twice may have run after the first time, whenever that was. The first
        // to run was sent no earlier than the first to be sent.
        let once = ended.iter().all(|ended| ended.journey.attempts == 1);
        let sent = ended.iter().filter_map(|ended| ended.journey.dispatched);
        let first = sent.map(|(stamp, _)| stamp).min().filter(|_| once);
        // Of a raw script it is known when it was asked for its end, and not when it ran.
        let is_raw = |ended: &Ended| matches!(ended.message.body, Body::Eval { .. });
        let any_raw = ended.iter().any(is_raw);
        if let Some(first) = first {
            self.clock.ran(first, at);
        }
        let host = |time| self.clock.to_host(time, now);
        let at = host(at)?;
        let done = ack.done.and_then(host);
        // Looked up for each message, and a hostile page names a great many.
        ack.ran.sort_unstable_by_key(|(id, ..)| *id);
        for ended in ended {
            let Some((sent, _)) = ended.journey.dispatched else {
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
            if ended.end.is_ok() && !ended.is_ignored && !is_raw(ended) {
                let begin = begin.max(sent).min(now);
                let end = end.max(begin).min(now);
                ended.ran = Some(Ran { begin, end });
            }
        }
        first.filter(|_| !any_raw).map(|first| at.since(first))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::global;
    use opentelemetry::trace::Tracer;

    use super::*;
    use crate::clock;

    fn span() -> Box<LiveSpan> {
        // Nobody installed a provider here, so it is one that does nothing.
        let span = global::tracer("test").start("click");
        Box::new(LiveSpan::new(span, clock::now(), SystemTime::UNIX_EPOCH))
    }

    #[test]
    fn spans_that_ended_are_forgotten_the_oldest_first() {
        let mut trace = PageTrace::default();
        let ids = 0..3 * CLOSED_SPANS_MAX as u64;
        for id in ids.clone() {
            trace.reserve(id).unwrap();
            trace.opened(id, span()).unwrap();
            assert!(trace.close(id).unwrap().is_some());
        }
        assert_eq!(trace.spans.len(), CLOSED_SPANS_MAX);
        assert!(trace.place(0).is_none() && trace.place(ids.end - 1).is_some());
    }

    #[test]
    fn a_span_that_was_closed_while_it_was_made_comes_back() {
        let mut trace = PageTrace::default();
        trace.reserve(1).unwrap();
        assert!(trace.close(1).unwrap().is_none());
        assert!(trace.opened(1, span()).is_err());
        assert!(trace.spans.is_empty());
    }
}
