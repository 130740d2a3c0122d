//! The three signals: their paths, their names and the metrics that count them.

use super::component::{Component, LOG_EXPORTER, LOG_PROCESSOR, SPAN_EXPORTER, SPAN_PROCESSOR};
use crate::semconv::{self, Metric};

/// What differs between traces, logs and metrics on their way out.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// The part that queues.
    pub(crate) processor: &'static Component,
    /// The part that sends.
    pub(crate) exporter: &'static Component,
    pub(crate) exported: &'static Metric,
    pub(crate) processed: &'static Metric,
    pub(crate) queue_size: &'static Metric,
    pub(crate) queue_capacity: &'static Metric,
}

pub(crate) static TRACES: Signal = Signal {
    name: "traces",
    path: "/v1/traces",
    processor: &SPAN_PROCESSOR,
    exporter: &SPAN_EXPORTER,
    exported: &semconv::SDK_SPAN_EXPORTED,
    processed: &semconv::SDK_SPAN_PROCESSED,
    queue_size: &semconv::SDK_SPAN_QUEUE_SIZE,
    queue_capacity: &semconv::SDK_SPAN_QUEUE_CAPACITY,
};

pub(crate) static LOGS: Signal = Signal {
    name: "logs",
    path: "/v1/logs",
    processor: &LOG_PROCESSOR,
    exporter: &LOG_EXPORTER,
    exported: &semconv::SDK_LOG_EXPORTED,
    processed: &semconv::SDK_LOG_PROCESSED,
    queue_size: &semconv::SDK_LOG_QUEUE_SIZE,
    queue_capacity: &semconv::SDK_LOG_QUEUE_CAPACITY,
};

/// The name of the metrics that are sent.
// Metrics are no `Signal`: the SDK's reader has no queue whose size and drops could be told.
pub(crate) const METRICS: &str = "metrics";
pub(crate) const METRICS_PATH: &str = "/v1/metrics";
