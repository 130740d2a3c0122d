//! The configuration in force: the builder's options over the environment's over the defaults.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use opentelemetry::Key;
use opentelemetry_sdk::Resource;
use tracing::level_filters::LevelFilter;

use super::builder::TelemetryBuilder;
use super::destination::{OffReason, OtlpDestination, Output};
use super::env::BASE_URL;
use super::headers::Headers;
use super::options::{Exporter, Sampler, Strictness};
use super::parse;
use super::resource::Identity;
use super::routing::{ENDPOINT, Instead, Needs, Off, Refusal, Routing, SPOOL};
use super::settings::{Otlp, SamplerName, Settings};
use super::warning::{TelemetryError, Warning};
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::http_client::Connection;
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::proxy::{Proxy, is_local};
use crate::telemetry::export::redact::Redactor;
use crate::telemetry::export::signal::{LOGS, METRICS, METRICS_PATH, TRACES};
use crate::telemetry::export::tls::Tls;
use crate::telemetry::prometheus::EndpointOptions;
use crate::telemetry::sampling::TailSampling;

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
    pub(crate) resource: Resource,
    pub(crate) traces: Option<Route>,
    pub(crate) logs: Option<Route>,
    pub(crate) metrics: Option<Route>,
    pub(crate) prometheus: Option<EndpointOptions>,
    pub(crate) spool: Option<SpoolConfig>,
    /// What is off since a setting cannot be used.
    off: Off,
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
pub(crate) struct SpoolConfig {
    /// Who asked for it.
    pub(crate) variable: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) bytes_max: u64,
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
        let (mut settings, mut refusals) = Settings::read(&*builder.environment);
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
            State::Disabled
        } else {
            State::Enabled
        };
        let refusals = refusals.into_iter();
        let warnings = refusals.map(|refusal| refusal.warning(&off)).collect();
        Self {
            traces,
            logs,
            metrics,
            prometheus,
            spool,
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
            warnings,
        }
    }

    /// # Errors
    ///
    /// When the builder is strict and something cannot be used.
    pub(crate) fn checked(builder: TelemetryBuilder) -> Result<Self, TelemetryError> {
        let config = Self::new(builder);
        if config.strictness == Strictness::Strict && !config.warnings.is_empty() {
            return Err(TelemetryError::Strict(config.warnings));
        }
        Ok(config)
    }

    /// Where traces are sent; `None` when they are off.
    #[must_use]
    pub fn traces(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.traces)
    }

    /// Where metrics are sent, beside what Prometheus scrapes; `None` when they are not sent.
    #[must_use]
    pub fn metrics(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.metrics)
    }

    /// Where log records are sent; `None` when they are off.
    #[must_use]
    pub fn logs(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.logs)
    }

    /// Host and port at which the endpoint `/metrics` listens, port 0 for any that is free; `None`
    /// when it is off.
    #[must_use]
    pub fn prometheus_address(&self) -> Option<(&str, u16)> {
        let endpoint = self.prometheus.as_ref().filter(|_| self.is_enabled())?;
        Some((&endpoint.host, endpoint.port))
    }

    /// The folder in which spans and log records wait while the collector is away; `None` when
    /// there is no spool. Whether the folder can be used is known only when telemetry starts.
    #[must_use]
    pub fn spool_dir(&self) -> Option<&Path> {
        let spool = self.spool.as_ref().filter(|_| self.is_enabled())?;
        Some(&spool.folder)
    }

    /// How many bytes each process may keep in the spool.
    #[must_use]
    pub fn spool_max_bytes(&self) -> u64 {
        self.settings.spool_max_bytes
    }

    /// Which traces are sent.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.sampler
    }

    /// How many traces per second [`Sampler::Tail`] keeps that neither failed nor were slow; `None`
    /// with another sampler.
    #[must_use]
    pub fn traces_per_second(&self) -> Option<u32> {
        let rate = self.tail.traces_per_second;
        let rate = rate.unwrap_or(self.settings.traces_per_second);
        (self.sampler == Sampler::Tail).then_some(rate)
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
        let is_on = match output {
            Output::Traces => self.traces.is_some(),
            Output::Metrics => self.metrics.is_some(),
            Output::Logs => self.logs.is_some(),
            Output::Prometheus => self.prometheus.is_some(),
            Output::Spool => self.spool.is_some(),
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

    /// The proxy that the environment puts before this URL: none for this machine, for what
    /// `NO_PROXY` names, and for text that is no URL.
    ///
    /// For requests of the app's own that should take the way that exports take.
    #[must_use]
    pub fn proxy_for(&self, url: &str) -> Option<&Proxy> {
        let url: Uri = url.parse().ok()?;
        let exempt = self.settings.no_proxy.usable();
        if is_local(&url) || exempt.is_some_and(|(exempt, _)| exempt.covers(&url)) {
            return None;
        }
        self.settings.proxy.usable().map(|(proxy, _)| proxy)
    }

    /// What was asked for and cannot be used, each with what holds instead. Telemetry that is
    /// started may find more, such as a port that is taken.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn is_enabled(&self) -> bool {
        self.state == State::Enabled
    }

    fn destination<'a>(&self, route: &'a Option<Route>) -> Option<OtlpDestination<'a>> {
        let route = route.as_ref().filter(|_| self.is_enabled())?;
        Some(OtlpDestination::new(route))
    }
}

impl fmt::Debug for ResolvedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off: Vec<_> = Output::ALL
            .iter()
            .filter_map(|output| Some((output, self.off_reason(*output)?)))
            .collect();
        f.debug_struct("ResolvedConfig")
            .field("service_name", &self.service_name())
            .field("traces", &self.traces())
            .field("metrics", &self.metrics())
            .field("logs", &self.logs())
            .field("prometheus_address", &self.prometheus_address())
            .field("spool_dir", &self.spool_dir())
            .field("sampler", &self.sampler())
            .field("off", &off)
            .field("warnings", &self.warnings())
            .finish_non_exhaustive()
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

    fn spool(&mut self) -> Option<SpoolConfig> {
        let setting = &self.settings.spool_dir;
        let folder = self.off.needs_of(SPOOL).get(setting)?;
        let (_, variable) = setting.usable()?;
        Some(SpoolConfig {
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
fn joined(base: &str, path: &str) -> String {
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
const LOCAL_COLLECTOR: &str = "http://localhost:4318";
