//! Every environment variable that Spanwire reads, in one table.
//!
//! An empty value is unset. A value that cannot be used is a warning. Then the default holds, or,
//! if the variable decides where data goes, the signals that need it are off; see
//! [`routing`](super::routing).

use super::parse;
use super::routing::{Fallback, Instead, Refusal, Routing};
use super::settings::Settings;
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::proxy::{NoProxy, Proxy};

/// An environment variable that Spanwire reads.
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds when it is unset; empty when nothing does.
    pub default: &'static str,
    /// What it accepts, as a warning says it.
    pub accepted: &'static str,
    /// What a value does that cannot be used.
    pub fallback: Fallback,
    apply: fn(&mut Settings, &str) -> Result<(), Flaw>,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]: {}", self.name, self.default, self.accepted)
    }
}

impl Settings {
    /// Reads every variable with `get`; returns what could not be used beside the rest.
    pub(crate) fn read(get: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<Refusal>) {
        let mut settings = Self::default();
        let mut refusals = Vec::new();
        for variable in VARIABLES {
            if !variable.default.is_empty() {
                let applied = (variable.apply)(&mut settings, variable.default);
                debug_assert!(applied.is_ok(), "{} has a bad default", variable.name);
            }
            let value = get(variable.name).filter(|value| !value.trim().is_empty());
            if let Some(value) = value
                && let Err(flaw) = (variable.apply)(&mut settings, &value)
            {
                refusals.push(variable.refuse(value, flaw));
            }
        }
        settings.check_batches(get, &mut refusals);
        settings.check_headers(&mut refusals);
        settings.check_clients(&mut refusals);
        (settings, refusals)
    }

    /// A batch cannot be larger than its queue: an error only where somebody asked for it.
    fn check_batches(&mut self, get: &dyn Fn(&str) -> Option<String>, refusals: &mut Vec<Refusal>) {
        for (batch, queue, limits) in [
            (BSP_BATCH, "OTEL_BSP_MAX_QUEUE_SIZE", &mut self.spans),
            (BLRP_BATCH, "OTEL_BLRP_MAX_QUEUE_SIZE", &mut self.logs),
        ] {
            let most = limits.queue_max;
            if limits.batch_max <= most {
                continue;
            }
            limits.batch_max = most;
            if let Some(value) = get(batch).filter(|value| parse::count(value).is_some()) {
                refusals.push(Refusal {
                    variable: batch,
                    value,
                    flaw: Flaw::Shown,
                    accepted: format!("a whole number from 1 to {queue}, which is {most}").into(),
                    instead: Instead::Holds(format!("{most} is used").into()),
                });
            }
        }
    }

    /// Headers of the protocol are left out, and the signal stays on: without them the request
    /// goes to the same place, with the same trust and the same credentials.
    fn check_headers(&self, refusals: &mut Vec<Refusal>) {
        for otlp in [
            &self.otlp,
            &self.otlp_traces,
            &self.otlp_metrics,
            &self.otlp_logs,
        ] {
            if let Some((headers, variable)) = otlp.headers.usable() {
                refusals.extend(headers.refusal(variable));
            }
        }
    }

    /// A certificate needs its key and the other way round, from the signal's variables or the
    /// general ones.
    fn check_clients(&mut self, refusals: &mut Vec<Refusal>) {
        let general = self.otlp.clone();
        for (key_name, otlp) in [
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &mut self.otlp),
            (
                "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
                &mut self.otlp_traces,
            ),
            (
                "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
                &mut self.otlp_metrics,
            ),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", &mut self.otlp_logs),
        ] {
            if !otlp.client_certificate.is_set() && !otlp.client_key.is_set() {
                continue;
            }
            let certificate = otlp.client_certificate.or(&general.client_certificate);
            let key = otlp.client_key.or(&general.client_key);
            let problem = match (certificate, key) {
                // What cannot be read has its own warning, and turns the signal off by itself.
                (Routing::Refused(_), _) | (_, Routing::Refused(_)) => continue,
                (Routing::Usable(certificate, _), Routing::Usable(key, _)) => {
                    if key.belongs_to(certificate) {
                        let pair = (certificate.clone(), key.clone());
                        otlp.client = Routing::Usable(pair, key_name);
                        continue;
                    }
                    "it is not the key of the client certificate"
                }
                (Routing::Unset, _) => "there is a key and no certificate",
                (_, Routing::Unset) => "there is a certificate and no key",
            };
            otlp.client = Routing::Refused(key_name);
            refusals.push(Refusal {
                variable: key_name,
                value: String::new(),
                flaw: Flaw::said(problem),
                accepted: "the key of the client certificate, both set".into(),
                instead: Instead::SignalsOff,
            });
        }
    }
}

