//! What a span begins with that its `tracing` span does not say.
//!
//! A field of a `tracing` span is on every line that the app's own subscriber prints within it. So
//! a handler's span has one, its name, and the rest is handed to OpenTelemetry at the moment when
//! the span is entered, which is when our layer starts it: on the same thread, within that call.

use std::cell::Cell;

use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What the next span that is started on this thread begins with.
#[derive(Debug)]
pub(crate) struct SpanStart {
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Vec<KeyValue>,
    /// A span of another trace that led to this one.
    pub(crate) link: Option<SpanContext>,
}

thread_local! {
    // Of the thread and not of the span: `tracing` has no way to hand a value to a layer beside the
    // span's fields.
    static NEXT: Cell<Option<SpanStart>> = const { Cell::new(None) };
}

/// Keeps it for the span that is entered next. Where a thread ends, it is dropped.
pub(crate) fn put(start: SpanStart) {
    // `SpanStart` has a destructor, so at a thread's end this may be gone, and `with` would panic.
    let _ = NEXT.try_with(|next| next.set(Some(start)));
}

/// Takes what was [`put`], if no span took it.
pub(crate) fn take() -> Option<SpanStart> {
    NEXT.try_with(Cell::take).ok().flatten()
}

/// Begins `span`, which is entered later, and returns the context that it is in.
///
/// Our layer takes `start` whole. A layer of `tracing-opentelemetry` that is the app's own leaves it:
/// then the span gets attributes and link afterwards, and keeps its kind.
pub(crate) fn begin(span: &Span, start: SpanStart) -> Context {
    put(start);
    // It starts the span: `tracing-opentelemetry` builds a span when its context is asked for.
    let context = span.context();
    if let Some(left) = take() {
        let span = context.span();
        span.set_attributes(left.attributes);
        if let Some(link) = left.link {
            span.add_link(link, Vec::new());
        }
    }
    context
}
