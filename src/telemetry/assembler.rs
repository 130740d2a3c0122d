//! From a resolved configuration to telemetry at work.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanLimits};

use super::config::env::{BASE_URL, SPOOL_DIR};
use super::config::options::Strictness;
use super::config::resolved::{ResolvedConfig, SpoolConfig, State as ConfigState};
use super::config::settings::Settings;
use super::config::warning::{TelemetryError, Warning};
use super::diagnostics::flaw::Flaw;
use super::diagnostics::local_recorder::{LocalRecorder, SharedRecorder};
use super::export::batch_processor::Batch;
use super::export::counters::ShutdownReport;
use super::export::http_client::Client;
use super::export::on_exported::OnExported;
use super::export::otlp::{LogSender, Route, SpanSender, metric_exporter};
use super::export::page_spans::PageSpans;
use super::export::sdk_processors::{BatchLogs, BatchSpans};
use super::export::shutdown_deadline::ShutdownDeadline;
use super::export::signal::{LOGS, METRICS, Signal, TRACES};
use super::export::spool::{ReplayTarget, Spool, SpooledSignal};
use super::fanout::fanout;
use super::handle::{Components, State, Telemetry};
use super::metrics::counting_exporter::{CountedMetrics, PointCounters};
use super::metrics::otel_recorder::{OtelRecorder, with_limits};
use super::metrics::thresholds::Thresholds;
use super::parts::{TelemetryParts, propagator};
use super::prometheus::{self, Endpoint, EndpointError, EndpointOptions, Exemplars, Exposition};
use super::sampling::{SamplingConfig, Tail, TailSampler, TailSpans};
use crate::instrument::handles::{self, Publish};
use crate::semconv;

