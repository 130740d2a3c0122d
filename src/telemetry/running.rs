//! Telemetry at work, and its end.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanLimits};

use super::config::builder::{Strictness, TelemetryBuilder};
use super::config::env::{BASE_URL, SPOOL_DIR};
use super::config::settings::Settings;
use super::config::warning::{TelemetryError, Warning};
use super::diagnostics::flaw::Flaw;
use super::diagnostics::local_recorder::{Recording, SharedRecorder};
use super::diagnostics::stderr::Voice;
use super::export::batch_processor::Batch;
use super::export::counters::ShutdownReport;
use super::export::http_client::Client;
use super::export::otlp::{LogSender, Route, SpanSender, metric_exporter};
use super::export::page_spans::{self, PageSpans};
use super::export::sdk_processors::{BatchLogs, BatchSpans, Log};
use super::export::shutdown_deadline::Patience;
use super::export::signal::{LOGS, METRICS, Signal, TRACES};
use super::export::spool::{Lane, Spool, Way};
use super::fanout::fanout;
use super::metrics::counting_exporter::{CountedMetrics, PointTally};
use super::metrics::otel_recorder::{OtelRecorder, with_limits};
use super::metrics::thresholds::Thresholds;
use super::parts::{Parts, propagator};
use super::plan::{Plan, PlanState, SpoolPlan};
use super::prometheus::{self, Endpoint, EndpointError, EndpointOptions, Exemplars, Exposition};
use super::sampling::{Given, Tail, TailSampler, TailSpans};
use crate::clock::{self, Stamp};
use crate::instrument::handles::{self, Publish};
use crate::semconv;
use crate::system::SystemSampler;

/// Telemetry at work. Keep it as long as the app runs.
///
/// [`shutdown`](Self::shutdown) sends what is queued and says what was lost; dropping does the same
/// within a short time. Afterwards everything that still measures does so in vain and in peace.
#[must_use = "dropping it ends telemetry"]
pub struct Telemetry {
    warnings: Vec<Warning>,
    voice: Voice,
    system_interval: Option<Duration>,
    shutdown_deadline: Duration,
    prometheus_addr: Option<SocketAddr>,
    spans: Option<Batch<SpanData>>,
    /// What feeds the batch of spans, when the sampler is ours.
    tail: Option<Arc<Tail>>,
    logs: Option<Batch<Log>>,
    points: Option<Arc<PointTally>>,
    page_spans: PageSpans,
    state: Mutex<State>,
}

enum State {
    Running(Running),
    Ended(ShutdownReport),
}

/// What ends with the shutdown.
#[derive(Default)]
struct Running {
    sampler: Option<SystemSampler>,
    endpoint: Option<Endpoint>,
    tracer_provider: Option<SdkTracerProvider>,
    logger_provider: Option<SdkLoggerProvider>,
    meter_provider: Option<SdkMeterProvider>,
    metrics_patience: Arc<Patience>,
    spool: Option<Arc<Spool>>,
    thresholds: Option<Arc<Thresholds>>,
    /// The exporters count themselves with it and hold it weakly.
    recorder: Option<Arc<SharedRecorder>>,
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

