//! Suppression of spans: a decision that is taken once and holds for everything within.
//!
//! It travels in OpenTelemetry's context, so it goes where that goes: into futures and to other
//! threads.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

/// The mark. Private, so that no other code sets or reads it.
#[derive(Clone, Copy, Debug)]
struct Suppressed;

/// The context for everything below `span`, which is not sampled, with the mark on it.
pub(crate) fn below(span: SpanContext) -> Context {
    // Clones share the map that a context keeps its values in.
    static MARKED: LazyLock<Context> = LazyLock::new(|| Context::new().with_value(Suppressed));
    MARKED.with_remote_span_context(span)
}

/// Whether `context` is marked.
pub(crate) fn is_marked(context: &Context) -> bool {
    context.get::<Suppressed>().is_some()
}
