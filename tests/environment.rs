//! Every environment variable: what is accepted, and what a bad value does.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::net::TcpListener;
use std::time::Duration;

use spanwire::telemetry::{
    Exporter, Fallback, MetricsExporter, Sampler, TailSampling, Telemetry, TelemetryBuilder,
    VARIABLES,
};
use spanwire_testkit::authority::Authority;
use spanwire_testkit::environment::{environment, variables};

/// The environment alone, with no fixed port and nothing to measure.
fn builder(pairs: &[(&str, &str)]) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(environment(variables(pairs)))
        .prometheus_port(0)
        .without_system()
}

/// The warnings, and the error that `strict` makes of them.
fn outcome(make: impl Fn() -> TelemetryBuilder) -> (Vec<String>, Option<String>) {
    let (telemetry, _) = make().build().unwrap();
    let warnings = telemetry.warnings().iter().map(ToString::to_string);
    let warnings = warnings.collect();
    // A process has one history at a time.
    drop(telemetry);
    let error = make().strict().build().err().map(|error| error.to_string());
    (warnings, error)
}

/// For each variable a value that can be used and one that cannot.
const VALUES: &[(&str, &str, &str)] = &[
    ("OTEL_SDK_DISABLED", "TRUE", "1"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=%20", "a"),
    ("OTEL_PROPAGATORS", "baggage", "tracecontext,b3"),
    ("OTEL_TRACES_SAMPLER", "traceidratio", "xray"),
    ("OTEL_TRACES_SAMPLER_ARG", "0.25", "1.5"),
    ("OTEL_TRACES_EXPORTER", "otlp", "console"),
    ("OTEL_METRICS_EXPORTER", "otlp,prometheus", "console"),
    ("OTEL_LOGS_EXPORTER", "otlp", "otlp,console"),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://127.0.0.1:1",
        "localhost:4318",
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=b", "a b=c"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "1", "0"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "zstd"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "grpc"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", CA, "/no/such/file"),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        CERTIFICATE,
        "/no/such/file",
    ),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", KEY, "/no/such/file"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "https://[::1]:1/x",
        "://",
    ),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b", "ä=c"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "99", "-1"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", "br"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "http/protobuf",
        "http/json",
    ),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", CA, NO_CERTIFICATE),
    (
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        CERTIFICATE,
        NO_CERTIFICATE,
    ),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", KEY, NO_CERTIFICATE),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a", "http://"),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=b", "=c"),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "99", "1s"),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "GZIP", "deflate"),
    (
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        "http/protobuf",
        "GRPC",
    ),
    ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", CA, "."),
    (
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
        CERTIFICATE,
        ".",
    ),
    ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", KEY, CA),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://a/b", "a/b"),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=b", "a"),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "99", "4294967296"),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip", "yes"),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf", "http"),
    ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", CA, "/no/such/file"),
    (
        "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
        CERTIFICATE,
        "/no/such/file",
    ),
    ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", KEY, "/no/such/file"),
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "Delta",
        "sometimes",
    ),
    (
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "localhost",
        "http://localhost",
    ),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", "0", "65536"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1000", "often"),
    ("OTEL_METRIC_EXPORT_TIMEOUT", "1000", "0"),
    ("OTEL_BSP_SCHEDULE_DELAY", "1", "soon"),
    ("OTEL_BSP_EXPORT_TIMEOUT", "1", "1.5"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "1", "1000001"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1", "2049"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "1", "never"),
    ("OTEL_BLRP_EXPORT_TIMEOUT", "1", "-5"),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "512", "0"),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1", "0"),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", "0", "-1"),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0", "short"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5", "few"),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5", "-1"),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", "5", "few"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "5", "few"),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5", "few"),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5", "few"),
    ("SPANWIRE_ENABLED", "false", "on"),
    ("SPANWIRE_CONSENT", "ask", "off"),
    ("SPANWIRE_TRACES_PER_SECOND", "0", "-1"),
    ("SPANWIRE_SLOW_FACTOR", "0", "1"),
    ("SPANWIRE_SLOW_THRESHOLD_MS", "0", "slow"),
    ("SPANWIRE_IPC_SLOW_THRESHOLD_MS", "50", "-1"),
    ("SPANWIRE_ERROR_RATE_THRESHOLD", "0.5", "NaN"),
    ("SPANWIRE_SLOW_RATE_THRESHOLD", "0", "-0.1"),
    ("SPANWIRE_WINDOW_SECONDS", "60", "0"),
    ("SPANWIRE_SYSTEM_INTERVAL_MS", "0", "9"),
    ("SPANWIRE_RETENTION_SECONDS", "60", "1h"),
    ("SPANWIRE_HISTORY", HISTORY, "/dev/null/history.db"),
    ("SPANWIRE_HISTORY_MAX_BYTES", "1048576", "1 MiB"),
    ("SPANWIRE_PROFILE", "0", "1001"),
    ("SPANWIRE_SPOOL_DIR", SPOOL, "/dev/null/spool"),
    ("SPANWIRE_SPOOL_MAX_BYTES", "1", "1 MiB"),
    ("ALL_PROXY", "http://box:3128", "socks5://box:1080"),
    ("all_proxy", "box:3128", "https://box"),
    ("HTTPS_PROXY", "http://me:word@box", "http://box:31z8"),
    ("https_proxy", "http://[::1]:3128", "ftp://box"),
    ("HTTP_PROXY", "http://box/", "://"),
    ("http_proxy", "box", "a b"),
    ("NO_PROXY", "*", "http://box"),
    ("no_proxy", ".lan, 10.0.0.0/8,box:80", "10.0.0.0/33"),
];

