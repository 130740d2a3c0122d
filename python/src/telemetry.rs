//! Telemetry at work in this process, and its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::logs::SdkLogger;
use opentelemetry_sdk::trace::SdkTracer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use spanwire::telemetry::{
    Exporter, FlushError, MetricsExporter, Pending, ResumeError, ShutdownReport as CoreReport,
    SignalReport as CoreSignal, SignalState, Telemetry as Core, TelemetryBuilder, TelemetryError,
};
use tracing::Dispatch;

use crate::argument::{self, Text, seconds_of};
use crate::error::{FlushTimeout, SpanwireError};
use crate::fork::{is_child, threads_start};
use crate::process_recorder;

/// What is in force in this process.
pub(crate) struct Active {
    telemetry: Arc<Core>,
    /// Where it is not the subscriber of the process anyway.
    dispatch: Option<Dispatch>,
    /// Makes the spans of runs.
    pub(crate) tracer: Option<SdkTracer>,
    logger: Option<SdkLogger>,
}

static ACTIVE: ArcSwapOption<Active> = ArcSwapOption::const_empty();

/// The telemetry in force, for what is made from it; `None` before `install` and in a forked child.
pub(crate) fn active() -> Option<Arc<Core>> {
    if is_child() {
        return None;
    }
    ACTIVE
        .load()
        .as_ref()
        .map(|active| Arc::clone(&active.telemetry))
}

/// Whether something would see what is measured now.
#[inline]
pub(crate) fn is_listening() -> bool {
    !is_child() && ACTIVE.load().is_some()
}

/// The telemetry that sees what is measured now, if any.
#[inline]
pub(crate) fn listening() -> Guard<Option<Arc<Active>>> {
    if is_child() {
        return Guard::from_inner(None);
    }
    ACTIVE.load()
}

/// Runs `f` with the logger of the telemetry in force, if log records are exported.
pub(crate) fn with_logger(f: impl FnOnce(&SdkLogger)) {
    if let Some(active) = &*ACTIVE.load()
        && !is_child()
        && let Some(logger) = &active.logger
    {
        f(logger);
    }
}

/// Runs `f` with the subscriber of the telemetry in force. Whatever makes `tracing` spans or events
/// is called within it.
pub(crate) fn within<R>(f: impl FnOnce() -> R) -> R {
    match &*ACTIVE.load() {
        Some(active) if !is_child() => match &active.dispatch {
            Some(dispatch) => tracing::dispatcher::with_default(dispatch, f),
            None => f(),
        },
        _ => f(),
    }
}

/// Telemetry of this process; `spanwire.install` makes it.
#[pyclass(frozen, module = "spanwire._core", subclass, weakref)]
pub(crate) struct Telemetry {
    core: Arc<Core>,
    shutdown_deadline: Duration,
}

#[pymethods]
impl Telemetry {
    /// What could not be done as asked.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.core
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Whether nothing is recorded, sent, served or written now.
    #[getter]
    fn is_paused(&self) -> bool {
        self.core.is_paused()
    }

    /// `host:port` at which Prometheus finds `/metrics`; None when the endpoint is off.
    #[getter]
    fn prometheus_addr(&self) -> Option<String> {
        self.core.prometheus_addr().map(|addr| addr.to_string())
    }

    /// The address of `/metrics` as a URL; None when the endpoint is off.
    #[getter]
    fn metrics_url(&self) -> Option<String> {
        let addr = self.core.prometheus_addr()?;
        Some(format!("http://{addr}/metrics"))
    }

