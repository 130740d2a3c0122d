//! A message that came in and is not taken up yet.

use std::fmt;
use std::sync::Arc;

use super::handling::Handling;
use super::page_call::PageCall;
use super::page_view::{PageTimes, Start};
use super::shared::Shared;
use crate::instrument::record_sink::{CallDetails, Stages};
use crate::ipc::handling::InboundKind;
use crate::ipc::open_call::OpenCall;
use crate::ipc::protocol::direction::Direction;
use crate::ipc::spans::page::MessageTrace;
use crate::ipc::spans::timed::TimedSpan;
use crate::semconv::ErrorType;

/// A message that came in; made by [`Observer::call`](super::Observer::call) and
/// [`Observer::event`](super::Observer::event).
#[must_use = "a message is recorded from begin() on"]
#[derive(Clone, Copy)]
pub struct Inbound<'a> {
    shared: &'a Arc<Shared>,
    kind: InboundKind,
    event: &'a str,
    size: usize,
    traceparent: Option<&'a str>,
    times: Option<PageTimes>,
    page_call: Option<&'a str>,
}

impl<'a> Inbound<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, kind: InboundKind, event: &'a str) -> Self {
        Self {
            shared,
            kind,
            event,
            size: 0,
            traceparent: None,
            times: None,
            page_call: None,
        }
    }

    /// Bytes of its payload. Default: 0.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// The W3C `traceparent` that came with it, whose span becomes the parent.
    ///
    /// Its sender then decides the trace, and whether it is sampled: leave it out for a sender that
    /// you do not trust with that. One that is not of the form is counted as `invalid_traceparent`
    /// in `spanwire.page.errors`, and the message begins a trace.
    pub fn traceparent(mut self, traceparent: Option<&'a str>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// When the page made and posted it, by the page's clock. A call then has a client span that
    /// begins on the page, and an event a producer span.
    pub fn page_times(mut self, times: PageTimes) -> Self {
        self.times = Some(times);
        self
    }

    /// What came along from the page's script: the text that `posted()` gave there.
    ///
    /// The call then has a client span that begins on the page, within the page's span around it,
    /// and ends when the page's script says that it was settled; the reply that
    /// [`Delivery::handed_over`](super::Delivery::handed_over) ends is acknowledged by that, too. Of
    /// an event it says when and within which span it was made. An empty text, of a message that the
    /// page does not observe, is nothing; one that is not the script's is counted as `malformed` in
    /// `spanwire.page.errors`.
    pub fn page_call(mut self, call: &'a str) -> Self {
        self.page_call = Some(call).filter(|call| !call.is_empty());
        self
    }

    /// Takes the message up: its handlers are about to run.
    pub fn begin(self) -> Handling {
        let shared = self.shared;
        let recorder = &shared.recorder;
        recorder.stats.received(1);
        recorder.series.message_size(Direction::Inbound, self.size);
        let started = recorder.clock.now();
        let series = shared.series_of(self.event);
        let call = self.page_call.and_then(PageCall::parse);
        // The observer only counts the error: the message itself is as good as any.
        if self.page_call.is_some() && call.is_none() {
            recorder.series.protocol_error(ErrorType::Malformed);
        }
        let span = call.and_then(|call| call.span);
        let start = self
            .times
            .or(call.map(|call| call.times))
            .and_then(|times| shared.page().posted(times, span, started));
        series.size(Direction::Inbound, self.size);
        if let Some(transit) = start.as_ref().and_then(|start| start.transit) {
            recorder.series.transit(Direction::Inbound, transit);
            series.transit(Direction::Inbound, transit);
        }
        let trace = MessageTrace {
            original: series.original_name(self.event),
            traceparent: self.traceparent,
            size: self.size,
            // Recorded above.
            transit: None,
            start: start.as_ref().map(|start| (&start.message, &start.arrival)),
        };
        let mut handling = recorder.begin(&series, self.kind, trace, None, started);
        let details = call_details(start.as_ref(), handling.call.as_deref());
        // An event has nothing that the page could settle.
        let page_call = call
            .filter(|_| self.kind == InboundKind::Call)
            .and_then(|call| shared.open_call(call.id, &mut handling.call));
        let began = start.and_then(|start| start.message.began);
        let call = (self.kind == InboundKind::Call).then(|| {
            let place = shared.calls.add(OpenCall {
                series: Arc::clone(&series),
                // A call whose page does not say when it was made begins where it is seen first.
                began: began.unwrap_or(started),
            });
            (place, details)
        });
        Handling::new(
            Arc::clone(shared),
            series,
            self.kind,
            handling,
            started,
            page_call,
            call,
        )
    }
}

/// What is known of a call when its handlers are about to run.
fn call_details(start: Option<&Start>, call: Option<&TimedSpan>) -> CallDetails {
    let posted = start.map(|start| (start.message.began, start.message.posted));
    let page_wait = match posted {
        Some((Some(began), Some(posted))) => Some(posted.since(began)),
        _ => None,
    };
    CallDetails {
        stages: Stages {
            page_wait,
            transit: start.and_then(|start| start.transit),
            ..Stages::default()
        },
        trace_id: call.map(|call| call.as_parent().trace_id()),
    }
}

impl fmt::Debug for Inbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("kind", &self.kind)
            .field("bytes", &self.size)
            .finish_non_exhaustive()
    }
}
