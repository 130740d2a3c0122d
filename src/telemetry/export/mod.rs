//! From spans, log records and metrics that are to leave the process to a collector, or to the disk.

pub(super) mod backoff;
pub(super) mod batch_processor;
pub(super) mod completion;
pub(super) mod component;
pub(super) mod counters;
pub(super) mod delivery;
pub(super) mod encoder;
pub(super) mod export_log;
pub(super) mod http_client;
mod late_answer;
pub(super) mod limits;
mod log_records;
pub(super) mod on_exported;
pub(super) mod otlp;
pub(super) mod page_spans;
mod pieces;
pub(super) mod proxy;
mod queue_age;
pub(super) mod redact;
pub(super) mod result;
pub(super) mod sdk_processors;
pub(super) mod shutdown_deadline;
pub(super) mod signal;
pub(super) mod split;
pub(super) mod spool;
pub(super) mod tls;
mod value_length;