/// What may hold a secret, by the end of its name: no warning quotes it, but says what is wrong.
const SECRETS: &[&str] = &[
    "_RESOURCE_ATTRIBUTES",
    "_ENDPOINT",
    "_HEADERS",
    "_CERTIFICATE",
    "_CLIENT_KEY",
    "_PROXY",
    "_proxy",
    // Only a value that looks like a URL.
    "_PROMETHEUS_HOST",
];

/// Stand for files that each test makes.
const CA: &str = "{ca}";
const CERTIFICATE: &str = "{certificate}";
const KEY: &str = "{key}";
const NO_CERTIFICATE: &str = "{empty}";
const SPOOL: &str = "{spool}";
const HISTORY: &str = "{history}";

struct Files {
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let authority = Authority::new("ours");
        std::fs::write(authority.folder().join("empty"), "nothing").unwrap();
        Self { authority }
    }

    fn path(&self, value: &str) -> String {
        let path = match value {
            CA => self.authority.file(),
            CERTIFICATE => self.authority.folder().join("client.pem"),
            KEY => self.authority.folder().join("client.key"),
            NO_CERTIFICATE => self.authority.folder().join("empty"),
            SPOOL => self.authority.folder().join("spool"),
            HISTORY => self.authority.folder().join("history.db"),
            other => return other.to_owned(),
        };
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn the_table_of_this_test_has_every_variable() {
    let mut tested: Vec<_> = VALUES.iter().map(|(name, ..)| *name).collect();
    // Any text is a name.
    tested.push("OTEL_SERVICE_NAME");
    tested.sort_unstable();
    let mut known: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    known.sort_unstable();
    assert_eq!(tested, known);
}

#[test]
fn the_documentation_lists_every_variable_as_it_is() {
    let documented = include_str!("../docs/reference/environment.md");
    for variable in VARIABLES {
        let default = match variable.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let (name, accepted) = (variable.name, variable.accepted);
        let rule = match variable.fallback {
            Fallback::SignalOff => "signal off",
            Fallback::Paused => "paused",
            _ => "default",
        };
        let row = format!("| `{name}` | {default} | {accepted} | {rule} |");
        assert!(documented.contains(&row), "missing: {row}");
    }
    let rows = documented.matches("\n| `").count();
    assert_eq!(rows, VARIABLES.len());
}

#[test]
fn each_bad_value_is_a_warning_that_names_it_and_an_error_when_strict() {
    let files = Files::new();
    for (name, _, bad) in built_in() {
        let bad = files.path(bad);
        let variable = VARIABLES
            .iter()
            .find(|variable| variable.name == *name)
            .unwrap();
        let (warnings, error) = outcome(|| builder(&[(name, &bad)]));
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        let warning = &warnings[0];
        assert!(warning.contains(name), "{warning}");
        let may_be_secret = SECRETS.iter().any(|kind| name.ends_with(kind));
        assert_eq!(
            warning.contains(&format!("{bad:?}")),
            !may_be_secret,
            "{warning}"
        );
        // A batch is accepted up to the size of its queue, which the table cannot know.
        let accepted = match *name {
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" => "a whole number from 1 to",
            _ => variable.accepted,
        };
        assert!(warning.contains(accepted), "{warning}");
        let error = error.unwrap_or_else(|| panic!("{name} is no error when strict"));
        assert!(error.contains(warning), "{error}");
    }
}

#[test]
fn each_good_value_is_accepted_without_a_warning() {
    let files = Files::new();
    files.authority.client_files();
    for (name, good, _) in built_in() {
        let good = files.path(good);
        // A certificate is nothing without its key.
        let mut pairs = vec![(*name, good)];
        if let Some(prefix) = name.strip_suffix("CLIENT_CERTIFICATE") {
            let key = name_of(&format!("{prefix}CLIENT_KEY"));
            pairs.push((key, files.path(KEY)));
        } else if let Some(prefix) = name.strip_suffix("CLIENT_KEY") {
            let certificate = name_of(&format!("{prefix}CLIENT_CERTIFICATE"));
            pairs.push((certificate, files.path(CERTIFICATE)));
        }
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (warnings, error) = outcome(|| builder(&pairs));
        assert_eq!((warnings, error), (Vec::new(), None), "{name}");
    }
}

/// Without the feature, the variable that asks for a history is a warning whatever it says.
fn built_in() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    let has_history = cfg!(feature = "history");
    VALUES
        .iter()
        .filter(move |(name, ..)| has_history || *name != "SPANWIRE_HISTORY")
}

