//! `TelemetryBuilder::resolve` says what would be set up, and sets up nothing.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use spanwire::telemetry::{
    OffReason, Output, ResolvedConfig, Sampler, Telemetry, TelemetryBuilder, Warning,
};
use spanwire_testkit::environment::{environment, variables};

fn builder(pairs: &[(&str, &str)]) -> TelemetryBuilder {
    Telemetry::builder("paint-tool").environment(environment(variables(pairs)))
}

fn resolve(pairs: &[(&str, &str)]) -> ResolvedConfig {
    builder(pairs).resolve()
}

/// Every output with why it is off.
fn off(config: &ResolvedConfig) -> Vec<(Output, OffReason)> {
    let outputs = Output::ALL.iter();
    outputs
        .filter_map(|output| Some((*output, config.off_reason(*output)?)))
        .collect()
}

#[test]
fn empty_environment_serves_prometheus_and_sends_nothing() {
    let config = resolve(&[]);
    assert_eq!(config.prometheus_address(), Some(("127.0.0.1", 9464)));
    assert_eq!(
        off(&config),
        [Output::Traces, Output::Metrics, Output::Logs, Output::Spool]
            .map(|output| (output, OffReason::NotRequested))
    );
    assert!(config.traces().is_none() && config.spool_dir().is_none());
    assert_eq!(config.service_name(), "paint-tool");
    assert_eq!(config.sampler(), Sampler::Tail);
    assert_eq!(config.traces_per_second(), Some(10));
    assert_eq!(config.slow_factor(), Some(10));
    assert_eq!(config.warnings(), []);
}

#[test]
fn each_signal_has_its_own_destination() {
    let config = resolve(&[
        ("OTEL_SERVICE_NAME", "from-environment"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://box:1/base"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://[::1]:2/logs"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20s3cret",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_on"),
        ("SPANWIRE_SPOOL_DIR", "/var/spool/paint-tool"),
        ("HTTPS_PROXY", "http://me:s3cret@proxy:3128"),
    ]);
    let traces = config.traces().unwrap();
    assert_eq!(traces.url(), "https://box:1/base/v1/traces");
    assert_eq!(traces.origin(), "https://box:1");
    assert_eq!(traces.timeout(), Duration::from_millis(1_500));
    assert_eq!(
        traces.headers().collect::<Vec<_>>(),
        [("authorization", &b"Bearer s3cret"[..])]
    );
    let proxy = traces.proxy().unwrap();
    assert_eq!(proxy.variable(), "HTTPS_PROXY");
    assert_eq!(proxy.url(), "http://me:s3cret@proxy:3128/");
    assert_eq!(
        config.metrics().unwrap().url(),
        "https://box:1/base/v1/metrics"
    );
    let logs = config.logs().unwrap();
    assert_eq!(logs.url(), "http://[::1]:2/logs");
    assert!(logs.proxy().is_none(), "this machine needs no proxy");
    assert_eq!(
        off(&config),
        [(Output::Prometheus, OffReason::NotRequested)]
    );
    assert_eq!(config.spool_dir(), Some(Path::new("/var/spool/paint-tool")));
    assert_eq!(config.sampler(), Sampler::ParentBasedAlwaysOn);
    assert_eq!(config.traces_per_second(), None);
    assert_eq!(config.slow_factor(), None);
    assert_eq!(config.service_name(), "from-environment");
    assert!(config.proxy_for("https://elsewhere/").is_some());
    assert!(config.proxy_for("http://elsewhere/").is_none());
    assert!(config.proxy_for("https://localhost:9090").is_none());
    assert!(config.proxy_for("no URL").is_none());
}

#[test]
fn setting_that_cannot_be_used_is_the_reason_for_what_is_off() {
    let config = resolve(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
    ]);
    let unusable = |name| OffReason::UnusableSettings(vec![name]);
    assert_eq!(
        off(&config),
        [
            (
                Output::Traces,
                unusable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            ),
            (Output::Metrics, OffReason::NotRequested),
            (
                Output::Prometheus,
                unusable("OTEL_EXPORTER_PROMETHEUS_PORT")
            ),
            (Output::Spool, OffReason::NotRequested),
        ]
    );
    assert!(config.traces().is_none() && config.logs().is_some());
    assert_eq!(config.warnings().len(), 2);
    assert!(matches!(config.warnings()[0], Warning::Value { .. }));
}

#[test]
fn disabled_telemetry_has_no_destination() {
    for variable in [
        &[
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1"),
            ("SPANWIRE_SPOOL_DIR", "/spool"),
        ],
        &[
            ("SPANWIRE_ENABLED", "false"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://box:1"),
            ("SPANWIRE_SPOOL_DIR", "/spool"),
        ],
    ] {
        let config = resolve(variable);
        let every = Output::ALL.iter();
        let disabled: Vec<_> = every.map(|one| (*one, OffReason::Disabled)).collect();
        assert_eq!(off(&config), disabled);
        assert!(config.traces().is_none());
        assert!(config.prometheus_address().is_none());
        assert!(config.spool_dir().is_none());
    }
}

#[test]
fn debug_text_has_no_secret() {
    let config = builder(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://box:1/s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "licence=s3cret"),
        ("ALL_PROXY", "http://me:s3cret@proxy:3128"),
    ])
    .otlp_header("x-token", "s3cret")
    .resolve();
    for text in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(!text.contains("s3cret"), "{text}");
        for shown in ["https://box:1", "x-token", "ALL_PROXY", "paint-tool"] {
            assert!(text.contains(shown), "{shown} is missing: {text}");
        }
    }
}

#[test]
fn resolving_sets_up_nothing_and_keeps_the_builder() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = std::env::temp_dir().join(format!("spanwire-resolved-{}", std::process::id()));
    let builder = builder(&[])
        .prometheus_port(port)
        .spool_dir(&folder)
        .strict();
    // Neither the port that is taken nor the folder is touched.
    let config = builder.resolve();
    assert_eq!(config.prometheus_address(), Some(("127.0.0.1", port)));
    assert_eq!(config.spool_dir(), Some(&*folder));
    assert_eq!(config.warnings(), []);
    assert!(!folder.exists());

    // What was resolved is what is set up.
    drop(taken);
    let builder = builder.prometheus_port(0).without_system();
    let (telemetry, _parts) = builder.build().unwrap();
    assert!(telemetry.prometheus_addr().is_some());
    let _ = telemetry.shutdown(Duration::from_secs(2));
    let _ = std::fs::remove_dir_all(&folder);
}
