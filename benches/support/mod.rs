//! The recorders that an app has: what the figures are measured under.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench uses another part of it"
)]

pub mod sink;

use std::sync::Arc;

use metrics::Recorder;
use spanwire::telemetry::{Exporter, MetricsExporter, Telemetry};

/// A recorder with its name, and the telemetry that keeps it alive.
pub struct Rig {
    pub name: &'static str,
    pub recorder: Arc<dyn Recorder + Send + Sync>,
    _telemetry: Telemetry,
}

impl Rig {
    fn new(name: &'static str, metrics: MetricsExporter) -> Self {
        let (telemetry, parts) = Telemetry::builder("bench")
            .environment(|_| None)
            .prometheus_port(0)
            // Nobody listens there; the first export would be after a minute.
            .otlp_endpoint("http://127.0.0.1:9")
            .traces(Exporter::None)
            .metrics(metrics)
            .without_system()
            .shutdown_deadline(std::time::Duration::from_millis(100))
            .build()
            .expect("the settings are sound");
        let recorder = parts.recorder.expect("metrics are on");
        Self {
            name,
            recorder,
            _telemetry: telemetry,
        }
    }
}

/// Each exporter alone, and both.
pub fn rigs() -> [Rig; 3] {
    [
        Rig::new("prometheus", MetricsExporter::Prometheus),
        Rig::new("otlp", MetricsExporter::Otlp),
        both(),
    ]
}

/// Both exporters on.
pub fn both() -> Rig {
    Rig::new("both", MetricsExporter::PrometheusAndOtlp)
}
