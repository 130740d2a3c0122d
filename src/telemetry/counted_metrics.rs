//! A metric exporter that counts data points and what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::batch::quietly;
use super::client::Client;
use super::complaints::Complaints;
use super::otlp::verdict;
use super::recording::Recording;
use super::signal::METRICS_EXPORTER;
use super::tally::SignalReport;
use crate::instruments;
use crate::semconv::{ERROR_TYPE, ExportErrorType, OTEL_COMPONENT_TYPE, SDK_METRIC_EXPORTED};

/// Data points by what became of them.
#[derive(Debug, Default)]
pub(crate) struct PointTally {
    exported: AtomicU64,
    lost: AtomicU64,
    in_flight: AtomicU64,
}

impl PointTally {
    /// What is on its way counts as lost: call it when nothing more will arrive.
    pub(crate) fn report(&self) -> SignalReport {
        SignalReport {
            exported: self.exported.load(Ordering::Relaxed),
            dropped: 0,
            lost: self.lost.load(Ordering::Relaxed) + self.in_flight.load(Ordering::Relaxed),
        }
    }
}

/// Exports metrics over OTLP and counts their points.
pub(crate) struct CountedMetrics {
    exporter: MetricExporter,
    client: Client,
    recording: Recording,
    tally: Arc<PointTally>,
    complaints: Mutex<Complaints>,
}

impl CountedMetrics {
    pub(crate) fn new(
        (exporter, client): (MetricExporter, Client),
        recording: Recording,
        tally: Arc<PointTally>,
    ) -> Self {
        Self {
            exporter,
            client,
            recording,
            tally,
            complaints: Mutex::new(Complaints::new("metrics")),
        }
    }

    fn send(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = points(metrics);
        // Totals are sent again by the next export; only deltas are gone with theirs.
        if self.exporter.temporality() == Temporality::Cumulative {
            self.tally.lost.store(0, Ordering::Relaxed);
        }
        self.tally.in_flight.store(points, Ordering::Relaxed);
        let outcome = quietly(|| verdict(&self.client, self.exporter.export(metrics)));
        self.tally.in_flight.store(0, Ordering::Relaxed);
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(receipt) => {
                let rejected = receipt.rejected.min(points);
                self.end(points - rejected, None);
                if rejected > 0 {
                    self.end(rejected, Some(ExportErrorType::Rejected));
                    complaints.rejected(rejected, &receipt.reason);
                } else {
                    complaints.exported();
                }
                Ok(())
            }
            Err(error) => {
                self.end(points, Some(error.kind));
                complaints.failed(points, &error);
                Err(OTelSdkError::InternalFailure(error.message))
            }
        }
    }

    fn end(&self, points: u64, error: Option<ExportErrorType>) {
        let total = match error {
            None => &self.tally.exported,
            Some(_) => &self.tally.lost,
        };
        total.fetch_add(points, Ordering::Relaxed);
        let mut labels = vec![(OTEL_COMPONENT_TYPE, METRICS_EXPORTER)];
        labels.extend(error.map(|error| (ERROR_TYPE, error.as_str())));
        self.recording.run(|| {
            instruments::counter(&SDK_METRIC_EXPORTED, &labels).increment(points);
        });
    }
}

impl PushMetricExporter for CountedMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.send(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl fmt::Debug for CountedMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountedMetrics").field(&self.client).finish()
    }
}

fn points(metrics: &ResourceMetrics) -> u64 {
    let metrics = metrics
        .scope_metrics()
        .flat_map(|scope| scope.metrics().map(|metric| metric.data()));
    let count = metrics.map(|data| match data {
        AggregatedMetrics::F64(data) => points_of(data),
        AggregatedMetrics::U64(data) => points_of(data),
        AggregatedMetrics::I64(data) => points_of(data),
    });
    count.sum::<usize>() as u64
}

fn points_of<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(data) => data.data_points().count(),
        MetricData::Sum(data) => data.data_points().count(),
        MetricData::Histogram(data) => data.data_points().count(),
        MetricData::ExponentialHistogram(data) => data.data_points().count(),
    }
}
