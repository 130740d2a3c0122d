//! A message from the page on its way through its listeners.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::FutureExt;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt};
use serde_json::value::RawValue;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::async_call::AsyncCall;
use super::builder::PageTraces;
use super::call::Call;
use super::caller::Caller;
use super::listeners::{HandlerOutcome, HandlerRun};
use super::main_thread::ThreadKind;
use super::protocol::direction::Direction;
use super::series::EventSeries;
use super::spans::names::Verb;
use super::spans::page::{MessageTrace, StartedSpan};
use super::spans::parent::{HandlerContext, TraceParent};
use super::spans::timed::{ParentSpan, count};
use super::spans::traceparent::parse_traceparent;
use super::wire::Inner;
use crate::clock::Stamp;
use crate::instrument::cardinality::{NameSource, is_event_name};
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

impl Inner {
    /// Runs a message through its listeners.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        data: &RawValue,
        trace: MessageTrace<'_>,
    ) {
        let size = trace.size;
        self.series.message_size(Direction::Inbound, size);
        let started = self.clock.now();
        // Kept while the listeners run: it is no lock, and adding a listener does not wait for it.
        let events = self.listeners.events();
        let found = events.get(name);
        let series = match found {
            Some(event) => &event.series,
            None => &self.unlistened_series(name),
        };
        let context = self.handler_context(series, caller, trace, started);
        let (span, parent, _suppressed) = match context {
            HandlerContext::Suppressed(context) => (
                Span::none(),
                TraceParent::Suppressed,
                (!is_ending()).then(|| context.attach()),
            ),
            HandlerContext::Traced(parent) => {
                // An async handler names its own thread.
                let runs_here = found.is_some_and(|event| !event.is_async());
                let thread = self.main_thread.current().filter(|_| runs_here);
                let span = self.handler_span(series, caller, size, thread, &parent);
                (span, parent, None)
            }
        };
        let _entered = span.enter();
        let parent = match parent {
            TraceParent::Suppressed => parent,
            TraceParent::Root | TraceParent::Within(_) => self.within_handler(parent, started),
        };
        let Some(event) = found else {
            let outcome = if is_event_name(name) {
                HandlerOutcome::unknown_event(name)
            } else {
                HandlerOutcome::invalid_name()
            };
            return self.finish(series, caller, outcome, None, &span, &parent);
        };
        let call = Call {
            event: Cow::Borrowed(&event.name),
            data: Cow::Borrowed(data),
            wants_reply: caller.call.is_some(),
        };
        let run = event.run(&call);
        let took = self.clock.now().since(started);
        if self.main_thread.was_blocked(took) {
            series.blocked();
            span.record(semconv::MAIN_THREAD_BLOCKED_S, took.as_secs_f64());
        }
        match run {
            HandlerRun::Done(outcome) => {
                self.finish(series, caller, outcome, Some(took), &span, &parent);
            }
            HandlerRun::Pending(future) => {
                let series = Arc::clone(series);
                let future = match &parent {
                    TraceParent::Suppressed => future.with_context(Context::current()).boxed(),
                    TraceParent::Root | TraceParent::Within(_) => future,
                };
                AsyncCall::new(self, series, caller, size, started, span.clone(), parent)
                    .spawn(self, future);
            }
        }
    }

    /// What a message's handler runs in: calls have spans, and events up to so many a second.
    fn handler_context(
        &self,
        series: &EventSeries,
        caller: Caller,
        trace: MessageTrace<'_>,
        now: Stamp,
    ) -> HandlerContext {
        if !is_ending() && (caller.call.is_some() || self.tracer.admits_handler(now)) {
            return self.traced_context(series, caller, trace, now);
        }
        self.series.span_skipped(Direction::Inbound);
        HandlerContext::suppressed()
    }

    /// The span of the page's call or event, which is made here if the page says when it began;
    /// otherwise the span of the page that it was sent in, or the page's `traceparent`.
    fn traced_context(
        &self,
        series: &EventSeries,
        caller: Caller,
        trace: MessageTrace<'_>,
        now: Stamp,
    ) -> HandlerContext {
        let remote = self.remote_parent(trace.traceparent);
        let outside = || {
            HandlerContext::Traced(
                remote
                    .clone()
                    .map_or(TraceParent::Root, TraceParent::Within),
            )
        };
        let Some((message, arrival)) = trace.start else {
            return outside();
        };
        let parent = message.parent.as_ref();
        let context = parent.map_or_else(outside, ParentSpan::handler_context);
        let (Some(start), HandlerContext::Traced(trace_parent)) = (message.began, &context) else {
            return context;
        };
        let (verb, kind) = match caller.call {
            Some(_) => (Verb::Handle, SpanKind::Client),
            None => (Verb::Send, SpanKind::Producer),
        };
        let names = series.names();
        let span = SpanBuilder::from_name(names.span(verb)).with_kind(kind);
        let within = trace_parent.context();
        let (tracer, clock) = (&self.tracer, &self.clock);
        let Some(started) = StartedSpan::start(tracer, clock, span, start, parent, within, now)
        else {
            return context;
        };
        if !started.is_recording() {
            return started.suppressed();
        }
        let mut span = started.into_timed();
        span.describe(names, &self.config.name);
        span.set_attribute(semconv::MESSAGE_SIZE_BY, count(trace.size));
        span.set_attribute(semconv::BATCH_SIZE, count(arrival.posted));
        let context = span.as_parent().handler_context();
        let start = span.as_parent().start;
        let received = arrival.received.max(start);
        let posted = message.posted.unwrap_or(start).max(start).min(received);
        span.add_event("posted", posted);
        let Some(call) = caller.call else {
            span.finish(None, received);
            return context;
        };
        span.add_event("received", received);
        let refused = match self.page().spans(caller.generation) {
            Some(spans) => {
                spans.open_call(call, span);
                None
            }
            None => Some(span),
        };
        if let Some(span) = refused {
            // Another thread saw the page go away meanwhile.
            let why = self.page().why_gone();
            span.fail(why.as_str(), self.clock.now());
        }
        context
    }

    /// The parent of what is made within the handler's span, which is entered; `parent` itself when
    /// there is none.
    fn within_handler(&self, parent: TraceParent, started: Stamp) -> TraceParent {
        let within = match TraceParent::current() {
            TraceParent::Root => parent,
            current => current,
        };
        if matches!(within, TraceParent::Within(_)) {
            self.tracer.handler_traced(started);
        }
        within
    }

    fn remote_parent(&self, traceparent: Option<&str>) -> Option<Context> {
        if self.config.page_traces == PageTraces::Ignored {
            return None;
        }
        let parent = parse_traceparent(traceparent?);
        if parent.is_none() {
            // The message is as good as any, only its trace begins here.
            self.series.protocol_error(ErrorType::InvalidTraceparent);
        }
        Some(Context::new().with_remote_span_context(parent?))
    }

    /// The span of a message's handler.
    fn handler_span(
        &self,
        series: &EventSeries,
        caller: Caller,
        size: usize,
        thread: Option<ThreadKind>,
        parent: &TraceParent,
    ) -> Span {
        let name = &**series.label();
        let span = tracing::info_span!(
            target: "spanwire",
            parent: None,
            "handle",
            otel.name = name,
            otel.kind = if caller.call.is_some() { "server" } else { "consumer" },
            otel.status_code = tracing::field::Empty,
            { semconv::RPC_SYSTEM_NAME } = semconv::RPC_SYSTEM,
            { semconv::RPC_METHOD } = name,
            { semconv::WEBVIEW_NAME } = &*self.config.name,
            { semconv::MESSAGE_SIZE_BY } = i64::try_from(size).unwrap_or(i64::MAX),
            { semconv::THREAD } = thread.map(ThreadKind::as_str),
            { semconv::MAIN_THREAD_BLOCKED_S } = tracing::field::Empty,
            { semconv::ERROR_TYPE } = tracing::field::Empty,
        );
        if let Some(parent) = parent.context() {
            // Fails only when no layer of OpenTelemetry's is there, and then there is no trace.
            let _ = span.set_parent(parent.clone());
        }
        span
    }

    /// The series of a name that the page gave, which may be hostile.
    pub(super) fn series_of(&self, name: &str) -> Arc<EventSeries> {
        match self.listeners.events().get(name) {
            Some(event) => Arc::clone(&event.series),
            None => self.unlistened_series(name),
        }
    }

    /// The series of a name without listeners.
    fn unlistened_series(&self, name: &str) -> Arc<EventSeries> {
        if is_event_name(name) {
            self.series.event(name, NameSource::External)
        } else {
            Arc::clone(self.series.nameless())
        }
    }
}
