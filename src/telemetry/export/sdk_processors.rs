//! The SDK's processors over our batches.

use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::batch_processor::Batch;
use crate::clock;

/// A log record with its scope; boxed, so that an empty queue takes little room.
pub(crate) type Log = Box<(SdkLogRecord, InstrumentationScope)>;

/// Queues ended spans.
#[derive(Debug)]
pub(crate) struct BatchSpans(pub(crate) Batch<SpanData>);

impl SpanProcessor for BatchSpans {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.0)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        shutdown(&self.0, timeout)
    }
}

/// Queues log records.
#[derive(Debug)]
pub(crate) struct BatchLogs(pub(crate) Batch<Log>);

impl LogProcessor for BatchLogs {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.0.push(Box::new((record.clone(), scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.0)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        shutdown(&self.0, timeout)
    }
}

pub(crate) fn flush<T: Send + 'static>(batch: &Batch<T>) -> OTelSdkResult {
    let timeout = batch.timeout();
    settled(batch.flush(clock::now().plus(timeout)), timeout)
}

fn shutdown<T: Send + 'static>(batch: &Batch<T>, timeout: Duration) -> OTelSdkResult {
    let until = clock::now().plus(timeout);
    batch.close(until);
    settled(batch.wait_ended(until), timeout)
}

pub(crate) fn settled(in_time: bool, timeout: Duration) -> OTelSdkResult {
    if in_time {
        Ok(())
    } else {
        Err(OTelSdkError::Timeout(timeout))
    }
}
