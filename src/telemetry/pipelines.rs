//! What exports: the queues between the app and the exporters, and their end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};

use super::background::in_background;
use super::consent::{Epoch, PauseReport, Pending, PendingItems};
use super::export::batch_processor::Batch;
use super::export::page_spans::PageSpans;
use super::export::sdk_processors::Log;
use super::export::shutdown_deadline::ShutdownDeadline;
use super::export::spool::{Spool, SpooledSignal, discard_left};
use super::metrics::counting_exporter::PointCounters;
use super::sampling::Tail;
use super::shutdown_report::ShutdownReport;
use crate::clock::{self, Stamp};

/// What exports. Clones share everything.
#[derive(Clone, Debug)]
pub(super) struct Pipelines {
    pub(super) spans: Option<Batch<SpanData>>,
    /// What feeds the batch of spans, when the sampler is ours.
    pub(super) tail: Option<Arc<Tail>>,
    pub(super) logs: Option<Batch<Log>>,
    pub(super) points: Option<Arc<PointCounters>>,
    pub(super) page_spans: PageSpans,
    /// Where telemetry waits on disk, also what earlier processes left while nothing is sent now.
    pub(super) spool_folder: Option<PathBuf>,
}

/// What the pipelines run on until the shutdown.
#[derive(Default)]
pub(super) struct Providers {
    pub(super) tracer: Option<SdkTracerProvider>,
    pub(super) logger: Option<SdkLoggerProvider>,
    pub(super) meter: Option<SdkMeterProvider>,
    pub(super) metrics_deadline: Arc<ShutdownDeadline>,
    pub(super) spool: Option<Arc<Spool>>,
}

/// Why a [`Telemetry::flush`](crate::Telemetry::flush) is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline came first. The rest is still queued.
    #[error("the collector did not take everything before the deadline")]
    TimedOut,
    /// The collector could not be reached or refused these spans, log records and data points.
    ///
    /// Totals of metrics are sent again by the next export.
    #[error("{0} spans, log records and data points were lost")]
    Lost(u64),
    /// The metrics were not even tried: the system gave no thread, or their exporter has ended.
    #[error("the metrics could not be sent")]
    NotSent,
    /// Telemetry is paused, so nothing is sent.
    #[error("telemetry is paused")]
    Paused,
}

impl Pipelines {
    pub(super) fn off() -> Self {
        Self {
            spans: None,
            tail: None,
            logs: None,
            points: None,
            page_spans: PageSpans::off(),
            spool_folder: None,
        }
    }

    pub(super) fn flush(
        &self,
        meter: Option<SdkMeterProvider>,
        deadline: Duration,
    ) -> Result<(), FlushError> {
        let until = clock::now().plus(deadline);
        // Losses are told by the difference, since the counters run from the start of telemetry.
        let before = self.failed();
        // Room for the one answer: a thread that comes after the deadline can leave it and end.
        let (done, flushed) = bounded(1);
        if let Some(provider) = meter {
            // It waits as long as the collector lets it.
            let flush = move || {
                let _ = done.send(provider.force_flush().is_ok());
            };
            // Without a thread the sender is dropped, which is seen below.
            let _ = in_background("spanwire-flush", flush);
        } else {
            let _ = done.send(true);
        }
        // The page spans are flushed before the batch, which is to send them as well.
        let read = self.page_spans.flush(until);
        let spans = read && self.spans.as_ref().is_none_or(|batch| batch.flush(until));
        let logs = self.logs.as_ref().is_none_or(|batch| batch.flush(until));
        let left = until.since(clock::now());
        // Last, since metrics are sent on their own thread meanwhile.
        let metrics = flushed.recv_timeout(left);
        if !(spans && logs) || metrics == Err(RecvTimeoutError::Timeout) {
            return Err(FlushError::TimedOut);
        }
        match self.failed() - before {
            0 if metrics == Ok(true) => Ok(()),
            // The provider failed without losing a point, or the system gave no thread.
            0 => Err(FlushError::NotSent),
            lost => Err(FlushError::Lost(lost)),
        }
    }

