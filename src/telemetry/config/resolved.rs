//! The configuration in force: the builder's options over the environment's over the defaults.

use std::borrow::Cow;
use std::fmt;
#[cfg(feature = "history")]
use std::path::{Path, PathBuf};
#[cfg(feature = "system")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "metrics-exporter-prometheus")]
use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry::Key;
use opentelemetry_sdk::Resource;

use super::builder::TelemetryBuilder;
use super::former;
use super::options::Strictness;
#[cfg(feature = "otlp")]
use super::otlp::resolved::OtlpConfig;
use super::output::{OffReason, Output};
use super::resource::Identity;
#[cfg(feature = "prometheus")]
use super::routing::ENDPOINT;
use super::routing::{HISTORY, Off};
#[cfg(feature = "profile")]
use super::routing::{Instead, Refusal};
use super::settings::Settings;
use super::warning::{TelemetryError, Warning};
#[cfg(feature = "system")]
use crate::system::Allocator;
use crate::telemetry::consent::ConsentConfig;
#[cfg(feature = "profile")]
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::diagnostics::reporter::Reporter;
#[cfg(feature = "prometheus")]
use crate::telemetry::prometheus::EndpointOptions;
use crate::telemetry::thresholds::ThresholdCallback;

/// What builder and environment together decided, to read. Made by
/// [`TelemetryBuilder::resolve`].
///
/// Nothing is set up: no thread, no port, no file. Only the files of certificates and keys are read,
/// to know whether they can be used.
///
/// ```
/// use spanwire::telemetry::{OffReason, Output, Telemetry};
///
/// let builder = Telemetry::builder("paint-tool")
///     .environment(|_| None) // Without this line: the process environment.
///     .otlp_endpoint("https://collector.example:4318")
///     .otlp_header("authorization", "Bearer s3cret");
///
/// let config = builder.resolve();
/// let traces = config.traces().expect("an endpoint turns traces on");
/// assert_eq!(traces.url(), "https://collector.example:4318/v1/traces");
/// assert_eq!(config.prometheus_address(), Some(("127.0.0.1", 9464)));
/// assert_eq!(config.off_reason(Output::Logs), Some(OffReason::NotRequested));
/// assert!(!format!("{config:?}").contains("s3cret"));
/// ```
///
/// Its `Debug` shows no header's value, no URL's path, no proxy's password and of the resource only
/// the service's name.
pub struct ResolvedConfig {
    pub(crate) state: State,
    pub(crate) settings: Settings,
    pub(crate) consent: ConsentConfig,
    pub(crate) resource: Resource,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: OtlpConfig,
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus: Option<EndpointOptions>,
    #[cfg(feature = "metrics-exporter-prometheus")]
    pub(crate) prometheus_exporter: Option<PrometheusHandle>,
    /// The setting that names the history's file, and the file.
    #[cfg(feature = "history")]
    pub(crate) history: Option<(&'static str, PathBuf)>,
    #[cfg(feature = "history")]
    pub(crate) report_rules: crate::history::report::Rules,
    /// What is off since a setting cannot be used.
    off: Off,
    pub(crate) shutdown_deadline: Duration,
    pub(crate) strictness: Strictness,
    pub(crate) reporter: Reporter,
    #[cfg(feature = "system")]
    pub(crate) allocator: Option<Arc<dyn Allocator>>,
    pub(crate) on_threshold: Option<ThresholdCallback>,
    pub(crate) warnings: Vec<Warning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Enabled,
    /// By `OTEL_SDK_DISABLED` or `SPANWIRE_ENABLED`: nothing is set up.
    Disabled,
}

impl TelemetryBuilder {
    /// What this builder and the environment together decide: where data goes, what is off and why,
    /// and what cannot be used. Nothing is set up, and the builder can still be.
    ///
    /// [`strict`](Self::strict) makes no difference: look at [`ResolvedConfig::warnings`].
    #[must_use]
    pub fn resolve(&self) -> ResolvedConfig {
        ResolvedConfig::new(self.clone())
    }
}

impl ResolvedConfig {
    fn new(builder: TelemetryBuilder) -> Self {
        // The order matters: the environment, the builder over it, and then what a library may not
        // turn on for an app. That looks at the builder, whose options are the app's word.
        let (mut settings, mut refusals) = Settings::read(&*builder.environment);
        settings.override_with(&builder, &mut refusals);
        settings.wait_for_app(&builder);
        let consent = builder.consent(&settings);
        let mut off = Off::default();
        #[cfg(feature = "otlp")]
        let otlp = OtlpConfig::new(
            &builder.otlp,
            &settings.otlp,
            &settings.metrics_exporter,
            &mut off,
            &mut refusals,
        );
        #[cfg(feature = "prometheus")]
        let prometheus = endpoint(&builder, &settings, &mut off);
        // This code reads the setting without the feature `history` as well, so that the warning
        // about the variable says that the history is off.
        let history = {
            let mut needs = off.needs_of(HISTORY);
            needs.get(&settings.history)
        };
        // The samples are kept in the history alone.
        #[cfg(feature = "profile")]
        if settings.profile > 0 && history.is_none() {
            refusals.push(Refusal {
                variable: match builder.profile.is_some() {
                    true => "profile",
                    false => "SPANWIRE_PROFILE",
                },
                value: String::new(),
                flaw: Flaw::said("there is no history that would keep it"),
                accepted: "a history beside it: set SPANWIRE_HISTORY, or TelemetryBuilder::history"
                    .into(),
                instead: Instead::Holds("there is no profile".into()),
            });
        }
        #[cfg(not(feature = "history"))]
        drop(history);
        let state = if settings.sdk_disabled || !settings.enabled {
            State::Disabled
        } else {
            State::Enabled
        };
        let refusals = refusals.into_iter();
        // Last, since only now it is known which signals each refusal turned off.
        let warnings = refusals
            .map(|refusal| refusal.warning(&off))
            .chain(former::warnings(&*builder.environment))
            .collect();
        Self {
            #[cfg(feature = "otlp")]
            otlp,
            #[cfg(feature = "prometheus")]
            prometheus,
            #[cfg(feature = "metrics-exporter-prometheus")]
            prometheus_exporter: builder.prometheus_exporter,
            #[cfg(feature = "history")]
            history: history.map(|path| {
                let setting = match builder.history.is_some() {
                    true => "history",
                    false => "SPANWIRE_HISTORY",
                };
                (setting, path)
            }),
            #[cfg(feature = "history")]
            report_rules: builder.report_rules,
            off,
            resource: Identity {
                service_name: builder.service_name,
                service_version: builder.service_version,
                attributes: builder.attributes,
                environment_name: settings.service_name.clone(),
                environment_attributes: settings.resource_attributes.clone(),
                host_name: builder.host_name,
            }
            .resource(),
            shutdown_deadline: builder.shutdown_deadline,
            strictness: builder.strictness,
            reporter: builder.reporter,
            #[cfg(feature = "system")]
            allocator: builder.allocator,
            on_threshold: builder.on_threshold,
            state,
            settings,
            consent,
            warnings,
        }
    }

