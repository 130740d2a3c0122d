//! A message that came in and is not taken up yet.

use std::fmt;
use std::sync::Arc;

use super::handling::Handling;
use super::page_view::PageTimes;
use super::shared::Shared;
use crate::ipc::handling::InboundKind;
use crate::ipc::open_call::OpenCall;
use crate::ipc::protocol::direction::Direction;
use crate::ipc::spans::page::MessageTrace;

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

    /// Takes the message up: its handlers are about to run.
    pub fn begin(self) -> Handling {
        let shared = self.shared;
        let recorder = &shared.recorder;
        recorder.stats.received(1);
        recorder.series.message_size(Direction::Inbound, self.size);
        let started = recorder.clock.now();
        let series = shared.series_of(self.event);
        let start = self
            .times
            .and_then(|times| shared.page().posted(times, started));
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
        let handling = recorder.begin(&series, self.kind, trace, None, started);
        let began = start.and_then(|start| start.message.began);
        let call = (self.kind == InboundKind::Call).then(|| {
            shared.calls.add(OpenCall {
                series: Arc::clone(&series),
                began: began.unwrap_or(started),
            })
        });
        Handling::new(Arc::clone(shared), series, call, handling, started)
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
