//! The choices that the builder and the environment offer.

use opentelemetry_sdk::trace;

/// Where traces or logs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exporter {
    /// To an OTLP collector.
    Otlp,
    /// Nowhere.
    None,
}

/// Where metrics go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsExporter {
    /// Served for Prometheus to scrape.
    Prometheus,
    /// To an OTLP collector.
    Otlp,
    /// Both. Take care that no backend stores both, or every series is there twice.
    PrometheusAndOtlp,
    /// Nowhere.
    None,
}

impl MetricsExporter {
    pub(crate) fn prometheus(self) -> bool {
        matches!(self, Self::Prometheus | Self::PrometheusAndOtlp)
    }

    pub(crate) fn otlp(self) -> bool {
        matches!(self, Self::Otlp | Self::PrometheusAndOtlp)
    }
}

/// Which traces are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// Every trace in which something failed or was slow, and so many a second of the rest, which
    /// is known when it is over; as the parent says for one that began elsewhere. This is the
    /// default. [`TelemetryBuilder::tail`](crate::telemetry::TelemetryBuilder::tail) says how much of it.
    Tail,
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share of all traces, from 0.0 to 1.0, chosen by the trace's id.
    Ratio(f64),
    /// As the parent says; all without a parent.
    ParentBasedAlwaysOn,
    /// As the parent says; none without a parent.
    ParentBasedAlwaysOff,
    /// As the parent says; this share, from 0.0 to 1.0, without a parent.
    ParentBasedRatio(f64),
}

impl Sampler {
    /// The SDK's sampler; `None` for the one that is ours.
    pub(crate) fn standard(self) -> Option<trace::Sampler> {
        use trace::Sampler as Standard;
        let parent_based = |root| Standard::ParentBased(Box::new(root));
        Some(match self {
            Self::Tail => return None,
            Self::AlwaysOn => Standard::AlwaysOn,
            Self::AlwaysOff => Standard::AlwaysOff,
            Self::Ratio(ratio) => Standard::TraceIdRatioBased(ratio),
            Self::ParentBasedAlwaysOn => parent_based(Standard::AlwaysOn),
            Self::ParentBasedAlwaysOff => parent_based(Standard::AlwaysOff),
            Self::ParentBasedRatio(ratio) => parent_based(Standard::TraceIdRatioBased(ratio)),
        })
    }
}

/// What becomes of something that cannot be done as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// What cannot be done as asked is a warning.
    Lenient,
    /// It is an error.
    Strict,
}
