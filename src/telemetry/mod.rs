//! Wiring: from `tracing` and `metrics` to OTLP and Prometheus.

pub(crate) mod layer;