    /// Exports what is queued now, and waits for it at most `timeout` seconds.
    ///
    /// Raises FlushTimeout, or SpanwireError when something was lost or telemetry is paused.
    #[pyo3(signature = (timeout=Duration::from_secs(5)))]
    fn flush(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::timeout)] timeout: Duration,
    ) -> PyResult<()> {
        let deadline = timeout;
        if is_child() {
            return Ok(());
        }
        let flush = || {
            // Another thread of its own writes it, so it is asked first.
            let history = self.core.history().map(|history| history.flush(deadline));
            (self.core.flush(deadline), history)
        };
        let (flushed, history) = py.detach(flush);
        if let Some(Err(error)) = history {
            return Err(SpanwireError::new_err(error.to_string()));
        }
        flushed.map_err(|error| {
            let text = error.to_string();
            match error {
                FlushError::TimedOut => FlushTimeout::new_err(text),
                _ => SpanwireError::new_err(text),
            }
        })
    }

    /// Writes what waits into the history, and a report of it to the new file `path`.
    fn report(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<crate::report::Report> {
        crate::report::write(py, &self.core, &path)
    }

    /// Exports what is queued, ends everything and says what became of it.
    ///
    /// It returns after `timeout` seconds at the latest. A second call returns the same report.
    #[pyo3(signature = (timeout=None))]
    fn shutdown(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = argument::timeout_or_none)] timeout: Option<Duration>,
    ) -> ShutdownReport {
        let deadline = timeout.unwrap_or(self.shutdown_deadline);
        if is_child() {
            return ShutdownReport(CoreReport::default());
        }
        ShutdownReport(py.detach(|| self.end(deadline)))
    }

    /// Records, sends, serves and writes nothing until `resume`.
    ///
    /// What waits is deleted, or kept with `keep_pending=True`. Returns how much that was, as text.
    #[pyo3(signature = (*, keep_pending=false))]
    fn pause(&self, py: Python<'_>, keep_pending: bool) -> String {
        let pending = if keep_pending {
            Pending::Keep
        } else {
            Pending::Discard
        };
        if is_child() {
            return String::new();
        }
        py.detach(|| self.core.pause(pending)).to_string()
    }

    /// Records again. Raises SpanwireError when `SPANWIRE_CONSENT` denies it, or when the answer
    /// cannot be saved.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        if is_child() {
            return Ok(());
        }
        py.detach(|| self.core.resume())
            .map_err(|error: ResumeError| SpanwireError::new_err(error.to_string()))
    }

    fn __repr__(&self) -> String {
        match self.core.prometheus_addr() {
            Some(addr) => format!("<spanwire.Telemetry at http://{addr}/metrics>"),
            None => "<spanwire.Telemetry>".to_owned(),
        }
    }
}

impl Telemetry {
    fn end(&self, deadline: Duration) -> CoreReport {
        // `ACTIVE` stays meanwhile, so an `install` on another thread is refused until this ends.
        let report = self.core.shutdown(deadline);
        let is_mine = |active: &Arc<Active>| Arc::ptr_eq(&active.telemetry, &self.core);
        // A shutdown that is called twice must not end what was installed since.
        if ACTIVE.load().as_ref().is_some_and(is_mine) {
            process_recorder::set(None);
            ACTIVE.store(None);
        }
        report
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Its threads are not in a forked child, so there is nothing to end, and nothing that would
        // answer.
        if is_child() {
            std::mem::forget(Arc::clone(&self.core));
        }
    }
}

