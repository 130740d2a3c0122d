//! Where no spans are wanted: a decision that was taken once and holds for everything within.
//!
//! It travels in OpenTelemetry's context, so it goes where that goes: into futures and to other
//! threads.

use std::sync::LazyLock;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::Metadata;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{self, Filter};

/// The mark. Private, so that nobody else sets or takes it.
#[derive(Clone, Copy, Debug)]
struct Untraced;

/// What goes on below `span`, which is not sampled, with the mark on it.
pub(crate) fn below(span: SpanContext) -> Context {
    // Clones share the map that a context keeps its values in.
    static MARKED: LazyLock<Context> = LazyLock::new(|| Context::new().with_value(Untraced));
    MARKED.with_remote_span_context(span)
}

/// Whether `context` is marked.
pub(crate) fn is_marked(context: &Context) -> bool {
    context.get::<Untraced>().is_some()
}

/// Lets no span through where none is wanted, so that the layer behind it does no work for spans
/// that nobody would export.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traced;

impl Traced {
    pub(crate) fn wants(metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() || !Context::map_current(is_marked)
    }

    pub(crate) fn interest(metadata: &Metadata<'_>) -> Interest {
        if metadata.is_span() {
            Interest::sometimes()
        } else {
            Interest::always()
        }
    }
}

impl<S> Filter<S> for Traced {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        Self::wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Self::interest(metadata)
    }
}
