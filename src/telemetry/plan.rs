//! What will be set up: the builder's options over the environment's over the defaults.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use opentelemetry_sdk::Resource;
use tracing::level_filters::LevelFilter;

use super::config::builder::TelemetryBuilder;
use super::config::env::BASE_URL;
use super::config::headers::Headers;
use super::config::options::Strictness;
use super::config::options::{Exporter, Sampler};
use super::config::parse;
use super::config::resource::Identity;
use super::config::routing::{ENDPOINT, Instead, Needs, Off, Refusal, Routing, SPOOL};
use super::config::settings::{Otlp, SamplerName, Settings};
use super::config::warning::{TelemetryError, Warning};
use super::diagnostics::flaw::Flaw;
use super::diagnostics::reporter::Reporter;
use super::export::http_client::Connection;
use super::export::otlp::Route;
use super::export::proxy::{Proxy, is_local};
use super::export::redact::Redactor;
use super::export::signal::{LOGS, METRICS, METRICS_PATH, TRACES};
use super::export::tls::Tls;
use super::prometheus::EndpointOptions;
use super::sampling::TailSampling;

/// Everything that is to be set up.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) state: PlanState,
    pub(crate) settings: Settings,
    pub(crate) resource: Resource,
    pub(crate) traces: Option<Route>,
    pub(crate) logs: Option<Route>,
    pub(crate) metrics: Option<Route>,
    pub(crate) prometheus: Option<EndpointOptions>,
    pub(crate) spool: Option<SpoolPlan>,
    /// What is off since a setting cannot be used, for the doctor.
    #[cfg(feature = "cli")]
    pub(crate) off: Off,
    pub(crate) sampler: Sampler,
    pub(crate) tail: TailSampling,
    pub(crate) level: LevelFilter,
    pub(crate) shutdown_deadline: Duration,
    pub(crate) strictness: Strictness,
    pub(crate) redactor: Option<Redactor>,
    pub(crate) reporter: Reporter,
    pub(crate) warnings: Vec<Warning>,
}

/// Where telemetry waits on disk.
#[derive(Clone, Debug)]
pub(crate) struct SpoolPlan {
    /// Who asked for it.
    pub(crate) variable: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) bytes_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlanState {
    Enabled,
    /// By `OTEL_SDK_DISABLED` or `SPANWIRE_ENABLED`: nothing is set up.
    Disabled,
}

impl Plan {
    /// # Errors
    ///
    /// When the builder is strict and something cannot be used.
    pub(crate) fn new(builder: TelemetryBuilder) -> Result<Self, TelemetryError> {
        let (mut settings, mut refusals) = Settings::read(&builder.environment);
        let options = Options::check(builder, &mut refusals);
        options.replace(&mut settings);
        let mut off = Off::default();
        let mut router = Router {
            options: &options,
            settings: &settings,
            off: &mut off,
            refusals: &mut refusals,
        };
        let traces = router.traces();
        let logs = router.logs();
        let metrics = router.metrics();
        let prometheus = router.prometheus();
        let spool = router.spool();
        let builder = &options.builder;
        let strictness = builder.strictness;
        let state = if settings.sdk_disabled || !settings.enabled {
            PlanState::Disabled
        } else {
            PlanState::Enabled
        };
        let refusals = refusals.into_iter();
        let warnings = refusals.map(|refusal| refusal.warning(&off)).collect();
        let plan = Self {
            traces,
            logs,
            metrics,
            prometheus,
            spool,
            #[cfg(feature = "cli")]
            off,
            resource: Identity {
                service_name: builder.service_name.clone(),
                service_version: builder.service_version.clone(),
                attributes: builder.attributes.clone(),
                environment_name: settings.service_name.clone(),
                environment_attributes: settings.resource_attributes.clone(),
                host_name: builder.host_name,
            }
            .resource(),
            sampler: builder.sampler.unwrap_or_else(|| sampler(&settings)),
            tail: builder.tail.clone(),
            level: builder.level,
            shutdown_deadline: builder.shutdown_deadline,
            strictness,
            redactor: builder.redactor.clone(),
            reporter: builder.reporter,
            state,
            settings,
            warnings: Vec::new(),
        };
        plan.with(warnings)
    }

