//! Every environment variable that Spanwire reads, in one table.
//!
//! An empty value is unset. A value that cannot be used is a warning. Then the default holds, or,
//! if the variable decides where data goes, the signals that need it are off; see
//! [`routing`](super::routing). If it is about consent, telemetry is paused.

use super::accepted::{
    BASE_URL, BLRP_BATCH, BOOL, BSP_BATCH, COMPRESSION, CONSENT, COUNT, EXEMPT, EXPORTER, HEADERS,
    HISTORY, KEY, LENGTH, LIMIT, LOGS_URL, METRICS_URL, MILLIS, MILLIS_FROM_0, PAIRS, PEM, PROFILE,
    PROTOCOL, PROXY, RATIO, SAMPLER, SECONDS, SLOW_FACTOR, SPOOL_DIR, TRACES_URL,
};
#[cfg(feature = "otlp")]
use super::otlp;
use super::parse;
use super::routing::{Fallback, Instead, Refusal, Routing};
use super::settings::Settings;
use crate::telemetry::diagnostics::flaw::Flaw;
#[cfg(feature = "otlp")]
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
            // The default takes the way of a value, so the text in the table is what holds, and no
            // second list of defaults can differ from it.
            if !variable.default.is_empty() {
                let applied = (variable.apply)(&mut settings, variable.default);
                debug_assert!(applied.is_ok(), "{} has a bad default", variable.name);
            }
            // OpenTelemetry's specification has an empty value count as unset.
            let value = get(variable.name).filter(|value| !value.trim().is_empty());
            if let Some(value) = value
                && let Err(flaw) = (variable.apply)(&mut settings, &value)
            {
                refusals.push(variable.refuse(value, flaw));
            }
        }
        // Last, since these rules hold between variables.
        #[cfg(feature = "otlp")]
        settings.otlp.check(get, &mut refusals);
        (settings, refusals)
    }
}

