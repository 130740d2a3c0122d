//! The address at which each server is probed, and what names it.

use http::Uri;
use spanwire::telemetry::{OffReason, Output, ResolvedConfig};

use super::args::Doctor;
use super::connection::Connection;
use super::finding::{Finding, Status};
use super::probe_error::ProbeError;
use crate::address::{is_local, origin};

/// What names a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// A flag: the server must answer.
    Flag,
    /// The environment: it must answer too.
    Environment,
    /// Nothing: this is its usual address.
    Default,
}

/// A server to probe.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) named_by: NamedBy,
    pub(super) connection: Connection,
}

/// Where a signal is sent.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) signal: &'static str,
    pub(super) target: Target,
}

/// Where the app's metrics are, or why that is unknown.
#[derive(Clone, Debug)]
pub(super) enum MetricsTarget {
    At(Box<Target>),
    /// These variables switch telemetry, or the endpoint, off.
    Off(&'static str),
    /// The system chooses the port.
    AnyPort,
}

#[derive(Debug)]
pub(super) struct Targets {
    pub(super) metrics: MetricsTarget,
    pub(super) prometheus: Target,
    pub(super) receivers: Vec<Receiver>,
    pub(super) jaeger: Target,
    pub(super) alertmanager: Target,
    pub(super) grafana: Target,
}

impl Targets {
    pub(super) fn new(options: &Doctor, config: &ResolvedConfig) -> Self {
        let or = |flag: &Option<Uri>, usual| target(flag.as_ref(), usual, config);
        Self {
            metrics: metrics(options, config),
            prometheus: or(&options.prometheus, "http://127.0.0.1:9090"),
            receivers: receivers(options, config),
            jaeger: or(&options.jaeger, "http://127.0.0.1:16686"),
            alertmanager: or(&options.alertmanager, "http://127.0.0.1:9093"),
            // The stack's Grafana answers to this name alone (`enforce_domain`).
            grafana: or(&options.grafana, "http://localhost:3000"),
        }
    }
}

impl Target {
    fn new(url: Uri, named_by: NamedBy, config: &ResolvedConfig) -> Self {
        Self {
            // The environment's proxy holds for each server, as it does for the exporters and for
            // curl.
            connection: Connection::through(config.proxy_for(&url.to_string())),
            url,
            named_by,
        }
    }

    /// Its URL without user, password and query, and without a path of the environment's own, in which some
    /// vendors have a token.
    pub(super) fn redacted(&self) -> String {
        let path = self.url.path().trim_end_matches('/');
        let usual = ["/metrics", "/v1/traces", "/v1/metrics", "/v1/logs"];
        // What Spanwire adds itself is no secret, and tells the signals apart.
        let end = usual.into_iter().rev().find(|end| path.ends_with(end));
        let end = end.unwrap_or_default();
        let origin = origin(&self.url);
        match self.named_by {
            // What a flag names the user has just typed, so it is shown.
            NamedBy::Environment if path != end => format!("{origin}/***{end}"),
            _ => format!("{origin}{path}"),
        }
    }

    /// A server that does not answer: a problem when a flag or the environment names it.
    pub(super) fn missing(&self, what: &'static str, error: &ProbeError, flag: &str) -> Finding {
        let detail = format!("{}: {error}", self.redacted());
        let status = match self.named_by {
            NamedBy::Flag | NamedBy::Environment => Status::Fail,
            NamedBy::Default => Status::Skip,
        };
        let remedy = match (self.named_by, error) {
            (NamedBy::Default, _) => format!("{flag} URL, if it runs elsewhere"),
            (_, ProbeError::Refused) => format!("start it, or correct {flag}"),
            (_, ProbeError::Timeout) => {
                format!("it hangs, or a firewall drops the way to it; or correct {flag}")
            }
            (_, ProbeError::Tls(_) | ProbeError::NotHttp(_)) => {
                format!("correct the scheme (http or https) or the port of {flag}")
            }
            _ => format!("correct {flag}"),
        };
        Finding::new(status, what, detail, remedy)
    }