fn name_of(name: &str) -> &'static str {
    let mut names = VARIABLES.iter().map(|variable| variable.name);
    names.find(|known| *known == name).unwrap()
}

#[test]
fn all_warnings_are_listed_at_once() {
    let pairs = [
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_PROPAGATORS", "b3"),
        ("SPANWIRE_ENABLED", "yes"),
    ];
    let (warnings, error) = outcome(|| builder(&pairs));
    assert_eq!(warnings.len(), 3);
    let error = error.unwrap();
    for (name, value) in pairs {
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn an_empty_value_is_unset() {
    for variable in VARIABLES {
        let (warnings, error) = outcome(|| builder(&[(variable.name, "")]));
        assert_eq!((warnings, error), (Vec::new(), None), "{}", variable.name);
    }
}

#[test]
fn secrets_do_not_show_in_a_warning() {
    for (name, value, said) in [
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=s3cret,s3cret",
            "pair 2 has no =",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Authorization: Bearer s3cret==",
            "pair 1 has a name that HTTP does not allow",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=s3cret%0a",
            "pair 1 has a value that HTTP does not allow",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "me:s3cret@host:4318",
            "it does not begin with http:// or https://",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://host/s3cret?token=s3cret",
            "it has a query",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://host:0/s3cret",
            "its port is no number",
        ),
        ("HTTPS_PROXY", "socks5://me:s3cret@box", "only HTTP proxies"),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "-----BEGIN PRIVATE KEY-----s3cret",
            "the file cannot be read",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "user=s3cret,=s3cret",
            "pair 2 has no key",
        ),
        ("OTEL_SERVICE_NAME", "s3cret", ""),
        // Set by mistake to what was meant for another.
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            "authorization=s3cret",
            "not understood",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "https://me:s3cret@host",
            "not understood",
        ),
    ] {
        let (warnings, _) = outcome(|| builder(&[(name, value)]));
        let all = warnings.join("\n");
        assert!(all.contains(said), "{all}");
        assert!(!all.contains("s3cret"), "{all}");
    }
}

#[test]
fn a_key_of_another_certificate_is_not_used() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (certificate, _) = ours.client_files();
    let (_, key) = theirs.client_files();
    let pairs = [
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            certificate.to_str().unwrap(),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.to_str().unwrap()),
    ];
    for pairs in [&pairs[..], &pairs[..1], &pairs[1..]] {
        let (warnings, error) = outcome(|| builder(pairs));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("OTEL_EXPORTER_OTLP_CLIENT_KEY"));
        assert!(error.is_some());
    }
}

#[test]
fn a_taken_port_is_a_warning_and_the_endpoint_is_off() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let make = || builder(&[]).prometheus_port(port);
    let (telemetry, parts) = make().build().unwrap();
    assert_eq!(telemetry.prometheus_addr(), None);
    assert!(parts.recorder.is_none());
    let (warnings, error) = outcome(make);
    let warning = &warnings[0];
    assert_eq!(
        *warning,
        format!(
            "OTEL_EXPORTER_PROMETHEUS_PORT=\"{port}\" is not used: accepted is a free port, \
             or 0 for any; /metrics is off, since 127.0.0.1:{port} is in use by another program"
        )
    );
    assert!(error.unwrap().contains(warning));
}

#[test]
fn bad_builder_options_are_warnings_too() {
    let (warnings, error) = outcome(|| {
        builder(&[])
            .otlp_endpoint("localhost")
            .otlp_header("a b", "s3cret")
            .otlp_timeout(Duration::ZERO)
            .prometheus_host("http://x")
            .sampler(Sampler::Ratio(2.0))
            .tail(TailSampling::new().slow_factor(1))
            .error_rate_threshold(f64::NAN)
    });
    let all = warnings.join("\n");
    for option in [
        "otlp_endpoint",
        "otlp_header",
        "otlp_timeout",
        "prometheus_host",
        "sampler",
        "slow_factor",
        "error_rate_threshold",
    ] {
        assert!(all.contains(option), "{option}: {all}");
    }
    assert!(!all.contains("s3cret"));
    assert!(error.is_some());
}

