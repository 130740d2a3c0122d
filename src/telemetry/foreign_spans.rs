//! Spans of another OpenTelemetry SDK in the same process, such as Python's.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanKind, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{SamplingDecision, SpanData};

use super::export::batch_processor::Batch;
use super::handle::Telemetry;
use super::sampling::Tail;

impl Telemetry {
    /// Takes the spans of another OpenTelemetry SDK in this process: they join our traces, and are
    /// sampled, spooled and reported with our own spans.
    #[must_use]
    pub fn foreign_spans(&self) -> ForeignSpans {
        ForeignSpans {
            batch: self.pipelines.spans.clone(),
            tail: self.pipelines.tail.clone(),
        }
    }
}

/// Takes the spans of another SDK; made by [`Telemetry::foreign_spans`]. Clones are the same.
///
/// Without an exporter for traces it takes none. It never waits: what does not fit is dropped, and
/// the report of the shutdown says so.
#[derive(Clone, Debug)]
pub struct ForeignSpans {
    batch: Option<Batch<SpanData>>,
    tail: Option<Arc<Tail>>,
}

/// A span that has begun in another SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "its trace waits for its end"]
pub struct ForeignSpan {
    /// Whether its trace is kept already: what begins within it is, too.
    is_kept: bool,
}

impl ForeignSpan {
    /// Whether its trace is kept already, and not only held until it is decided.
    #[must_use]
    pub fn is_kept(self) -> bool {
        self.is_kept
    }
}

/// What a span of another SDK begins within.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ForeignParent<'a> {
    /// Nothing: a trace begins.
    None,
    /// Another span of that SDK.
    Foreign(ForeignSpan),
    /// A span of ours in this process.
    Ours,
    /// A span of another process.
    Remote(&'a SpanContext),
}

impl ForeignSpans {
    /// A span begins, which the other SDK's sampler lets through. `None` when it is not wanted: its
    /// trace was given up, telemetry is paused, or no traces are exported.
    pub fn started(
        &self,
        trace: TraceId,
        name: &str,
        parent: ForeignParent<'_>,
    ) -> Option<ForeignSpan> {
        // A span that begins in a pause is not wanted, though it may end after it.
        if self.batch.as_ref()?.switch().is_paused() {
            return None;
        }
        // Another sampler than ours is in force. The other SDK's own sampler has let the span
        // through already.
        let Some(tail) = &self.tail else {
            return Some(ForeignSpan { is_kept: true });
        };
        // `Tail::started` looks at a parent's flag alone. Without the flag it looks up what
        // became of the trace.
        let flags = TraceFlags::default();
        let undecided = SpanContext::new(trace, SPAN, flags, false, Default::default());
        let parent = match parent {
            ForeignParent::None => None,
            ForeignParent::Foreign(ForeignSpan { is_kept: true }) => {
                return Some(ForeignSpan { is_kept: true });
            }
            ForeignParent::Foreign(_) | ForeignParent::Ours => Some(&undecided),
            ForeignParent::Remote(parent) => Some(parent),
        };
        match tail.started(parent, trace, name, &SpanKind::Internal, &[]) {
            SamplingDecision::Drop => None,
            SamplingDecision::RecordOnly => Some(ForeignSpan { is_kept: false }),
            SamplingDecision::RecordAndSample => Some(ForeignSpan { is_kept: true }),
        }
    }

    /// It has ended; `data` is what it was.
    pub fn ended(&self, span: ForeignSpan, mut data: SpanData) {
        let Some(batch) = &self.batch else { return };
        let is_admitted = batch.switch().admits(data.start_time).is_some();
        // The other SDK's flag tells of its own sampler. `Tail::ended` takes the flag for a trace
        // that is kept already.
        let context = &data.span_context;
        data.span_context = SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags().with_sampled(span.is_kept),
            false,
            context.trace_state().clone(),
        );
        match &self.tail {
            Some(tail) if is_admitted => tail.ended(data),
            None if is_admitted => batch.push(data),
            _ => self.left_out(span, data.span_context.trace_id()),
        }
    }

    /// It has ended, and is not exported: its trace no longer waits for it.
    pub fn left_out(&self, span: ForeignSpan, trace: TraceId) {
        if let (Some(batch), Some(tail)) = (&self.batch, &self.tail)
            && !span.is_kept
            && !batch.switch().is_paused()
        {
            // The trace counts the span as open, and would otherwise wait for its end until
            // `hold_max`.
            tail.ended_unrecorded(trace);
        }
    }
}

/// Which span it is makes no difference.
const SPAN: opentelemetry::SpanId = opentelemetry::SpanId::from_bytes([1; 8]);
