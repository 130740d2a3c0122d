//! Where each server is looked for, and who says so.

use http::Uri;

use super::super::args::Doctor;
use super::finding::{Finding, Status};
use super::web::Trouble;
use crate::telemetry::doctor::{
    Connection, ENDPOINT, LOCAL_COLLECTOR, Plan, PlanState, Proxy, TRACES, is_local, joined, origin,
};

/// Who says that a server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A flag: it must be there.
    Flag,
    /// The environment: it must be there too.
    Environment,
    /// Nobody: this is where it usually is.
    Nobody,
}

#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) url: Uri,
    pub(super) named: Named,
}

/// Where a signal is sent.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) signal: &'static str,
    pub(super) place: Place,
    pub(super) connection: Connection,
}

/// Where the app's metrics are, or why nobody can know.
#[derive(Clone, Debug)]
pub(super) enum Metrics {
    At(Place),
    /// The environment switches telemetry, or the endpoint, off.
    Off(&'static str),
    AnyPort,
}

#[derive(Debug)]
pub(super) struct Places {
    pub(super) metrics: Metrics,
    pub(super) prometheus: Place,
    pub(super) receivers: Vec<Receiver>,
    pub(super) jaeger: Place,
    pub(super) alertmanager: Place,
    pub(super) grafana: Place,
}

impl Places {
    pub(super) fn new(options: &Doctor, plan: &Plan) -> Self {
        let or = |flag: &Option<Uri>, usual| place(flag.as_ref(), usual);
        Self {
            metrics: metrics(options, plan),
            prometheus: or(&options.prometheus, "http://127.0.0.1:9090"),
            receivers: receivers(options, plan),
            jaeger: or(&options.jaeger, "http://127.0.0.1:16686"),
            alertmanager: or(&options.alertmanager, "http://127.0.0.1:9093"),
            // By the name that ours answers to: it sends every other away (`enforce_domain`).
            grafana: or(&options.grafana, "http://localhost:3000"),
        }
    }
}

impl Place {
    /// Without user, password and query, and without a path of the environment's own, in which some
    /// vendors have a token.
    pub(super) fn shown(&self) -> String {
        let path = self.url.path().trim_end_matches('/');
        let usual = ["/metrics", "/v1/traces", "/v1/metrics", "/v1/logs"];
        let end = usual.into_iter().rev().find(|end| path.ends_with(end));
        let end = end.unwrap_or_default();
        let origin = origin(&self.url);
        match self.named {
            Named::Environment if path != end => format!("{origin}/***{end}"),
            _ => format!("{origin}{path}"),
        }
    }

    /// A server that cannot be asked: bad when somebody says that it is there.
    pub(super) fn missing(&self, what: &'static str, trouble: &Trouble, flag: &str) -> Finding {
        let detail = format!("{}: {}", self.shown(), trouble.says());
        let status = match self.named {
            Named::Flag | Named::Environment => Status::Fail,
            Named::Nobody => Status::Skip,
        };
        let mend = match (self.named, trouble) {
            (Named::Nobody, _) => format!("{flag} URL, if it runs elsewhere"),
            (_, Trouble::Refused) => format!("start it, or correct {flag}"),
            (_, Trouble::Timeout) => {
                format!("it hangs, or a firewall drops the way to it; or correct {flag}")
            }
            (_, Trouble::Tls(_) | Trouble::NotHttp(_)) => {
                format!("correct the scheme (http or https) or the port of {flag}")
            }
            _ => format!("correct {flag}"),
        };
        Finding::new(status, what, detail, mend)
    }

