//! What every instrumented part shares, below all of them: handles to the recorder in force, caps on
//! names, a limit per second, and the mark of where no spans are wanted.

pub(crate) mod call_site;
pub(crate) mod cardinality;
pub(crate) mod caught_panic;
#[cfg(any(feature = "otlp", feature = "history"))]
pub(crate) mod duration_sketch;
pub(crate) mod ended;
pub(crate) mod event_name;
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) mod fresh_thread;
pub(crate) mod handles;
pub(crate) mod later;
pub(crate) mod open_work;
pub(crate) mod page_snapshots;
pub(crate) mod page_spans;
pub(crate) mod rate_limit;
pub(crate) mod record_sink;
pub(crate) mod recorder_id;
pub(crate) mod send_span;
pub(crate) mod span_delivery;
#[cfg(any(feature = "otlp", feature = "testing"))]
pub(crate) mod span_filter;
pub(crate) mod span_start;
pub(crate) mod suppression;
/// Halves of surrogate pairs in texts of a page.
pub(crate) mod surrogates;
pub(crate) mod task_spans;
pub(crate) mod thread_cpu;
pub(crate) mod thread_end;