    fn end(&self, running: Running, deadline: Duration) {
        let now = clock::now();
        let until = now.plus(deadline);
        running.metrics_patience.close(until);
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
            self.voice.say(warning);
        }
    }

    /// After the recorder is in place, so that the first sample is not lost.
    pub(crate) fn start_sampler(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (State::Running(running), Some(interval)) = (state, self.system_interval) {
            running.sampler = Some(SystemSampler::start(interval));
        }
    }

    /// Starts everything that needs no process-wide place.
    ///
    /// # Errors
    ///
    /// When the plan is strict and something cannot be done.
    pub(crate) fn start(mut plan: Plan) -> Result<(Self, Parts), TelemetryError> {
        let mut warnings = std::mem::take(&mut plan.warnings);
        // Before anything has it, the target info of `/metrics` included.
        if let Some(redactor) = &plan.redactor {
            plan.resource = redactor.resource(&plan.resource);
        }
        let mut telemetry = Self {
            warnings: Vec::new(),
            voice: plan.voice,
            system_interval: None,
            shutdown_deadline: plan.shutdown_deadline,
            prometheus_addr: None,
            spans: None,
            tail: None,
            logs: None,
            points: None,
            page_spans: PageSpans::off(),
            state: Mutex::new(State::Ended(ShutdownReport::default())),
        };
        let mut parts = Parts {
            recorder: None,
            tracer_provider: None,
            logger_provider: None,
            propagator: propagator(&plan.settings.propagators),
            propagators: plan.settings.propagators.clone(),
            slow_threshold: plan.settings.slow_threshold,
            level: plan.level,
        };
        if plan.state == PlanState::Enabled {
            let mut starting = Starting {
                plan: &plan,
                warnings: &mut warnings,
                recording: Recording::default(),
                exemplars: None,
                ways: Vec::new(),
                running: Running::default(),
                telemetry: &mut telemetry,
            };
            // First, since spans become their exemplars.
            starting.metrics();
            starting.spool();
            starting.traces();
            starting.logs();
            starting.replay();
            let running = starting.running;
            parts.recorder.clone_from(&running.recorder);
            parts.tracer_provider.clone_from(&running.tracer_provider);
            parts.logger_provider.clone_from(&running.logger_provider);
            telemetry.state = Mutex::new(State::Running(running));
            let measured = plan.prometheus.is_some() || plan.metrics.is_some();
            telemetry.system_interval = plan.settings.system_interval.filter(|_| measured);
        }
        if plan.strictness == Strictness::Strict && !warnings.is_empty() {
            return Err(TelemetryError::Strict(warnings));
        }
        telemetry.warnings = warnings;
        Ok((telemetry, parts))
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

impl Running {
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

/// Telemetry on its way from a plan to work.
struct Starting<'a> {
    plan: &'a Plan,
    warnings: &'a mut Vec<Warning>,
    recording: Recording,
    exemplars: Option<Exemplars>,
    /// What leads out of the spool.
    ways: Vec<Way>,
    running: Running,
    telemetry: &'a mut Telemetry,
}

impl Starting<'_> {
    /// A folder that cannot be used must not keep an app from its start.
    fn spool(&mut self) {
        let Some(spool) = &self.plan.spool else {
            return;
        };
        match Spool::open(&spool.folder, spool.bytes_max, self.recording.clone()) {
            Ok(spool) => self.running.spool = Some(spool),
            Err(error) => self.warnings.push(no_spool(spool, &error)),
        }
    }

    /// After both ends of each way are there.
    fn replay(&mut self) {
        let ways = std::mem::take(&mut self.ways);
        if ways.is_empty() {
            // There is nothing that could wait.
            self.running.spool = None;
        }
        let (Some(spool), Some(plan)) = (&self.running.spool, &self.plan.spool) else {
            return;
        };
        if let Err(error) = spool.start(ways, self.plan.voice) {
            self.warnings.push(no_spool(plan, &error));
        }
    }

    /// The spool's way to the collector, once there is something that counts what takes it.
    fn way<T: Send + 'static>(
        &mut self,
        lane: Lane,
        signal: &'static Signal,
        route: &Route,
        batch: &Batch<T>,
    ) {
        let (Some(spool), Ok(url)) = (&self.running.spool, route.url.parse()) else {
            return;
        };
        spool.count_at(lane, batch.tally());
        let client = Client::new(route.connection.clone(), spool.patience());
        self.ways.push(Way::new(lane, signal, url, client));
    }

    fn traces(&mut self) {
        let Some(route) = &self.plan.traces else {
            return;
        };
        let settings = &self.plan.settings;
        let patience = Arc::new(Patience::default());
        let sender = SpanSender::new(
            route,
            Arc::clone(&patience),
            self.running.spool.clone(),
            &self.plan.resource,
            settings.span_value_len_max(),
            self.exemplars.clone(),
            self.plan.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), TRACES.name) else {
            return;
        };
        let recording = self.recording.clone();
        let batch = Batch::start(
            &TRACES,
            settings.spans,
            patience,
            recording,
            self.plan.voice,
            sender,
        );
        let Some(batch) = self.usable(batch.map_err(no_thread), TRACES.name) else {
            return;
        };
        self.way(Lane::Traces, &TRACES, route, &batch);
        let builder = SdkTracerProvider::builder()
            .with_resource(self.plan.resource.clone())
            .with_span_limits(span_limits(settings));
        let builder = match self.plan.sampler.standard() {
            Some(sampler) => builder
                .with_sampler(sampler)
                .with_span_processor(BatchSpans(batch.clone())),
            None => {
                let tail = self.tail(batch.clone());
                self.telemetry.tail = Some(Arc::clone(&tail));
                builder
                    .with_sampler(TailSampler(Arc::clone(&tail)))
                    .with_span_processor(TailSpans(tail))
            }
        };
        self.telemetry.page_spans = PageSpans::new(
            page_spans::Limits::new(settings),
            batch.clone(),
            self.recording.clone(),
        );
        self.telemetry.spans = Some(batch);
        self.running.tracer_provider = Some(builder.build());
    }

    fn tail(&self, batch: Batch<SpanData>) -> Arc<Tail> {
        let settings = &self.plan.settings;
        let given = Given {
            ipc_slow: settings.ipc_slow_threshold,
            slow: settings.slow_threshold,
            traces_per_second: settings.traces_per_second,
            attributes_per_span: settings.span_attribute_count(),
        };
        Tail::start(&self.plan.tail, given, self.recording.clone(), batch)
    }

    fn logs(&mut self) {
        let Some(route) = &self.plan.logs else {
            return;
        };
        let patience = Arc::new(Patience::default());
        let sender = LogSender::new(
            route,
            Arc::clone(&patience),
            self.running.spool.clone(),
            &self.plan.resource,
            self.plan.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), LOGS.name) else {
            return;
        };
        let recording = self.recording.clone();
        let limits = self.plan.settings.logs;
        let batch = Batch::start(&LOGS, limits, patience, recording, self.plan.voice, sender);
        let Some(batch) = self.usable(batch.map_err(no_thread), LOGS.name) else {
            return;
        };
        self.way(Lane::Logs, &LOGS, route, &batch);
        let provider = SdkLoggerProvider::builder()
            .with_resource(self.plan.resource.clone())
            .with_log_processor(BatchLogs(batch.clone()))
            .build();
        self.telemetry.logs = Some(batch);
        self.running.logger_provider = Some(provider);
    }

    fn metrics(&mut self) {
        let otel = self
            .plan
            .metrics
            .as_ref()
            .and_then(|route| self.otel(route));
        let prometheus = self.plan.prometheus.as_ref().and_then(|options| {
            let (recorder, exposition) = prometheus::recorder(&self.plan.resource);
            let exemplars = exposition.exemplars();
            self.endpoint(options, exposition).then(|| {
                self.exemplars = Some(exemplars);
                recorder
            })
        });
        let recorder: Arc<SharedRecorder> = match (prometheus, otel) {
            (Some(prometheus), Some(otel)) => Arc::new(fanout(prometheus, otel)),
            (Some(prometheus), None) => Arc::new(prometheus),
            (None, Some(otel)) => Arc::new(otel),
            (None, None) => return,
        };
        self.recording.use_recorder(&recorder);
        self.running.recorder = Some(recorder);
        let settings = &self.plan.settings;
        let thresholds = Arc::new(Thresholds::new(
            settings.ipc_slow_threshold,
            settings.error_rate_threshold,
            self.recording.clone(),
        ));
        let source: Weak<dyn Publish> = Arc::downgrade(&thresholds) as Weak<dyn Publish>;
        handles::register(source);
        self.running.thresholds = Some(thresholds);
    }

    fn otel(&mut self, route: &Route) -> Option<OtelRecorder> {
        let settings = &self.plan.settings;
        let patience = Arc::clone(&self.running.metrics_patience);
        let exporter = metric_exporter(route, patience, settings.temporality);
        let exporter = self.usable(exporter.map_err(no_exporter), METRICS)?;
        let points = Arc::new(PointTally::default());
        let exporter = CountedMetrics::new(
            exporter,
            self.recording.clone(),
            Arc::clone(&points),
            self.plan.voice,
        );
        let reader = PeriodicReader::builder(exporter)
            .with_interval(settings.metric_interval)
            .build();
        let builder = SdkMeterProvider::builder()
            .with_resource(self.plan.resource.clone())
            .with_reader(reader);
        let provider = with_limits(builder).build();
        let recorder = OtelRecorder::new(provider.meter(semconv::SCOPE));
        self.telemetry.points = Some(points);
        self.running.meter_provider = Some(provider);
        Some(recorder)
    }

    /// Whether it listens. A taken port must not keep an app from its start.
    fn endpoint(&mut self, options: &EndpointOptions, exposition: Exposition) -> bool {
        match Endpoint::start(options.clone(), exposition) {
            Ok(endpoint) => {
                self.telemetry.prometheus_addr = Some(endpoint.addr());
                self.running.endpoint = Some(endpoint);
                true
            }
            Err(error) => {
                self.warnings.push(unheard(options, &error));
                false
            }
        }
    }

    /// What was made for a signal, which is off without it.
    fn usable<T>(&mut self, made: Result<T, String>, signal: &str) -> Option<T> {
        let problem = match made {
            Ok(made) => return Some(made),
            Err(problem) => problem,
        };
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
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

fn no_spool(plan: &SpoolPlan, error: &std::io::Error) -> Warning {
    let folder = plan.folder.to_string_lossy();
    let instead = format!("what cannot be sent is lost and counted: {error}");
    Warning::value(plan.variable, &folder, SPOOL_DIR, instead)
}

/// Why nothing listens for who scrapes.
fn unheard(options: &EndpointOptions, error: &EndpointError) -> Warning {
    let asked = options.port.to_string();
    let (host, port) = (
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    );
    let (variable, value, accepted) = match error {
        // Who never set the variable would look for it in vain.
        EndpointError::AddressInUse { addr } if addr.port() == DEFAULT_PROMETHEUS_PORT => {
            return Warning::DefaultPortTaken { addr: *addr };
        }
        EndpointError::AddressInUse { .. } => (port, asked, "a free port, or 0 for any"),
        EndpointError::UnknownHost { host: name } => (
            host,
            name.clone(),
            "a host name or an IP address of this machine",
        ),
        _ => (port, asked, "a port that this process may listen on"),
    };
    let mut instead = format!("/metrics is off, since {error}");
    if let Some(source) = std::error::Error::source(error) {
        instead = format!("{instead}: {source}");
    }
    Warning::value(variable, &value, accepted, instead)
}

fn span_limits(settings: &Settings) -> SpanLimits {
    SpanLimits {
        max_events_per_span: settings.events_per_span,
        max_attributes_per_span: settings.span_attribute_count(),
        max_links_per_span: settings.links_per_span,
        max_attributes_per_event: settings.event_attribute_count(),
        max_attributes_per_link: settings.link_attribute_count(),
    }
}

/// As `OTEL_EXPORTER_PROMETHEUS_PORT` has it in [`VARIABLES`](super::VARIABLES).
const DEFAULT_PROMETHEUS_PORT: u16 = 9464;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::VARIABLES;

    #[test]
    fn nobody_is_blamed_for_a_default_port_that_is_taken() {
        let taken = |port: u16| {
            let options = EndpointOptions {
                host: "127.0.0.1".into(),
                port,
                allowed_hosts: Vec::new(),
            };
            let addr = ([127, 0, 0, 1], port).into();
            unheard(&options, &EndpointError::AddressInUse { addr }).to_string()
        };
        let name = "OTEL_EXPORTER_PROMETHEUS_PORT";
        let variable = VARIABLES.iter().find(|variable| variable.name == name);
        let default = variable.unwrap().default.parse().unwrap();
        assert_eq!(
            taken(default),
            "the default port 9464 is taken: /metrics is off, since 127.0.0.1:9464 is in use by \
             another program; OTEL_EXPORTER_PROMETHEUS_PORT takes another, or 0 for any that is free"
        );
        assert!(taken(9_465).starts_with("OTEL_EXPORTER_PROMETHEUS_PORT=\"9465\" is not used"));
    }
}
