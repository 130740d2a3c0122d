//! The pipelines to a collector, and the spool beside them.

use std::fmt;
use std::sync::Arc;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanLimits};

use super::Assembler;
use crate::semconv;
use crate::telemetry::config::accepted::{BASE_URL, SPOOL_DIR};
use crate::telemetry::config::otlp::router::SpoolConfig;
use crate::telemetry::config::otlp::settings::OtlpSettings;
use crate::telemetry::config::warning::Warning;
use crate::telemetry::consent::PausableSampler;
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::batch_processor::Batch;
use crate::telemetry::export::http_client::Client;
use crate::telemetry::export::limits::BatchLimits;
use crate::telemetry::export::on_exported::OnExported;
use crate::telemetry::export::otlp::{LogSender, MetricSender, Route, SpanSender};
use crate::telemetry::export::page_spans::PageSpans;
use crate::telemetry::export::sdk_processors::{BatchLogs, BatchSpans};
use crate::telemetry::export::shutdown_deadline::ShutdownDeadline;
use crate::telemetry::export::signal::{LOGS, METRICS, Signal, TRACES};
use crate::telemetry::export::spool::{QUEUE_DELAY_MAX, ReplayTarget, Spool, SpooledSignal};
use crate::telemetry::metrics::counting_exporter::{CountedMetrics, PointCounters};
use crate::telemetry::metrics::otel_recorder::{OtelRecorder, with_limits};
use crate::telemetry::sampling::{SamplingConfig, Tail, TailSampler, TailSpans};

