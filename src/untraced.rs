//! Where no spans are wanted: a decision that was taken once and holds for everything within.
//!
//! It travels in OpenTelemetry's context, so it goes where that goes: into futures and to other
//! threads.

use opentelemetry::Context;
use tracing::Metadata;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{self, Filter};

/// The mark. Private, so that nobody else sets or takes it.
#[derive(Clone, Copy, Debug)]
struct Untraced;

/// `context` with the mark on it.
pub(crate) fn mark(context: &Context) -> Context {
    context.with_value(Untraced)
}

/// Whether `context` is marked.
pub(crate) fn is_marked(context: &Context) -> bool {
    context.get::<Untraced>().is_some()
}

/// Lets no span through where none is wanted, so that the layer behind it does no work for spans
/// that nobody would export.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traced;

impl<S> Filter<S> for Traced {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        !metadata.is_span() || !Context::map_current(is_marked)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() {
            Interest::sometimes()
        } else {
            Interest::always()
        }
    }
}