impl Variable {
    fn refuse(&self, value: String, flaw: Flaw) -> Refusal {
        let instead = match (self.fallback, self.default) {
            (Fallback::SignalOff, _) => Instead::SignalsOff,
            (Fallback::Default, "") => Instead::Holds("it counts as unset".into()),
            (Fallback::Default, default) => {
                Instead::Holds(format!("the default {default} is used").into())
            }
        };
        Refusal {
            variable: self.name,
            value,
            flaw,
            accepted: self.accepted.into(),
            instead,
        }
    }
}

/// The variables of the process, with text that is not Unicode made visible as such.
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A variable whose default holds when its value cannot be used.
const fn variable(
    name: &'static str,
    default: &'static str,
    accepted: &'static str,
    apply: fn(&mut Settings, &str) -> Result<(), Flaw>,
) -> Variable {
    Variable {
        name,
        default,
        accepted,
        fallback: Fallback::Default,
        apply,
    }
}

/// Puts the parsed value into that field of the settings.
macro_rules! set {
    ($($field:ident).+: $parse:ident) => {
        |settings, value| {
            settings.$($field).+ = parse::$parse(value).ok_or(Flaw::Shown)?.into();
            Ok(())
        }
    };
}

/// A variable that decides where data goes, how, or with which trust: its field is a [`Routing`],
/// which turns signals off when the value cannot be used. With a closure in the place of a
/// function of `parse`, several variables share a field, and the first that is set counts.
macro_rules! routing {
    ($name:expr, $default:literal, $accepted:expr, $($field:ident).+: $parse:ident) => {
        Variable {
            name: $name,
            default: $default,
            accepted: $accepted,
            fallback: Fallback::SignalOff,
            apply: |settings, value| {
                let parsed = unicode(value).and_then(parse::$parse);
                let (setting, outcome) = Routing::parsed($name, parsed);
                settings.$($field).+ = setting;
                outcome
            },
        }
    };
    ($name:literal, $accepted:expr, $($field:ident).+: first $parse:expr) => {
        Variable {
            name: $name,
            default: "",
            accepted: $accepted,
            fallback: Fallback::SignalOff,
            apply: |settings, value| {
                let parsed = unicode(value).and_then($parse);
                let (setting, outcome) = Routing::parsed($name, parsed);
                settings.$($field).+ = settings.$($field).+.or(&setting).clone();
                outcome
            },
        }
    };
}

/// The text, unless some of it was lost: what is left of a place's name is another place.
fn unicode(value: &str) -> Result<&str, Flaw> {
    match value.contains(char::REPLACEMENT_CHARACTER) {
        true => Err(Flaw::said("it is not Unicode")),
        false => Ok(value),
    }
}

macro_rules! proxy {
    ($name:literal) => {
        routing!($name, PROXY, proxy: first |text| Proxy::new($name, text))
    };
}