/// Sets telemetry up for the process; `spanwire.install` describes the options.
#[pyfunction]
fn _install(
    py: Python<'_>,
    #[pyo3(from_py_with = argument::service_name)] service_name: Text,
    options: Options,
) -> PyResult<Telemetry> {
    if is_child() {
        return Err(PyRuntimeError::new_err(
            "this process was forked from one in which spanwire was at work, and has none of its \
             threads: start it with multiprocessing's 'spawn' or 'forkserver' to measure in it",
        ));
    }
    if service_name.is_empty() || service_name.len() > 255 {
        return Err(PyValueError::new_err(
            "service_name: 1 to 255 bytes of UTF-8 are allowed",
        ));
    }
    // Until it returns: another thread may install meanwhile.
    static INSTALLING: Mutex<()> = Mutex::new(());
    // `try_lock`, since a thread that waited here with the interpreter's lock would block the one
    // that installs.
    let installing = INSTALLING.try_lock();
    if matches!(installing, Err(TryLockError::WouldBlock)) || ACTIVE.load().is_some() {
        return Err(PyRuntimeError::new_err(
            "telemetry is at work in this process already: call its shutdown() first",
        ));
    }
    let shutdown_deadline = match options.shutdown_timeout {
        Some(seconds) => seconds_of(seconds, "shutdown_timeout")?,
        None => Duration::from_secs(2),
    };
    // This call precedes the start of every thread: a fork in between would leave a child that
    // takes itself for a parent.
    threads_start();
    py.detach(|| {
        // The builder is made here, since it does not go from thread to thread.
        let builder = options.apply(Core::builder(&*service_name))?;
        let (core, parts) = builder
            .build()
            .map_err(|error: TelemetryError| SpanwireError::new_err(error.to_string()))?;
        // The recorder is set before `ACTIVE`, so that code that sees telemetry at work finds a
        // recorder.
        process_recorder::set(parts.recorder.clone());
        parts.set_globals();
        // A subscriber without a layer would make each span cost and show none.
        let has_layer = parts.tracer_provider.is_some() || parts.logger_provider.is_some();
        let dispatch = has_layer.then(|| {
            use tracing_subscriber::layer::SubscriberExt as _;
            Dispatch::new(tracing_subscriber::registry().with(parts.layer()))
        });
        // The first of the process is in force everywhere, on threads of ours too. A later one is
        // where `within` says so.
        let dispatch = dispatch
            .filter(|dispatch| tracing::dispatcher::set_global_default(dispatch.clone()).is_err());
        let core = Arc::new(core);
        ACTIVE.store(Some(Arc::new(Active {
            telemetry: Arc::clone(&core),
            dispatch,
            tracer: parts
                .tracer_provider
                .as_ref()
                .map(|provider| provider.tracer(spanwire::semconv::SCOPE)),
            logger: parts
                .logger_provider
                .as_ref()
                .map(|provider| provider.logger("python.logging")),
        })));
        Ok(Telemetry {
            core,
            shutdown_deadline,
        })
    })
}

/// What `install` was given beside the name; what was not given is as the environment says.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    service_version: Option<Text>,
    resource_attributes: Option<HashMap<Text, Text>>,
    environment: Option<HashMap<Text, Text>>,
    prometheus_host: Option<Text>,
    prometheus_port: Option<u16>,
    metrics: Option<Text>,
    traces: Option<Text>,
    logs: Option<Text>,
    otlp_endpoint: Option<Text>,
    otlp_headers: Option<HashMap<Text, Text>>,
    spool_dir: Option<std::path::PathBuf>,
    history: Option<std::path::PathBuf>,
    slow_threshold: Option<f64>,
    system_interval: Option<f64>,
    system: bool,
    consent_file: Option<std::path::PathBuf>,
    paused: bool,
    strict: bool,
    shutdown_timeout: Option<f64>,
}

