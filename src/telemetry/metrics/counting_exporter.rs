//! A metric exporter that counts data points and what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::clock::Stamp;
use crate::instrument::handles;
use crate::semconv::{ExportErrorType, SDK_METRIC_EXPORTED};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::quiet::quietly;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::completion::Completion;
use crate::telemetry::export::component::{METRIC_EXPORTER, Server};
use crate::telemetry::export::counters::LastError;
use crate::telemetry::export::export_log::ExportFailureLog;
use crate::telemetry::export::otlp::MetricSender;
use crate::telemetry::export::result::{Outcome, Sent};
use crate::telemetry::shutdown_report::{SignalReport, SignalState};

/// Data points by what became of them.
#[derive(Debug, Default)]
pub(crate) struct PointCounters {
    exported: AtomicU64,
    lost: AtomicU64,
    /// Deltas that were not sent, since telemetry was paused; totals are sent later.
    discarded: AtomicU64,
    in_flight: AtomicU64,
    /// Every point whose export did not succeed, though a later one may have made up for it.
    failed: AtomicU64,
    last_error: LastError,
    /// Nothing more will be exported.
    end: Completion,
}

impl PointCounters {
    /// What is on its way counts as lost: call it when nothing more will arrive.
    pub(crate) fn report(&self) -> SignalReport {
        SignalReport {
            state: SignalState::Otlp,
            exported: self.exported.load(Ordering::Relaxed),
            spooled: 0,
            dropped: 0,
            discarded: self.discarded.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed) + self.in_flight.load(Ordering::Relaxed),
            last_error: self.last_error.get(),
        }
    }

    /// Points whose export did not succeed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn is_exporting(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Waits until the last export is over; `false` when that was not so by `until`.
    pub(crate) fn wait_ended(&self, until: Stamp) -> bool {
        self.end.wait(until)
    }

    fn end(&self) {
        self.end.notify();
    }
}

/// Exports metrics over OTLP and counts their points.
pub(crate) struct CountedMetrics {
    sender: MetricSender,
    server: Option<Server>,
    local_recorder: LocalRecorder,
    counters: Arc<PointCounters>,
    failure_log: Mutex<ExportFailureLog>,
}

impl CountedMetrics {
    pub(crate) fn new(
        sender: MetricSender,
        server: Option<Server>,
        local_recorder: LocalRecorder,
        counters: Arc<PointCounters>,
        reporter: Reporter,
    ) -> Self {
        Self {
            sender,
            server,
            local_recorder,
            counters,
            failure_log: Mutex::new(ExportFailureLog::new("metrics", reporter)),
        }
    }

    fn send(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = points(metrics);
        // Totals are sent again by the next export; only deltas are gone with theirs.
        let is_cumulative = self.sender.temporality() == Temporality::Cumulative;
        // The SDK's reader has one thread and waits for each export, so a plain store is enough.
        self.counters.in_flight.store(points, Ordering::Relaxed);
        let sent = quietly(|| self.sender.export(metrics, points));
        self.counters.in_flight.store(0, Ordering::Relaxed);
        let Some(sent) = sent else {
            if !is_cumulative {
                self.counters.discarded.fetch_add(points, Ordering::Relaxed);
            }
            // A pause is no failure, so the SDK is not told of one.
            return Ok(());
        };
        if is_cumulative {
            // This export carries all totals, so what earlier ones lost either arrives with it or
            // is counted as lost again below.
            self.counters.lost.store(0, Ordering::Relaxed);
        }
        // The SDK lends the exporter as `&self`, so the log needs a lock. No other thread takes it.
        let mut failure_log = self
            .failure_log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut result = Ok(());
        for Sent { items, outcome } in sent {
            match outcome {
                Outcome::Exported(acceptance) => {
                    // A collector may name any number.
                    let rejected = acceptance.rejected.min(items);
                    self.end(items - rejected, None);
                    if rejected > 0 {
                        self.counters.last_error.set(&acceptance.complaint());
                        self.end(rejected, Some(ExportErrorType::Rejected));
                        failure_log.rejected(rejected, &acceptance.message);
                    } else {
                        failure_log.exported();
                        failure_log.warned(&acceptance.message);
                    }
                }
                Outcome::Discarded if is_cumulative => {}
                Outcome::Discarded => {
                    self.counters.discarded.fetch_add(items, Ordering::Relaxed);
                }
                // Metrics have no spool.
                Outcome::Lost(error) | Outcome::Spooled(error) => {
                    self.counters.last_error.set(&error.message);
                    self.end(items, Some(error.kind));
                    failure_log.failed(items, &error);
                    result = Err(OTelSdkError::InternalFailure(error.message));
                }
            }
        }
        result
    }

    fn end(&self, points: u64, error: Option<ExportErrorType>) {
        let total = match error {
            None => &self.counters.exported,
            Some(_) => &self.counters.lost,
        };
        total.fetch_add(points, Ordering::Relaxed);
        if error.is_some() {
            self.counters.failed.fetch_add(points, Ordering::Relaxed);
        }
        let labels = METRIC_EXPORTER.labels_to(self.server.as_ref(), error);
        self.local_recorder.run(|| {
            // The exporter asks for the handle once for each export, and so does not keep it.
            handles::counter(&SDK_METRIC_EXPORTED, &labels).increment(points);
        });
    }
}

impl PushMetricExporter for CountedMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.send(metrics)
    }

    // `export` returns when the request has ended, so nothing is left to flush.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        // The SDK asks for it after the last export.
        self.counters.end();
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.sender.temporality()
    }
}

impl fmt::Debug for CountedMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountedMetrics").field(&self.sender).finish()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_end_of_the_last_export_can_be_waited_for() {
        let counters = Arc::new(PointCounters::default());
        assert!(!counters.wait_ended(clock::now()));
        let waiter = std::thread::spawn({
            let counters = Arc::clone(&counters);
            move || counters.wait_ended(clock::now().plus(Duration::from_secs(3_600)))
        });
        counters.end();
        assert!(waiter.join().unwrap());
    }
}
