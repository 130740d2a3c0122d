//! Starts spans with what `tracing` was not told of them.

use opentelemetry::Context;
use opentelemetry::trace::{Link, Span as _, SpanBuilder, TraceContextExt as _, Tracer};

use crate::instrument::{span_start, task_spans};

/// A tracer for the layer that makes spans: it gives a span its kind, attributes and link before a
/// sampler sees it.
#[derive(Clone, Debug)]
pub(crate) struct SpanStarter<T>(pub(crate) T);

impl<T: Tracer> Tracer for SpanStarter<T> {
    type Span = T::Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Self::Span {
        // The first span that starts takes the start, so it cannot reach a later span.
        if let Some(start) = span_start::take() {
            builder.span_kind = Some(start.kind);
            match &mut builder.attributes {
                // The layer's list is empty as a rule. Then ours takes its place and no attribute
                // is moved.
                Some(attributes) if !attributes.is_empty() => attributes.extend(start.attributes),
                attributes => *attributes = Some(start.attributes),
            }
            if let Some(link) = start.link {
                let links = builder.links.get_or_insert_default();
                links.push(Link::with_context(link));
            }
        }
        let span = self.0.build_with_context(builder, parent);
        if task_spans::is_on() && !parent.has_active_span() && span.is_recording() {
            task_spans::note(span.span_context());
        }
        span
    }
}
