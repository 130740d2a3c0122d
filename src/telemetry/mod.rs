//! Wiring: from `tracing` and `metrics` to OTLP and Prometheus.

mod description;
pub(crate) mod fanout;
pub(crate) mod layer;
pub(crate) mod otel_recorder;
pub(crate) mod prometheus;
mod series;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub use fanout::bench_recorders;
