//! The SDK's sampler over the traces that are held.

use std::sync::Arc;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingResult, ShouldSample};

use super::tail::Tail;

/// Records what begins here, and follows what began elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct TailSampler(pub(crate) Arc<Tail>);

impl ShouldSample for TailSampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let parent = parent_context.map(|context| context.span());
        let parent = parent.as_ref().map(|span| span.span_context());
        // As the SDK sees it: one that is not valid is none.
        let parent = parent.filter(|parent| parent.is_valid());
        SamplingResult {
            decision: self
                .0
                .started(parent, trace_id, name, span_kind, attributes),
            attributes: Vec::new(),
            // The SDK takes this for the new span's state, so the parent's would be lost without
            // the copy.
            trace_state: parent
                .map_or_else(Default::default, |parent| parent.trace_state().clone()),
        }
    }
}
