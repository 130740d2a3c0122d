//! Where each signal goes, and why another is off: the readable side of the configuration.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::Uri;

use super::routing::{ENDPOINT, SPOOL};
use crate::telemetry::export::http_client::origin;
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::proxy::Proxy;
use crate::telemetry::export::signal::{LOGS, METRICS, TRACES};

/// Where one signal is sent over OTLP/HTTP, and how.
///
/// Its `Debug` shows the origin of the URL and the names of the headers, and nothing secret.
#[derive(Clone, Copy)]
pub struct OtlpDestination<'a> {
    route: &'a Route,
}

impl<'a> OtlpDestination<'a> {
    pub(crate) fn new(route: &'a Route) -> Self {
        Self { route }
    }

    /// The signal's whole URL. Some vendors have a token in its path, so log
    /// [`origin`](Self::origin) instead.
    #[must_use]
    pub fn url(&self) -> &'a str {
        &self.route.url
    }

    /// Scheme, host and port of the URL.
    #[must_use]
    pub fn origin(&self) -> String {
        let uri: Option<Uri> = self.route.url.parse().ok();
        uri.map_or_else(String::new, |uri| origin(&uri))
    }

    /// The headers that the user adds to each request, tokens among them: not for a log.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let headers = self.route.connection.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// How long one export may take, repetitions included.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.route.connection.timeout
    }

    /// The file with the authorities that are trusted instead of the system's.
    #[must_use]
    pub fn certificate_file(&self) -> Option<&'a Path> {
        let authority = self.route.connection.tls.authority.as_ref()?;
        Some(authority.path())
    }

    /// The files with the client's certificate and with its key.
    #[must_use]
    pub fn client_certificate_files(&self) -> Option<(&'a Path, &'a Path)> {
        let (certificate, key) = self.route.connection.tls.client.as_ref()?;
        Some((certificate.path(), key.path()))
    }

    /// The proxy that requests go through.
    #[must_use]
    pub fn proxy(&self) -> Option<&'a Proxy> {
        self.route.connection.proxy.as_ref()
    }
}

impl fmt::Debug for OtlpDestination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("OtlpDestination")
            .field("origin", &self.origin())
            .field("headers", &headers)
            .field("timeout", &self.timeout())
            .field("certificate_file", &self.certificate_file())
            .field("client_certificate_files", &self.client_certificate_files())
            .field("proxy", &self.proxy())
            .finish_non_exhaustive()
    }
}

/// Something that telemetry can do with data, each on or off by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// Traces, sent over OTLP.
    Traces,
    /// Metrics, sent over OTLP.
    Metrics,
    /// Log records, sent over OTLP.
    Logs,
    /// Metrics, served at `/metrics` for Prometheus to scrape.
    Prometheus,
    /// Spans and log records that wait on disk while the collector is away.
    Spool,
}

impl Output {
    /// Every output.
    pub const ALL: &'static [Self] = &[
        Self::Traces,
        Self::Metrics,
        Self::Logs,
        Self::Prometheus,
        Self::Spool,
    ];

    /// As warnings call it, for example `traces` or `/metrics`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => TRACES.name,
            Self::Metrics => METRICS,
            Self::Logs => LOGS.name,
            Self::Prometheus => ENDPOINT,
            Self::Spool => SPOOL,
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an [`Output`] is off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffReason {
    /// `OTEL_SDK_DISABLED` or `SPANWIRE_ENABLED` turns all telemetry off.
    Disabled,
    /// Neither the builder nor the environment asks for it.
    NotRequested,
    /// These variables and builder options say where its data goes, how, or with which trust, and
    /// cannot be used; [`ResolvedConfig::warnings`](crate::telemetry::ResolvedConfig::warnings) says why.
    UnusableSettings(Vec<&'static str>),
}
