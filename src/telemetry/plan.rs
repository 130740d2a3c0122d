//! What will be set up: the builder's options over the environment's over the defaults.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use tracing::level_filters::LevelFilter;

use super::builder::{Strictness, TelemetryBuilder};
use super::choice::{Exporter, MetricsExporter, Sampler};
use super::client::Connection;
use super::otlp::Route;
use super::parse;
use super::prometheus::EndpointOptions;
use super::redact::Redactor;
use super::resource::Identity;
use super::sampling::TailSampling;
use super::settings::{Compression, Otlp, SamplerName, Settings};
use super::signal::{LOGS, METRICS_PATH, TRACES};
use super::tls::Tls;
use super::voice::Voice;
use super::warning::{TelemetryError, Warning};

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
    pub(crate) sampler: Sampler,
    pub(crate) tail: TailSampling,
    pub(crate) level: LevelFilter,
    pub(crate) shutdown_deadline: Duration,
    pub(crate) strictness: Strictness,
    pub(crate) redactor: Option<Redactor>,
    pub(crate) voice: Voice,
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
        let (mut settings, mut warnings) = Settings::read(&builder.environment);
        let options = Options::check(builder, &mut warnings);
        let builder = &options.0;
        options.replace(&mut settings);
        let strictness = builder.strictness;
        let state = if settings.sdk_disabled || !settings.enabled {
            PlanState::Disabled
        } else {
            PlanState::Enabled
        };
        let metrics_exporter = settings
            .metrics_exporter
            .unwrap_or(MetricsExporter::Prometheus);
        let plan = Self {
            traces: options.traces_route(&settings),
            logs: (settings.logs_exporter == Some(Exporter::Otlp)).then(|| {
                let limit = settings.logs.timeout;
                options.route(&settings.otlp_logs, &settings, LOGS.path, limit)
            }),
            metrics: metrics_exporter.otlp().then(|| {
                let limit = settings.metric_timeout;
                options.route(&settings.otlp_metrics, &settings, METRICS_PATH, limit)
            }),
            prometheus: metrics_exporter.prometheus().then(|| EndpointOptions {
                host: settings.prometheus_host.clone(),
                port: settings.prometheus_port,
                allowed_hosts: builder.allowed_hosts.clone(),
            }),
            spool: options.spool(&settings),
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
            voice: builder.voice,
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
struct Options(TelemetryBuilder);

impl Options {
    fn check(mut builder: TelemetryBuilder, warnings: &mut Vec<Warning>) -> Self {
        let unset = "it counts as unset";
        if let Some(url) = builder.otlp_endpoint.take() {
            builder.otlp_endpoint = parse::url(&url);
            if builder.otlp_endpoint.is_none() {
                let accepted = "a URL like http://localhost:4318";
                warnings.push(Warning::value("otlp_endpoint", &url, accepted, unset));
            }
        }
        builder.otlp_headers.retain(|(name, value)| {
            let good = parse::header(name, value).is_some();
            if !good {
                let accepted = "a name and a value that HTTP allows";
                let shown = format!("{name}={value}");
                warnings.push(Warning::value("otlp_header", &shown, accepted, unset));
            }
            good
        });
        if let Some(host) = builder.prometheus_host.take() {
            builder.prometheus_host = parse::host(&host);
            if builder.prometheus_host.is_none() {
                let accepted = "a host name or an IP address";
                warnings.push(Warning::value("prometheus_host", &host, accepted, unset));
            }
        }
        let ratio = |name, value: f64, warnings: &mut Vec<Warning>| {
            let good = (0.0..=1.0).contains(&value);
            if !good {
                let accepted = "a number from 0.0 to 1.0";
                warnings.push(Warning::value(name, &value.to_string(), accepted, unset));
            }
            good
        };
        builder.sampler = builder.sampler.filter(|sampler| match sampler {
            Sampler::Ratio(value) | Sampler::ParentBasedRatio(value) => {
                ratio("sampler", *value, warnings)
            }
            _ => true,
        });
        builder.error_rate_threshold = builder
            .error_rate_threshold
            .filter(|value| ratio("error_rate_threshold", *value, warnings));
        builder.otlp_timeout = builder.otlp_timeout.filter(|timeout| {
            let good = !timeout.is_zero();
            if !good {
                let accepted = "a time longer than zero";
                warnings.push(Warning::value("otlp_timeout", "0", accepted, unset));
            }
            good
        });
        Self(builder)
    }

    /// The builder's options in the place of the environment's.
    fn replace(&self, settings: &mut Settings) {
        fn put<T: Clone>(option: &Option<T>, setting: &mut T) {
            if let Some(value) = option {
                setting.clone_from(value);
            }
        }
        let builder = &self.0;
        put(&builder.prometheus_host, &mut settings.prometheus_host);
        put(&builder.prometheus_port, &mut settings.prometheus_port);
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
        settings.traces_exporter = builder.traces.or(settings.traces_exporter);
        settings.metrics_exporter = builder.metrics.or(settings.metrics_exporter);
        settings.logs_exporter = builder.logs.or(settings.logs_exporter);
    }

    fn spool(&self, settings: &Settings) -> Option<SpoolPlan> {
        let (variable, folder) = match (&self.0.spool_dir, &settings.spool_dir) {
            (Some(folder), _) => ("spool_dir", folder),
            (None, Some(folder)) => ("SPANWIRE_SPOOL_DIR", folder),
            (None, None) => return None,
        };
        Some(SpoolPlan {
            variable,
            folder: folder.clone(),
            bytes_max: settings.spool_max_bytes,
        })
    }

    /// Traces are sent when somebody said so, or said where to.
    fn traces_route(&self, settings: &Settings) -> Option<Route> {
        let somewhere = self.0.otlp_endpoint.is_some()
            || settings.otlp.endpoint.is_some()
            || settings.otlp_traces.endpoint.is_some();
        let wanted = match settings.traces_exporter {
            Some(exporter) => exporter == Exporter::Otlp,
            None => somewhere,
        };
        wanted.then(|| {
            let limit = settings.spans.timeout;
            self.route(&settings.otlp_traces, settings, TRACES.path, limit)
        })
    }

    fn route(&self, own: &Otlp, settings: &Settings, path: &str, limit: Duration) -> Route {
        let general = &settings.otlp;
        let base = self.0.otlp_endpoint.as_deref();
        let url = match (base, &own.endpoint, &general.endpoint) {
            (Some(base), _, _) => joined(base, path),
            (None, Some(own), _) => own.clone(),
            (None, None, Some(general)) => joined(general, path),
            (None, None, None) => joined(LOCAL_COLLECTOR, path),
        };
        let mut headers = own
            .headers
            .clone()
            .or_else(|| general.headers.clone())
            .unwrap_or_default();
        for (name, value) in &self.0.otlp_headers {
            if let Some((name, value)) = parse::header(name, value) {
                headers.retain(|(other, _)| *other != name);
                headers.push((name, value));
            }
        }
        let timeout = self.0.otlp_timeout.or(own.timeout).or(general.timeout);
        Route {
            url,
            connection: Connection {
                headers,
                timeout: timeout.unwrap_or(limit).min(limit),
                tls: Tls {
                    authority: own.certificate.clone().or(general.certificate.clone()),
                    client: own.client.clone().or(general.client.clone()),
                },
            },
            compression: own
                .compression
                .or(general.compression)
                .unwrap_or(Compression::None),
        }
    }
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
