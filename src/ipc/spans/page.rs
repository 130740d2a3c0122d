//! One trace from page to page: what becomes of the page's stamps.
//!
//! The spans that begin on the page are made here, from page times translated to the host's clock.
//! None is made, ended or dropped while the page's lock is held, since that is the app's code.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind};
use opentelemetry::{Context, KeyValue};
use serde_json::value::RawValue;

use super::names::Verb;
use super::parent::{Ahead, Around};
use super::timed::{LiveSpan, Place};
use super::tracer::count;
use crate::clock::Stamp;
use crate::instrument::cardinality::is_event_name;
use crate::ipc::inbound::Caller;
use crate::ipc::outbox::{Body, Credit, Ended, Outbound};
use crate::ipc::protocol::message::{CancelCause, OpenSpan, PageTime};
use crate::ipc::series::{Direction, EventSeries};
use crate::ipc::wire::Inner;
use crate::semconv::{self, ErrorType};

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
pub(in crate::ipc) struct Stamps<'a> {
    pub(in crate::ipc) traceparent: Option<&'a str>,
    /// When the page called `invoke` or `emit`.
    pub(in crate::ipc) at: Option<PageTime>,
    /// The page's span that it did so in.
    pub(in crate::ipc) span: Option<u64>,
    /// Bytes of its payload.
    pub(in crate::ipc) size: usize,
    pub(in crate::ipc) arrival: Option<Arrival>,
}

impl Stamps<'_> {
    /// Of a message that says nothing of its trace.
    pub(in crate::ipc) fn none(data: &RawValue) -> Self {
        Self {
            traceparent: None,
            at: None,
            span: None,
            size: data.get().len(),
            arrival: None,
        }
    }
}

impl Inner {
    /// Learns from a batch of that page.
    pub(in crate::ipc) fn heard(&self, page: &str, arrival: Arrival) {
        let transit = {
            let mut page_now = self.page();
            page_now.heard(page, arrival.received);
            let Some(sent) = arrival.sent else { return };
            let Some(generation) = page_now.current(page) else {
                return;
            };
            let Some(trace) = page_now.trace(generation) else {
                return;
            };
            trace.clock.heard(sent, arrival.received);
            trace.clock.transit(sent, arrival.received)
        };
        if arrival.posted > 0
            && let Some(transit) = transit
        {
            self.series.transit(Direction::Inbound, transit);
        }
    }

    /// A message to the page, sent here and now.
    pub(in crate::ipc) fn outbound(
        &self,
        body: Body,
        series: Arc<EventSeries>,
        around: &Around,
    ) -> Outbound {
        let found = match around {
            Around::Untraced => None,
            Around::Nothing | Around::Within(_) => self.spans.tracer(&self.clock),
        };
        let Some(tracer) = found else {
            let enqueued_at = self.clock.now();
            return Outbound {
                body,
                series,
                span: None,
                enqueued_at,
                waited_for_ui: self.waited_for_ui(enqueued_at),
            };
        };
        let (enqueued_at, wall) = self.clock.now_and_wall();
        let (verb, kind) = match body {
            Body::Reply { .. } => (Verb::Reply, SpanKind::Internal),
            Body::Event { .. } | Body::Eval { .. } => (Verb::Send, SpanKind::Producer),
        };
        // Calls are bounded by the page's window, and each has its reply.
        let is_bounded = matches!(body, Body::Reply { .. });
        let span = if is_bounded || self.spans.admits(Direction::Outbound, enqueued_at) {
            let names = series.names();
            let span = SpanBuilder::from_name(names.span(verb))
                .with_kind(kind)
                .with_start_time(wall);
            tracer
                .start(around.context(), span)
                .filter(|span| span.is_recording())
                .map(|span| {
                    let mut span = LiveSpan::new(span, enqueued_at, wall);
                    span.describe(names, &self.config.name);
                    span.set(semconv::MESSAGE_SIZE_BY, count(body.size()));
                    Box::new(span)
                })
        } else {
            self.series.span_skipped(Direction::Outbound);
            None
        };
        Outbound {
            body,
            series,
            span,
            enqueued_at,
            waited_for_ui: self.waited_for_ui(enqueued_at),
        }
    }

    /// What the handler of a message goes on in: the span of the page's call or event, which is made
    /// here if the page says when it began; otherwise what the page did so in.
    pub(in crate::ipc) fn around_handler(
        &self,
        series: &EventSeries,
        caller: Caller,
        stamps: Stamps<'_>,
        now: Stamp,
    ) -> Ahead {
        let remote = self.remote_parent(stamps.traceparent);
        let outside = || Ahead::Traced(remote.clone().map_or(Around::Nothing, Around::Within));
        let Some(arrival) = stamps.arrival else {
            return outside();
        };
        if stamps.at.is_none() && stamps.span.is_none() {
            return outside();
        }
        let (place, start, posted) = {
            let mut page = self.page();
            let Some(trace) = page.trace(caller.generation) else {
                return outside();
            };
            let host = |time| trace.clock.to_host(time, arrival.received);
            let place = stamps.span.and_then(|span| trace.place(span)).cloned();
            (place, stamps.at.and_then(host), arrival.sent.and_then(host))
        };
        let ahead = place.as_ref().map_or_else(outside, Place::ahead);
        let (Some(start), Ahead::Traced(around)) = (start, &ahead) else {
            return ahead;
        };
        let (verb, kind) = match caller.call {
            Some(_) => (Verb::Handle, SpanKind::Client),
            None => (Verb::Send, SpanKind::Producer),
        };
        let names = series.names();
        let span = SpanBuilder::from_name(names.span(verb)).with_kind(kind);
        let Some(begun) = self.begin(span, start, place.as_ref(), around.context(), now) else {
            return ahead;
        };
        if !begun.span.is_recording() {
            return Ahead::untraced(begun.span.span_context().clone());
        }
        let mut span = begun.into_live();
        span.describe(names, &self.config.name);
        span.set(semconv::MESSAGE_SIZE_BY, count(stamps.size));
        span.set(semconv::BATCH_SIZE, count(arrival.posted));
        let ahead = span.place().ahead();
        let start = span.place().start;
        let received = arrival.received.max(start);
        span.event("posted", posted.unwrap_or(start).max(start).min(received));
        let Some(call) = caller.call else {
            span.finish(None, received);
            return ahead;
        };
        span.event("received", received);
        let refused = match self.page().trace(caller.generation) {
            Some(trace) => {
                trace.call_began(call, span);
                None
            }
            None => Some(span),
        };
        if let Some(span) = refused {
            // Another thread saw the page go away meanwhile.
            span.fail(ErrorType::PageGone.as_str(), self.clock.now());
        }
        ahead
    }

