//! Every environment variable that Spanwire reads, in one table.
//!
//! An empty value is unset. A value that cannot be used is a [`Warning`], and the default holds.

use super::parse;
use super::settings::Settings;
use super::warning::Warning;

/// An environment variable that Spanwire reads.
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds when it is unset; empty when nothing does.
    pub default: &'static str,
    /// What it accepts, as a warning says it.
    pub accepted: &'static str,
    apply: fn(&mut Settings, &str) -> Option<()>,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]: {}", self.name, self.default, self.accepted)
    }
}

impl Settings {
    /// Reads every variable with `get`; returns what could not be used beside the rest.
    pub(crate) fn read(get: &dyn Fn(&str) -> Option<String>) -> (Self, Vec<Warning>) {
        let mut settings = Self::default();
        let mut warnings = Vec::new();
        for variable in VARIABLES {
            if !variable.default.is_empty() {
                let applied = (variable.apply)(&mut settings, variable.default);
                debug_assert!(applied.is_some(), "{} has a bad default", variable.name);
            }
            let value = get(variable.name).filter(|value| !value.trim().is_empty());
            if let Some(value) = value
                && (variable.apply)(&mut settings, &value).is_none()
            {
                warnings.push(variable.refuse(&value));
            }
        }
        settings.check_batches(get, &mut warnings);
        settings.check_clients(&mut warnings);
        (settings, warnings)
    }

    /// A batch cannot be larger than its queue: an error only where somebody asked for it.
    fn check_batches(&mut self, get: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<Warning>) {
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
                let accepted = format!("a whole number from 1 to {queue}, which is {most}");
                let instead = format!("{most} is used");
                warnings.push(Warning::value(batch, &value, accepted, instead));
            }
        }
    }

    /// A certificate needs its key and the other way round, from the signal's variables or the
    /// general ones.
    fn check_clients(&mut self, warnings: &mut Vec<Warning>) {
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
            if otlp.client_certificate.is_none() && otlp.client_key.is_none() {
                continue;
            }
            let certificate = otlp.client_certificate.as_ref();
            let key = otlp.client_key.as_ref();
            let pair = certificate
                .or(general.client_certificate.as_ref())
                .zip(key.or(general.client_key.as_ref()));
            match pair {
                Some((certificate, key)) if key.belongs_to(certificate) => {
                    otlp.client = Some((certificate.clone(), key.clone()));
                }
                _ => {
                    let path = key.map_or("", |key| key.path());
                    let accepted = "the key of the client certificate, both set";
                    let instead = "no client certificate is shown";
                    warnings.push(Warning::value(key_name, path, accepted, instead));
                }
            }
        }
    }
}

impl Variable {
    fn refuse(&self, value: &str) -> Warning {
        let instead = match self.default {
            "" => "it counts as unset".into(),
            default => format!("the default {default} is used"),
        };
        Warning::value(self.name, value, self.accepted, instead)
    }
}

/// The variables of the process, with text that is not Unicode made visible as such.
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

const fn variable(
    name: &'static str,
    default: &'static str,
    accepted: &'static str,
    apply: fn(&mut Settings, &str) -> Option<()>,
) -> Variable {
    Variable {
        name,
        default,
        accepted,
        apply,
    }
}

