//! What telemetry can do with data, and why some of it is off.

use std::fmt;

use super::routing::{ENDPOINT, SPOOL};

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
        // `off_reason` looks these names up in `Off`, so they must be those that `Router` gives to
        // `Off::needs_of`.
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
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