#[test]
fn the_builder_beats_the_environment() {
    let pairs = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let (_telemetry, parts) = builder(&pairs)
        .traces(Exporter::None)
        .logs(Exporter::None)
        .metrics(MetricsExporter::Prometheus)
        .build()
        .unwrap();
    assert!(parts.tracer_provider.is_none() && parts.logger_provider.is_none());
    assert!(parts.recorder.is_some());
}

#[test]
fn exporters_and_endpoints_decide_which_signals_are_on() {
    for (pairs, traces, logs, prometheus) in [
        (&[][..], false, false, true),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")],
            true,
            false,
            true,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a")],
            true,
            false,
            true,
        ),
        (
            &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a")],
            false,
            false,
            true,
        ),
        (&[("OTEL_TRACES_EXPORTER", "otlp")], true, false, true),
        (
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
                ("OTEL_TRACES_EXPORTER", "none"),
            ],
            false,
            false,
            true,
        ),
        (&[("OTEL_LOGS_EXPORTER", "otlp")], false, true, true),
        (&[("OTEL_METRICS_EXPORTER", "otlp")], false, false, false),
        (&[("OTEL_METRICS_EXPORTER", "none")], false, false, false),
        (
            &[("OTEL_METRICS_EXPORTER", "prometheus,otlp")],
            false,
            false,
            true,
        ),
    ] {
        let (telemetry, parts) = builder(pairs).build().unwrap();
        assert_eq!(parts.tracer_provider.is_some(), traces, "{pairs:?}");
        assert_eq!(parts.logger_provider.is_some(), logs, "{pairs:?}");
        assert_eq!(
            telemetry.prometheus_addr().is_some(),
            prometheus,
            "{pairs:?}"
        );
        telemetry.shutdown(Duration::ZERO);
    }
}

#[test]
fn disabled_telemetry_sets_up_nothing() {
    for switch in [("OTEL_SDK_DISABLED", "true"), ("SPANWIRE_ENABLED", "false")] {
        let pairs = [switch, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")];
        let (telemetry, parts) = builder(&pairs)
            .logs(Exporter::Otlp)
            .metrics(MetricsExporter::PrometheusAndOtlp)
            .build()
            .unwrap();
        assert!(parts.recorder.is_none());
        assert!(parts.tracer_provider.is_none() && parts.logger_provider.is_none());
        assert_eq!(telemetry.prometheus_addr(), None);
        assert_eq!(telemetry.warnings(), []);
        assert_eq!(telemetry.flush(Duration::ZERO), Ok(()));
        assert_eq!(telemetry.shutdown(Duration::ZERO), Default::default());
    }
}

#[test]
fn a_former_name_is_a_hint_unless_its_successor_is_set_and_never_an_error() {
    for (former, successor) in [
        ("SLOW_REQUEST_THRESHOLD_MS", "SPANWIRE_SLOW_THRESHOLD_MS"),
        ("SAMPLING_WINDOW_SECONDS", "SPANWIRE_WINDOW_SECONDS"),
        ("ERROR_RATE_THRESHOLD", "SPANWIRE_ERROR_RATE_THRESHOLD"),
        ("PERFORMANCE_ENABLED", "SPANWIRE_ENABLED"),
        (
            "PERFORMANCE_PROFILE_INTERVAL",
            "SPANWIRE_SYSTEM_INTERVAL_MS",
        ),
        ("PERFORMANCE_RETENTION", "SPANWIRE_RETENTION_SECONDS"),
    ] {
        let value = VALUES.iter().find(|(name, ..)| *name == successor);
        let value = value.unwrap().1;
        let (warnings, error) = outcome(|| builder(&[(former, value)]));
        let expected = format!(
            "{former} is not read by telemetry: {successor} does its job, in the same unit"
        );
        assert_eq!(warnings, [expected]);
        assert_eq!(error, None);
        let (warnings, _) = outcome(|| builder(&[(former, value), (successor, value)]));
        assert_eq!(warnings, [""; 0]);
        let (warnings, _) = outcome(|| builder(&[(former, " ")]));
        assert_eq!(warnings, [""; 0]);
    }
}

#[test]
fn options_of_thresholds_that_cannot_be_used_count_as_unset() {
    let options = || {
        builder(&[])
            .slow_rate_threshold(1.5)
            .threshold_window(Duration::ZERO)
    };
    let (warnings, error) = outcome(options);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("slow_rate_threshold"),
        "{warnings:?}"
    );
    assert!(warnings[1].starts_with("threshold_window"), "{warnings:?}");
    assert!(error.is_some());
}