    pub(super) fn is_local(&self) -> bool {
        is_local(&self.url)
    }
}

fn place(flag: Option<&Uri>, usual: &'static str) -> Place {
    match flag {
        Some(url) => Place {
            url: url.clone(),
            named: Named::Flag,
        },
        None => Place {
            url: Uri::from_static(usual),
            named: Named::Nobody,
        },
    }
}

fn metrics(options: &Doctor, plan: &Plan) -> Metrics {
    if let Some(url) = &options.metrics {
        let mut place = place(Some(url), "");
        if url.path() == "/" {
            let query = url
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let mut parts = url.clone().into_parts();
            parts.path_and_query = format!("/metrics{query}").parse().ok();
            place.url = Uri::from_parts(parts).unwrap_or_else(|_| url.clone());
        }
        return Metrics::At(place);
    }
    if plan.state == PlanState::Disabled {
        return Metrics::Off("OTEL_SDK_DISABLED or SPANWIRE_ENABLED");
    }
    let Some(endpoint) = &plan.prometheus else {
        let refused = plan.off.reasons(ENDPOINT);
        let by = refused.first().copied();
        return Metrics::Off(by.unwrap_or("OTEL_METRICS_EXPORTER"));
    };
    if endpoint.port == 0 {
        return Metrics::AnyPort;
    }
    // What listens everywhere listens on loopback.
    let host = match endpoint.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let url = format!("http://{host}:{}/metrics", endpoint.port);
    match url.parse() {
        // An app that runs here serves its metrics, so nobody needs to say it.
        Ok(url) => Metrics::At(Place {
            url,
            named: Named::Environment,
        }),
        Err(_) => Metrics::AnyPort,
    }
}

/// As the exporters would have it. A flag's place gets no headers: they are for another.
fn receivers(options: &Doctor, plan: &Plan) -> Vec<Receiver> {
    if options.collector.is_none() && plan.state == PlanState::Enabled {
        let routes = [
            ("traces", &plan.traces),
            ("metrics", &plan.metrics),
            ("logs", &plan.logs),
        ];
        let named: Vec<Receiver> = routes
            .into_iter()
            .filter_map(|(signal, route)| {
                let route = route.as_ref()?;
                Some(Receiver {
                    signal,
                    place: Place {
                        url: route.url.parse().ok()?,
                        named: Named::Environment,
                    },
                    connection: route.connection.clone(),
                })
            })
            .collect();
        // When a setting turns traces off, the app sends none, so the default place is not asked.
        if !named.is_empty() || !plan.off.reasons(TRACES.name).is_empty() {
            return named;
        }
    }
    let mut place = place(options.collector.as_ref(), LOCAL_COLLECTOR);
    if !place.url.path().ends_with(TRACES.path) {
        let whole = joined(&place.url.to_string(), TRACES.path);
        place.url = whole.parse().unwrap_or(place.url);
    }
    let proxy = Proxy::before(&place.url);
    vec![Receiver {
        signal: "traces",
        place,
        connection: Connection {
            headers: Vec::new(),
            timeout: std::time::Duration::from_secs(2),
            tls: Default::default(),
            proxy,
        },
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        doctor: Doctor,
    }

    fn places(flags: &[&str], environment: &'static [(&str, &str)]) -> Places {
        let flags = Flags::parse_from([&["doctor"], flags].concat());
        let builder = Telemetry::builder("app").environment(|name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Places::new(&flags.doctor, &Plan::new(builder).unwrap())
    }

    fn metrics_at(flags: &[&str], environment: &'static [(&str, &str)]) -> String {
        match places(flags, environment).metrics {
            Metrics::At(place) => place.url.to_string(),
            Metrics::Off(by) => format!("off by {by}"),
            Metrics::AnyPort => "any port".into(),
        }
    }

    #[test]
    fn the_metrics_are_where_flag_and_environment_say() {
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
    fn only_a_server_that_somebody_names_must_be_there() {
        let status = |place: &Place| place.missing("it", &Trouble::Refused, "--it").status;
        let places = |flags: &[&str]| super::tests::places(flags, &[]);
        assert_eq!(places(&[]).grafana.url, "http://localhost:3000");
        assert_eq!(status(&places(&[]).jaeger), Status::Skip);
        assert_eq!(status(&places(&["--jaeger", "box"]).jaeger), Status::Fail);
        let of = |environment| places_of(environment);
        assert_eq!(
            of(&[]),
            [(
                "traces".into(),
                "http://localhost:4318/v1/traces".into(),
                Named::Nobody
            )]
        );
        assert_eq!(
            of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1/base")]),
            [(
                "traces".into(),
                "http://box:1/base/v1/traces".into(),
                Named::Environment
            )]
        );
    }

    #[test]
    fn a_path_of_the_environments_own_is_not_shown() {
        let shown = |environment| {
            let receivers = places(&[], environment).receivers;
            receivers[0].place.shown()
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
    fn a_signal_that_a_setting_turns_off_is_looked_for_nowhere() {
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

    fn places_of(environment: &'static [(&str, &str)]) -> Vec<(String, String, Named)> {
        let receivers = places(&[], environment).receivers;
        let receivers = receivers.into_iter();
        receivers
            .map(|receiver| {
                let Place { url, named } = receiver.place;
                (receiver.signal.to_owned(), url.to_string(), named)
            })
            .collect()
    }
}
