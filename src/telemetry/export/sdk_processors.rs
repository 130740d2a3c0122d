//! The SDK's processors over our batches.

use std::time::Duration;

use opentelemetry::logs::LogRecord as _;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::batch_processor::Batch;
use crate::clock;
use crate::layer::integers::restore_integers;

/// A log record with its scope; boxed, so that an empty queue takes little room.
pub(crate) type Log = Box<(SdkLogRecord, InstrumentationScope)>;

/// Queues ended spans.
#[derive(Debug)]
pub(crate) struct BatchSpans(pub(crate) Batch<SpanData>);

impl SpanProcessor for BatchSpans {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        // The SDK also ends spans that are recorded and not sampled, which are for other
        // processors.
        if span.span_context.is_sampled()
            && let Some(epoch) = self.0.switch().admits(span.start_time)
        {
            // On the thread that ends the span: the layer has left there which fields were
            // integers.
            restore_integers(&mut span);
            self.0.push_of(epoch, span);
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
        let Some(epoch) = self.0.switch().recording() else {
            return;
        };
        // The SDK lends the record, since other processors may come behind this one.
        let mut record = record.clone();
        if record.event_name().is_some_and(is_call_site) {
            // There is no way to take it off; an empty one is not sent.
            record.set_event_name("");
        }
        self.0.push_of(epoch, Box::new((record, scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.0)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        shutdown(&self.0, timeout)
    }
}

/// Whether `tracing` made up the name from where the event stands, such as
/// `event src/main.rs:12`, or has one name for all that comes from the crate `log`.
///
/// That names no kind of event, and changes with each line above it.
fn is_call_site(name: &str) -> bool {
    let place = name.strip_prefix("event ");
    let line = place.and_then(|place| place.rsplit_once(':'));
    name == "log event"
        || line.is_some_and(|(_, line)| {
            !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_where_an_event_stands_is_told_from_one_that_was_given() {
        for made_up in [
            "event src/main.rs:12",
            r"event C:\app\src\main.rs:1",
            "log event",
        ] {
            assert!(is_call_site(made_up), "{made_up}");
        }
        for given in [
            "app.loaded",
            "event",
            "event app.loaded",
            "event a:",
            "event a:b1",
            "",
        ] {
            assert!(!is_call_site(given), "{given}");
        }
    }
}