/// Starts everything that needs no process-wide place.
///
/// # Errors
///
/// When the plan is strict and something cannot be done.
pub(super) fn assemble(
    mut plan: ResolvedConfig,
) -> Result<(Telemetry, TelemetryParts), TelemetryError> {
    let mut warnings = std::mem::take(&mut plan.warnings);
    // Before anything has it, the target info of `/metrics` included.
    if let Some(redactor) = &plan.redactor {
        plan.resource = redactor.resource(&plan.resource);
    }
    let mut telemetry = Telemetry {
        warnings: Vec::new(),
        reporter: plan.reporter,
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
    let mut parts = TelemetryParts {
        recorder: None,
        tracer_provider: None,
        logger_provider: None,
        propagator: propagator(&plan.settings.propagators),
        propagators: plan.settings.propagators.clone(),
        slow_threshold: plan.settings.slow_threshold,
        level: plan.level,
    };
    if plan.state == ConfigState::Enabled {
        let mut starting = Assembler {
            plan: &plan,
            warnings: &mut warnings,
            local_recorder: LocalRecorder::default(),
            exemplars: None,
            ways: Vec::new(),
            running: Components::default(),
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

/// Telemetry on its way from a plan to work.
struct Assembler<'a> {
    plan: &'a ResolvedConfig,
    warnings: &'a mut Vec<Warning>,
    local_recorder: LocalRecorder,
    exemplars: Option<Exemplars>,
    /// What leads out of the spool.
    ways: Vec<ReplayTarget>,
    running: Components,
    telemetry: &'a mut Telemetry,
}

impl Assembler<'_> {
    /// A folder that cannot be used must not keep an app from its start.
    fn spool(&mut self) {
        let Some(spool) = &self.plan.spool else {
            return;
        };
        match Spool::open(&spool.folder, spool.bytes_max, self.local_recorder.clone()) {
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
        if let Err(error) = spool.start(ways, self.plan.reporter) {
            self.warnings.push(no_spool(plan, &error));
        }
    }

    /// The spool's way to the collector, once there is something that counts what takes it.
    fn way<T: Send + 'static>(
        &mut self,
        lane: SpooledSignal,
        signal: &'static Signal,
        route: &Route,
        batch: &Batch<T>,
    ) {
        let (Some(spool), Ok(url)) = (&self.running.spool, route.url.parse()) else {
            return;
        };
        spool.count_at(lane, batch.counters());
        let client = Client::new(route.connection.clone(), spool.shutdown_deadline());
        self.ways.push(ReplayTarget::new(lane, signal, url, client));
    }

    fn traces(&mut self) {
        let Some(route) = &self.plan.traces else {
            return;
        };
        let settings = &self.plan.settings;
        let shutdown_deadline = Arc::new(ShutdownDeadline::default());
        let sender = SpanSender::new(
            route,
            Arc::clone(&shutdown_deadline),
            self.running.spool.clone(),
            &self.plan.resource,
            settings.span_value_len_max(),
            self.exemplars
                .clone()
                .map(|exemplars| Arc::new(exemplars) as Arc<dyn OnExported>),
            self.plan.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), TRACES.name) else {
            return;
        };
        let local_recorder = self.local_recorder.clone();
        let batch = Batch::start(
            &TRACES,
            settings.spans,
            shutdown_deadline,
            local_recorder,
            self.plan.reporter,
            sender,
        );
        let Some(batch) = self.usable(batch.map_err(no_thread), TRACES.name) else {
            return;
        };
        self.way(SpooledSignal::Traces, &TRACES, route, &batch);
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
            settings.page_span_limits(),
            batch.clone(),
            self.local_recorder.clone(),
        );
        self.telemetry.spans = Some(batch);
        self.running.tracer_provider = Some(builder.build());
    }

    fn tail(&self, batch: Batch<SpanData>) -> Arc<Tail> {
        let settings = &self.plan.settings;
        let config = SamplingConfig {
            ipc_slow: settings.ipc_slow_threshold,
            slow: settings.slow_threshold,
            traces_per_second: settings.traces_per_second,
            attributes_per_span: settings.span_attribute_count(),
        };
        Tail::start(&self.plan.tail, config, self.local_recorder.clone(), batch)
    }

    fn logs(&mut self) {
        let Some(route) = &self.plan.logs else {
            return;
        };
        let shutdown_deadline = Arc::new(ShutdownDeadline::default());
        let sender = LogSender::new(
            route,
            Arc::clone(&shutdown_deadline),
            self.running.spool.clone(),
            &self.plan.resource,
            self.plan.redactor.clone(),
        );
        let Some(sender) = self.usable(sender.map_err(no_exporter), LOGS.name) else {
            return;
        };
        let local_recorder = self.local_recorder.clone();
        let limits = self.plan.settings.logs;
        let batch = Batch::start(
            &LOGS,
            limits,
            shutdown_deadline,
            local_recorder,
            self.plan.reporter,
            sender,
        );
        let Some(batch) = self.usable(batch.map_err(no_thread), LOGS.name) else {
            return;
        };
        self.way(SpooledSignal::Logs, &LOGS, route, &batch);
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
        self.local_recorder.use_recorder(&recorder);
        self.running.recorder = Some(recorder);
        let settings = &self.plan.settings;
        let thresholds = Arc::new(Thresholds::new(
            settings.ipc_slow_threshold,
            settings.error_rate_threshold,
            self.local_recorder.clone(),
        ));
        let source: Weak<dyn Publish> = Arc::downgrade(&thresholds) as Weak<dyn Publish>;
        handles::register(source);
        self.running.thresholds = Some(thresholds);
    }

    fn otel(&mut self, route: &Route) -> Option<OtelRecorder> {
        let settings = &self.plan.settings;
        let shutdown_deadline = Arc::clone(&self.running.metrics_deadline);
        let exporter = metric_exporter(route, shutdown_deadline, settings.temporality);
        let exporter = self.usable(exporter.map_err(no_exporter), METRICS)?;
        let points = Arc::new(PointCounters::default());
        let exporter = CountedMetrics::new(
            exporter,
            self.local_recorder.clone(),
            Arc::clone(&points),
            self.plan.reporter,
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
                self.warnings.push(bind_warning(options, &error));
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

fn no_spool(plan: &SpoolConfig, error: &std::io::Error) -> Warning {
    let folder = plan.folder.to_string_lossy();
    let instead = format!("what cannot be sent is lost and counted: {error}");
    Warning::value(plan.variable, &folder, SPOOL_DIR, instead)
}

/// Why nothing listens for who scrapes.
fn bind_warning(options: &EndpointOptions, error: &EndpointError) -> Warning {
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
            bind_warning(&options, &EndpointError::AddressInUse { addr }).to_string()
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
