//! Log records, kept and printed as lines.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use super::spans::Spans;
use super::text;
use crate::semconv;

/// Records kept; the rest are counted.
const LOGS_MAX: usize = 100_000;

/// Keeps what the logger provider of a capture emits.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs(Arc<Mutex<RecordedLogs>>);

#[derive(Debug, Default)]
struct RecordedLogs {
    records: Vec<SdkLogRecord>,
    left_out: u64,
}

impl Logs {
    pub(super) fn records(&self) -> Vec<SdkLogRecord> {
        self.lock().records.clone()
    }

    pub(super) fn attribute_names(&self) -> BTreeSet<String> {
        self.lock()
            .records
            .iter()
            .flat_map(SdkLogRecord::attributes_iter)
            .map(|(key, _)| key.to_string())
            .collect()
    }

    /// A line for each record, which names the span it belongs to.
    pub(super) fn text(&self, spans: &Spans) -> String {
        let state = self.lock();
        let mut out = String::new();
        for record in &state.records {
            let level = record.severity_text().unwrap_or("UNSET");
            let body = record.body().map_or_else(|| "\"\"".to_owned(), text::any);
            let attributes = record
                .attributes_iter()
                // It is there or not as RUST_BACKTRACE says, and never the same twice.
                .filter(|(key, _)| key.as_str() != semconv::EXCEPTION_STACKTRACE)
                .map(|(key, value)| (key.to_string(), text::any(value)))
                .collect();
            let attributes = text::pairs(attributes);
            // By its name and not by its id, so that one span more before it does not change this
            // line.
            let span = match record.trace_context() {
                None => "none".to_owned(),
                Some(context) => spans
                    .name(context.span_id)
                    .map_or_else(|| "unknown".to_owned(), |name| text::word(&name)),
            };
            out.push_str(&format!("{level} {body}{attributes} span={span}\n"));
        }
        if state.left_out > 0 {
            out.push_str(&format!("… and {} more\n", state.left_out));
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, RecordedLogs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogProcessor for Logs {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let mut state = self.lock();
        // The first are kept and not the last: what went wrong first is of interest.
        if state.records.len() < LOGS_MAX {
            state.records.push(record.clone());
        } else {
            state.left_out += 1;
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