    pub(super) fn is_local(&self) -> bool {
        is_local(&self.url)
    }
}

fn target(flag: Option<&Uri>, usual: &'static str, config: &ResolvedConfig) -> Target {
    let (url, named_by) = match flag {
        Some(url) => (url.clone(), NamedBy::Flag),
        None => (Uri::from_static(usual), NamedBy::Default),
    };
    Target::new(url, named_by, config)
}

fn metrics(options: &Doctor, config: &ResolvedConfig) -> MetricsTarget {
    if let Some(flag) = &options.metrics {
        let mut url = flag.clone();
        // `--metrics http://127.0.0.1:9465` means the metrics there. A query may hold a token, so
        // it stays.
        if flag.path() == "/" {
            let query = flag
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let mut parts = flag.clone().into_parts();
            parts.path_and_query = format!("/metrics{query}").parse().ok();
            url = Uri::from_parts(parts).unwrap_or(url);
        }
        return MetricsTarget::At(Box::new(Target::new(url, NamedBy::Flag, config)));
    }
    let (host, port) = match (
        config.prometheus_address(),
        config.off_reason(Output::Prometheus),
    ) {
        (Some(address), _) => address,
        (None, Some(OffReason::Disabled)) => {
            return MetricsTarget::Off("OTEL_SDK_DISABLED or SPANWIRE_ENABLED");
        }
        (None, Some(OffReason::UnusableSettings(settings))) => {
            let setting = settings.first().copied();
            return MetricsTarget::Off(setting.unwrap_or(METRICS_EXPORTER));
        }
        (None, _) => return MetricsTarget::Off(METRICS_EXPORTER),
    };
    // The app asks the system for a port, which only the app knows.
    if port == 0 {
        return MetricsTarget::AnyPort;
    }
    // What listens on every interface listens on loopback too.
    let host = match host {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        // An IPv6 address needs brackets in a URL.
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    match format!("http://{host}:{port}/metrics").parse() {
        // An app that runs here serves its metrics by default, so the doctor expects the endpoint.
        Ok(url) => MetricsTarget::At(Box::new(Target::new(url, NamedBy::Environment, config))),
        Err(_) => MetricsTarget::AnyPort,
    }
}

/// Where the exporters send. A collector that a flag names gets no headers and no certificates:
/// they are for the one that the environment names.
fn receivers(options: &Doctor, config: &ResolvedConfig) -> Vec<Receiver> {
    if options.collector.is_none() {
        let destinations = [
            ("traces", config.traces()),
            ("metrics", config.metrics()),
            ("logs", config.logs()),
        ];
        let named: Vec<Receiver> = destinations
            .into_iter()
            .filter_map(|(signal, destination)| {
                let destination = destination?;
                Some(Receiver {
                    signal,
                    target: Target {
                        url: destination.url().parse().ok()?,
                        named_by: NamedBy::Environment,
                        connection: Connection::like_exporter(&destination),
                    },
                })
            })
            .collect();
        // When a setting turns traces off, the app sends none, so the default is not probed.
        let refused = config.off_reason(Output::Traces);
        if !named.is_empty() || matches!(refused, Some(OffReason::UnusableSettings(_))) {
            return named;
        }
    }
    // With a flag, or where no signal is sent: one probe for traces stands for all.
    let mut target = target(options.collector.as_ref(), LOCAL_COLLECTOR, config);
    // A base URL and a signal's own URL are both usual.
    if !target.url.path().ends_with(TRACES_PATH) {
        let base = target.url.to_string();
        let whole = format!("{}{TRACES_PATH}", base.trim_end_matches('/'));
        target.url = whole.parse().unwrap_or(target.url);
    }
    vec![Receiver {
        signal: "traces",
        target,
    }]
}

/// Where a Collector on this machine receives OTLP over HTTP.
const LOCAL_COLLECTOR: &str = "http://localhost:4318";
const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const TRACES_PATH: &str = "/v1/traces";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use spanwire::telemetry::Telemetry;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        doctor: Doctor,
    }

