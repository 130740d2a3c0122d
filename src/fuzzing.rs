//! What the fuzz targets in `fuzz/` need beyond the public API. Only `cargo fuzz` builds it, and
//! nothing in it is stable.

use opentelemetry::trace::SpanContext;

pub use crate::telemetry::fuzzing::{
    Destination, Metrics, PageSpanReader, PageSpansRead, Resolved, SpoolFolder, SpoolSignal,
    Spooled,
};

/// Reads a `traceparent` as the wire does.
#[must_use]
pub fn traceparent(value: &str) -> Option<SpanContext> {
    crate::ipc::parse_traceparent(value)
}
