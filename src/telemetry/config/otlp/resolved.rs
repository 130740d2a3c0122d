//! The part of the configuration in force that needs an exporter.

use tracing::level_filters::LevelFilter;

use super::options::OtlpOptions;
use super::router::{Router, SpoolConfig};
use super::settings::OtlpSettings;
use crate::telemetry::config::options::MetricsOutputs;
use crate::telemetry::config::routing::{Off, Refusal, Routing};
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::redact::Redactor;
use crate::telemetry::sampling::TailSampling;

pub(crate) struct OtlpConfig {
    pub(crate) traces: Option<Route>,
    pub(crate) logs: Option<Route>,
    pub(crate) metrics: Option<Route>,
    pub(crate) spool: Option<SpoolConfig>,
    pub(crate) level: LevelFilter,
    pub(crate) tail: TailSampling,
    pub(crate) redactor: Option<Redactor>,
}

impl OtlpConfig {
    pub(crate) fn new(
        options: &OtlpOptions,
        settings: &OtlpSettings,
        metrics_exporter: &Routing<MetricsOutputs>,
        off: &mut Off,
        refusals: &mut Vec<Refusal>,
    ) -> Self {
        let mut router = Router {
            settings,
            metrics_exporter,
            off,
            refusals,
        };
        Self {
            traces: router.traces(),
            logs: router.logs(),
            metrics: router.metrics(),
            spool: router.spool(),
            level: options.level.unwrap_or(LevelFilter::INFO),
            tail: options.tail.clone(),
            redactor: options.redactor.clone(),
        }
    }
}
