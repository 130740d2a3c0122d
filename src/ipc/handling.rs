//! A message from the page while its handlers run: the span that it has, and what they run in.

use std::mem;

use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue};
use tracing::Span;
use tracing::span::Entered;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::builder::PageTraces;
use super::main_thread::ThreadKind;
use super::protocol::direction::Direction;
use super::recorder::Recorder;
use super::series::EventSeries;
use super::spans::handler;
use super::spans::names::Verb;
use super::spans::page::{MessageTrace, StartedSpan};
use super::spans::parent::{HandlerContext, TraceParent};
use super::spans::timed::{self, ParentSpan, TimedSpan, count};
use super::spans::traceparent::parse_traceparent;
use crate::clock::Stamp;
use crate::instrument::span_delivery;
use crate::instrument::span_start::{self, SpanStart};
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

/// What a message from the page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InboundKind {
    /// Its sender waits for a reply.
    Call,
    Event,
}

/// A message from the page whose handlers are to run.
#[derive(Debug)]
pub(super) struct Handling {
    /// The handlers' span; none where spans are suppressed.
    pub(super) span: Span,
    /// What it begins with, until it does.
    start: Option<SpanStart>,
    /// What is made within the handlers is a child of this one, once they were entered.
    pub(super) parent: TraceParent,
    /// Where spans are suppressed: the context to run in.
    suppressed: Option<Context>,
    /// The span of the page's call, which is open until its reply has ended.
    pub(super) call: Option<Box<TimedSpan>>,
}

/// Where the handlers of a message run until it is dropped.
#[must_use = "the handlers run while it is held"]
pub(super) struct HandlingEntered<'a> {
    // In this order: the span is left before the context around it.
    _entered: Entered<'a>,
    _suppressed: Option<ContextGuard>,
    pub(super) span: &'a Span,
}

impl Handling {
    /// The context to run in where spans are suppressed.
    pub(super) fn suppressed_context(&self) -> Option<Context> {
        self.suppressed.clone().filter(|_| !is_ending())
    }

    /// Begins the handlers' span without entering it.
    pub(super) fn start_span(&mut self) {
        if let Some(start) = self.start.take() {
            span_start::begin(&self.span, start);
        }
    }

    /// Enters the handlers' span, or what suppresses spans, on this thread.
    ///
    /// Returns the parent of what is made within.
    pub(super) fn enter(
        &mut self,
        recorder: &Recorder,
        started: Stamp,
    ) -> (HandlingEntered<'_>, TraceParent) {
        // The handling gives its parent away, since the caller gets it back as the parent of what
        // is made within.
        let parent = mem::replace(&mut self.parent, TraceParent::Root);
        let suppressed = self.suppressed.as_ref().filter(|_| !is_ending());
        let span = &self.span;
        let entered = HandlingEntered {
            _suppressed: suppressed.map(|context| context.clone().attach()),
            _entered: match self.start.take() {
                Some(start) => handler::enter(span, start),
                None => span.enter(),
            },
            span,
        };
        let parent = match parent {
            TraceParent::Suppressed => parent,
            TraceParent::Root | TraceParent::Within(_) => recorder.within_handler(parent, started),
        };
        (entered, parent)
    }
}

impl Recorder {
    /// Takes up a message from the page, whose handlers run on `thread` if that is known.
    pub(super) fn begin(
        &self,
        series: &EventSeries,
        kind: InboundKind,
        trace: MessageTrace<'_>,
        thread: Option<ThreadKind>,
        started: Stamp,
    ) -> Handling {
        let (context, call) = self.handler_context(series, kind, trace, started);
        match context {
            HandlerContext::Suppressed(context) => Handling {
                span: Span::none(),
                start: None,
                parent: TraceParent::Suppressed,
                suppressed: Some(context),
                call,
            },
            HandlerContext::Traced(parent) => {
                let span = handler_span(series, &parent);
                let start =
                    // Nothing is made for a span that no subscriber takes.
                    (!span.is_disabled()).then(|| self.handler_start(series, kind, &trace, thread));
                Handling {
                    span,
                    start,
                    parent,
                    suppressed: None,
                    call,
                }
            }
        }
    }

    /// What a message's handler runs in: calls have spans, and events up to so many a second.
    fn handler_context(
        &self,
        series: &EventSeries,
        kind: InboundKind,
        trace: MessageTrace<'_>,
        now: Stamp,
    ) -> (HandlerContext, Option<Box<TimedSpan>>) {
        // Calls pass without the rate limit: the page's credits bound them.
        if !is_ending() && (kind == InboundKind::Call || self.tracer.admits_handler(now)) {
            return self.traced_context(series, kind, trace, now);
        }
        self.series.span_skipped(Direction::Inbound);
        (HandlerContext::suppressed(), None)
    }

