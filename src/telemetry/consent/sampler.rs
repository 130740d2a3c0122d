//! A sampler that wants nothing while telemetry is paused.

use std::sync::Arc;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use super::switch::Switch;

/// Asks the sampler behind it unless telemetry is paused: then a span is not recorded at all.
#[derive(Clone, Debug)]
pub(crate) struct PausableSampler<S> {
    pub(crate) sampler: S,
    pub(crate) switch: Arc<Switch>,
}

impl<S: ShouldSample + Clone + 'static> ShouldSample for PausableSampler<S> {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        if self.switch.is_paused() {
            // The SDK's own samplers hand the parent's `tracestate` on, also for a span that they
            // drop. Processes behind this one may record the trace.
            let parent = parent_context.map(|context| context.span());
            let state = parent.map(|span| span.span_context().trace_state().clone());
            return SamplingResult {
                decision: SamplingDecision::Drop,
                attributes: Vec::new(),
                trace_state: state.unwrap_or_default(),
            };
        }
        self.sampler
            .should_sample(parent_context, trace_id, name, span_kind, attributes, links)
    }
}
