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

/// Which traces are recorded and sent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share of all traces, from 0.0 to 1.0, chosen by the trace's id.
    Ratio(f64),
    /// As the parent says; all without a parent. This is the default.
    ParentBasedAlwaysOn,
    /// As the parent says; none without a parent.
    ParentBasedAlwaysOff,
    /// As the parent says; this share, from 0.0 to 1.0, without a parent.
    ParentBasedRatio(f64),
}

impl From<Sampler> for trace::Sampler {
    fn from(sampler: Sampler) -> Self {
        let parent_based = |root| Self::ParentBased(Box::new(root));
        match sampler {
            Sampler::AlwaysOn => Self::AlwaysOn,
            Sampler::AlwaysOff => Self::AlwaysOff,
            Sampler::Ratio(ratio) => Self::TraceIdRatioBased(ratio),
            Sampler::ParentBasedAlwaysOn => parent_based(Self::AlwaysOn),
            Sampler::ParentBasedAlwaysOff => parent_based(Self::AlwaysOff),
            Sampler::ParentBasedRatio(ratio) => parent_based(Self::TraceIdRatioBased(ratio)),
        }
    }
}
