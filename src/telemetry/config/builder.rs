//! What an app says about the telemetry it wants.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "metrics-exporter-prometheus")]
use metrics_exporter_prometheus::PrometheusHandle;

use super::env;
use super::options::{ActsFor, MetricsExporter, Strictness};
#[cfg(feature = "otlp")]
use super::otlp::options::OtlpOptions;
use super::resource::HostName;
#[cfg(feature = "system")]
use crate::system::Allocator;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::thresholds::{ThresholdCallback, ThresholdEvent};

/// Sets up telemetry. Made by [`Telemetry::builder`](crate::telemetry::Telemetry::builder).
///
/// What is set here beats the environment, which beats the default.
#[derive(Clone)]
#[must_use = "nothing is set up before `install` or `build`"]
pub struct TelemetryBuilder {
    // A default alone: unlike the other options, the environment's name beats it.
    pub(crate) service_name: String,
    pub(crate) service_version: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) host_name: HostName,
    pub(crate) environment: Environment,
    pub(crate) starts_paused: bool,
    pub(crate) consent_file: Option<PathBuf>,
    pub(crate) acts_for: ActsFor,
    // The builder keeps these values as text: a bad value becomes a warning when the builder is
    // resolved, so the setters need no error.
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_host: Option<String>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_port: Option<u16>,
    #[cfg(feature = "prometheus")]
    pub(crate) allowed_hosts: Vec<String>,
    #[cfg(feature = "metrics-exporter-prometheus")]
    pub(crate) prometheus_exporter: Option<PrometheusHandle>,
    pub(crate) metrics: Option<MetricsExporter>,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: OtlpOptions,
    // The outer `None` is unset, the inner one switches the sampler off.
    pub(crate) system_interval: Option<Option<Duration>>,
    #[cfg(feature = "system")]
    pub(crate) allocator: Option<Arc<dyn Allocator>>,
    pub(crate) slow_threshold: Option<Duration>,
    pub(crate) ipc_slow_threshold: Option<Duration>,
    pub(crate) error_rate_threshold: Option<f64>,
    #[cfg(feature = "history")]
    pub(crate) history: Option<PathBuf>,
    #[cfg(feature = "history")]
    pub(crate) history_retention: Option<Duration>,
    #[cfg(feature = "history")]
    pub(crate) history_max_bytes: Option<u64>,
    #[cfg(feature = "profile")]
    pub(crate) profile: Option<u32>,
    #[cfg(feature = "history")]
    pub(crate) report_rules: crate::history::report::Rules,
    pub(crate) slow_rate_threshold: Option<f64>,
    pub(crate) threshold_window: Option<Duration>,
    pub(crate) on_threshold: Option<ThresholdCallback>,
    pub(crate) strictness: Strictness,
    pub(crate) reporter: Reporter,
    pub(crate) shutdown_deadline: Duration,
}

// `Rc`, since the builder stays on the thread that resolves it, and the closure of a test need not
// be `Send`.
type Environment = Rc<dyn Fn(&str) -> Option<String>>;

impl TelemetryBuilder {
    pub(crate) fn new(service_name: String) -> Self {
        Self {
            service_name,
            service_version: None,
            attributes: Vec::new(),
            host_name: HostName::Hidden,
            environment: Rc::new(env::process),
            starts_paused: false,
            consent_file: None,
            acts_for: ActsFor::App,
            #[cfg(feature = "prometheus")]
            prometheus_host: None,
            #[cfg(feature = "prometheus")]
            prometheus_port: None,
            #[cfg(feature = "prometheus")]
            allowed_hosts: Vec::new(),
            #[cfg(feature = "metrics-exporter-prometheus")]
            prometheus_exporter: None,
            metrics: None,
            #[cfg(feature = "otlp")]
            otlp: OtlpOptions::default(),
            system_interval: None,
            #[cfg(feature = "system")]
            allocator: None,
            slow_threshold: None,
            ipc_slow_threshold: None,
            error_rate_threshold: None,
            #[cfg(feature = "history")]
            history: None,
            #[cfg(feature = "history")]
            history_retention: None,
            #[cfg(feature = "history")]
            history_max_bytes: None,
            #[cfg(feature = "profile")]
            profile: None,
            #[cfg(feature = "history")]
            report_rules: crate::history::report::Rules::default(),
            slow_rate_threshold: None,
            threshold_window: None,
            on_threshold: None,
            strictness: Strictness::Lenient,
            reporter: Reporter::Stderr,
            shutdown_deadline: SHUTDOWN_DEADLINE,
        }
    }