    fn with(mut self, warnings: Vec<Warning>) -> Result<Self, TelemetryError> {
        if self.strictness == Strictness::Strict && !warnings.is_empty() {
            return Err(TelemetryError::Strict(warnings));
        }
        self.warnings = warnings;
        Ok(self)
    }
}

/// The builder with nothing in it that cannot be used.
struct Options {
    builder: TelemetryBuilder,
    endpoint: Routing<String>,
    headers: Routing<Headers>,
    prometheus_host: Routing<String>,
}

impl Options {
    fn check(mut builder: TelemetryBuilder, refusals: &mut Vec<Refusal>) -> Self {
        let mut refuse = |variable, value: String, flaw, accepted: &'static str, instead| {
            refusals.push(Refusal {
                variable,
                value,
                flaw,
                accepted: accepted.into(),
                instead,
            });
        };
        let mut endpoint = Routing::Unset;
        if let Some(url) = builder.otlp_endpoint.take() {
            let (setting, outcome) = Routing::parsed("otlp_endpoint", parse::base_url(&url));
            endpoint = setting;
            if let Err(flaw) = outcome {
                refuse("otlp_endpoint", url, flaw, BASE_URL, Instead::SignalsOff);
            }
        }
        let mut prometheus_host = Routing::Unset;
        if let Some(host) = builder.prometheus_host.take() {
            let (setting, outcome) = Routing::parsed("prometheus_host", parse::host(&host));
            prometheus_host = setting;
            if let Err(flaw) = outcome {
                let accepted = "a host name or an IP address";
                refuse("prometheus_host", host, flaw, accepted, Instead::SignalsOff);
            }
        }
        let unset = || Instead::Holds("it counts as unset".into());
        let mut ratio = |name, value: f64| {
            let good = (0.0..=1.0).contains(&value);
            if !good {
                let accepted = "a number from 0.0 to 1.0";
                refuse(name, value.to_string(), Flaw::Shown, accepted, unset());
            }
            good
        };
        builder.sampler = builder.sampler.filter(|sampler| match sampler {
            Sampler::Ratio(value) | Sampler::ParentBasedRatio(value) => ratio("sampler", *value),
            _ => true,
        });
        builder.error_rate_threshold = builder
            .error_rate_threshold
            .filter(|value| ratio("error_rate_threshold", *value));
        builder.otlp_timeout = builder.otlp_timeout.filter(|timeout| {
            let good = !timeout.is_zero();
            if !good {
                let accepted = "a time longer than zero";
                refuse("otlp_timeout", "0".into(), Flaw::Shown, accepted, unset());
            }
            good
        });
        Self {
            endpoint,
            headers: headers(&builder, refusals),
            prometheus_host,
            builder,
        }
    }

    /// The builder's options in the place of the environment's.
    fn replace(&self, settings: &mut Settings) {
        fn put<T: Clone>(option: &Option<T>, setting: &mut T) {
            if let Some(value) = option {
                setting.clone_from(value);
            }
        }
        fn route<T: Clone>(option: &Option<T>, name: &'static str, setting: &mut Routing<T>) {
            if let Some(value) = option {
                *setting = Routing::Usable(value.clone(), name);
            }
        }
        let builder = &self.builder;
        if self.prometheus_host.is_set() {
            settings.prometheus_host.clone_from(&self.prometheus_host);
        }
        route(
            &builder.prometheus_port,
            "prometheus_port",
            &mut settings.prometheus_port,
        );
        route(&builder.traces, "traces", &mut settings.traces_exporter);
        route(&builder.metrics, "metrics", &mut settings.metrics_exporter);
        route(&builder.logs, "logs", &mut settings.logs_exporter);
        route(&builder.spool_dir, "spool_dir", &mut settings.spool_dir);
        put(&builder.spool_max_bytes, &mut settings.spool_max_bytes);
        put(&builder.system_interval, &mut settings.system_interval);
        put(&builder.slow_threshold, &mut settings.slow_threshold);
        put(
            &builder.ipc_slow_threshold,
            &mut settings.ipc_slow_threshold,
        );
        put(
            &builder.error_rate_threshold,
            &mut settings.error_rate_threshold,
        );
    }
}