impl Assembler<'_> {
    /// After the metrics, since spans become their exemplars.
    pub(super) fn pipelines(&mut self) {
        // The spool comes first, since the batches and the senders take it. The replay comes last,
        // since its threads need the way of every signal.
        self.spool();
        self.traces();
        self.logs();
        self.replay();
    }

    #[cfg(feature = "prometheus")]
    fn on_exported(&self) -> Option<Arc<dyn OnExported>> {
        let exemplars = self.exemplars.clone()?;
        Some(Arc::new(exemplars))
    }

    #[cfg(not(feature = "prometheus"))]
    fn on_exported(&self) -> Option<Arc<dyn OnExported>> {
        None
    }

    /// A folder that cannot be used must not keep an app from its start.
    fn spool(&mut self) {
        let Some(spool) = &self.config.otlp.spool else {
            return;
        };
        let opened = Spool::open(
            &spool.folder,
            spool.bytes_max,
            self.local_recorder.clone(),
            self.switch.clone(),
        );
        match opened {
            Ok(spool) => self.running.providers.spool = Some(spool),
            Err(error) => self.warnings.push(no_spool(spool, &error)),
        }
    }

    /// What waits in a queue is not on disk yet.
    fn batch_limits(&self, limits: BatchLimits) -> BatchLimits {
        match self.running.providers.spool {
            // With the default delay of 5 s an item would be in memory alone for that long. With a
            // spool it must be delivered or on disk within a second.
            Some(_) => BatchLimits {
                delay: limits.delay.min(QUEUE_DELAY_MAX),
                ..limits
            },
            None => limits,
        }
    }

    /// After both ends of each way are there.
    fn replay(&mut self) {
        let targets = std::mem::take(&mut self.replay_targets);
        if targets.is_empty() {
            // There is nothing that could wait.
            self.running.providers.spool = None;
        }
        let (Some(spool), Some(config)) = (&self.running.providers.spool, &self.config.otlp.spool)
        else {
            return;
        };
        if let Err(error) = spool.start(targets, self.config.reporter) {
            self.warnings.push(no_spool(config, &error));
        }
    }

    /// The spool's way to the collector, once there is something that counts what takes it.
    fn replay_target<T: Send + 'static>(
        &mut self,
        lane: SpooledSignal,
        signal: &'static Signal,
        route: &Route,
        batch: &Batch<T>,
    ) {
        let (Some(spool), Ok(url)) = (&self.running.providers.spool, route.url.parse()) else {
            return;
        };
        // The batch's thread runs already, but its queue is empty until the provider is built, so
        // nothing is spooled uncounted.
        spool.count_at(lane, batch.counters());
        // The client obeys the spool's deadline and not the signal's, since the spool is closed
        // after the batches: see `Pipelines::end`.
        let client = Client::new(route.connection.clone(), spool.shutdown_deadline());
        self.replay_targets
            .push(ReplayTarget::new(lane, signal, url, client));
    }

    fn traces(&mut self) {
        let Some(route) = &self.config.otlp.traces else {
            return;
        };
        let settings = &self.config.settings;
        let shutdown_deadline = Arc::new(ShutdownDeadline::new(self.switch.clone()));
        let sender = SpanSender::new(
            route,
            Arc::clone(&shutdown_deadline),
            self.running.providers.spool.clone(),
            &self.config.resource,
            settings.otlp.span_value_len_max(),
            self.on_exported(),
            self.config.otlp.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), TRACES.name) else {
            return;
        };
        let local_recorder = self.local_recorder.clone();
        let batch = Batch::start(
            &TRACES,
            self.batch_limits(settings.otlp.span_batch),
            shutdown_deadline,
            local_recorder,
            self.config.reporter,
            sender,
        );
        let Some(batch) = self.usable(batch.map_err(no_thread), TRACES.name) else {
            return;
        };
        self.replay_target(SpooledSignal::Traces, &TRACES, route, &batch);
        let builder = SdkTracerProvider::builder()
            .with_resource(self.config.resource.clone())
            .with_span_limits(span_limits(&settings.otlp));
        let builder = match self.config.sampler().standard() {
            Some(sampler) => builder
                .with_sampler(self.pausable_sampler(sampler))
                // The SDK's own batch processor reports success at a shutdown that lost everything:
                // see docs/adr/0004.
                .with_span_processor(BatchSpans(batch.clone())),
            None => {
                // Sampler and processor share one `Tail`: it counts a span as open from its
                // sampling on, and the processor must tell it of the end.
                let tail = self.tail(batch.clone());
                self.telemetry.pipelines.tail = Some(Arc::clone(&tail));
                builder
                    .with_sampler(self.pausable_sampler(TailSampler(Arc::clone(&tail))))
                    .with_span_processor(TailSpans(tail))
            }
        };
        // These go straight into the batch and past the sampler: the page's SDK has sampled them.
        // The thread that reads them starts with the first `Telemetry::page_spans`.
        self.telemetry.pipelines.page_spans = PageSpans::new(
            settings.otlp.page_span_limits(),
            batch.clone(),
            self.local_recorder.clone(),
        );
        self.telemetry.pipelines.spans = Some(batch);
        self.running.providers.tracer = Some(builder.build());
    }

    /// Wants nothing while telemetry is paused.
    fn pausable_sampler<S>(&self, sampler: S) -> PausableSampler<S> {
        PausableSampler {
            sampler,
            switch: self.switch.clone(),
        }
    }

    fn tail(&self, batch: Batch<SpanData>) -> Arc<Tail> {
        let settings = &self.config.settings;
        let config = SamplingConfig {
            ipc_slow: settings.ipc_slow_threshold,
            slow: settings.slow_threshold,
            traces_per_second: settings.otlp.traces_per_second,
            slow_factor: settings.otlp.slow_factor,
            attributes_per_span: settings.otlp.span_attribute_count(),
        };
        Tail::start(
            &self.config.otlp.tail,
            config,
            self.local_recorder.clone(),
            batch,
        )
    }

    fn logs(&mut self) {
        let Some(route) = &self.config.otlp.logs else {
            return;
        };
        let settings = &self.config.settings;
        let shutdown_deadline = Arc::new(ShutdownDeadline::new(self.switch.clone()));
        let sender = LogSender::new(
            route,
            Arc::clone(&shutdown_deadline),
            self.running.providers.spool.clone(),
            &self.config.resource,
            settings.otlp.log_value_len_max(),
            self.config.otlp.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), LOGS.name) else {
            return;
        };
        let local_recorder = self.local_recorder.clone();
        let limits = self.batch_limits(settings.otlp.log_batch);
        let batch = Batch::start(
            &LOGS,
            limits,
            shutdown_deadline,
            local_recorder,
            self.config.reporter,
            sender,
        );
        let Some(batch) = self.usable(batch.map_err(no_thread), LOGS.name) else {
            return;
        };
        self.replay_target(SpooledSignal::Logs, &LOGS, route, &batch);
        let provider = SdkLoggerProvider::builder()
            .with_resource(self.config.resource.clone())
            .with_log_processor(BatchLogs(batch.clone()))
            .build();
        self.telemetry.pipelines.logs = Some(batch);
        self.running.providers.logger = Some(provider);
    }

    pub(super) fn otel_recorder(&mut self) -> Option<OtelRecorder> {
        let route = self.config.otlp.metrics.as_ref()?;
        let settings = &self.config.settings;
        let shutdown_deadline = Arc::new(ShutdownDeadline::new(self.switch.clone()));
        // The providers keep the deadline, since the SDK owns the reader's thread:
        // `Pipelines::close` shortens the reader's export by this deadline.
        self.running.providers.metrics_deadline = Arc::clone(&shutdown_deadline);
        let sender = MetricSender::new(route, shutdown_deadline, settings.otlp.temporality);
        let sender = self.usable(sender.map_err(no_exporter), METRICS)?;
        let points = Arc::new(PointCounters::default());
        let exporter = CountedMetrics::new(
            sender,
            route.server(),
            self.local_recorder.clone(),
            Arc::clone(&points),
            self.config.reporter,
        );
        // The SDK's reader exports on a thread of its own without an async runtime, so our blocking
        // client may wait there.
        let reader = PeriodicReader::builder(exporter)
            .with_interval(settings.otlp.metric_interval)
            .build();
        let builder = SdkMeterProvider::builder()
            .with_resource(self.config.resource.clone())
            .with_reader(reader);
        let provider = with_limits(builder).build();
        // `with_limits` tells our instruments from others by the scope's name.
        let recorder = OtelRecorder::new(provider.meter(semconv::SCOPE));
        self.telemetry.pipelines.points = Some(points);
        self.running.providers.meter = Some(provider);
        Some(recorder)
    }

    /// What was made for a signal, which is off without it.
    fn usable<T>(&mut self, made: Result<T, String>, signal: &str) -> Option<T> {
        let problem = match made {
            Ok(made) => return Some(made),
            Err(problem) => problem,
        };
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
        // The URL is not quoted: some vendors have a token in its path.
        let flaw = Flaw::said(problem);
        let instead = format!("{signal} are off");
        self.warnings
            .push(Warning::flawed(variable, "", flaw, BASE_URL, instead));
        None
    }
}

/// Without the exporter's own words, which quote the whole URL.
fn no_exporter(_: impl fmt::Display) -> String {
    "no exporter can be made of it".to_owned()
}

fn no_thread(error: impl fmt::Display) -> String {
    format!("the system gives no thread: {error}")
}

fn no_spool(config: &SpoolConfig, error: &std::io::Error) -> Warning {
    let folder = config.folder.to_string_lossy();
    let instead = format!("what cannot be sent is lost and counted: {error}");
    Warning::value(config.variable, &folder, SPOOL_DIR, instead)
}

fn span_limits(settings: &OtlpSettings) -> SpanLimits {
    SpanLimits {
        // The SDK's limits bound numbers alone. `export/value_length` cuts long values.
        max_events_per_span: settings.events_per_span,
        max_attributes_per_span: settings.span_attribute_count(),
        max_links_per_span: settings.links_per_span,
        max_attributes_per_event: settings.event_attribute_count(),
        max_attributes_per_link: settings.link_attribute_count(),
    }
}