impl Variable {
    fn refuse(&self, value: String, flaw: Flaw) -> Refusal {
        let instead = match (self.fallback, self.default) {
            (Fallback::SignalOff, _) => Instead::SignalsOff,
            (Fallback::Paused, _) => {
                Instead::Holds("telemetry is paused, and the app cannot resume it".into())
            }
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
    // `std::env::var` would fail for such a value, which would then look unset and give no warning.
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
/// which turns signals off when the value cannot be used.
macro_rules! routing {
    ($name:expr, $default:expr, $accepted:expr, $($field:ident).+: $parse:ident) => {
        routing!(@ $name, $default, $accepted, $($field).+, parse::$parse)
    };
    (@ $name:expr, $default:expr, $accepted:expr, $($field:ident).+, $parse:path) => {
        Variable {
            name: $name,
            default: $default,
            accepted: $accepted,
            fallback: Fallback::SignalOff,
            apply: |settings, value| {
                let parsed = unicode(value).and_then($parse);
                let (setting, outcome) = Routing::parsed($name, parsed);
                settings.$($field).+ = setting;
                outcome
            },
        }
    };
}

/// A variable that nothing reads, since its feature is not built in; with a reason it is a warning
/// to set it.
#[cfg(not(all(feature = "otlp", feature = "prometheus")))]
const fn unread(
    name: &'static str,
    default: &'static str,
    accepted: &'static str,
    apply: fn(&mut Settings, &str) -> Result<(), Flaw>,
) -> Variable {
    // The variable stays in the table, so that `spanwire doctor` does not call it misspelt.
    Variable {
        name,
        default,
        accepted,
        fallback: Fallback::SignalOff,
        apply,
    }
}

#[cfg(feature = "prometheus")]
macro_rules! prometheus_routing {
    ($($variable:tt)+) => { routing!($($variable)+) };
}

#[cfg(not(feature = "prometheus"))]
macro_rules! prometheus_routing {
    ($name:expr, $default:expr, $accepted:expr, $($field:ident).+: $parse:ident) => {
        unread($name, $default, $accepted, |_, _| Ok(()))
    };
}

/// As `set!`, of the feature `otlp`.
#[cfg(feature = "otlp")]
macro_rules! otlp_set {
    ($($field:ident).+: $parse:ident) => {
        |settings, value| {
            settings.otlp.$($field).+ = otlp::parse::$parse(value).ok_or(Flaw::Shown)?.into();
            Ok(())
        }
    };
}

#[cfg(not(feature = "otlp"))]
macro_rules! otlp_set {
    ($($field:ident).+: $parse:ident) => {
        |_, _| Ok(())
    };
}

/// As `routing!`, of the feature `otlp`.
#[cfg(feature = "otlp")]
macro_rules! otlp_routing {
    ($name:expr, $default:expr, $accepted:expr, $($field:ident).+: $parse:ident) => {
        routing!(@ $name, $default, $accepted, otlp.$($field).+, otlp::parse::$parse)
    };
}

#[cfg(not(feature = "otlp"))]
macro_rules! otlp_routing {
    ($name:expr, $default:expr, $accepted:expr, $($field:ident).+: $parse:ident) => {
        unread($name, $default, $accepted, |_, _| Ok(()))
    };
}

/// As `otlp_routing!`, for a variable that asks for an export: without the feature it is a warning.
#[cfg(feature = "otlp")]
macro_rules! otlp_request {
    ($($variable:tt)+) => { otlp_routing!($($variable)+) };
}

#[cfg(not(feature = "otlp"))]
macro_rules! otlp_request {
    ($name:expr, $default:expr, $accepted:expr, $($field:ident).+: $parse:ident) => {
        unread($name, $default, $accepted, |_, value| match value.trim() {
            "none" => Ok(()),
            _ => Err(Flaw::said(super::options::WITHOUT_OTLP)),
        })
    };
}

/// Several variables share a field, and the first that is set counts.
#[cfg(feature = "otlp")]
macro_rules! first_of {
    ($name:literal, $accepted:expr, $($field:ident).+: $parse:expr) => {
        Variable {
            name: $name,
            default: "",
            accepted: $accepted,
            fallback: Fallback::SignalOff,
            apply: |settings, value| {
                let parsed = unicode(value).and_then($parse);
                let (setting, outcome) = Routing::parsed($name, parsed);
                // A refused value counts as set, so a later variable cannot take its place. The
                // table lists lower case first.
                settings.otlp.$($field).+ = settings.otlp.$($field).+.or(&setting).clone();
                outcome
            },
        }
    };
}

#[cfg(feature = "otlp")]
macro_rules! proxy {
    ($name:literal, $scheme:ident) => {
        first_of!($name, PROXY, proxies.$scheme: |text| Proxy::new($name, text))
    };
}

#[cfg(feature = "otlp")]
macro_rules! no_proxy {
    ($name:literal) => {
        first_of!($name, EXEMPT, proxies.exempt: NoProxy::new)
    };
}

#[cfg(not(feature = "otlp"))]
macro_rules! proxy {
    ($name:literal, $scheme:ident) => {
        unread($name, "", PROXY, |_, _| Ok(()))
    };
}

#[cfg(not(feature = "otlp"))]
macro_rules! no_proxy {
    ($name:literal) => {
        unread($name, "", EXEMPT, |_, _| Ok(()))
    };
}

/// The text, unless some of it was lost: what is left of a place's name is another place.
fn unicode(value: &str) -> Result<&str, Flaw> {
    // `process` puts this character where bytes were no Unicode.
    match value.contains(char::REPLACEMENT_CHARACTER) {
        true => Err(Flaw::said("it is not Unicode")),
        false => Ok(value),
    }
}

/// What is not built in is not the default either.
const METRICS_DEFAULT: &str = if cfg!(feature = "prometheus") {
    "prometheus"
} else {
    "none"
};

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
    variable(
        // Empty, unlike the specification's `parentbased_always_on`: without a sampler, tail
        // sampling decides.
        "OTEL_TRACES_SAMPLER",
        "",
        SAMPLER,
        otlp_set!(sampler_name: sampler),
    ),
    variable(
        "OTEL_TRACES_SAMPLER_ARG",
        "",
        RATIO,
        otlp_set!(sampler_ratio: ratio),
    ),
    // Empty, unlike the specification's `otlp`: an endpoint alone turns traces on, and without one
    // nothing is sent.
    otlp_request!(
        "OTEL_TRACES_EXPORTER",
        "",
        EXPORTER,
        traces_exporter: exporter
    ),
    routing!(
        "OTEL_METRICS_EXPORTER",
        METRICS_DEFAULT,
        "none, or otlp and prometheus separated by a comma",
        metrics_exporter: metrics_exporter
    ),
    otlp_request!(
        "OTEL_LOGS_EXPORTER",
        "none",
        EXPORTER,
        logs_exporter: exporter
    ),
    otlp_request!(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        BASE_URL,
        general.endpoint: base_url
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        HEADERS,
        general.headers: headers
    ),
    variable(
        // A time-out does not decide where data goes, so with a bad one the default holds.
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10000",
        MILLIS,
        otlp_set!(general.timeout: millis),
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "none",
        COMPRESSION,
        general.compression: compression
    ),
    // Only one value is accepted, for the reasons in docs/adr/0013.
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        PROTOCOL,
        general.protocol: protocol
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "",
        PEM,
        general.certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "",
        PEM,
        general.client_certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "",
        KEY,
        general.client_key: client_key
    ),
    // The variables of a signal have no default: unset ones leave it to the general ones.
    otlp_request!(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "",
        TRACES_URL,
        traces.endpoint: url
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "",
        HEADERS,
        traces.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "",
        MILLIS,
        otlp_set!(traces.timeout: millis),
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "",
        COMPRESSION,
        traces.compression: compression
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "",
        PROTOCOL,
        traces.protocol: protocol
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "",
        PEM,
        traces.certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "",
        PEM,
        traces.client_certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "",
        KEY,
        traces.client_key: client_key
    ),
    otlp_request!(
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "",
        METRICS_URL,
        metrics.endpoint: url
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "",
        HEADERS,
        metrics.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
        "",
        MILLIS,
        otlp_set!(metrics.timeout: millis),
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        "",
        COMPRESSION,
        metrics.compression: compression
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "",
        PROTOCOL,
        metrics.protocol: protocol
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
        "",
        PEM,
        metrics.certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
        "",
        PEM,
        metrics.client_certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
        "",
        KEY,
        metrics.client_key: client_key
    ),
    otlp_request!(
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "",
        LOGS_URL,
        logs.endpoint: url
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "",
        HEADERS,
        logs.headers: headers
    ),
    variable(
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "",
        MILLIS,
        otlp_set!(logs.timeout: millis),
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
        "",
        COMPRESSION,
        logs.compression: compression
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
        "",
        PROTOCOL,
        logs.protocol: protocol
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
        "",
        PEM,
        logs.certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
        "",
        PEM,
        logs.client_certificate: certificates
    ),
    otlp_routing!(
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
        "",
        KEY,
        logs.client_key: client_key
    ),
    variable(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "cumulative, delta or lowmemory",
        otlp_set!(temporality: temporality),
    ),
    prometheus_routing!(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "127.0.0.1",
        "a host name or an IP address",
        prometheus_host: host
    ),
    prometheus_routing!(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "9464",
        "a port from 0 to 65535, where 0 takes a free one",
        prometheus_port: port
    ),
    variable(
        // The numbers from here to the limits on attributes are the specification's.
        "OTEL_METRIC_EXPORT_INTERVAL",
        "60000",
        MILLIS,
        otlp_set!(metric_interval: millis),
    ),
    variable(
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        otlp_set!(metric_timeout: millis),
    ),
    variable(
        "OTEL_BSP_SCHEDULE_DELAY",
        "5000",
        MILLIS,
        otlp_set!(span_batch.delay: millis),
    ),
    variable(
        "OTEL_BSP_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        otlp_set!(span_batch.timeout: millis),
    ),
    variable(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "2048",
        COUNT,
        otlp_set!(span_batch.queue_max: count),
    ),
    variable(
        BSP_BATCH,
        "512",
        COUNT,
        otlp_set!(span_batch.batch_max: count),
    ),
    variable(
        "OTEL_BLRP_SCHEDULE_DELAY",
        "1000",
        MILLIS,
        otlp_set!(log_batch.delay: millis),
    ),
    variable(
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "30000",
        MILLIS,
        otlp_set!(log_batch.timeout: millis),
    ),
    variable(
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "2048",
        COUNT,
        otlp_set!(log_batch.queue_max: count),
    ),
    variable(
        BLRP_BATCH,
        "512",
        COUNT,
        otlp_set!(log_batch.batch_max: count),
    ),
    variable(
        // Empty: `OtlpSettings` has the specification's 128 for what neither the general limit nor
        // a special one sets.
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        otlp_set!(attributes.count: limit),
    ),
    variable(
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
        LENGTH,
        otlp_set!(attributes.value_len_max: length),
    ),
    variable(
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        otlp_set!(span_attributes.count: limit),
    ),
    variable(
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
        LENGTH,
        otlp_set!(span_attributes.value_len_max: length),
    ),
    variable(
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "128",
        LIMIT,
        otlp_set!(events_per_span: limit),
    ),
    variable(
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        "128",
        LIMIT,
        otlp_set!(links_per_span: limit),
    ),
    variable(
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        otlp_set!(attributes_per_event: limit),
    ),
    variable(
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        "",
        LIMIT,
        otlp_set!(attributes_per_link: limit),
    ),
    variable("SPANWIRE_ENABLED", "true", BOOL, set!(enabled: truth)),
    Variable {
        name: "SPANWIRE_CONSENT",
        default: "granted",
        accepted: CONSENT,
        fallback: Fallback::Paused,
        apply: Settings::set_consent,
    },
    variable(
        "SPANWIRE_TRACES_PER_SECOND",
        "10",
        LIMIT,
        otlp_set!(traces_per_second: limit),
    ),
    variable(
        "SPANWIRE_SLOW_FACTOR",
        "10",
        SLOW_FACTOR,
        otlp_set!(slow_factor: slow_factor),
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
        "SPANWIRE_SLOW_RATE_THRESHOLD",
        "0.1",
        RATIO,
        set!(slow_rate_threshold: ratio),
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
        "604800",
        SECONDS,
        set!(retention: seconds),
    ),
    // Whether it can be used is seen when it is.
    routing!(
        "SPANWIRE_HISTORY",
        "",
        HISTORY,
        history: file
    ),
    variable(
        "SPANWIRE_HISTORY_MAX_BYTES",
        "268435456",
        "a whole number of bytes from 1048576",
        set!(history_max_bytes: history_bytes),
    ),
    variable("SPANWIRE_PROFILE", "0", PROFILE, Settings::set_profile),
    // Whether it can be used is seen when it is.
    otlp_request!("SPANWIRE_SPOOL_DIR", "", SPOOL_DIR, spool_dir: folder),
    variable(
        "SPANWIRE_SPOOL_MAX_BYTES",
        "67108864",
        "a whole number of bytes from 1",
        otlp_set!(spool_max_bytes: bytes),
    ),
    // The first of two spellings that is set counts: see `first_of!`.
    proxy!("http_proxy", http),
    proxy!("HTTP_PROXY", http),
    proxy!("https_proxy", https),
    proxy!("HTTPS_PROXY", https),
    proxy!("all_proxy", all),
    proxy!("ALL_PROXY", all),
    no_proxy!("no_proxy"),
    no_proxy!("NO_PROXY"),
];

#[cfg(all(test, feature = "otlp", feature = "prometheus"))]
mod tests;
