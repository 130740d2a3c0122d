//! What wants to know which spans have arrived.

use std::fmt::Debug;
use std::time::SystemTime;

use opentelemetry_sdk::trace::SpanData;

/// Learns of spans that a collector took.
pub(crate) trait OnExported: Debug + Send + Sync {
    /// Looks at spans as they were measured, before they are redacted and shortened. What it returns
    /// is called with the time if the collector took all of them, and dropped otherwise.
    fn before(&self, spans: &[SpanData]) -> Box<dyn FnOnce(SystemTime)>;
}