    /// The app's version, as `service.version`. Default: none.
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.service_version = Some(version.into());
        self
    }

    /// An attribute of everything that is sent. It replaces one that Spanwire or the environment
    /// would give: `service.name` set here beats `OTEL_SERVICE_NAME`. Default: none.
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        // A key may come twice. `Identity::resource` lets the last value win.
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Sends the host's name, as `host.name`. Default: not sent, since it may tell who sits there.
    #[cfg(feature = "system")]
    pub fn host_name(mut self) -> Self {
        self.host_name = HostName::Shown;
        self
    }

    /// Reads variables from `get` and not from the process environment. Default: the latter.
    ///
    /// For tests and for apps with a configuration of their own.
    pub fn environment(mut self, get: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.environment = Rc::new(get);
        self
    }

    /// Where the Prometheus endpoint listens. Default: `OTEL_EXPORTER_PROMETHEUS_HOST`, or
    /// `127.0.0.1`.
    ///
    /// Anybody who reaches it reads the metrics: leave it at loopback unless that is meant. With one
    /// that cannot be used the endpoint is off.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_host(mut self, host: impl Into<String>) -> Self {
        self.prometheus_host = Some(host.into());
        self
    }

    /// The Prometheus endpoint's port; 0 takes a free one, see
    /// [`Telemetry::prometheus_addr`](crate::telemetry::Telemetry::prometheus_addr).
    /// Default: `OTEL_EXPORTER_PROMETHEUS_PORT`, or 9464.
    #[cfg(feature = "prometheus")]
    pub fn prometheus_port(mut self, port: u16) -> Self {
        self.prometheus_port = Some(port);
        self
    }

    /// A further value of `Host` that the Prometheus endpoint answers to, without a port. Default:
    /// loopback's names, the host that it listens on, and, but for browsers, `host.docker.internal`
    /// and `host.containers.internal`, by which a Prometheus in a container asks. An endpoint that
    /// listens on every interface (`0.0.0.0`) also answers to each address of the machine and,
    /// with the feature `system` and but for browsers, to the machine's host name.
    #[cfg(feature = "prometheus")]
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// Serves the recorder of this handle at `/metrics` in the place of Spanwire's own, upkeep
    /// included. Make it with [`prometheus_builder`](crate::telemetry::prometheus_builder) and
    /// install it yourself: [`install`](Self::install) then sets no recorder unless metrics go over
    /// OTLP too. Default: Spanwire's own recorder.
    #[cfg(feature = "metrics-exporter-prometheus")]
    pub fn prometheus_exporter(mut self, handle: PrometheusHandle) -> Self {
        self.prometheus_exporter = Some(handle);
        self
    }

    /// Where metrics go. Default: `OTEL_METRICS_EXPORTER`, or Prometheus.
    pub fn metrics(mut self, exporter: MetricsExporter) -> Self {
        self.metrics = Some(exporter);
        self
    }

    /// How often the process and the host are measured. Default: `SPANWIRE_SYSTEM_INTERVAL_MS`, or
    /// one second.
    #[cfg(feature = "system")]
    pub fn system_interval(mut self, interval: Duration) -> Self {
        self.system_interval = Some(Some(interval));
        self
    }

    /// Does not measure the process and the host.
    #[cfg(feature = "system")]
    pub fn without_system(mut self) -> Self {
        self.system_interval = Some(None);
        self
    }

    /// Asks the app's memory allocator with each sample of the process: see [`Allocator`]. Default:
    /// none, and `spanwire.allocator.*` are not recorded.
    #[cfg(feature = "system")]
    pub fn allocator(mut self, allocator: impl Allocator + 'static) -> Self {
        self.allocator = Some(Arc::new(allocator));
        self
    }

    /// From when an operation counts as slow, unless it has a threshold of its own, and any other
    /// span that is not of the wire: then its trace is kept. Default: `SPANWIRE_SLOW_THRESHOLD_MS`,
    /// or one second.
    pub fn slow_threshold(mut self, threshold: Duration) -> Self {
        self.slow_threshold = Some(threshold);
        self
    }

    /// From when a message between page and host counts as slow: then its trace is kept, and a gauge
    /// lets dashboards and alerts compare. Default: `SPANWIRE_IPC_SLOW_THRESHOLD_MS`, or 100 ms.
    pub fn ipc_slow_threshold(mut self, threshold: Duration) -> Self {
        self.ipc_slow_threshold = Some(threshold);
        self
    }

    /// From which share of failures, 0.0 to 1.0, the app counts as failing: a gauge that alerts
    /// compare with, and what [`on_threshold`](Self::on_threshold) goes by. Default:
    /// `SPANWIRE_ERROR_RATE_THRESHOLD`, or 0.1.
    pub fn error_rate_threshold(mut self, share: f64) -> Self {
        self.error_rate_threshold = Some(share);
        self
    }

    /// Keeps a history of what is measured in that file: see [`History`](crate::history::History).
    /// Default: `SPANWIRE_HISTORY`, or none.
    ///
    /// It needs no exporter, and a [pause](crate::telemetry::Telemetry::pause) of telemetry is one of
    /// the history. With a file that cannot be used there is none, with a warning.
    #[cfg(feature = "history")]
    pub fn history(mut self, file: impl Into<PathBuf>) -> Self {
        self.history = Some(file.into());
        self
    }

    /// How long the history keeps records; it keeps roll-ups four times as long. Default:
    /// `SPANWIRE_RETENTION_SECONDS`, or 7 days.
    #[cfg(feature = "history")]
    pub fn history_retention(mut self, retention: Duration) -> Self {
        self.history_retention = Some(retention);
        self
    }

    /// How large the history's file may be, at least 1 MiB; then the oldest goes. Default:
    /// `SPANWIRE_HISTORY_MAX_BYTES`, or 256 MiB.
    #[cfg(feature = "history")]
    pub fn history_max_bytes(mut self, bytes: u64) -> Self {
        self.history_max_bytes = Some(bytes);
        self
    }

    /// Takes so many samples a second of what the process' threads compute, up to 1,000, into the
    /// history, for the flame graph of a [report](crate::Telemetry::report). Default:
    /// `SPANWIRE_PROFILE`, or 0 for off. A good rate is 99.
    ///
    /// It needs a [`history`](Self::history), and is there on Linux and macOS; without one of them
    /// it is off, with a warning that says what to do.
    #[cfg(feature = "profile")]
    pub fn profile(mut self, samples_per_second: u32) -> Self {
        self.profile = Some(samples_per_second);
        self
    }

    /// Adds a rule of the app's own to the advice of [`Telemetry::report`](crate::Telemetry::report).
    /// Default: the rules of the catalogue alone.
    #[cfg(feature = "history")]
    pub fn report_rule(mut self, rule: impl crate::history::report::Rule + 'static) -> Self {
        self.report_rules.add(rule);
        self
    }

    /// From which share of slow runs, 0.0 to 1.0, an operation counts as slow on the whole: see
    /// [`on_threshold`](Self::on_threshold). Default: `SPANWIRE_SLOW_RATE_THRESHOLD`, or 0.1.
    pub fn slow_rate_threshold(mut self, share: f64) -> Self {
        self.slow_rate_threshold = Some(share);
        self
    }

    /// Within which time these shares are counted. Default: `SPANWIRE_WINDOW_SECONDS`, or an hour.
    pub fn threshold_window(mut self, window: Duration) -> Self {
        self.threshold_window = Some(window);
        self
    }

    /// Calls `callback` when more of an operation's runs, or of an event's messages, failed within
    /// the [window](Self::threshold_window) than the
    /// [error rate](Self::error_rate_threshold) allows, or more of an operation's runs were slow
    /// than the [slow rate](Self::slow_rate_threshold) does, and once more when that is over.
    ///
    /// Without a callback only the log and `spanwire.threshold.exceeded` report it. Fewer than 20
    /// within the window are not evaluated. It is over when the share stays at four fifths of the
    /// threshold or below for three looks; there are up to sixty looks a window, whenever gauges are
    /// published, so metrics must be on, and something must read or sample them. A name that wavers
    /// is reported once.
    ///
    /// The callback runs on its own thread and may be slow: up to 64 events wait for it, and later
    /// ones are lost, with a warning in the log. Its panics are caught and logged.
    /// At the shutdown waiting events are delivered for as long as the process runs.
    ///
    /// ```
    /// use spanwire::telemetry::{Telemetry, ThresholdState};
    ///
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// let builder = builder.on_threshold(|event| {
    ///     if event.state == ThresholdState::Crossed {
    ///         eprintln!("{event}");
    ///     }
    /// });
    /// # drop(builder);
    /// ```
    pub fn on_threshold(
        mut self,
        callback: impl Fn(&ThresholdEvent) + Send + Sync + 'static,
    ) -> Self {
        self.on_threshold = Some(Arc::new(callback));
        self
    }

    /// Makes every [`Warning`](crate::telemetry::Warning) an error. Default: the app starts all the same.
    pub fn strict(mut self) -> Self {
        self.strictness = Strictness::Strict;
        self
    }

    /// Writes nothing to stderr. Default: [`install`](Self::install) writes warnings and failing
    /// exports there when the app has no `tracing` subscriber that would get them.
    pub fn quiet(mut self) -> Self {
        self.reporter = Reporter::Quiet;
        self
    }

    /// How long dropping [`Telemetry`](crate::telemetry::Telemetry) may take to send what is queued. Default: 2 seconds.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values and attributes may hold secrets, so neither is shown.
        f.debug_struct("TelemetryBuilder")
            .field("service_name", &self.service_name)
            .field("strictness", &self.strictness)
            .field("acts_for", &self.acts_for)
            .finish_non_exhaustive()
    }
}

/// Long enough for a collector nearby, and short enough for a user who closed a window.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
