//! What both recorders share, and the one that goes out over OTLP.

pub(super) mod counting_exporter;
pub(super) mod metadata;
pub(crate) mod otel_recorder;
pub(super) mod registry;
pub(super) mod span_series;
pub(super) mod thresholds;