    /// # Errors
    ///
    /// When the builder is strict and something cannot be used.
    pub(crate) fn checked(builder: TelemetryBuilder) -> Result<Self, TelemetryError> {
        let config = Self::new(builder);
        if config.strictness == Strictness::Strict
            && config.warnings.iter().any(Warning::is_refusal)
        {
            return Err(TelemetryError::Strict(config.warnings));
        }
        Ok(config)
    }

    /// Host and port at which the endpoint `/metrics` listens, port 0 for any that is free; `None`
    /// when it is off.
    #[must_use]
    #[cfg(feature = "prometheus")]
    pub fn prometheus_address(&self) -> Option<(&str, u16)> {
        let endpoint = self.prometheus.as_ref().filter(|_| self.is_enabled())?;
        Some((&endpoint.host, endpoint.port))
    }

    /// The attributes of everything that is sent, before [`TelemetryBuilder::redact`] sees them.
    /// `service.instance.id` is another one each time.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The resource's `service.name`.
    #[must_use]
    pub fn service_name(&self) -> Cow<'_, str> {
        let name = self.resource.get_ref(&Key::from_static_str("service.name"));
        name.map_or_else(Cow::default, opentelemetry::Value::as_str)
    }

    /// Why that output is off; `None` when it is on.
    #[must_use]
    pub fn off_reason(&self, output: Output) -> Option<OffReason> {
        if !self.is_enabled() {
            return Some(OffReason::Disabled);
        }
        // An output that is asked for and could not start, such as an endpoint whose port is taken,
        // counts as on: that is found out later, by the assembler.
        let is_on = match output {
            #[cfg(feature = "otlp")]
            Output::Traces => self.otlp.traces.is_some(),
            #[cfg(feature = "otlp")]
            Output::Metrics => self.otlp.metrics.is_some(),
            #[cfg(feature = "otlp")]
            Output::Logs => self.otlp.logs.is_some(),
            #[cfg(feature = "otlp")]
            Output::Spool => self.otlp.spool.is_some(),
            #[cfg(feature = "prometheus")]
            Output::Prometheus => self.prometheus.is_some(),
            #[cfg(not(all(feature = "otlp", feature = "prometheus")))]
            _ => false,
        };
        if is_on {
            return None;
        }
        let settings = self.off.reasons(output.as_str());
        Some(match settings.is_empty() {
            true => OffReason::NotRequested,
            false => OffReason::UnusableSettings(settings),
        })
    }