/// Puts the parsed value into that field of the settings.
macro_rules! set {
    ($($field:ident).+: $parse:ident) => {
        |settings, value| {
            settings.$($field).+ = parse::$parse(value)?.into();
            Some(())
        }
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
    variable(
        "OTEL_RESOURCE_ATTRIBUTES",
        "",
        PAIRS,
        set!(resource_attributes: pairs),
    ),
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
    variable(
        "OTEL_TRACES_EXPORTER",
        "",
        EXPORTER,
        set!(traces_exporter: exporter),
    ),
    variable(
        "OTEL_METRICS_EXPORTER",
        "prometheus",
        "none, or otlp and prometheus separated by a comma",
        set!(metrics_exporter: metrics_exporter),
    ),
    variable(
        "OTEL_LOGS_EXPORTER",
        "none",
        EXPORTER,
        set!(logs_exporter: exporter),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        URL,
        set!(otlp.endpoint: url),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        PAIRS,
        set!(otlp.headers: headers),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10000",
        MILLIS,
        set!(otlp.timeout: millis),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "none",
        COMPRESSION,
        set!(otlp.compression: compression),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        PROTOCOL,
        |_, value| parse::protocol(value),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "",
        PEM,
        set!(otlp.certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "",
        PEM,
        set!(otlp.client_certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "",
        KEY,
        set!(otlp.client_key: client_key),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "",
        URL,
        set!(otlp_traces.endpoint: url),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "",
        PAIRS,
        set!(otlp_traces.headers: headers),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_traces.timeout: millis),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "",
        COMPRESSION,
        set!(otlp_traces.compression: compression),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "",
        PROTOCOL,
        |_, value| parse::protocol(value),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "",
        PEM,
        set!(otlp_traces.certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "",
        PEM,
        set!(otlp_traces.client_certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "",
        KEY,
        set!(otlp_traces.client_key: client_key),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "",
        URL,
        set!(otlp_metrics.endpoint: url),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "",
        PAIRS,
        set!(otlp_metrics.headers: headers),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_metrics.timeout: millis),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        "",
        COMPRESSION,
        set!(otlp_metrics.compression: compression),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "",
        PROTOCOL,
        |_, value| parse::protocol(value),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
        "",
        PEM,
        set!(otlp_metrics.certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
        "",
        PEM,
        set!(otlp_metrics.client_certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
        "",
        KEY,
        set!(otlp_metrics.client_key: client_key),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "",
        URL,
        set!(otlp_logs.endpoint: url),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "",
        PAIRS,
        set!(otlp_logs.headers: headers),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "",
        MILLIS,
        set!(otlp_logs.timeout: millis),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
        "",
        COMPRESSION,
        set!(otlp_logs.compression: compression),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
        "",
        PROTOCOL,
        |_, value| parse::protocol(value),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
        "",
        PEM,
        set!(otlp_logs.certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
        "",
        PEM,
        set!(otlp_logs.client_certificate: certificates),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
        "",
        KEY,
        set!(otlp_logs.client_key: client_key),
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "cumulative, delta or lowmemory",
        set!(temporality: temporality),
    ),
    variable(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "127.0.0.1",
        "a host name or an IP address",
        set!(prometheus_host: host),
    ),
    variable(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "9464",
        "a port from 0 to 65535, where 0 takes a free one",
        set!(prometheus_port: port),
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
    variable("SPANWIRE_SPOOL_DIR", "", SPOOL_DIR, |settings, value| {
        settings.spool_dir = Some(value.into());
        Some(())
    }),
    variable(
        "SPANWIRE_SPOOL_MAX_BYTES",
        "67108864",
        "a whole number of bytes from 1",
        set!(spool_max_bytes: bytes),
    ),
];

pub(crate) const SPOOL_DIR: &str =
    "a folder that this user owns and no other may write, or that can be made";
const BSP_BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const BLRP_BATCH: &str = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE";
const SAMPLER: &str = "always_on, always_off, traceidratio, parentbased_always_on, \
    parentbased_always_off or parentbased_traceidratio";
const BOOL: &str = "true or false";
const URL: &str = "a URL like http://localhost:4318";
const MILLIS: &str = "a whole number of milliseconds from 1 to 4294967295";
const MILLIS_FROM_0: &str = "a whole number of milliseconds from 0 to 4294967295";
const SECONDS: &str = "a whole number of seconds from 1 to 4294967295";
const COUNT: &str = "a whole number from 1 to 1000000";
const LIMIT: &str = "a whole number from 0 to 4294967295";
const LENGTH: &str = "a whole number of characters";
const RATIO: &str = "a number from 0.0 to 1.0";
const PAIRS: &str = "key=value pairs separated by commas, special characters as %20";
const EXPORTER: &str = "otlp or none";
const COMPRESSION: &str = "gzip or none";
const PROTOCOL: &str = "http/protobuf alone";
const PEM: &str = "the path of a readable PEM file with certificates";
const KEY: &str = "the path of a readable PEM file with a private key";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<Warning>) {
        Settings::read(&|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        for environment in [&[][..], &[("OTEL_BSP_SCHEDULE_DELAY", " ")]] {
            let (settings, warnings) = read(environment);
            assert_eq!(warnings, []);
            assert!(settings.enabled && !settings.sdk_disabled);
            assert_eq!(settings.spans.delay, Duration::from_secs(5));
            assert_eq!(settings.logs.delay, Duration::from_secs(1));
            assert_eq!(settings.prometheus_port, 9464);
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