/// Every environment variable that Spanwire reads.
pub const VARIABLES: &[Variable] = &[
    variable(
        "OTEL_SDK_DISABLED",
        "false",
        BOOL,
        set!(sdk_disabled: truth),
    ),
    variable(
        "OTEL_SERVICE_NAME",
        "",
        "any text",
        set!(service_name: text),
    ),
    variable("OTEL_RESOURCE_ATTRIBUTES", "", PAIRS, |settings, value| {
        settings.resource_attributes = parse::pairs(value)?;
        Ok(())
    }),
    variable(
        "OTEL_PROPAGATORS",
        "tracecontext,baggage",
        "none, or tracecontext and baggage separated by a comma",
        set!(propagators: propagators),
    ),
    variable("OTEL_TRACES_SAMPLER", "", SAMPLER, set!(sampler: sampler)),
    variable(
        "OTEL_TRACES_SAMPLER_ARG",
        "",
        RATIO,
        set!(sampler_ratio: ratio),
    ),
    routing!(
        "OTEL_TRACES_EXPORTER",
        "",
        EXPORTER,
        traces_exporter: exporter
    ),
    routing!(
        "OTEL_METRICS_EXPORTER",
        "prometheus",
        "none, or otlp and prometheus separated by a comma",
        metrics_exporter: metrics_exporter
    ),
    routing!(
        "OTEL_LOGS_EXPORTER",
        "none",
        EXPORTER,
        logs_exporter: exporter
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        BASE_URL,
        otlp.endpoint: base_url
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        HEADERS,
        otlp.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10000",
        MILLIS,
        set!(otlp.timeout: millis),
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "none",
        COMPRESSION,
        otlp.compression: compression
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        PROTOCOL,
        otlp.protocol: protocol
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "",
        PEM,
        otlp.certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "",
        PEM,
        otlp.client_certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "",
        KEY,
        otlp.client_key: client_key
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "",
        OWN_URL,
        otlp_traces.endpoint: url
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "",
        HEADERS,
        otlp_traces.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_traces.timeout: millis),
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "",
        COMPRESSION,
        otlp_traces.compression: compression
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "",
        PROTOCOL,
        otlp_traces.protocol: protocol
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "",
        PEM,
        otlp_traces.certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "",
        PEM,
        otlp_traces.client_certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "",
        KEY,
        otlp_traces.client_key: client_key
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "",
        OWN_URL,
        otlp_metrics.endpoint: url
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "",
        HEADERS,
        otlp_metrics.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_metrics.timeout: millis),
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        "",
        COMPRESSION,
        otlp_metrics.compression: compression
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "",
        PROTOCOL,
        otlp_metrics.protocol: protocol
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
        "",
        PEM,
        otlp_metrics.certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
        "",
        PEM,
        otlp_metrics.client_certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
        "",
        KEY,
        otlp_metrics.client_key: client_key
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "",
        OWN_URL,
        otlp_logs.endpoint: url
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "",
        HEADERS,
        otlp_logs.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_logs.timeout: millis),
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
        "",
        COMPRESSION,
        otlp_logs.compression: compression
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
        "",
        PROTOCOL,
        otlp_logs.protocol: protocol
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
        "",
        PEM,
        otlp_logs.certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
        "",
        PEM,
        otlp_logs.client_certificate: certificates
    ),
    routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
        "",
        KEY,
        otlp_logs.client_key: client_key
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "cumulative, delta or lowmemory",
        set!(temporality: temporality),
    ),
    routing!(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "127.0.0.1",
        "a host name or an IP address",
        prometheus_host: host
    ),
    routing!(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "9464",
        "a port from 0 to 65535, where 0 takes a free one",
        prometheus_port: port
    ),
    variable(
        "OTEL_METRIC_EXPORT_INTERVAL",
        "60000",
        MILLIS,
        set!(metric_interval: millis),
    ),
    variable(
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        set!(metric_timeout: millis),
    ),
    variable(
        "OTEL_BSP_SCHEDULE_DELAY",
        "5000",
        MILLIS,
        set!(spans.delay: millis),
    ),
    variable(
        "OTEL_BSP_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        set!(spans.timeout: millis),
    ),
    variable(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "2048",
        COUNT,
        set!(spans.queue_max: count),
    ),
    variable(BSP_BATCH, "512", COUNT, set!(spans.batch_max: count)),
    variable(
        "OTEL_BLRP_SCHEDULE_DELAY",
        "1000",
        MILLIS,
        set!(logs.delay: millis),
    ),
    variable(
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        set!(logs.timeout: millis),
    ),
    variable(
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "2048",
        COUNT,
        set!(logs.queue_max: count),
    ),
    variable(BLRP_BATCH, "512", COUNT, set!(logs.batch_max: count)),
    variable(
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        set!(attributes.count: limit),
    ),
    variable(
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
        LENGTH,
        set!(attributes.value_len_max: length),
    ),
    variable(
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        set!(span_attributes.count: limit),
    ),
    variable(
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
        LENGTH,
        set!(span_attributes.value_len_max: length),
    ),
    variable(
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "128",
        LIMIT,
        set!(events_per_span: limit),
    ),
    variable(
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        "128",
        LIMIT,
        set!(links_per_span: limit),
    ),
    variable(
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        set!(attributes_per_event: limit),
    ),
    variable(
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        set!(attributes_per_link: limit),
    ),
    variable("SPANWIRE_ENABLED", "true", BOOL, set!(enabled: truth)),
    variable(
        "SPANWIRE_TRACES_PER_SECOND",
        "10",
        LIMIT,
        set!(traces_per_second: limit),
    ),
    variable(
        "SPANWIRE_SLOW_THRESHOLD_MS",
        "1000",
        MILLIS_FROM_0,
        set!(slow_threshold: millis_from_zero),
    ),
    variable(
        "SPANWIRE_IPC_SLOW_THRESHOLD_MS",
        "100",
        MILLIS_FROM_0,
        set!(ipc_slow_threshold: millis_from_zero),
    ),
    variable(
        "SPANWIRE_ERROR_RATE_THRESHOLD",
        "0.1",
        RATIO,
        set!(error_rate_threshold: ratio),
    ),
    variable(
        "SPANWIRE_WINDOW_SECONDS",
        "3600",
        SECONDS,
        set!(window: seconds),
    ),
    variable(
        "SPANWIRE_SYSTEM_INTERVAL_MS",
        "1000",
        "a whole number of milliseconds from 10 to 4294967295, or 0 for off",
        set!(system_interval: system_interval),
    ),
    variable(
        "SPANWIRE_RETENTION_SECONDS",
        "3600",
        SECONDS,
        set!(retention: seconds),
    ),
    // Whether it can be used is seen when it is.
    routing!("SPANWIRE_SPOOL_DIR", "", SPOOL_DIR, spool_dir: folder),
    variable(
        "SPANWIRE_SPOOL_MAX_BYTES",
        "67108864",
        "a whole number of bytes from 1",
        set!(spool_max_bytes: bytes),
    ),
    proxy!("ALL_PROXY"),
    proxy!("all_proxy"),
    proxy!("HTTPS_PROXY"),
    proxy!("https_proxy"),
    proxy!("HTTP_PROXY"),
    proxy!("http_proxy"),
    routing!("NO_PROXY", EXEMPT, no_proxy: first NoProxy::new),
    routing!("no_proxy", EXEMPT, no_proxy: first NoProxy::new),
];