impl Options {
    fn apply(self, mut builder: TelemetryBuilder) -> PyResult<TelemetryBuilder> {
        if let Some(version) = self.service_version {
            builder = builder.service_version(version.0);
        }
        for (key, value) in self.resource_attributes.into_iter().flatten() {
            builder = builder.resource_attribute(key.0, value.0);
        }
        if let Some(environment) = self.environment {
            let environment: HashMap<String, String> = environment
                .into_iter()
                .map(|(name, value)| (name.0, value.0))
                .collect();
            builder = builder.environment(move |name| environment.get(name).cloned());
        }
        if let Some(host) = self.prometheus_host {
            builder = builder.prometheus_host(host.0);
        }
        if let Some(port) = self.prometheus_port {
            builder = builder.prometheus_port(port);
        }
        if let Some(metrics) = self.metrics {
            builder = builder.metrics(match &*metrics {
                "prometheus" => MetricsExporter::Prometheus,
                "otlp" => MetricsExporter::Otlp,
                "prometheus,otlp" => MetricsExporter::PrometheusAndOtlp,
                "none" => MetricsExporter::None,
                _ => {
                    return Err(PyValueError::new_err(
                        "metrics: 'prometheus', 'otlp', 'prometheus,otlp' or 'none'",
                    ));
                }
            });
        }
        if let Some(traces) = self.traces {
            builder = builder.traces(exporter(&traces, "traces")?);
        }
        if let Some(logs) = self.logs {
            builder = builder.logs(exporter(&logs, "logs")?);
        }
        if let Some(endpoint) = self.otlp_endpoint {
            builder = builder.otlp_endpoint(endpoint.0);
        }
        for (name, value) in self.otlp_headers.into_iter().flatten() {
            builder = builder.otlp_header(name.0, value.0);
        }
        if let Some(folder) = self.spool_dir {
            builder = builder.spool_dir(folder);
        }
        if let Some(file) = self.history {
            builder = builder.history(file);
        }
        if let Some(seconds) = self.slow_threshold {
            builder = builder.slow_threshold(seconds_of(seconds, "slow_threshold")?);
        }
        if let Some(seconds) = self.system_interval {
            builder = builder.system_interval(seconds_of(seconds, "system_interval")?);
        }
        if !self.system {
            builder = builder.without_system();
        }
        if let Some(path) = self.consent_file {
            builder = builder.consent_file(path);
        }
        if self.paused {
            builder = builder.start_paused();
        }
        if self.strict {
            builder = builder.strict();
        }
        if let Some(seconds) = self.shutdown_timeout {
            builder = builder.shutdown_deadline(seconds_of(seconds, "shutdown_timeout")?);
        }
        Ok(builder)
    }
}

fn exporter(name: &str, argument: &str) -> PyResult<Exporter> {
    match name {
        "otlp" => Ok(Exporter::Otlp),
        "none" => Ok(Exporter::None),
        _ => Err(PyValueError::new_err(format!(
            "{argument}: 'otlp' or 'none'"
        ))),
    }
}

/// What telemetry sent, what waits on disk and what it did not send.
#[pyclass(frozen, module = "spanwire")]
pub(crate) struct ShutdownReport(CoreReport);

#[pymethods]
impl ShutdownReport {
    /// Of spans.
    #[getter]
    fn spans(&self) -> SignalReport {
        SignalReport(self.0.spans.clone())
    }

    /// Of log records.
    #[getter]
    fn logs(&self) -> SignalReport {
        SignalReport(self.0.logs.clone())
    }

    /// Of metrics over OTLP; Prometheus takes its own.
    #[getter]
    fn metrics(&self) -> SignalReport {
        SignalReport(self.0.metrics.clone())
    }

    /// What became of the history's records, as text; None without one.
    #[getter]
    fn history(&self) -> Option<String> {
        self.0.history.as_ref().map(ToString::to_string)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "<ShutdownReport {}>",
            self.0.to_string().replace('\n', "; ")
        )
    }
}

/// What became of one signal's items.
#[pyclass(frozen, module = "spanwire")]
pub(crate) struct SignalReport(CoreSignal);

#[pymethods]
impl SignalReport {
    /// "otlp" or "off".
    #[getter]
    fn state(&self) -> &'static str {
        match self.0.state {
            SignalState::Otlp => "otlp",
            _ => "off",
        }
    }

    /// Items that a collector confirmed, those among them that an earlier process left in the spool.
    #[getter]
    fn exported(&self) -> u64 {
        self.0.exported
    }

    /// Items that wait in the spool, on disk.
    #[getter]
    fn spooled(&self) -> u64 {
        self.0.spooled
    }

    /// Items that did not fit into the queue, or came after the shutdown.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped
    }

    /// Items that were deleted, since telemetry was paused.
    #[getter]
    fn discarded(&self) -> u64 {
        self.0.discarded
    }

    /// Items that were queued, but no collector confirmed them, and they are not on disk either.
    #[getter]
    fn lost(&self) -> u64 {
        self.0.lost
    }

    /// Why the last export that did not succeed did not; None where each did.
    #[getter]
    fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<SignalReport {}>", self.0)
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Telemetry>()?;
    module.add_class::<ShutdownReport>()?;
    module.add_class::<SignalReport>()?;
    module.add_function(wrap_pyfunction!(_install, module)?)
}
