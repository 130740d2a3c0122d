//! Spans that begin on the page, made from page times that were translated to the host's clock.
//!
//! None is made, ended or dropped while the page's lock is held, since a tracer is the app's code.

use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanBuilder};
use serde_json::value::RawValue;

use super::parent::HandlerContext;
use super::timed::{ParentSpan, TimedSpan};
use super::tracer::WireTracer;
use crate::clock::{Clock, Stamp};
use crate::ipc::protocol::inbound_message::{PageTime, PostedMessage};

/// When a batch was posted, by the page's clock, and when it came.
#[derive(Clone, Copy, Debug)]
pub(in crate::ipc) struct Arrival {
    pub(in crate::ipc) sent: Option<PageTime>,
    pub(in crate::ipc) received: Stamp,
    /// Calls and events in it.
    pub(in crate::ipc) posted: usize,
}

/// What a message from the page says of its trace.
#[derive(Clone, Copy, Debug)]
pub(in crate::ipc) struct MessageTrace<'a> {
    /// Its event as the page named it, where the series of its event has another name.
    pub(in crate::ipc) original: Option<&'a str>,
    pub(in crate::ipc) traceparent: Option<&'a str>,
    /// Bytes of its payload.
    pub(in crate::ipc) size: usize,
    /// How long the batch was on its way that it came in, if that is known.
    pub(in crate::ipc) transit: Option<Duration>,
    /// Where it began on the page, if the page says so, and the batch that it came in.
    pub(in crate::ipc) start: Option<(&'a MessageStart, &'a Arrival)>,
}

/// Where and when a message began on its page, in host time.
#[derive(Debug)]
pub(in crate::ipc) struct MessageStart {
    /// The page's span that it was sent in.
    pub(in crate::ipc) parent: Option<ParentSpan>,
    /// When the page called `invoke` or `emit`.
    pub(in crate::ipc) began: Option<Stamp>,
    /// When the page posted the batch.
    pub(in crate::ipc) posted: Option<Stamp>,
}

impl<'a> MessageTrace<'a> {
    /// Of a message that says nothing of its trace.
    pub(in crate::ipc) fn none(data: &RawValue) -> Self {
        Self {
            original: None,
            traceparent: None,
            size: data.get().len(),
            transit: None,
            start: None,
        }
    }

    pub(in crate::ipc) fn of(
        posted: &'a PostedMessage<'_>,
        start: Option<&'a MessageStart>,
        arrival: &'a Arrival,
        transit: Option<Duration>,
    ) -> Self {
        Self {
            // `dispatch` sets it, when it knows the event's series.
            original: None,
            traceparent: posted.traceparent.as_deref(),
            size: posted.data.get().len(),
            transit,
            start: start.map(|start| (start, arrival)),
        }
    }
}

/// A span of the page's that began, and when it did.
pub(in crate::ipc) struct StartedSpan {
    span: BoxedSpan,
    start: Stamp,
    wall: SystemTime,
}

impl StartedSpan {
    /// Starts a span at `start`, but not before its parent; `None` when there is no tracer.
    ///
    /// `context` is what the span is made in: the parent's, or that of a remote parent.
    pub(in crate::ipc) fn start(
        tracer: &WireTracer,
        clock: &Clock,
        span: SpanBuilder,
        start: Stamp,
        parent: Option<&ParentSpan>,
        context: Option<&Context>,
        now: Stamp,
    ) -> Option<Self> {
        let tracer = tracer.tracer(clock)?;
        // Page times are rounded and estimated, so a child may seem to begin before its parent.
        let start = parent.map_or(start, |parent| start.max(parent.start));
        let wall = clock.wall_by(start, now);
        // The wall clock may have been set since the parent began.
        let wall = parent.map_or(wall, |parent| wall.max(parent.wall));
        let span = tracer.start(context, span.with_start_time(wall))?;
        Some(Self { span, start, wall })
    }

    pub(in crate::ipc) fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    /// What a handler below it runs in when it is not recorded.
    pub(in crate::ipc) fn suppressed(&self) -> HandlerContext {
        HandlerContext::suppressed_below(self.span.span_context().clone())
    }

    pub(in crate::ipc) fn into_timed(self) -> Box<TimedSpan> {
        Box::new(TimedSpan::new(self.span, self.start, self.wall))
    }
}