    /// What was asked for and cannot be used, each with what holds instead. Telemetry that is
    /// started may find more, such as a port that is taken.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether anything reads metrics, so that there is something to measure for.
    #[cfg(feature = "system")]
    pub(crate) fn asks_for_metrics(&self) -> bool {
        let is_on = |output| self.off_reason(output).is_none();
        is_on(Output::Prometheus) || is_on(Output::Metrics)
    }

    /// Whether a history is kept, where that is built in.
    #[cfg(feature = "system")]
    pub(crate) fn keeps_history(&self) -> bool {
        #[cfg(feature = "history")]
        return self.history.is_some();
        #[cfg(not(feature = "history"))]
        false
    }

    /// The file of the history on the machine; `None` where there is none.
    #[cfg(feature = "history")]
    #[must_use]
    pub fn history_file(&self) -> Option<&Path> {
        let history = self.history.as_ref().filter(|_| self.is_enabled());
        history.map(|(_, path)| &**path)
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.state == State::Enabled
    }
}

impl fmt::Debug for ResolvedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The resource and the builder's closures are left out: attributes may hold personal data.
        let off: Vec<_> = Output::ALL
            .iter()
            .filter_map(|output| Some((output, self.off_reason(*output)?)))
            .collect();
        let mut f = f.debug_struct("ResolvedConfig");
        f.field("service_name", &self.service_name());
        #[cfg(feature = "otlp")]
        f.field("traces", &self.traces())
            .field("metrics", &self.metrics())
            .field("logs", &self.logs())
            .field("spool_dir", &self.spool_dir())
            .field("sampler", &self.sampler());
        #[cfg(feature = "prometheus")]
        f.field("prometheus_address", &self.prometheus_address());
        f.field("off", &off)
            .field("warnings", &self.warnings())
            .finish_non_exhaustive()
    }
}

/// Where `/metrics` is served, unless it is off.
#[cfg(feature = "prometheus")]
fn endpoint(
    builder: &TelemetryBuilder,
    settings: &Settings,
    off: &mut Off,
) -> Option<EndpointOptions> {
    let mut needs = off.needs_of(ENDPOINT);
    let outputs = needs.get(&settings.metrics_exporter)?;
    if !outputs.prometheus {
        return None;
    }
    // This code asks for both before one of them may end this with `?`, so that each bad value is
    // named.
    let host = needs.get(&settings.prometheus_host);
    let port = needs.get(&settings.prometheus_port);
    needs.grant(EndpointOptions {
        host: host?,
        port: port?,
        allowed_hosts: builder.allowed_hosts.clone(),
    })
}
