//! Telemetry at work, and its end.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};

use super::config::builder::TelemetryBuilder;
use super::config::warning::Warning;
use super::diagnostics::local_recorder::SharedRecorder;
use super::diagnostics::reporter::Reporter;
use super::export::batch_processor::Batch;
use super::export::counters::ShutdownReport;
use super::export::page_spans::PageSpans;
use super::export::sdk_processors::Log;
use super::export::shutdown_deadline::ShutdownDeadline;
use super::export::spool::Spool;
use super::metrics::counting_exporter::PointCounters;
use super::metrics::thresholds::Thresholds;
use super::prometheus::Endpoint;
use super::sampling::Tail;
use crate::clock::{self, Stamp};
use crate::system::SystemSampler;

/// Telemetry at work. Keep it as long as the app runs.
///
/// [`shutdown`](Self::shutdown) sends what is queued and says what was lost; dropping does the same
/// within a short time. Afterwards everything that still measures does so in vain and in peace.
#[must_use = "dropping it ends telemetry"]
pub struct Telemetry {
    pub(super) warnings: Vec<Warning>,
    pub(super) reporter: Reporter,
    pub(super) system_interval: Option<Duration>,
    pub(super) shutdown_deadline: Duration,
    pub(super) prometheus_addr: Option<SocketAddr>,
    pub(super) spans: Option<Batch<SpanData>>,
    /// What feeds the batch of spans, when the sampler is ours.
    pub(super) tail: Option<Arc<Tail>>,
    pub(super) logs: Option<Batch<Log>>,
    pub(super) points: Option<Arc<PointCounters>>,
    pub(super) page_spans: PageSpans,
    pub(super) state: Mutex<State>,
}

pub(super) enum State {
    Running(Components),
    Ended(ShutdownReport),
}

/// What ends with the shutdown.
#[derive(Default)]
pub(super) struct Components {
    pub(super) sampler: Option<SystemSampler>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) tracer_provider: Option<SdkTracerProvider>,
    pub(super) logger_provider: Option<SdkLoggerProvider>,
    pub(super) meter_provider: Option<SdkMeterProvider>,
    pub(super) metrics_deadline: Arc<ShutdownDeadline>,
    pub(super) spool: Option<Arc<Spool>>,
    pub(super) thresholds: Option<Arc<Thresholds>>,
    /// The exporters count themselves with it and hold it weakly.
    pub(super) recorder: Option<Arc<SharedRecorder>>,
}

/// Why a [`Telemetry::flush`] is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline came first. The rest is still queued.
    #[error("the collector did not take everything in time")]
    TimedOut,
    /// The collector could not be reached or refused these spans, log records and data points.
    ///
    /// Totals of metrics are sent again by the next export.
    #[error("{0} spans, log records and data points were lost")]
    Lost(u64),
    /// The metrics were not even tried: the system gave no thread, or their exporter has ended.
    #[error("the metrics could not be sent")]
    NotSent,
}

impl Telemetry {
    /// Begins to set up telemetry for the app of that name.
    ///
    /// The name is the default for `service.name`: `OTEL_SERVICE_NAME` and
    /// `OTEL_RESOURCE_ATTRIBUTES` may give another.
    pub fn builder(service_name: impl Into<String>) -> TelemetryBuilder {
        TelemetryBuilder::new(service_name.into())
    }

    /// What could not be done as asked.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where Prometheus finds `/metrics`; `None` when the endpoint is off.
    #[must_use]
    pub fn prometheus_addr(&self) -> Option<SocketAddr> {
        self.prometheus_addr
    }

    /// Where the spans of an OpenTelemetry SDK in a page go, for
    /// [`IpcBuilder::page_spans`](crate::ipc::IpcBuilder::page_spans).
    ///
    /// The first call starts the thread that reads them. Without an exporter for traces there is none,
    /// and what comes is counted as `off`.
    ///
    /// ```
    /// use spanwire::{Ipc, Telemetry};
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// # let telemetry = builder.without_system().build()?.0;
    ///
    /// let ipc = Ipc::builder("main").page_spans(telemetry.page_spans()).build();
    /// # Ok::<(), spanwire::telemetry::TelemetryError>(())
    /// ```
    pub fn page_spans(&self) -> PageSpans {
        self.page_spans.started()
    }

