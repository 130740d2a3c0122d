//! Log records made anew: the SDK has no way to change the attributes of one.

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};

/// Makes log records, which nothing but a logger does.
#[derive(Debug)]
pub(crate) struct LogRecords(SdkLogger);

impl LogRecords {
    pub(crate) fn new() -> Self {
        // The SDK's records have no public constructor. This provider has no processor, so nothing
        // is emitted by it.
        Self(SdkLoggerProvider::builder().build().logger(""))
    }

    pub(crate) fn empty(&self) -> SdkLogRecord {
        self.0.create_log_record()
    }

    /// A record like this one, with another body and other attributes.
    pub(crate) fn like(
        &self,
        record: &SdkLogRecord,
        body: Option<AnyValue>,
        attributes: impl IntoIterator<Item = (Key, AnyValue)>,
    ) -> SdkLogRecord {
        // Each field that a later version of the SDK adds must be copied here as well.
        let mut new = self.empty();
        if let Some(body) = body {
            new.set_body(body);
        }
        new.add_attributes(attributes);
        if let Some(name) = record.event_name() {
            new.set_event_name(name);
        }
        if let Some(target) = record.target() {
            new.set_target(target.clone());
        }
        if let Some(time) = record.timestamp() {
            new.set_timestamp(time);
        }
        if let Some(time) = record.observed_timestamp() {
            new.set_observed_timestamp(time);
        }
        if let Some(text) = record.severity_text() {
            new.set_severity_text(text);
        }
        if let Some(number) = record.severity_number() {
            new.set_severity_number(number);
        }
        if let Some(within) = record.trace_context() {
            new.set_trace_context(within.trace_id, within.span_id, within.trace_flags);
        }
        new
    }
}
