//! What the environment asked for about OTLP, typed.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::endpoint::Endpoint;
use super::headers::Headers;
use super::proxies::Proxies;
use crate::telemetry::config::options::{Exporter, Sampler};
use crate::telemetry::config::routing::Routing;
use crate::telemetry::export::limits::{BatchLimits, PageSpanLimits};
use crate::telemetry::export::otlp::Compression;
use crate::telemetry::export::tls::{ClientKey, Pem};

/// Every variable's value, or its default where the table in `env.rs` has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct OtlpSettings {
    /// What the builder says, which beats the next two.
    pub(crate) sampler: Option<Sampler>,
    pub(crate) sampler_name: Option<SamplerName>,
    pub(crate) sampler_ratio: Option<f64>,
    pub(crate) traces_per_second: u32,
    pub(crate) slow_factor: u32,
    pub(crate) traces_exporter: Routing<Exporter>,
    pub(crate) logs_exporter: Routing<Exporter>,
    /// Those without a signal's name.
    pub(crate) general: SignalSettings,
    pub(crate) traces: SignalSettings,
    pub(crate) metrics: SignalSettings,
    pub(crate) logs: SignalSettings,
    // Of metrics, with the default `cumulative` of the specification.
    pub(crate) temporality: Temporality,
    pub(crate) proxies: Proxies,
    pub(crate) metric_interval: Duration,
    pub(crate) metric_timeout: Duration,
    pub(crate) span_batch: BatchLimits,
    pub(crate) log_batch: BatchLimits,
    pub(crate) attributes: AttributeLimits,
    pub(crate) span_attributes: AttributeLimits,
    pub(crate) events_per_span: u32,
    pub(crate) links_per_span: u32,
    pub(crate) attributes_per_event: Option<u32>,
    pub(crate) attributes_per_link: Option<u32>,
    pub(crate) spool_dir: Routing<PathBuf>,
    pub(crate) spool_max_bytes: u64,
}

/// The OTLP variables of one signal, or the general ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalSettings {
    /// The general one is a base to which a signal's path is added; a signal's own is used as it is.
    pub(crate) endpoint: Routing<Endpoint>,
    pub(crate) headers: Routing<Headers>,
    pub(crate) timeout: Option<Duration>,
    /// There is only one, and any other is refused.
    pub(crate) protocol: Routing<()>,
    pub(crate) compression: Routing<Compression>,
    pub(crate) certificate: Routing<Pem>,
    pub(crate) client_certificate: Routing<Pem>,
    pub(crate) client_key: Routing<ClientKey>,
    /// The two, once they are known to belong together.
    pub(crate) client: Routing<(Pem, ClientKey)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SamplerName {
    AlwaysOn,
    AlwaysOff,
    Ratio,
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedRatio,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AttributeLimits {
    pub(crate) count: Option<u32>,
    pub(crate) value_len_max: Option<usize>,
}

impl OtlpSettings {
    pub(crate) fn signals_mut(&mut self) -> [&mut SignalSettings; 3] {
        [&mut self.traces, &mut self.metrics, &mut self.logs]
    }

    pub(crate) fn sampler(&self) -> Sampler {
        // 1.0 is the specification's default for `OTEL_TRACES_SAMPLER_ARG`.
        let ratio = self.sampler_ratio.unwrap_or(1.0);
        if let Some(sampler) = self.sampler {
            return sampler;
        }
        match self.sampler_name {
            Some(SamplerName::AlwaysOn) => Sampler::AlwaysOn,
            Some(SamplerName::AlwaysOff) => Sampler::AlwaysOff,
            Some(SamplerName::Ratio) => Sampler::Ratio(ratio),
            Some(SamplerName::ParentBasedAlwaysOn) => Sampler::ParentBasedAlwaysOn,
            Some(SamplerName::ParentBasedAlwaysOff) => Sampler::ParentBasedAlwaysOff,
            Some(SamplerName::ParentBasedRatio) => Sampler::ParentBasedRatio(ratio),
            None => Sampler::Tail,
        }
    }

    pub(crate) fn span_attribute_count(&self) -> u32 {
        // The specification's order: the limit of spans, the general one, 128.
        self.span_attributes
            .count
            .or(self.attributes.count)
            .unwrap_or(ATTRIBUTES_MAX)
    }

    /// It holds for the attributes of log records, which have no limit of their own.
    pub(crate) fn log_value_len_max(&self) -> Option<usize> {
        self.attributes.value_len_max
    }

    pub(crate) fn span_value_len_max(&self) -> Option<usize> {
        self.span_attributes
            .value_len_max
            .or(self.attributes.value_len_max)
    }

    /// A span of a page may have as much as one of the app's.
    pub(crate) fn page_span_limits(&self) -> PageSpanLimits {
        PageSpanLimits {
            attributes: self.span_attribute_count() as usize,
            events: self.events_per_span as usize,
            links: self.links_per_span as usize,
            attributes_of_event: self.event_attribute_count() as usize,
            attributes_of_link: self.link_attribute_count() as usize,
        }
    }

    pub(crate) fn event_attribute_count(&self) -> u32 {
        self.attributes_per_event
            .or(self.attributes.count)
            .unwrap_or(ATTRIBUTES_MAX)
    }

    pub(crate) fn link_attribute_count(&self) -> u32 {
        self.attributes_per_link
            .or(self.attributes.count)
            .unwrap_or(ATTRIBUTES_MAX)
    }
}

/// What the specification has for each count limit.
const ATTRIBUTES_MAX: u32 = 128;