pub(crate) const SPOOL_DIR: &str =
    "a folder that this user owns and no other may write, or that can be made";
const BSP_BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const BLRP_BATCH: &str = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE";
const SAMPLER: &str = "always_on, always_off, traceidratio, parentbased_always_on, \
    parentbased_always_off or parentbased_traceidratio";
const BOOL: &str = "true or false";
/// Of a general endpoint.
pub(crate) const BASE_URL: &str = "a URL like http://localhost:4318, without query and fragment";
const OWN_URL: &str = "a URL like http://localhost:4318/v1/traces, without fragment";
const MILLIS: &str = "a whole number of milliseconds from 1 to 4294967295";
const MILLIS_FROM_0: &str = "a whole number of milliseconds from 0 to 4294967295";
const SECONDS: &str = "a whole number of seconds from 1 to 4294967295";
const COUNT: &str = "a whole number from 1 to 1000000";
const LIMIT: &str = "a whole number from 0 to 4294967295";
const LENGTH: &str = "a whole number of characters";
const RATIO: &str = "a number from 0.0 to 1.0";
const PAIRS: &str = "key=value pairs separated by commas, special characters as %20";
const HEADERS: &str =
    "key=value pairs that HTTP allows, separated by commas, special characters as %20";
const PROXY: &str = "an HTTP proxy like http://proxy:3128";
const EXEMPT: &str = "hosts, .domains, networks like 10.0.0.0/8 and * separated by commas";
const EXPORTER: &str = "otlp or none";
const COMPRESSION: &str = "gzip or none";
const PROTOCOL: &str = "http/protobuf alone";
const PEM: &str = "the path of a readable PEM file with certificates";
const KEY: &str = "the path of a readable PEM file with a private key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Warning;
    use crate::telemetry::config::routing::Off;
    use std::time::Duration;

    fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<Warning>) {
        let (settings, refusals) = Settings::read(&|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let refusals = refusals.into_iter();
        let warnings = refusals.map(|refusal| refusal.warning(&Off::default()));
        (settings, warnings.collect())
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        for environment in [&[][..], &[("OTEL_BSP_SCHEDULE_DELAY", " ")]] {
            let (settings, warnings) = read(environment);
            assert_eq!(warnings, []);
            assert!(settings.enabled && !settings.sdk_disabled);
            assert_eq!(settings.spans.delay, Duration::from_secs(5));
            assert_eq!(settings.logs.delay, Duration::from_secs(1));
            assert_eq!(settings.prometheus_port.usable().unwrap().0, &9464);
            assert_eq!(settings.span_attribute_count(), 128);
        }
    }

    #[test]
    fn a_bad_value_leaves_the_default_and_warns() {
        let (settings, warnings) = read(&[("OTEL_BSP_SCHEDULE_DELAY", "soon")]);
        assert_eq!(settings.spans.delay, Duration::from_secs(5));
        assert_eq!(
            warnings[0].to_string(),
            "OTEL_BSP_SCHEDULE_DELAY=\"soon\" is not used: accepted is \
             a whole number of milliseconds from 1 to 4294967295; the default 5000 is used"
        );
    }

    #[test]
    fn a_batch_larger_than_its_queue_warns_only_when_asked_for() {
        let queue = ("OTEL_BSP_MAX_QUEUE_SIZE", "100");
        let (settings, warnings) = read(&[queue]);
        assert_eq!((settings.spans.batch_max, warnings.len()), (100, 0));
        let (settings, warnings) = read(&[queue, (BSP_BATCH, "101")]);
        assert_eq!((settings.spans.batch_max, warnings.len()), (100, 1));
        assert!(warnings[0].to_string().contains(BSP_BATCH));
    }

    #[test]
    fn special_limits_beat_general_ones() {
        let (settings, _) = read(&[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "9"),
        ]);
        assert_eq!(settings.span_attribute_count(), 9);
        assert_eq!(settings.event_attribute_count(), 7);
        assert_eq!(settings.link_attribute_count(), 7);
    }

    #[test]
    fn names_are_unique_and_say_what_they_accept() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(
            VARIABLES
                .iter()
                .all(|variable| !variable.accepted.is_empty())
        );
    }
}