    /// Starts a span of the page's, not before the one that it is in.
    fn begin(
        &self,
        span: SpanBuilder,
        start: Stamp,
        place: Option<&Place>,
        parent: Option<&Context>,
        now: Stamp,
    ) -> Option<Begun> {
        let tracer = self.spans.tracer(&self.clock)?;
        let start = place.map_or(start, |place| start.max(place.start));
        let wall = self.clock.wall_by(start, now);
        let wall = place.map_or(wall, |place| wall.max(place.wall));
        let span = tracer.start(parent, span.with_start_time(wall))?;
        Some(Begun { span, start, wall })
    }

    /// A call's reply ended, and with it the call: the page settled its promise, or never will.
    pub(in crate::ipc) fn call_settled(&self, mut span: LiveSpan, ended: &Ended, now: Stamp) {
        let error = match (&ended.message.body, ended.end) {
            (_, Err(error)) => Some(error),
            (Body::Reply { result, .. }, Ok(())) => result
                .as_ref()
                .err()
                .map(|rejection| rejection.code.error_type()),
            _ => None,
        };
        let settled = ended.ran.map_or(now, |ran| ran.begin);
        if ended.end.is_ok() {
            span.event("settled", settled);
        }
        span.finish(error.map(ErrorType::as_str), settled);
    }

    /// The page withdrew a call.
    pub(in crate::ipc) fn call_withdrawn(
        &self,
        generation: u64,
        call: u64,
        at: Option<PageTime>,
        why: CancelCause,
    ) {
        let now = self.clock.now();
        let (span, at) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            let at = at.and_then(|at| trace.clock.to_host(at, now));
            (trace.call_ended(call), at.unwrap_or(now))
        };
        let error = match why {
            CancelCause::Cancelled => ErrorType::Cancelled,
            CancelCause::Timeout => ErrorType::Timeout,
        };
        if let Some(span) = span {
            let start = span.place().start;
            span.fail(error.as_str(), at.max(start));
        }
    }

    /// A call ended that nobody answers.
    pub(in crate::ipc) fn call_unanswered(&self, caller: Caller, error: ErrorType) {
        let (Some(call), Credit::Spent) = (caller.call, caller.credit) else {
            return;
        };
        let span = self
            .page()
            .trace(caller.generation)
            .and_then(|trace| trace.call_ended(call));
        if let Some(span) = span {
            span.fail(error.as_str(), self.clock.now());
        }
    }

    /// The page opens a span of its own.
    pub(in crate::ipc) fn open_span(&self, generation: u64, open: &OpenSpan<'_>, received: Stamp) {
        let refuse = |error| self.series.protocol_error(error);
        if !is_event_name(&open.name) {
            return refuse(ErrorType::InvalidName);
        }
        let (place, start) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            if let Err(error) = trace.reserve(open.span) {
                drop(page);
                return refuse(error);
            }
            let at = open.at.and_then(|at| trace.clock.to_host(at, received));
            let place = open.parent.and_then(|parent| trace.place(parent)).cloned();
            (place, at)
        };
        // Without a time of the page's there is nothing to measure, only an id to remember.
        let Some(start) = start else { return };
        let parent = place.as_ref().map(Place::as_parent);
        let now = self.clock.now();
        let webview = KeyValue::new(semconv::WEBVIEW_NAME, self.config.name.clone());
        let span = SpanBuilder::from_name(open.name.as_ref().to_owned())
            .with_kind(SpanKind::Internal)
            .with_attributes([webview]);
        let Some(begun) = self.begin(span, start, place.as_ref(), parent.as_ref(), now) else {
            return;
        };
        let span = begun.into_live();
        let refused = match self.page().trace(generation) {
            Some(trace) => trace.opened(open.span, span).err(),
            None => Some(span),
        };
        if let Some(span) = refused {
            span.fail(ErrorType::PageGone.as_str(), self.clock.now());
        }
    }

    /// The page closes a span of its own.
    pub(in crate::ipc) fn close_span(
        &self,
        generation: u64,
        id: u64,
        at: Option<PageTime>,
        error: Option<&'static str>,
    ) {
        let now = self.clock.now();
        let (span, at) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            let at = at.and_then(|at| trace.clock.to_host(at, now));
            (trace.close(id), at.unwrap_or(now))
        };
        match span {
            Err(error) => self.series.protocol_error(error),
            Ok(None) => {}
            Ok(Some(span)) => {
                let start = span.place().start;
                span.finish(error, at.max(start));
            }
        }
    }
}

/// A span of the page's that began, and when it did.
struct Begun {
    span: BoxedSpan,
    start: Stamp,
    wall: SystemTime,
}

impl Begun {
    fn into_live(self) -> Box<LiveSpan> {
        Box::new(LiveSpan::new(self.span, self.start, self.wall))
    }
}
