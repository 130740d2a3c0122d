//! Records of Python's `logging`, on their way to the collector.

use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
use pyo3::prelude::*;

use crate::argument::Text;
use crate::telemetry::with_logger;

/// A record of `logging`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Record {
    level: i64,
    level_name: Text,
    logger: Text,
    message: Text,
    at: f64,
    trace: u128,
    span: u64,
    exception_type: Option<Text>,
    exception_message: Option<Text>,
    exception_stacktrace: Option<Text>,
}

/// Hands a record over; without an exporter for logs it does nothing.
#[pyfunction]
fn _log(record: Record) {
    with_logger(|logger| {
        let mut log = logger.create_log_record();
        // An app may give a record any time; one that is none is left out.
        if let Ok(since) = Duration::try_from_secs_f64(record.at)
            && let Some(at) = SystemTime::UNIX_EPOCH.checked_add(since)
        {
            log.set_timestamp(at);
        }
        // Python's levels are multiples of 10, and an app may add levels between them. Each range
        // gets the severity of its lower end. Python has no TRACE: below DEBUG is the nearest.
        log.set_severity_number(match record.level {
            ..10 => Severity::Trace,
            10..20 => Severity::Debug,
            20..30 => Severity::Info,
            30..40 => Severity::Warn,
            40..50 => Severity::Error,
            _ => Severity::Fatal,
        });
        // The record has the names of the standard alone as static texts.
        log.set_severity_text(match &*record.level_name {
            "DEBUG" => "DEBUG",
            "INFO" => "INFO",
            "WARNING" => "WARNING",
            "ERROR" => "ERROR",
            "CRITICAL" => "CRITICAL",
            _ => "OTHER",
        });
        log.set_body(AnyValue::from(record.message.0));
        log.add_attribute("logger.name", record.logger.0);
        for (name, text) in [
            ("exception.type", record.exception_type),
            ("exception.message", record.exception_message),
            ("exception.stacktrace", record.exception_stacktrace),
        ] {
            if let Some(text) = text {
                log.add_attribute(name, text.0);
            }
        }
        // Python's API says 0 for no span.
        if record.trace != 0 {
            log.set_trace_context(
                TraceId::from_bytes(record.trace.to_be_bytes()),
                SpanId::from_bytes(record.span.to_be_bytes()),
                Some(TraceFlags::SAMPLED),
            );
        }
        logger.emit(log);
    });
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_log, module)?)
}
