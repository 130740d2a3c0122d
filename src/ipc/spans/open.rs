//! The spans that one page has open: its own, and those of its calls.

use std::collections::{HashMap, VecDeque};

use super::timed::{ParentSpan, TimedSpan};
use crate::clock::Stamp;
use crate::instrument::event_name::is_event_name;
use crate::ipc::page_clock::PageClock;
use crate::ipc::protocol::inbound_message::{PageTime, SpanStart};
use crate::ipc::withdrawal::Withdrawal;
use crate::semconv::ErrorType;

/// Spans that a page may have open at once. What it opens beyond is not made.
// The page script has the same bound, `SPANS` in `page/src/config.ts`.
const OPEN_SPANS_MAX: usize = 1_000;
/// Spans that ended and can still be a parent: a call waits for a credit, and its span's end does
/// not. Of 100 bytes each.
const CLOSED_SPANS_MAX: usize = 1_000;

// The page chooses the ids, so the hash has a random seed.
type Ids<V> = HashMap<u64, V, foldhash::quality::RandomState>;

/// The open spans of one generation.
///
/// Pure: spans are made, ended and dropped without the lock that this is under, so they come in
/// and go out whole.
#[derive(Debug, Default)]
pub(in crate::ipc) struct OpenSpans {
    spans: Ids<SpanState>,
    /// Those of them that are closed, the oldest first.
    closed: VecDeque<u64>,
    /// The highest id that the page gave a span: they rise, so one that does not was seen before.
    last_span: Option<u64>,
    /// The page's calls by their ids: no more than the window, since each ends with its reply.
    calls: Ids<Box<TimedSpan>>,
    /// Those of them that the page withdrew while their reply was on its way.
    withdrawn: Ids<Withdrawal>,
}

#[derive(Debug)]
enum SpanState {
    /// Without a span while there is no tracer, or while it is being made.
    Open(Option<Box<TimedSpan>>),
    Closed(ParentSpan),
}

impl OpenSpans {
    /// Takes up a span's id before the span is made.
    pub(in crate::ipc) fn reserve(&mut self, id: u64) -> Result<(), ErrorType> {
        if self.last_span.is_some_and(|last| id <= last) {
            return Err(ErrorType::Duplicate);
        }
        // Each id in `closed` is also in `spans`, so the difference is what is open.
        if self.spans.len() - self.closed.len() >= OPEN_SPANS_MAX {
            return Err(ErrorType::TooManySpans);
        }
        self.last_span = Some(id);
        self.spans.insert(id, SpanState::Open(None));
        Ok(())
    }

    /// Keeps a reserved span open; it comes back when the page has closed it meanwhile.
    pub(in crate::ipc) fn opened(
        &mut self,
        id: u64,
        span: Box<TimedSpan>,
    ) -> Result<(), Box<TimedSpan>> {
        match self.spans.get_mut(&id) {
            Some(SpanState::Open(open @ None)) => {
                *open = Some(span);
                Ok(())
            }
            _ => Err(span),
        }
    }

    /// The page closed a span: what is to be ended, if it was made.
    pub(in crate::ipc) fn close(&mut self, id: u64) -> Result<Option<Box<TimedSpan>>, ErrorType> {
        let span = match self.spans.get_mut(&id) {
            Some(SpanState::Open(open)) => open.take(),
            Some(SpanState::Closed(_)) | None => return Err(ErrorType::UnknownSpan),
        };
        match &span {
            // No span was made, or it is being made: nothing can be a parent, and `opened` hands
            // the late span back.
            None => drop(self.spans.remove(&id)),
            Some(span) => {
                self.spans
                    .insert(id, SpanState::Closed(span.as_parent().clone()));
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

    /// The page opens a span: its parent, and when it began.
    pub(in crate::ipc) fn reserve_at(
        &mut self,
        open: &SpanStart<'_>,
        clock: &PageClock,
        received: Stamp,
    ) -> Result<(Option<ParentSpan>, Option<Stamp>), ErrorType> {
        if !is_event_name(&open.name) {
            return Err(ErrorType::InvalidName);
        }
        self.reserve(open.span)?;
        let start = open.at.and_then(|at| clock.to_host(at, received));
        // A span whose parent is not known becomes a root: the host alone knows which spans exist.
        let parent = open.parent.and_then(|parent| self.parent(parent)).cloned();
        Ok((parent, start))
    }

    /// The page closed a span: what is to be ended, and when it did.
    pub(in crate::ipc) fn close_at(
        &mut self,
        id: u64,
        at: Option<PageTime>,
        clock: &PageClock,
        now: Stamp,
    ) -> Result<Option<(Box<TimedSpan>, Stamp)>, ErrorType> {
        let at = at.and_then(|at| clock.to_host(at, now)).unwrap_or(now);
        Ok(self.close(id)?.map(|span| (span, at)))
    }

    /// The page's span with that id as a parent, open or not.
    pub(in crate::ipc) fn parent(&self, id: u64) -> Option<&ParentSpan> {
        match self.spans.get(&id)? {
            SpanState::Open(span) => span.as_deref().map(TimedSpan::as_parent),
            SpanState::Closed(parent) => Some(parent),
        }
    }

    /// A call was admitted. Ids rise, so it is no other's.
    pub(in crate::ipc) fn open_call(&mut self, call: u64, span: Box<TimedSpan>) {
        self.calls.insert(call, span);
    }

    /// A call is over: its span, unless it ended before.
    pub(in crate::ipc) fn take_call(&mut self, call: u64) -> Option<Box<TimedSpan>> {
        self.calls.remove(&call)
    }

    /// The page withdrew a call that is not in the background. What is beyond `max` was never open.
    pub(in crate::ipc) fn mark_withdrawn(&mut self, call: u64, by: Withdrawal, max: usize) {
        if self.withdrawn.len() < max {
            self.withdrawn.insert(call, by);
        }
    }

    /// How the page withdrew the call, whose reply ended, if it did.
    pub(in crate::ipc) fn take_withdrawn(&mut self, call: u64) -> Option<Withdrawal> {
        self.withdrawn.remove(&call)
    }

    /// Everything that is open, when the page is gone.
    pub(in crate::ipc) fn into_open(self) -> impl Iterator<Item = Box<TimedSpan>> {
        let spans = self.spans.into_values().filter_map(|span| match span {
            SpanState::Open(span) => span,
            SpanState::Closed(_) => None,
        });
        spans.chain(self.calls.into_values())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::global;
    use opentelemetry::trace::Tracer;

    use super::*;
    use crate::clock;

    fn span() -> Box<TimedSpan> {
        // There is no provider here, so the span is a no-op.
        let span = global::tracer("test").start("click");
        Box::new(TimedSpan::new(span, clock::now(), SystemTime::UNIX_EPOCH))
    }

    #[test]
    fn spans_that_ended_are_forgotten_the_oldest_first() {
        let mut spans = OpenSpans::default();
        let ids = 0..3 * CLOSED_SPANS_MAX as u64;
        for id in ids.clone() {
            spans.reserve(id).unwrap();
            spans.opened(id, span()).unwrap();
            assert!(spans.close(id).unwrap().is_some());
        }
        assert_eq!(spans.spans.len(), CLOSED_SPANS_MAX);
        assert!(spans.parent(0).is_none() && spans.parent(ids.end - 1).is_some());
    }

    #[test]
    fn a_span_that_was_closed_while_it_was_made_comes_back() {
        let mut spans = OpenSpans::default();
        spans.reserve(1).unwrap();
        assert!(spans.close(1).unwrap().is_none());
        assert!(spans.opened(1, span()).is_err());
        assert!(spans.spans.is_empty());
    }
}
