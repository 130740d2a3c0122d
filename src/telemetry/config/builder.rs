//! What an app says about the telemetry it wants.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::env;
use super::options::{Exporter, MetricsExporter, Sampler, Strictness};
use super::resource::HostName;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::redact::{ExportedField, Redactor};
use crate::telemetry::sampling::TailSampling;

/// Sets up telemetry. Made by [`Telemetry::builder`](crate::telemetry::Telemetry::builder).
///
/// What is set here beats the environment, which beats the default.
#[derive(Clone)]
#[must_use = "nothing is set up before `install` or `build`"]
pub struct TelemetryBuilder {
    pub(crate) service_name: String,
    pub(crate) service_version: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) host_name: HostName,
    pub(crate) environment: Environment,
    pub(crate) prometheus_host: Option<String>,
    pub(crate) prometheus_port: Option<u16>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) otlp_headers: Vec<(String, String)>,
    pub(crate) otlp_timeout: Option<Duration>,
    pub(crate) traces: Option<Exporter>,
    pub(crate) metrics: Option<MetricsExporter>,
    pub(crate) logs: Option<Exporter>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) tail: TailSampling,
    pub(crate) level: LevelFilter,
    pub(crate) system_interval: Option<Option<Duration>>,
    pub(crate) slow_threshold: Option<Duration>,
    pub(crate) ipc_slow_threshold: Option<Duration>,
    pub(crate) error_rate_threshold: Option<f64>,
    pub(crate) spool_dir: Option<PathBuf>,
    pub(crate) spool_max_bytes: Option<u64>,
    pub(crate) redactor: Option<Redactor>,
    pub(crate) strictness: Strictness,
    pub(crate) reporter: Reporter,
    pub(crate) shutdown_deadline: Duration,
}

type Environment = Rc<dyn Fn(&str) -> Option<String>>;

