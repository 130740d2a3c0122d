//! The one place where the builder's options beat the environment's.

use super::builder::TelemetryBuilder;
#[cfg(feature = "prometheus")]
use super::parse;
use super::routing::{Instead, Refusal, Routing};
use super::settings::Settings;
use crate::telemetry::diagnostics::flaw::Flaw;

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
        put(&builder.slow_threshold, &mut self.slow_threshold);
        put(&builder.ipc_slow_threshold, &mut self.ipc_slow_threshold);
        if let Some(share) = builder.error_rate_threshold
            && is_share("error_rate_threshold", share, refusals)
        {
            self.error_rate_threshold = share;
        }
    }
}

pub(super) fn put<T: Clone>(option: &Option<T>, setting: &mut T) {
    if let Some(value) = option {
        setting.clone_from(value);
    }
}

pub(super) fn put_routing<T: Clone>(
    option: &Option<T>,
    name: &'static str,
    setting: &mut Routing<T>,
) {
    if let Some(value) = option {
        *setting = Routing::Usable(value.clone(), name);
    }
}

/// Whether an option is a number from 0.0 to 1.0; another counts as unset.
pub(super) fn is_share(name: &'static str, value: f64, refusals: &mut Vec<Refusal>) -> bool {
    let good = (0.0..=1.0).contains(&value);
    if !good {
        refusals.push(unset(name, value.to_string(), "a number from 0.0 to 1.0"));
    }
    good
}

/// An option that counts as unset, since its value is not one of those accepted.
pub(super) fn unset(name: &'static str, value: String, accepted: &'static str) -> Refusal {
    Refusal {
        variable: name,
        value,
        flaw: Flaw::Shown,
        accepted: accepted.into(),
        instead: Instead::Holds("it counts as unset".into()),
    }
}