    /// Deletes or keeps what is queued, for a pause; `ended` is the epoch that it ended, if telemetry
    /// was not paused before.
    pub(super) fn pause(
        &self,
        spool: Option<&Spool>,
        ended: Option<Epoch>,
        pending: Pending,
    ) -> PauseReport {
        let mut report = PauseReport::default();
        // Tail sampling holds nothing any more where telemetry was paused before.
        if let (Some(tail), Some(ended)) = (&self.tail, ended) {
            report.spans.discarded += tail.settle(ended, pending);
        }
        if pending == Pending::Discard {
            report.spans.discarded += self.page_spans.discard();
            report.spans.discarded += self.spans.as_ref().map_or(0, Batch::discard_queued);
            report.logs.discarded += self.logs.as_ref().map_or(0, Batch::discard_queued);
            // Without a running spool the folder may still hold what an earlier process left.
            let spooled = match (spool, &self.spool_folder) {
                (Some(spool), _) => spool.discard(),
                (None, Some(folder)) => discard_left(folder),
                (None, None) => Default::default(),
            };
            let add = |to: &mut PendingItems, lane: SpooledSignal| {
                to.discarded += spooled[lane.index()];
            };
            add(&mut report.spans, SpooledSignal::Traces);
            add(&mut report.logs, SpooledSignal::Logs);
        } else {
            let spooled = spool.map(Spool::items).unwrap_or_default();
            let queued = |queued: Option<(usize, usize)>| queued.map_or(0, |(len, _)| len as u64);
            report.spans.kept = queued(self.spans.as_ref().map(Batch::queued))
                + spooled[SpooledSignal::Traces.index()];
            report.logs.kept = queued(self.logs.as_ref().map(Batch::queued))
                + spooled[SpooledSignal::Logs.index()];
        }
        report
    }

    /// Deletes what came in a pause from threads that were late by a moment, before it ends.
    pub(super) fn before_resume(&self) {
        if let (Some(tail), Some(batch)) = (&self.tail, &self.spans) {
            tail.settle(batch.switch().now(), Pending::Discard);
        }
    }

    /// Has the threads go on that wait for the end of a pause.
    pub(super) fn resumed(&self, spool: Option<&Spool>) {
        self.page_spans.look_at_switch();
        if let Some(spool) = spool {
            spool.look_at_switch();
        }
    }

    /// Takes no more, and begins to export what is queued.
    pub(super) fn close(&self, providers: &Providers, now: Stamp, deadline: Duration) {
        let until = now.plus(deadline);
        // At once, since an export of metrics may be under way with a longer time limit.
        providers.metrics_deadline.close(until);
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
    }

    /// Waits for the exports, and ends what they ran on. Metrics come last, so that they tell what
    /// became of the others; but they do come, from `metrics_from`.
    pub(super) fn end(&self, providers: &mut Providers, metrics_from: Stamp, until: Stamp) {
        // Not until the deadline: a collector that hangs here would leave no time for the metrics,
        // which tell of it.
        self.wait_ended(metrics_from);
        // After the batches, which may have put something there.
        if let Some(spool) = providers.spool.take() {
            spool.close(metrics_from);
            spool.wait_ended(metrics_from);
        }
        if let Some(provider) = &providers.meter {
            let _ = provider.shutdown();
        }
        // The processors of these two are closed by now, so their providers have little left to do.
        let left = || until.since(clock::now());
        if let Some(provider) = &providers.tracer {
            let _ = provider.shutdown_with_timeout(left());
        }
        if let Some(provider) = &providers.logger {
            let _ = provider.shutdown_with_timeout(left());
        }
    }

    pub(super) fn wait_ended(&self, until: Stamp) {
        if let Some(batch) = &self.spans {
            batch.wait_ended(until);
        }
        if let Some(batch) = &self.logs {
            batch.wait_ended(until);
        }
    }

    /// The SDK waits five seconds for the last export, whatever the deadline.
    pub(super) fn wait_for_points(&self, until: Stamp) {
        // The reader gives up on its thread then, which exports on; a point that arrives still
        // counts.
        if let Some(points) = self.points.as_ref().filter(|points| points.is_exporting()) {
            points.wait_ended(until);
        }
    }

    pub(super) fn report(&self) -> ShutdownReport {
        let spans = self.spans.as_ref().map(Batch::report);
        let logs = self.logs.as_ref().map(Batch::report);
        let metrics = self.points.as_ref().map(|points| points.report());
        ShutdownReport {
            spans: spans.unwrap_or_default(),
            logs: logs.unwrap_or_default(),
            metrics: metrics.unwrap_or_default(),
            ..ShutdownReport::default()
        }
    }

    fn failed(&self) -> u64 {
        self.spans.as_ref().map_or(0, Batch::failed)
            + self.logs.as_ref().map_or(0, Batch::failed)
            + self.points.as_ref().map_or(0, |points| points.failed())
    }
}
