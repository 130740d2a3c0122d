//! What both recorders share, and the one that goes out over OTLP.

#[cfg(feature = "otlp")]
pub(super) mod counting_exporter;
pub(super) mod metadata;
#[cfg(feature = "otlp")]
pub(crate) mod otel_recorder;
pub(super) mod problem_gauges;
pub(super) mod registry;
#[cfg(all(feature = "prometheus", feature = "otlp"))]
pub(super) mod span_series;
pub(super) mod threshold_gauges;
