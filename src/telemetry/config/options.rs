//! The choices that the builder and the environment offer.

#[cfg(feature = "otlp")]
use opentelemetry_sdk::trace;

/// Where traces or logs go.
#[cfg(feature = "otlp")]
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
    #[cfg(feature = "prometheus")]
    Prometheus,
    /// To an OTLP collector.
    #[cfg(feature = "otlp")]
    Otlp,
    /// Both. Take care that no backend stores both, or every series is there twice.
    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    PrometheusAndOtlp,
    /// Nowhere.
    None,
}

/// [`MetricsExporter`] as two questions, which have an answer whatever is built in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetricsOutputs {
    pub(crate) prometheus: bool,
    pub(crate) otlp: bool,
}

impl From<MetricsExporter> for MetricsOutputs {
    fn from(exporter: MetricsExporter) -> Self {
        let (prometheus, otlp) = match exporter {
            #[cfg(feature = "prometheus")]
            MetricsExporter::Prometheus => (true, false),
            #[cfg(feature = "otlp")]
            MetricsExporter::Otlp => (false, true),
            #[cfg(all(feature = "prometheus", feature = "otlp"))]
            MetricsExporter::PrometheusAndOtlp => (true, true),
            MetricsExporter::None => (false, false),
        };
        Self { prometheus, otlp }
    }
}

pub(crate) const WITHOUT_HISTORY: &str =
    "the app was built without the feature `history` of spanwire";
#[cfg(not(feature = "profile"))]
pub(crate) const WITHOUT_PROFILE: &str =
    "the app was built without the feature `profile` of spanwire";
pub(crate) const WITHOUT_OTLP: &str = "the app was built without the feature `otlp` of spanwire";
pub(crate) const WITHOUT_PROMETHEUS: &str =
    "the app was built without the feature `prometheus` of spanwire";

/// Which traces are sent.
#[cfg(feature = "otlp")]
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

#[cfg(feature = "otlp")]
impl Sampler {
    /// The SDK's sampler; `None` for the one that is ours.
    pub(crate) fn standard(self) -> Option<trace::Sampler> {
        use trace::Sampler as Standard;
        // `ParentBased` asks `root` only for a span without a parent. It follows the parent's flag
        // otherwise, whether that is remote or local.
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

/// Whose decision the builder's options are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActsFor {
    /// The app's own.
    App,
    /// A library's, which sets telemetry up for an app that may not know.
    OtherApp {
        /// Whether the app is one for others to use.
        is_release: bool,
    },
}

/// What becomes of something that cannot be done as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// What cannot be done as asked is a warning.
    Lenient,
    /// It is an error.
    Strict,
}

/// A format in which a trace crosses to other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
}
