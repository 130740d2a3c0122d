//! The one place where the builder's options beat the environment's: these, and by `otlp::overrides`
//! those of OTLP. The resource's attributes are ordered in `resource`, by OpenTelemetry's rules.

use std::time::Duration;

#[cfg(feature = "profile")]
use super::accepted::PROFILE;
use super::apply::{is_share, put, put_routing, unset};
use super::builder::TelemetryBuilder;
#[cfg(feature = "prometheus")]
use super::parse;
use super::routing::Refusal;
#[cfg(feature = "prometheus")]
use super::routing::Routing;
use super::settings::Settings;

impl Settings {
    /// Puts in what the builder says; `refusals` gets what of it cannot be used.
    pub(crate) fn override_with(
        &mut self,
        builder: &TelemetryBuilder,
        refusals: &mut Vec<Refusal>,
    ) {
        #[cfg(feature = "otlp")]
        self.otlp.override_with(&builder.otlp, refusals);
        #[cfg(feature = "prometheus")]
        {
            if let Some(host) = &builder.prometheus_host {
                const NAME: &str = "prometheus_host";
                // A host that cannot be used is refused, and does not leave the environment's in
                // force: that one would open another address than the app meant.
                let (setting, outcome) = Routing::parsed(NAME, parse::host(host));
                self.prometheus_host = setting;
                if let Err(flaw) = outcome {
                    let accepted = "a host name or an IP address";
                    refusals.push(Refusal::signals_off(NAME, host, flaw, accepted));
                }
            }
            put_routing(
                &builder.prometheus_port,
                "prometheus_port",
                &mut self.prometheus_port,
            );
        }
        let outputs = builder.metrics.map(Into::into);
        put_routing(&outputs, "metrics", &mut self.metrics_exporter);
        put(&builder.system_interval, &mut self.system_interval);
        #[cfg(feature = "history")]
        {
            put_routing(&builder.history, "history", &mut self.history);
            put(&builder.history_retention, &mut self.retention);
            put(&builder.history_max_bytes, &mut self.history_max_bytes);
        }
        #[cfg(feature = "profile")]
        if let Some(rate) = builder.profile {
            // Without a use for it, what the environment says is not in force either.
            self.profile = super::parse::profile_rate(rate).unwrap_or_else(|flaw| {
                let mut refusal = unset("profile", rate.to_string(), PROFILE);
                refusal.flaw = flaw;
                refusals.push(refusal);
                0
            });
        }
        put(&builder.slow_threshold, &mut self.slow_threshold);
        put(&builder.ipc_slow_threshold, &mut self.ipc_slow_threshold);
        // A number that is no share leaves what the environment says, since a threshold decides
        // nothing about where data goes.
        if let Some(share) = builder.error_rate_threshold
            && is_share("error_rate_threshold", share, refusals)
        {
            self.error_rate_threshold = share;
        }
        if let Some(share) = builder.slow_rate_threshold
            && is_share("slow_rate_threshold", share, refusals)
        {
            self.slow_rate_threshold = share;
        }
        match builder.threshold_window {
            Some(Duration::ZERO) => {
                refusals.push(unset("threshold_window", "0".into(), "a time above 0"));
            }
            Some(window) => self.window = window,
            None => {}
        }
    }
}