    fn targets(flags: &[&str], environment: &'static [(&str, &str)]) -> Targets {
        let flags = Flags::parse_from([&["doctor"], flags].concat());
        let builder = Telemetry::builder("app").environment(|name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Targets::new(&flags.doctor, &builder.resolve())
    }

    fn metrics_at(flags: &[&str], environment: &'static [(&str, &str)]) -> String {
        match targets(flags, environment).metrics {
            MetricsTarget::At(target) => target.url.to_string(),
            MetricsTarget::Off(by) => format!("off by {by}"),
            MetricsTarget::AnyPort => "any port".into(),
        }
    }

    #[test]
    fn metrics_address_comes_from_flag_then_environment() {
        const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
        const PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";
        assert_eq!(metrics_at(&[], &[]), "http://127.0.0.1:9464/metrics");
        assert_eq!(
            metrics_at(&[], &[(HOST, "::")]),
            "http://[::1]:9464/metrics"
        );
        assert_eq!(
            metrics_at(&[], &[(HOST, "fd00::7")]),
            "http://[fd00::7]:9464/metrics"
        );
        assert_eq!(
            metrics_at(&[], &[(HOST, "0.0.0.0"), (PORT, "80")]),
            "http://127.0.0.1:80/metrics"
        );
        assert_eq!(metrics_at(&[], &[(PORT, "0")]), "any port");
        assert!(metrics_at(&[], &[("OTEL_METRICS_EXPORTER", "otlp")]).starts_with("off"));
        assert!(metrics_at(&[], &[("SPANWIRE_ENABLED", "false")]).starts_with("off"));
        for refused in [
            (HOST, "0"),
            (PORT, "http"),
            ("OTEL_METRICS_EXPORTER", "prom"),
        ] {
            let environment: &'static [_] = Box::leak(Box::new([refused]));
            assert_eq!(
                metrics_at(&[], environment),
                format!("off by {}", refused.0)
            );
        }
        let flag = ["--metrics", "box:1"];
        assert_eq!(
            metrics_at(&flag, &[("SPANWIRE_ENABLED", "false")]),
            "http://box:1/metrics"
        );
        assert_eq!(metrics_at(&["--metrics", "box:1/m"], &[]), "http://box:1/m");
        assert_eq!(
            metrics_at(&["--metrics", "http://me:word@box:1/?a=b"], &[]),
            "http://me:word@box:1/metrics?a=b"
        );
    }

    #[test]
    fn only_a_named_server_must_answer() {
        let status = |target: &Target| target.missing("it", &ProbeError::Refused, "--it").status;
        let targets = |flags: &[&str]| super::tests::targets(flags, &[]);
        assert_eq!(targets(&[]).grafana.url, "http://localhost:3000");
        assert_eq!(status(&targets(&[]).jaeger), Status::Skip);
        assert_eq!(status(&targets(&["--jaeger", "box"]).jaeger), Status::Fail);
        let of = |environment| places_of(environment);
        assert_eq!(
            of(&[]),
            [(
                "traces".into(),
                "http://localhost:4318/v1/traces".into(),
                NamedBy::Default
            )]
        );
        assert_eq!(
            of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1/base")]),
            [(
                "traces".into(),
                "http://box:1/base/v1/traces".into(),
                NamedBy::Environment
            )]
        );
    }

    #[test]
    fn path_from_the_environment_is_redacted() {
        let shown = |environment| {
            let receivers = targets(&[], environment).receivers;
            receivers[0].target.redacted()
        };
        for (environment, expected) in [
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1")],
                "http://box:1/v1/traces",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1/s3cret")],
                "http://box:1/***/v1/traces",
            ),
            (
                &[(
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                    "http://box/s3cret?s3cret",
                )],
                "http://box/***",
            ),
        ] {
            assert_eq!(shown(environment), expected);
        }
    }

    #[test]
    fn signal_that_a_setting_turns_off_is_not_probed() {
        let of = |environment| places_of(environment);
        assert_eq!(
            of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://box/?team=1")]),
            []
        );
        let logs_alone = of(&[
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ]);
        assert_eq!(logs_alone.len(), 1);
        assert_eq!(logs_alone[0].0, "logs");
    }

    fn places_of(environment: &'static [(&str, &str)]) -> Vec<(String, String, NamedBy)> {
        let receivers = targets(&[], environment).receivers;
        let receivers = receivers.into_iter();
        receivers
            .map(|receiver| {
                let Target { url, named_by, .. } = receiver.target;
                (receiver.signal.to_owned(), url.to_string(), named_by)
            })
            .collect()
    }
}