/// The builder's headers. As in the environment's list, one that HTTP does not allow spoils all:
/// it may be the token.
fn headers(builder: &TelemetryBuilder, refusals: &mut Vec<Refusal>) -> Routing<Headers> {
    const NAME: &str = "otlp_header";
    if builder.otlp_headers.is_empty() {
        return Routing::Unset;
    }
    let mut headers = Headers::default();
    for (name, value) in &builder.otlp_headers {
        match parse::header(name, value) {
            Ok((name, value)) => headers.push(name, value),
            Err(what) => {
                refusals.push(Refusal {
                    variable: NAME,
                    value: String::new(),
                    flaw: Flaw::said(format!("it has {what}")),
                    accepted: "a name and a value that HTTP allows".into(),
                    instead: Instead::SignalsOff,
                });
                return Routing::Refused(NAME);
            }
        }
    }
    refusals.extend(headers.refusal(NAME));
    Routing::Usable(headers, NAME)
}

/// Finds out where each signal goes, or that it is off.
struct Router<'a> {
    options: &'a Options,
    settings: &'a Settings,
    off: &'a mut Off,
    refusals: &'a mut Vec<Refusal>,
}

impl Router<'_> {
    /// Traces are sent when somebody said so, or said where to.
    fn traces(&mut self) -> Option<Route> {
        let settings = self.settings;
        let own = &settings.otlp_traces;
        let somewhere = self.options.endpoint.is_set()
            || own.endpoint.is_set()
            || settings.otlp.endpoint.is_set();
        let needs = &mut self.off.needs_of(TRACES.name);
        let wanted = match needs.get(&settings.traces_exporter) {
            Some(exporter) => exporter == Exporter::Otlp,
            None => somewhere || needs.is_refused(),
        };
        let limit = settings.spans.timeout;
        wanted
            .then(|| self.route(TRACES.name, own, TRACES.path, limit))
            .flatten()
    }

    fn logs(&mut self) -> Option<Route> {
        let settings = self.settings;
        let exporter = self.off.needs_of(LOGS.name).get(&settings.logs_exporter);
        let wanted = exporter == Some(Exporter::Otlp);
        let (own, limit) = (&settings.otlp_logs, settings.logs.timeout);
        wanted
            .then(|| self.route(LOGS.name, own, LOGS.path, limit))
            .flatten()
    }

    fn metrics(&mut self) -> Option<Route> {
        let settings = self.settings;
        let exporter = self.off.needs_of(METRICS).get(&settings.metrics_exporter);
        let wanted = exporter.is_some_and(|exporter| exporter.otlp());
        let (own, limit) = (&settings.otlp_metrics, settings.metric_timeout);
        wanted
            .then(|| self.route(METRICS, own, METRICS_PATH, limit))
            .flatten()
    }

    fn prometheus(&mut self) -> Option<EndpointOptions> {
        let mut needs = self.off.needs_of(ENDPOINT);
        let exporter = needs.get(&self.settings.metrics_exporter)?;
        if !exporter.prometheus() {
            return None;
        }
        let host = needs.get(&self.settings.prometheus_host);
        let port = needs.get(&self.settings.prometheus_port);
        needs.grant(EndpointOptions {
            host: host?,
            port: port?,
            allowed_hosts: self.options.builder.allowed_hosts.clone(),
        })
    }

    fn spool(&mut self) -> Option<SpoolPlan> {
        let setting = &self.settings.spool_dir;
        let folder = self.off.needs_of(SPOOL).get(setting)?;
        let (_, variable) = setting.usable()?;
        Some(SpoolPlan {
            variable,
            folder,
            bytes_max: self.settings.spool_max_bytes,
        })
    }

    /// Looks at every setting, so that each that turns the signal off is known.
    fn route(
        &mut self,
        signal: &'static str,
        own: &Otlp,
        path: &str,
        limit: Duration,
    ) -> Option<Route> {
        let general = &self.settings.otlp;
        let builder = &self.options.builder;
        let mut needs = self.off.needs_of(signal);
        let url = if self.options.endpoint.is_set() {
            let base = needs.get(&self.options.endpoint);
            base.map(|base| joined(&base, path))
        } else if own.endpoint.is_set() {
            needs.get(&own.endpoint)
        } else if general.endpoint.is_set() {
            let base = needs.get(&general.endpoint);
            base.map(|base| joined(&base, path))
        } else {
            Some(joined(LOCAL_COLLECTOR, path))
        };
        let mut headers = needs
            .get(own.headers.or(&general.headers))
            .unwrap_or_default()
            .sent;
        let added = needs.get(&self.options.headers).unwrap_or_default().sent;
        for (name, value) in added {
            headers.retain(|(other, _)| *other != name);
            headers.push((name, value));
        }
        needs.get(own.protocol.or(&general.protocol));
        let compression = needs.get(own.compression.or(&general.compression));
        let tls = Tls {
            authority: needs.get(own.certificate.or(&general.certificate)),
            client: needs.get(own.client.or(&general.client)),
        };
        // They are refused by themselves when their files are.
        needs.get(own.client_certificate.or(&general.client_certificate));
        needs.get(own.client_key.or(&general.client_key));
        let uri = url.as_ref().and_then(|url| url.parse::<Uri>().ok());
        let mut proxy = None;
        if let Some(uri) = &uri {
            proxy = self::proxy(self.settings, uri, &mut needs);
            if uri.scheme_str() == Some("http") && !self.options.endpoint.is_set() {
                let refusals = trust_in_vain(own, general, &mut needs);
                for refusal in refusals {
                    let known = |other: &Refusal| other.variable == refusal.variable;
                    if !self.refusals.iter().any(known) {
                        self.refusals.push(refusal);
                    }
                }
            }
        }
        let timeout = builder.otlp_timeout.or(own.timeout).or(general.timeout);
        needs.grant(Route {
            url: url?,
            connection: Connection {
                headers,
                timeout: timeout.unwrap_or(limit).min(limit),
                tls,
                proxy,
            },
            compression: compression?,
        })
    }
}