    /// The span of the page's call or event, which is made here if the page says when it began;
    /// otherwise the span of the page that it was sent in, or the page's `traceparent`.
    fn traced_context(
        &self,
        series: &EventSeries,
        kind: InboundKind,
        trace: MessageTrace<'_>,
        now: Stamp,
    ) -> (HandlerContext, Option<Box<TimedSpan>>) {
        let remote = self.remote_parent(trace.traceparent);
        let outside = || {
            HandlerContext::Traced(
                remote
                    .clone()
                    .map_or(TraceParent::Root, TraceParent::Within),
            )
        };
        let Some((message, arrival)) = trace.start else {
            return (outside(), None);
        };
        let parent = message.parent.as_ref();
        let context = parent.map_or_else(outside, ParentSpan::handler_context);
        // The context holds even if the page's span around it is not recorded: then the spans
        // within it are not recorded either.
        let (Some(start), HandlerContext::Traced(trace_parent)) = (message.began, &context) else {
            return (context, None);
        };
        let (verb, span_kind) = match kind {
            InboundKind::Call => (Verb::Handle, SpanKind::Client),
            InboundKind::Event => (Verb::Send, SpanKind::Producer),
        };
        let names = series.names();
        let span = SpanBuilder::from_name(names.span(verb)).with_kind(span_kind);
        let within = trace_parent.context();
        let (tracer, clock) = (&self.tracer, &self.clock);
        let Some(started) = StartedSpan::start(tracer, clock, span, start, parent, within, now)
        else {
            // The API has no tracer yet. The handler's `tracing` span may still reach a layer of
            // the app's.
            return (context, None);
        };
        if !started.is_recording() {
            // The sampler refused the trace, so the handler's span is not even offered to it.
            return (started.suppressed(), None);
        }
        let mut span = started.into_timed();
        span.describe(names, &self.webview);
        if let Some(original) = trace.original {
            span.set_attribute(semconv::RPC_METHOD_ORIGINAL, original.to_owned());
        }
        span.set_attribute(semconv::MESSAGE_SIZE_BY, count(trace.size));
        span.set_attribute(semconv::BATCH_SIZE, count(arrival.posted));
        let context = span.as_parent().handler_context();
        let start = span.as_parent().start;
        // The start may have been moved up to the parent's, and the page's clock is an estimate, so
        // each time is kept behind the one before it.
        let received = arrival.received.max(start);
        let posted = message.posted.unwrap_or(start).max(start).min(received);
        span.add_event("posted", posted);
        match kind {
            InboundKind::Call => {
                span.add_event("received", received);
                (context, Some(span))
            }
            InboundKind::Event => {
                // The producer span covers page and wire, and ends where the host has the event
                // (ADR 5).
                span.finish(None, received);
                (context, None)
            }
        }
    }

    /// The parent of what is made within the handler's span, which is entered; `parent` itself when
    /// there is none.
    fn within_handler(&self, parent: TraceParent, started: Stamp) -> TraceParent {
        let within = match TraceParent::current() {
            TraceParent::Root => {
                // The handler's span was entered and OpenTelemetry has none: the app's subscriber
                // lacks the layer, or filters the span out.
                span_delivery::missing();
                parent
            }
            current => current,
        };
        if matches!(within, TraceParent::Within(_)) {
            self.tracer.handler_traced(started);
        }
        within
    }

    fn remote_parent(&self, traceparent: Option<&str>) -> Option<Context> {
        if self.page_traces == PageTraces::Ignored {
            return None;
        }
        let parent = parse_traceparent(traceparent?);
        if parent.is_none() {
            // The message is as good as any, only its trace begins here.
            self.series.protocol_error(ErrorType::InvalidTraceparent);
        }
        Some(Context::new().with_remote_span_context(parent?))
    }

    /// What the span of a message's handler begins with.
    fn handler_start(
        &self,
        series: &EventSeries,
        kind: InboundKind,
        trace: &MessageTrace<'_>,
        thread: Option<ThreadKind>,
    ) -> SpanStart {
        // Three that every span has, and up to three more.
        let mut attributes = Vec::with_capacity(6);
        attributes.extend(timed::attributes(series.names(), &self.webview));
        if let Some(original) = trace.original {
            let original = KeyValue::new(semconv::RPC_METHOD_ORIGINAL, original.to_owned());
            attributes.push(original);
        }
        attributes.push(KeyValue::new(semconv::MESSAGE_SIZE_BY, count(trace.size)));
        attributes.extend(thread.map(|thread| KeyValue::new(semconv::THREAD, thread.as_str())));
        SpanStart {
            kind: match kind {
                InboundKind::Call => SpanKind::Server,
                InboundKind::Event => SpanKind::Consumer,
            },
            attributes,
            link: None,
        }
    }
}

/// The span of a message's handler. Its one field is its name.
fn handler_span(series: &EventSeries, parent: &TraceParent) -> Span {
    span_delivery::next();
    let span = tracing::info_span!(
        target: "spanwire",
        // Explicitly none: a span of the app's around `receive` is not the message's parent.
        parent: None,
        "handle",
        otel.name = &**series.label(),
    );
    if let Some(parent) = parent.context() {
        // Fails only when no layer of OpenTelemetry's is there, and then there is no trace.
        let _ = span.set_parent(parent.clone());
    }
    span
}
