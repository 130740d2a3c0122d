//! What is asked for, typed: the environment's values, until `overrides` puts the builder's over
//! them.

use std::path::PathBuf;
use std::time::Duration;

use super::options::{MetricsOutputs, Propagator};
#[cfg(feature = "otlp")]
use super::otlp::settings::OtlpSettings;
use super::parse;
use super::routing::Routing;
use crate::telemetry::consent::EnvironmentConsent;
use crate::telemetry::diagnostics::flaw::Flaw;

/// Every variable's value, or its default where the table in `env.rs` has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    // The values of `Default` hold for no app: `Settings::read` puts the table's over them.
    pub(crate) sdk_disabled: bool,
    pub(crate) enabled: bool,
    pub(crate) consent: EnvironmentConsent,
    pub(crate) service_name: Option<String>,
    pub(crate) resource_attributes: Vec<(String, String)>,
    pub(crate) propagators: Vec<Propagator>,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: OtlpSettings,
    pub(crate) metrics_exporter: Routing<MetricsOutputs>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_host: Routing<String>,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus_port: Routing<u16>,
    pub(crate) slow_threshold: Duration,
    pub(crate) ipc_slow_threshold: Duration,
    pub(crate) error_rate_threshold: f64,
    pub(crate) slow_rate_threshold: f64,
    pub(crate) window: Duration,
    /// `None` switches the system sampler off.
    pub(crate) system_interval: Option<Duration>,
    /// Where the history is; without it there is none.
    pub(crate) history: Routing<PathBuf>,
    /// Of the history's records.
    pub(crate) retention: Duration,
    pub(crate) history_max_bytes: u64,
    /// Samples of the CPU profile a second; 0 for none.
    pub(crate) profile: u32,
}

impl Settings {
    /// Takes what is not understood for a no.
    pub(super) fn set_consent(&mut self, text: &str) -> Result<(), Flaw> {
        let consent = parse::consent(text);
        self.consent = consent.unwrap_or(EnvironmentConsent::Denied);
        consent.map(drop).ok_or(Flaw::Shown)
    }

    pub(super) fn set_profile(&mut self, text: &str) -> Result<(), Flaw> {
        self.profile = parse::profile(text)?;
        Ok(())
    }
}