/// The proxy between us and `url`. One that is not asked may be as bad as it likes.
fn proxy(settings: &Settings, url: &Uri, needs: &mut Needs<'_>) -> Option<Proxy> {
    if is_local(url) || !settings.proxy.is_set() {
        return None;
    }
    let exempt = needs.get(&settings.no_proxy);
    if exempt.is_some_and(|exempt| exempt.covers(url)) {
        return None;
    }
    needs.get(&settings.proxy)
}

/// Certificates for an endpoint without TLS: who set them counts on TLS, so nothing is sent. But a
/// signal's own endpoint is more special than general certificates, which are for the others.
fn trust_in_vain(own: &Otlp, general: &Otlp, needs: &mut Needs<'_>) -> Vec<Refusal> {
    let levels: &[&Otlp] = match own.endpoint.is_set() {
        true => &[own],
        false => &[own, general],
    };
    let mut set = Vec::new();
    for otlp in levels {
        set.extend(otlp.certificate.usable().map(|(_, by)| by));
        set.extend(otlp.client.usable().map(|(_, by)| by));
    }
    let refusals = set.into_iter().map(|variable| {
        needs.refuse(variable);
        Refusal {
            variable,
            value: String::new(),
            flaw: Flaw::said("it is for TLS, and the endpoint begins with http://"),
            accepted: "it with an endpoint that begins with https://".into(),
            instead: Instead::SignalsOff,
        }
    });
    refusals.collect()
}

/// As the specification builds a signal's URL from the base.
pub(crate) fn joined(base: &str, path: &str) -> String {
    format!("{}{path}", base.trim_end_matches('/'))
}

fn sampler(settings: &Settings) -> Sampler {
    let ratio = settings.sampler_ratio.unwrap_or(1.0);
    match settings.sampler {
        Some(SamplerName::AlwaysOn) => Sampler::AlwaysOn,
        Some(SamplerName::AlwaysOff) => Sampler::AlwaysOff,
        Some(SamplerName::Ratio) => Sampler::Ratio(ratio),
        Some(SamplerName::ParentBasedAlwaysOn) => Sampler::ParentBasedAlwaysOn,
        Some(SamplerName::ParentBasedAlwaysOff) => Sampler::ParentBasedAlwaysOff,
        Some(SamplerName::ParentBasedRatio) => Sampler::ParentBasedRatio(ratio),
        None => Sampler::Tail,
    }
}

/// Where a Collector on this machine receives OTLP over HTTP.
pub(crate) const LOCAL_COLLECTOR: &str = "http://localhost:4318";