    /// Exports what is queued now, and waits for it.
    ///
    /// With a spool, what was put there instead is done, too.
    ///
    /// # Errors
    ///
    /// [`FlushError::TimedOut`] after `deadline`, [`FlushError::Lost`] when something was given up.
    pub fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        let until = clock::now().plus(deadline);
        let before = self.failed();
        let (done, flushed) = bounded(1);
        let meter_provider = match &*self.state() {
            State::Running(running) => running.meter_provider.clone(),
            State::Ended(_) => return Ok(()),
        };
        if let Some(provider) = meter_provider {
            // It waits as long as the collector lets it.
            let flush = move || {
                let _ = done.send(provider.force_flush().is_ok());
            };
            // Without a thread the sender is dropped, which is seen below.
            let _ = in_background("spanwire-flush", flush);
        } else {
            let _ = done.send(true);
        }
        let read = self.page_spans.flush(until);
        let spans = read && self.spans.as_ref().is_none_or(|batch| batch.flush(until));
        let logs = self.logs.as_ref().is_none_or(|batch| batch.flush(until));
        let left = until.since(clock::now());
        let metrics = flushed.recv_timeout(left);
        if !(spans && logs) || metrics == Err(RecvTimeoutError::Timeout) {
            return Err(FlushError::TimedOut);
        }
        match self.failed() - before {
            0 if metrics == Ok(true) => Ok(()),
            0 => Err(FlushError::NotSent),
            lost => Err(FlushError::Lost(lost)),
        }
    }

    /// Exports what is queued, ends everything, and says what was exported, dropped and lost.
    ///
    /// It returns by `deadline`, whatever the collector does: what was not confirmed by then counts
    /// as lost. A second call does nothing and gives the first one's report.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let mut state = self.state();
        let running = match &mut *state {
            State::Ended(report) => return report.clone(),
            State::Running(running) => std::mem::take(running),
        };
        self.end(running, deadline);
        let report = self.report();
        *state = State::Ended(report.clone());
        report
    }

    fn end(&self, running: Components, deadline: Duration) {
        let now = clock::now();
        let until = now.plus(deadline);
        running.metrics_deadline.close(until);
        // While the batch still takes spans, and not for long.
        self.page_spans.close(now.plus(deadline / 5), until);
        // First, since what it holds and keeps goes into the batch.
        if let Some(tail) = &self.tail {
            tail.close(until);
        }
        if let Some(batch) = &self.spans {
            batch.close(until);
        }
        if let Some(batch) = &self.logs {
            batch.close(until);
        }
        // Metrics come last, so that they tell what became of the others; but they do come.
        let metrics_from = now.plus(deadline / 5 * 3);
        let (spans, logs) = (self.spans.clone(), self.logs.clone());
        let points = self.points.clone();
        let spool = running.spool.clone();
        let (done, ended) = bounded::<()>(1);
        let end = move || {
            running.end(spans.as_ref(), logs.as_ref(), metrics_from, until);
            // The SDK waits five seconds for the last export, whatever the deadline.
            if let Some(points) = points.filter(|points| points.is_exporting()) {
                points.wait_ended(until);
            }
            drop(done);
        };
        match in_background("spanwire-shutdown", end) {
            Ok(()) => {
                let _ = ended.recv_timeout(until.since(clock::now()));
            }
            // Without a thread the batches still end by themselves.
            Err(_) => {
                wait_for(self.spans.as_ref(), self.logs.as_ref(), until);
                if let Some(spool) = spool {
                    spool.close(until);
                }
            }
        }
    }

    fn report(&self) -> ShutdownReport {
        let spans = self.spans.as_ref().map(Batch::report);
        let logs = self.logs.as_ref().map(Batch::report);
        let metrics = self.points.as_ref().map(|points| points.report());
        ShutdownReport {
            spans: spans.unwrap_or_default(),
            logs: logs.unwrap_or_default(),
            metrics: metrics.unwrap_or_default(),
        }
    }

    fn failed(&self) -> u64 {
        self.spans.as_ref().map_or(0, Batch::failed)
            + self.logs.as_ref().map_or(0, Batch::failed)
            + self.points.as_ref().map_or(0, |points| points.failed())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_warnings(&mut self, warnings: Vec<Warning>) {
        self.warnings.extend(warnings);
    }

    pub(crate) fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
            self.reporter.report(warning);
        }
    }

    /// After the recorder is in place, so that the first sample is not lost.
    pub(crate) fn start_sampler(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (State::Running(running), Some(interval)) = (state, self.system_interval) {
            running.sampler = Some(SystemSampler::start(interval));
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // A second panic while one unwinds would abort the app.
        let _ = catch_unwind(AssertUnwindSafe(|| self.shutdown(self.shutdown_deadline)));
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("prometheus_addr", &self.prometheus_addr)
            .field("spans", &self.spans)
            .field("logs", &self.logs)
            .field("metrics", &self.points.is_some())
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Components {
    fn end(
        mut self,
        spans: Option<&Batch<SpanData>>,
        logs: Option<&Batch<Log>>,
        metrics_from: Stamp,
        until: Stamp,
    ) {
        drop(self.sampler.take());
        wait_for(spans, logs, metrics_from);
        // After the batches, which may have put something there.
        if let Some(spool) = self.spool.take() {
            spool.close(metrics_from);
            spool.wait_ended(metrics_from);
        }
        if let Some(provider) = &self.meter_provider {
            let _ = provider.shutdown();
        }
        let left = || until.since(clock::now());
        if let Some(provider) = &self.tracer_provider {
            let _ = provider.shutdown_with_timeout(left());
        }
        if let Some(provider) = &self.logger_provider {
            let _ = provider.shutdown_with_timeout(left());
        }
    }
}

fn wait_for(spans: Option<&Batch<SpanData>>, logs: Option<&Batch<Log>>, until: Stamp) {
    if let Some(batch) = spans {
        batch.wait_ended(until);
    }
    if let Some(batch) = logs {
        batch.wait_ended(until);
    }
}

fn in_background(name: &str, f: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(f)
        .map(drop)
}
