//! The SDK's processor over the traces that are held.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::tail::Tail;
use crate::clock;
use crate::layer::integers::restore_integers;
use crate::telemetry::export::sdk_processors::{flush, settled};

/// Holds ended spans until their trace is decided.
#[derive(Debug)]
pub(crate) struct TailSpans(pub(crate) Arc<Tail>);

impl SpanProcessor for TailSpans {
    // The sampler counts what starts: between it and this the trace could be decided.
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        let switch = self.0.batch().switch();
        if switch.admits(span.start_time).is_some() {
            // The processor restores the integers here, since they are known only while the span is
            // being closed on this thread.
            restore_integers(&mut span);
            self.0.ended(span);
        } else if !switch.is_paused() {
            // It was counted as open at its start, and its trace would wait for it until
            // `hold_max`. In a pause nothing is held.
            self.0.ended_unrecorded(span.span_context.trace_id());
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(self.0.batch())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let until = clock::now().plus(timeout);
        self.0.close(until);
        settled(self.0.batch().wait_ended(until), timeout)
    }
}
