//! Telemetry's parts for the fuzz targets, as thin as can be.

use std::path::PathBuf;

use metrics::Recorder;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use super::TelemetryBuilder;
use super::config::resolved::{ResolvedConfig, State};
use super::config::warning::{TelemetryError, Warning};
use super::export::otlp::{Compression, Route};
pub use super::export::page_spans::fuzzing::{PageSpanReader, PageSpansRead};
pub use super::export::spool::fuzzing::{SpoolFolder, SpoolSignal, Spooled};
use super::prometheus::{self, Exposition};

/// What a builder and its environment come to.
#[derive(Debug)]
pub struct Resolved {
    /// Whether anything is set up at all.
    pub enabled: bool,
    /// Where spans go.
    pub traces: Option<Destination>,
    /// Where log records go.
    pub logs: Option<Destination>,
    /// Where metrics go, beside Prometheus.
    pub metrics: Option<Destination>,
    /// Where the endpoint listens: host and port.
    pub prometheus: Option<(String, u16)>,
    /// Where spans and log records wait.
    pub spool: Option<PathBuf>,
    /// What could not be used.
    pub warnings: Vec<Warning>,
}

/// Where one signal goes, and how.
#[derive(Debug)]
pub struct Destination {
    /// The collector's URL for the signal.
    pub url: String,
    /// Names of the headers, and whether the value is marked as a secret.
    pub headers: Vec<(String, bool)>,
    /// The roots that are trusted beside the system's, as their `Debug` shows them: by their path.
    pub authority: Option<String>,
    /// The client's certificate and key, likewise.
    pub client: Option<String>,
    /// The variable that names the proxy, as its `Debug` shows it.
    pub proxy: Option<String>,
    /// Whether requests are compressed.
    pub is_compressed: bool,
}

impl Resolved {
    /// What `build` of this builder would set up; nothing is.
    ///
    /// # Errors
    ///
    /// As `build`: when the builder is strict and there is a warning.
    pub fn new(builder: TelemetryBuilder) -> Result<Self, TelemetryError> {
        let plan = ResolvedConfig::checked(builder)?;
        Ok(Self {
            enabled: plan.state == State::Enabled,
            traces: plan.otlp.traces.map(Destination::of),
            logs: plan.otlp.logs.map(Destination::of),
            metrics: plan.otlp.metrics.map(Destination::of),
            prometheus: plan.prometheus.map(|options| (options.host, options.port)),
            spool: plan.otlp.spool.map(|spool| spool.folder),
            warnings: plan.warnings,
        })
    }
}

impl Destination {
    fn of(route: Route) -> Self {
        let tls = &route.connection.tls;
        let authority = tls.authority.as_ref().map(|pem| format!("{pem:?}"));
        let client = tls.client.as_ref().map(|pair| format!("{pair:?}"));
        let proxy = route.connection.proxy.as_ref();
        let proxy = proxy.map(|proxy| format!("{proxy:?}"));
        // Names and the mark alone: a value may be a secret that the target looks for.
        let headers = route.connection.headers.into_iter();
        Self {
            url: route.url,
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), value.is_sensitive()))
                .collect(),
            authority,
            client,
            proxy,
            is_compressed: route.compression == Compression::Gzip,
        }
    }
}

/// The Prometheus recorder, and its text.
#[derive(Debug)]
pub struct Metrics(Exposition);

impl Metrics {
    /// A recorder, and what renders it.
    #[must_use]
    pub fn new(resource: Vec<KeyValue>) -> (impl Recorder, Self) {
        let resource = Resource::builder_empty().with_attributes(resource).build();
        let (recorder, exposition) = prometheus::recorder(&resource);
        (recorder, Self(exposition))
    }

    /// The text of `/metrics` for who asks for OpenMetrics.
    #[must_use]
    pub fn openmetrics(&self) -> String {
        self.0.render_openmetrics()
    }

    /// The text of `/metrics` for everybody else.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.render()
    }
}
