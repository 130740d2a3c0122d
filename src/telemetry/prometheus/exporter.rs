//! The recorder of metrics-exporter-prometheus in the place of ours.

use std::fmt;
use std::sync::Arc;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::Resource;

use super::endpoint::Render;
use super::target_info;
use super::text::{self, Text};
use crate::instrument::handles::publish;
use crate::semconv::{APP_BOUNDS, Instrument, METRICS};

/// The builder of metrics-exporter-prometheus with the bucket bounds, units and names that
/// Spanwire's own recorder has, so that its dashboards and alerts hold for either.
///
/// Set what else you need, build the recorder, install it, and give its handle to
/// [`TelemetryBuilder::prometheus_exporter`](crate::telemetry::TelemetryBuilder::prometheus_exporter).
///
/// ```
/// use spanwire::telemetry::{Telemetry, prometheus_builder};
///
/// let recorder = prometheus_builder().build_recorder();
/// let handle = recorder.handle();
/// metrics::set_global_recorder(recorder)?;
/// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
/// let telemetry = builder.prometheus_exporter(handle).install()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What that recorder lacks: exemplars, the OpenMetrics format, the limit on series of the app's own
/// metrics, and valid scrapes whatever the app's names are. It keeps each value of a histogram until the next upkeep, every five seconds.
/// A histogram that is a sum and a count has one bucket there.
#[must_use]
pub fn prometheus_builder() -> PrometheusBuilder {
    let histograms = METRICS
        .iter()
        .filter(|metric| metric.instrument == Instrument::Histogram);
    let mut builder = PrometheusBuilder::new()
        // Off by default. With it, units and `_total` are in the names, as our dashboards expect.
        .with_recommended_naming(true)
        // For the app's own histograms, which would be summaries otherwise: quantiles cannot be
        // added up over processes.
        .set_buckets(APP_BOUNDS)
        .expect("there are bounds");
    for metric in histograms {
        let name = Matcher::Full(metric.name.to_owned());
        let bounds = match metric.bounds {
            [] => &SUM_AND_COUNT,
            bounds => bounds,
        };
        builder = builder
            .set_buckets_for_metric(name, bounds)
            .expect("there are bounds");
    }
    builder
}

/// That crate has no histogram without buckets: it would make a summary, with seven quantiles.
const SUM_AND_COUNT: [f64; 1] = [1.0];

/// Renders that recorder's series behind our target info.
pub(crate) struct ExporterExposition {
    handle: PrometheusHandle,
    /// The resource as labels.
    target: Arc<str>,
}

impl ExporterExposition {
    pub(crate) fn new(handle: PrometheusHandle, resource: &Resource) -> Self {
        Self {
            handle,
            target: target_info::labels(resource).into(),
        }
    }
}

impl Render for ExporterExposition {
    fn text(&self) -> String {
        // As our own exposition does: gauges are written when somebody looks.
        publish();
        let mut out = String::new();
        // `target_info` alone; the crate renders the metrics.
        text::write::<Text>(&mut out, &self.target, &[]);
        out.push_str(&self.handle.render());
        out
    }

    fn openmetrics(&self) -> Option<String> {
        // The crate writes plain text, so the endpoint falls back to it.
        None
    }

    fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl fmt::Debug for ExporterExposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterExposition").finish_non_exhaustive()
    }
}
