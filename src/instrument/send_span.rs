//! The span of a message in a queue of the app's own: from its push until an operation takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::span_delivery;
use super::span_start::{self, SpanStart};
use super::suppression::is_marked;
use super::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

/// The target of the span, for users' filters.
const TARGET: &str = "spanwire::queue";

/// Such spans that are open in the process at once. A queue may hold millions of messages, and an
/// open span is far larger than most of them. One beyond it ends with its push.
const OPEN_MAX: usize = 1_000;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The span `send {queue}`. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct SendSpan {
    /// What an operation is linked to.
    context: SpanContext,
    queue: Arc<str>,
    open: Option<OpenSpan>,
}

impl SendSpan {
    /// Starts the span of a message to that queue within the span that is current on this thread;
    /// none where that is not sampled.
    pub(crate) fn start(queue: &Arc<str>) -> Option<Box<Self>> {
        if is_ending() {
            return None;
        }
        let parent = Context::map_current(|context| {
            let is_wanted =
                may_be_kept(context) && !is_marked(context) && !context.is_telemetry_suppressed();
            is_wanted.then(|| context.clone())
        })?;
        Self::within(parent, queue)
    }

    #[cold]
    fn within(parent: Context, queue: &Arc<str>) -> Option<Box<Self>> {
        span_delivery::next();
        let span = tracing::info_span!(
            target: TARGET,
            // Its parent is set below: a child in `tracing` would keep the pusher's span from being
            // exported until an operation takes the message.
            parent: None,
            "send",
            otel.name = &*format!("{SEND} {queue}"),
        );
        // It fails where no subscriber takes the span, or none with a layer of OpenTelemetry's.
        span.set_parent(parent).ok()?;
        let start = SpanStart {
            kind: SpanKind::Producer,
            attributes: attributes(queue, SEND),
            link: None,
        };
        let context = span_start::begin(&span, start);
        // A sampler may refuse a span within one that is sampled.
        may_be_kept(&context).then(|| {
            Box::new(Self {
                context: context.span().span_context().clone(),
                queue: Arc::clone(queue),
                open: OpenSpan::keep(span),
            })
        })
    }

    /// An operation took the message: links its span and this one to each other, and ends this one.
    pub(crate) fn taken_by(self, operation: &Span) {
        if !is_ending() && !operation.is_disabled() {
            let context = span_start::begin(operation, self.operation_start());
            self.link(&context);
        }
    }

    /// What the span of the operation that takes the message begins with.
    pub(crate) fn operation_start(&self) -> SpanStart {
        SpanStart {
            kind: SpanKind::Consumer,
            attributes: attributes(&self.queue, PROCESS),
            link: Some(self.context.clone()),
        }
    }

    /// Links this span to that of the operation, if there is one to be found.
    pub(crate) fn link(&self, operation: &Context) {
        if may_be_kept(operation)
            && let Some(OpenSpan(span)) = &self.open
            && !is_ending()
        {
            let context = span.context();
            let to = operation.span().span_context().clone();
            context.span().add_link(to, Vec::new());
        }
    }

    /// Nothing will take the message.
    pub(crate) fn lost(self, why: ErrorType) {
        if let Some(OpenSpan(span)) = &self.open
            && !is_ending()
        {
            let context = span.context();
            let span = context.span();
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, why.as_str()));
            span.set_status(Status::error(""));
        }
    }
}

impl Clone for SendSpan {
    /// What to link to: the span itself has one end, and that is the original's.
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            queue: Arc::clone(&self.queue),
            open: None,
        }
    }
}

/// A span that is open, counted.
#[derive(Debug)]
struct OpenSpan(Span);

impl OpenSpan {
    /// Keeps the span open if there is room; otherwise the span ends.
    fn keep(span: Span) -> Option<Self> {
        // Relaxed: only the number counts.
        let admitted = OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < OPEN_MAX).then_some(open + 1)
        });
        admitted.is_ok().then(|| Self(span))
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if is_ending() {
            // Leaked: its end would use thread-locals of the subscriber's, which may be gone.
            std::mem::forget(std::mem::replace(&mut self.0, Span::none()));
        }
    }
}

/// Whether the span in `context` is sampled, or may be: tail sampling records spans and decides later.
fn may_be_kept(context: &Context) -> bool {
    let span = context.span();
    span.is_recording() || span.span_context().is_sampled()
}

/// By OpenTelemetry's conventions for messaging.
fn attributes(queue: &Arc<str>, operation: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new(semconv::MESSAGING_SYSTEM, semconv::RPC_SYSTEM),
        KeyValue::new(semconv::MESSAGING_DESTINATION_NAME, Arc::clone(queue)),
        KeyValue::new(semconv::MESSAGING_OPERATION_NAME, operation),
        KeyValue::new(semconv::MESSAGING_OPERATION_TYPE, operation),
    ]
}

const SEND: &str = "send";
const PROCESS: &str = "process";