impl TelemetryBuilder {
    pub(crate) fn new(service_name: String) -> Self {
        Self {
            service_name,
            service_version: None,
            attributes: Vec::new(),
            host_name: HostName::Hidden,
            environment: Rc::new(env::process),
            prometheus_host: None,
            prometheus_port: None,
            allowed_hosts: Vec::new(),
            otlp_endpoint: None,
            otlp_headers: Vec::new(),
            otlp_timeout: None,
            traces: None,
            metrics: None,
            logs: None,
            sampler: None,
            tail: TailSampling::new(),
            level: LevelFilter::INFO,
            system_interval: None,
            slow_threshold: None,
            ipc_slow_threshold: None,
            error_rate_threshold: None,
            spool_dir: None,
            spool_max_bytes: None,
            redactor: None,
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
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Sends the host's name, as `host.name`. Default: not sent, since it may tell who sits there.
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
    pub fn prometheus_host(mut self, host: impl Into<String>) -> Self {
        self.prometheus_host = Some(host.into());
        self
    }

    /// The Prometheus endpoint's port; 0 takes a free one, see
    /// [`Telemetry::prometheus_addr`](crate::telemetry::Telemetry::prometheus_addr).
    /// Default: `OTEL_EXPORTER_PROMETHEUS_PORT`, or 9464.
    pub fn prometheus_port(mut self, port: u16) -> Self {
        self.prometheus_port = Some(port);
        self
    }

    /// A further value of `Host` that the Prometheus endpoint answers to, without a port. Default:
    /// loopback's names, the host that it listens on, and `host.docker.internal` and
    /// `host.containers.internal`, by which a Prometheus in a container asks, but no browser.
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// The collector's base URL, to which `/v1/traces` and so on are added. Default:
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` or a signal's own; without either nothing is sent.
    ///
    /// Traces are sent as soon as there is an endpoint. With one that cannot be used, for example
    /// with a query, nothing is sent: not to the environment's either.
    pub fn otlp_endpoint(mut self, url: impl Into<String>) -> Self {
        self.otlp_endpoint = Some(url.into());
        self
    }

    /// A header of each OTLP request, for example a token. It replaces one of that name from the
    /// environment. Default: `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// With a name or value that HTTP does not allow, nothing is sent. A header that describes the
    /// request or the connection, like `Content-Length`, is left out. Both are warnings.
    pub fn otlp_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.otlp_headers.push((name.into(), value.into()));
        self
    }

    /// How long one OTLP export may take, repetitions included. Default:
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, or 10 seconds.
    pub fn otlp_timeout(mut self, timeout: Duration) -> Self {
        self.otlp_timeout = Some(timeout);
        self
    }

    /// Where traces go. Default: `OTEL_TRACES_EXPORTER`, or OTLP when there is an endpoint.
    pub fn traces(mut self, exporter: Exporter) -> Self {
        self.traces = Some(exporter);
        self
    }

    /// Where metrics go. Default: `OTEL_METRICS_EXPORTER`, or Prometheus.
    pub fn metrics(mut self, exporter: MetricsExporter) -> Self {
        self.metrics = Some(exporter);
        self
    }

    /// Where the app's `tracing` events go. Default: `OTEL_LOGS_EXPORTER`, or nowhere.
    pub fn logs(mut self, exporter: Exporter) -> Self {
        self.logs = Some(exporter);
        self
    }

    /// Which traces are sent. Default: `OTEL_TRACES_SAMPLER`, or [`Sampler::Tail`].
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// How much [`Sampler::Tail`] keeps and holds. It does not choose that sampler: one that
    /// `OTEL_TRACES_SAMPLER` asks for has no use for it. Default: [`TailSampling::new`].
    pub fn tail(mut self, sampling: TailSampling) -> Self {
        self.tail = sampling;
        self
    }

    /// Spans and events up to this level become telemetry. Default: [`LevelFilter::INFO`], since
    /// below it libraries speak of themselves.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// How often the process and the host are measured. Default: `SPANWIRE_SYSTEM_INTERVAL_MS`, or
    /// one second.
    pub fn system_interval(mut self, interval: Duration) -> Self {
        self.system_interval = Some(Some(interval));
        self
    }

    /// Does not measure the process and the host.
    pub fn without_system(mut self) -> Self {
        self.system_interval = Some(None);
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
    /// compare with. Default: `SPANWIRE_ERROR_RATE_THRESHOLD`, or 0.1.
    pub fn error_rate_threshold(mut self, share: f64) -> Self {
        self.error_rate_threshold = Some(share);
        self
    }

    /// Where spans and log records wait while the collector is away, until it is back or another
    /// process that uses the folder is started. Default: `SPANWIRE_SPOOL_DIR`, or nowhere: then
    /// they are lost.
    ///
    /// It is made if need be, and its files are for their owner alone to read; what they hold is
    /// what would have been sent, without the headers. Processes of the same user may share it. One
    /// that is a symbolic link, or that another user owns, may write or could exchange is not used,
    /// with a [`Warning`](crate::telemetry::Warning).
    pub fn spool_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool_dir = Some(folder.into());
        self
    }

    /// How much may wait there, for each process; from then on the oldest goes. Default:
    /// `SPANWIRE_SPOOL_MAX_BYTES`, or 64 MiB.
    pub fn spool_max_bytes(mut self, bytes: u64) -> Self {
        self.spool_max_bytes = Some(bytes);
        self
    }

    /// Has `redact` look at everything that spans and log records say before it leaves the process,
    /// whether to a collector or to the spool: attributes, names, bodies, what failed spans say. It
    /// may replace or remove any of them. Default: all is sent as it is.
    ///
    /// ```
    /// use spanwire::telemetry::{FieldKind, Telemetry};
    ///
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// # let builder = builder.without_system();
    /// let builder = builder.redact(|field| match (field.kind(), field.key()) {
    ///     // Errors of the app's quote what the user wrote.
    ///     (_, Some("exception.message")) => field.remove(),
    ///     (FieldKind::LogBody, _) if field.text().contains("token=") => field.replace("[token]"),
    ///     _ => {}
    /// });
    /// # let (telemetry, _) = builder.build()?;
    /// # Ok::<(), spanwire::telemetry::TelemetryError>(())
    /// ```
    ///
    /// It runs on the threads that export, never on one of the app's, and only for what is sampled;
    /// an export waits for it, so keep it quick. What it logs is not shown. Attributes of the
    /// resource are offered once, when telemetry starts, on the thread that starts it.
    ///
    /// When it panics, `[redacted]` is sent instead of the value, and that is logged like an export
    /// that fails; an attribute's key stays.
    ///
    /// It is not asked about ids, times, kinds and severities, which hold no text of the app's, nor
    /// about metrics, whose labels are capped names. What is in the spool already is sent as it was
    /// put there.
    pub fn redact(
        mut self,
        redact: impl Fn(&mut ExportedField<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.redactor = Some(Redactor::new(redact));
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
        f.debug_struct("TelemetryBuilder")
            .field("service_name", &self.service_name)
            .field("strictness", &self.strictness)
            .finish_non_exhaustive()
    }
}

/// Long enough for a collector nearby, and short enough for somebody who closed a window.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
