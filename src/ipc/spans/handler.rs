//! A handler's span: a `tracing` span with one short field, and the rest of it by OpenTelemetry.

use opentelemetry::trace::{SpanId, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing::span::Entered;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::instrument::span_start::{self, SpanStart};
use crate::semconv;

/// Enters the span, which begins it with that kind and these attributes.
///
/// Our layer takes both. A layer of `tracing-opentelemetry` that is the app's own leaves them, and
/// gets the attributes afterwards.
pub(in crate::ipc) fn enter(span: &Span, start: SpanStart) -> Entered<'_> {
    // To see whether a layer of OpenTelemetry's entered a span. If none did, the current span is
    // still the app's, which must not get our attributes.
    let outer = current_span();
    span_start::put(start);
    let entered = span.enter();
    if let Some(left) = span_start::take()
        && current_span() != outer
    {
        Context::map_current(|context| context.span().set_attributes(left.attributes));
    }
    entered
}

/// Sets an attribute on the span, from wherever: it need not be the current one.
pub(in crate::ipc) fn set_attribute(span: &Span, attribute: KeyValue) {
    if !span.is_disabled() {
        // By the span's context and not by a field: a field would be on each line of the app's log.
        span.context().span().set_attribute(attribute);
    }
}

/// Marks the span as failed.
pub(in crate::ipc) fn fail(span: &Span, error: &'static str) {
    if !span.is_disabled() {
        let context = span.context();
        let span = context.span();
        span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
        // No description: that would be an error's text, which may quote the page.
        span.set_status(Status::error(""));
    }
}

fn current_span() -> SpanId {
    Context::map_current(|context| context.span().span_context().span_id())
}
