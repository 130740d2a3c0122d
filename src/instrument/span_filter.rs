//! The filter that keeps spans from our layer where none are wanted.

use opentelemetry::Context;
use tracing::Metadata;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{self, Filter};

use super::suppression::is_marked;
use super::thread_end::is_ending;

/// Lets no span through where none is wanted, so that the layer behind it does no work for spans
/// that would never be exported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuppressionFilter;

impl SuppressionFilter {
    pub(crate) fn wants(metadata: &Metadata<'_>) -> bool {
        // Log records pass: suppression means spans alone, and an error of a trace that is not
        // sampled should still be in the log.
        !metadata.is_span() || !(is_ending() || Context::map_current(is_marked))
    }

    pub(crate) fn interest(metadata: &Metadata<'_>) -> Interest {
        if metadata.is_span() {
            // `tracing` caches `always` and `never` for each call site, and this answer changes
            // with the current context.
            Interest::sometimes()
        } else {
            Interest::always()
        }
    }
}

impl<S> Filter<S> for SuppressionFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        Self::wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Self::interest(metadata)
    }
}
