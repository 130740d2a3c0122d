//! A setting that decides where data goes and cannot be used turns its signals off: on real
//! sockets, with and without TLS.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod fixture;
mod proxy;
mod url;

use std::net::TcpListener;

use fixture::{
    Fixture, SECOND, SIGNALS, arrived, builder, emit, nothing_goes_to_the_default_place, run,
    turns_off, with,
};
use spanwire::telemetry::{
    Exporter, Fallback, MetricsExporter, Telemetry, TelemetryBuilder, VARIABLES,
};
use spanwire_testkit::authority::Authority;
use spanwire_testkit::child_process;
use spanwire_testkit::environment::{Variables, variables};
use spanwire_testkit::receiver::Receiver;

/// What cannot be used, for each kind of OTLP variable, as the end of its name.
fn bad_values(fixture: &Fixture) -> Vec<(&'static str, String)> {
    let addr = fixture.receiver.addr();
    let empty = fixture.file("empty", "nothing");
    [
        ("ENDPOINT", format!("{addr}")),
        ("ENDPOINT", format!("ftp://{addr}")),
        // A password with # that is not written as %23: all from there on would be dropped.
        ("ENDPOINT", format!("http://{addr}#s3cret@{addr}")),
        ("ENDPOINT", format!("http://me:%zzs3cret@{addr}")),
        ("ENDPOINT", format!("http://me:%ffs3cret@{addr}")),
        ("ENDPOINT", format!("http://{addr}/\u{fffd}")),
        ("ENDPOINT", "https://localhost:43l8/s3cret".into()),
        ("ENDPOINT", "https://me:s3cret@:4318".into()),
        ("HEADERS", "authorization".into()),
        ("HEADERS", "authorization: Bearer s3cret==".into()),
        ("HEADERS", "authorization=s3cret%0d%0ax: y".into()),
        ("HEADERS", "authorization=s3cret%00".into()),
        ("HEADERS", "good=s3cret,b d=s3cret".into()),
        ("HEADERS", "authorization=s3cret%zz".into()),
        ("PROTOCOL", "grpc".into()),
        ("PROTOCOL", "http/json".into()),
        ("COMPRESSION", "zstd".into()),
        ("CERTIFICATE", "/no/such/file".into()),
        ("CERTIFICATE", empty.clone()),
        ("CERTIFICATE", "-----BEGIN CERTIFICATE-----s3cret".into()),
        ("CLIENT_CERTIFICATE", empty.clone()),
        ("CLIENT_CERTIFICATE", ".".into()),
        ("CLIENT_KEY", empty),
        ("CLIENT_KEY", "-----BEGIN PRIVATE KEY-----s3cret".into()),
    ]
    .into()
}

/// What else makes a setting unusable: the one without the other.
fn halves(fixture: &Fixture) -> Vec<(&'static str, Variables)> {
    let theirs = Authority::new("theirs");
    let (_, key) = theirs.client_files();
    let key = fixture.file("theirs.key", &std::fs::read_to_string(key).unwrap());
    let (certificate, _) = fixture.authority.client_files();
    let certificate = certificate.to_str().unwrap();
    let pair = |certificate: &str, key: &str| {
        variables(&[("CLIENT_CERTIFICATE", certificate), ("CLIENT_KEY", key)])
    };
    vec![
        ("CLIENT_KEY", pair(certificate, &key)),
        ("CLIENT_KEY", pair(certificate, "")),
        ("CLIENT_KEY", pair("", &key)),
    ]
}

#[test]
fn every_otlp_setting_that_cannot_be_used_turns_off_the_signals_that_need_it() {
    for fixture in [Fixture::plain(), Fixture::tls()] {
        run(builder(fixture.base.clone()));
        assert_eq!(
            arrived(&fixture.receiver),
            SIGNALS,
            "the good settings work"
        );
        for (kind, value) in bad_values(&fixture) {
            let general = format!("OTEL_EXPORTER_OTLP_{kind}");
            let bad = variables(&[(&general, &value)]);
            turns_off(&fixture, bad, &general, &SIGNALS);
            for signal in SIGNALS {
                let own = format!("OTEL_EXPORTER_OTLP_{}_{kind}", signal.to_uppercase());
                turns_off(&fixture, variables(&[(&own, &value)]), &own, &[signal]);
            }
        }
        let query = format!("{}/base?team=s3cret", fixture.receiver.url());
        let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
        turns_off(&fixture, variables(&[(general, &query)]), general, &SIGNALS);
    }
}

#[test]
fn a_key_without_its_certificate_turns_off_the_signals_that_need_it() {
    let fixture = Fixture::tls();
    let mut without = fixture.base.clone();
    without.retain(|(name, _)| !name.contains("CLIENT"));
    let receiver = Receiver::start_tls(fixture.authority.server());
    let fixture = Fixture {
        base: with(
            without,
            variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]),
        ),
        receiver,
        authority: fixture.authority,
    };
    for (kind, half) in halves(&fixture) {
        let named = |prefix: &str| {
            let half = half.iter();
            let half = half.map(|(name, value)| (format!("{prefix}{name}"), value.clone()));
            half.collect()
        };
        let general = "OTEL_EXPORTER_OTLP_";
        let variable = format!("{general}{kind}");
        turns_off(&fixture, named(general), &variable, &SIGNALS);
        for signal in SIGNALS {
            let own = format!("{general}{}_", signal.to_uppercase());
            turns_off(&fixture, named(&own), &format!("{own}{kind}"), &[signal]);
        }
    }
}

#[test]
fn certificates_for_an_endpoint_without_tls_turn_its_signals_off() {
    let fixture = Fixture::plain();
    let (certificate, key) = fixture.authority.client_files();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let ca = fixture.authority.file();
    let ca = ca.to_str().unwrap();
    for part in ["", "TRACES_"] {
        let off: &[&str] = if part.is_empty() {
            &SIGNALS
        } else {
            &["traces"]
        };
        let name = |kind| format!("OTEL_EXPORTER_OTLP_{part}{kind}");
        let authority = name("CERTIFICATE");
        turns_off(&fixture, variables(&[(&authority, ca)]), &authority, off);
        let names = (name("CLIENT_CERTIFICATE"), name("CLIENT_KEY"));
        let client = variables(&[(&names.0, certificate), (&names.1, key)]);
        turns_off(&fixture, client, &names.1, off);
    }
    // The certificate asks for TLS, and the default endpoint, which has none, is not used instead.
    let bad = variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca),
    ]);
    turns_off(&fixture, bad, "OTEL_EXPORTER_OTLP_CERTIFICATE", &SIGNALS);
}

#[test]
fn a_signal_with_its_own_http_endpoint_leaves_general_certificates_to_the_others() {
    let (plain, tls) = (Receiver::start(), Fixture::tls());
    let own = format!("{}/v1/logs", plain.url());
    let own = variables(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &own)]);
    let warnings = run(builder(with(tls.base.clone(), own)));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(arrived(&plain), ["logs"]);
    assert_eq!(arrived(&tls.receiver), ["traces", "metrics"]);
}

#[test]
fn an_exporter_that_is_unknown_turns_its_signal_off() {
    let fixture = Fixture::plain();
    for signal in SIGNALS {
        let name = format!("OTEL_{}_EXPORTER", signal.to_uppercase());
        for value in ["console", "otlp,console", "OTLP"] {
            turns_off(&fixture, variables(&[(&name, value)]), &name, &[signal]);
        }
    }
    let (telemetry, parts) = builder(variables(&[("OTEL_METRICS_EXPORTER", "prom")]))
        .build()
        .unwrap();
    assert_eq!(telemetry.prometheus_addr(), None);
    assert!(parts.recorder.is_none());
    let warning = telemetry.warnings()[0].to_string();
    assert!(
        warning.ends_with("metrics and /metrics are off"),
        "{warning}"
    );
}

#[test]
fn a_bad_general_setting_leaves_signals_with_their_own_setting_on() {
    let fixture = Fixture::plain();
    let traces = format!("{}/v1/traces?team=1", fixture.receiver.url());
    let bad = variables(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://vendor.invalid/?team=1",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &traces),
    ]);
    let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    turns_off(&fixture, bad, variable, &["metrics", "logs"]);
    let bad = variables(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "nonsense"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=other"),
    ]);
    turns_off(
        &fixture,
        bad,
        "OTEL_EXPORTER_OTLP_HEADERS",
        &["traces", "metrics"],
    );
}

#[test]
fn the_builder_beats_a_bad_environment() {
    let receiver = Receiver::start();
    let bad = variables(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://vendor.invalid/?team=1",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "vendor.invalid"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "0"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
    ]);
    let number = bad.len();
    let make = builder(bad)
        .otlp_endpoint(receiver.url())
        .traces(Exporter::Otlp)
        .logs(Exporter::Otlp)
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .prometheus_host("127.0.0.1");
    let (telemetry, parts) = make.build().unwrap();
    assert!(telemetry.prometheus_addr().unwrap().ip().is_loopback());
    emit(&parts);
    telemetry.shutdown(10 * SECOND);
    assert_eq!(arrived(&receiver), SIGNALS);
    assert_eq!(telemetry.warnings().len(), number);
    for warning in telemetry.warnings() {
        let warning = warning.to_string();
        assert!(
            warning.ends_with("no signal that is on needs it"),
            "{warning}"
        );
    }
}

#[test]
fn a_builder_option_that_cannot_be_used_does_not_fall_back_to_the_environment() {
    let fixture = Fixture::plain();
    type Set = fn(TelemetryBuilder) -> TelemetryBuilder;
    let cases: [(&str, Set); 5] = [
        ("otlp_endpoint", |b| b.otlp_endpoint("localhost:4318")),
        ("otlp_endpoint", |b| {
            b.otlp_endpoint("https://x/?team=s3cret")
        }),
        ("otlp_endpoint", |b| b.otlp_endpoint("")),
        ("otlp_header", |b| b.otlp_header("a b", "s3cret")),
        ("otlp_header", |b| {
            b.otlp_header("authorization", "s3cret\nx: y")
        }),
    ];
    for (option, set) in cases {
        let make = set(builder(fixture.base.clone()));
        let warnings = nothing_goes_to_the_default_place(|| run(make));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(option), "{warnings:?}");
        assert!(warnings[0].ends_with("traces, logs and metrics are off"));
        assert!(!warnings[0].contains("s3cret"), "{warnings:?}");
        assert_eq!(arrived(&fixture.receiver), [""; 0], "{option}");
    }
    let make = builder(Vec::new()).prometheus_host("0");
    let (telemetry, _) = make.build().unwrap();
    assert_eq!(telemetry.prometheus_addr(), None);
}

#[test]
fn a_prometheus_endpoint_that_cannot_be_used_listens_nowhere() {
    for (name, value) in [
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "http://127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1:9464"),
        // The system takes it for every interface.
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "0"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "65536"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
    ] {
        let bad = variables(&[(name, value)]);
        let make = Telemetry::builder("test").without_system();
        let make = make.environment(move |name| {
            let found = bad.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        });
        let (telemetry, parts) = make.build().unwrap();
        assert_eq!(telemetry.prometheus_addr(), None, "{name}={value}");
        assert!(parts.recorder.is_none());
        let warnings = telemetry.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let warning = warnings[0].to_string();
        assert!(warning.starts_with(name), "{warning}");
        assert!(warning.ends_with("/metrics is off"), "{warning}");
    }
}

#[test]
fn headers_that_the_protocol_owns_are_left_out_with_a_warning() {
    for name in [
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "Transfer-Encoding",
        "HOST",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Accept-Encoding",
    ] {
        let lower = name.to_ascii_lowercase();
        let list = format!("authorization=s3cret,{name}=3");
        for (variable, signals) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", &SIGNALS[..]),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", &["traces"]),
            ("otlp_header", &SIGNALS[..]),
        ] {
            let fixture = Fixture::plain();
            let make = if variable == "otlp_header" {
                builder(fixture.base.clone()).otlp_header(name, "3")
            } else {
                builder(with(fixture.base.clone(), variables(&[(variable, &list)])))
            };
            let warnings = run(make);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(variable), "{warnings:?}");
            assert!(warnings[0].contains(&lower), "{warnings:?}");
            assert!(!warnings[0].contains("s3cret"), "{warnings:?}");
            assert_eq!(arrived(&fixture.receiver), SIGNALS, "{variable} {name}");
            for request in fixture.receiver.received() {
                let ours = request
                    .headers
                    .get(&lower)
                    .map(|value| value.to_str().unwrap());
                assert_ne!(ours, Some("3"), "{name}");
                let signal = request.path.rsplit('/').next().unwrap();
                if signals.contains(&signal) {
                    assert_eq!(request.headers["authorization"], "s3cret");
                }
                assert_eq!(request.headers["content-type"], "application/x-protobuf");
            }
        }
    }
}

#[test]
fn a_vendors_endpoint_with_a_query_sends_nothing_to_the_default_endpoint() {
    let name = "a_vendors_endpoint_with_a_query_sends_nothing_to_the_default_endpoint";
    if child_process::is_child() {
        let telemetry = Telemetry::builder("test")
            .prometheus_port(0)
            .without_system()
            .install()
            .unwrap();
        tracing::info_span!("work").in_scope(|| tracing::error!("hello"));
        telemetry.shutdown(10 * SECOND);
        return;
    }
    let child = |environment: &[(&str, &std::ffi::OsStr)]| {
        let mut command = child_process::command(name);
        command
            .env("OTEL_TRACES_EXPORTER", "otlp")
            .env("OTEL_METRICS_EXPORTER", "otlp")
            .env("OTEL_LOGS_EXPORTER", "otlp")
            .envs(environment.iter().copied());
        let output = nothing_goes_to_the_default_place(|| child_process::run(&mut command));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = child(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://otlp.vendor.example/otlp?team=1".as_ref(),
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=s3cret".as_ref(),
        ),
    ]);
    assert!(
        said.contains(
            "spanwire: OTEL_EXPORTER_OTLP_ENDPOINT is not used: it has a query, and the path of a \
             signal is to be added to it; accepted is a URL like http://localhost:4318, without \
             query; traces, logs and metrics are off"
        ),
        "{said}"
    );
    assert!(!said.contains("s3cret"));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"http://localhost:4318/\xff");
        let said = child(&[("OTEL_EXPORTER_OTLP_ENDPOINT", name)]);
        assert!(said.contains("is not Unicode"), "{said}");
    }
}

#[test]
fn warnings_never_carry_resource_attributes() {
    let bad = variables(&[("OTEL_RESOURCE_ATTRIBUTES", "team=a,user=s3cret,s3cret")]);
    let warnings = run(builder(bad));
    assert_eq!(
        warnings,
        [
            "OTEL_RESOURCE_ATTRIBUTES is not used: pair 3 has no =; accepted is key=value pairs \
             separated by commas, special characters as %20; it counts as unset"
        ]
    );
}

#[test]
fn spooled_spans_of_a_signal_that_is_off_stay_until_it_is_on_again() {
    let fixture = Fixture::plain();
    let folder = fixture.authority.folder().join("spool");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let base = with(
        fixture.base.clone(),
        variables(&[
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("SPANWIRE_SPOOL_DIR", folder.to_str().unwrap()),
        ]),
    );
    let absent = variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &away)]);
    assert_eq!(run(builder(with(base.clone(), absent))), [""; 0]);

    // Logs are on, so the spool is at work.
    let bad = variables(&[
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://me:1#s3cret@x/",
        ),
        ("OTEL_LOGS_EXPORTER", "otlp"),
    ]);
    let make = builder(with(base.clone(), bad));
    let warnings = nothing_goes_to_the_default_place(|| run(make));
    assert!(warnings[0].ends_with("traces are off"), "{warnings:?}");
    assert_eq!(arrived(&fixture.receiver), ["logs"]);

    let (telemetry, _parts) = builder(base).build().unwrap();
    fixture
        .receiver
        .wait_for(|received| received.iter().any(|one| one.path == "/v1/traces"));
    telemetry.shutdown(10 * SECOND);
    assert_eq!(fixture.receiver.spans().len(), 1);
}

#[test]
fn a_spool_folder_that_is_not_unicode_is_not_replaced_by_another() {
    let fixture = Fixture::plain();
    let folder = fixture.authority.folder().join("spool-\u{fffd}");
    let spool = variables(&[("SPANWIRE_SPOOL_DIR", folder.to_str().unwrap())]);
    let warnings = run(builder(with(fixture.base.clone(), spool)));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("SPANWIRE_SPOOL_DIR is not used: it is not Unicode"));
    assert!(warnings[0].ends_with("the spool is off"), "{warnings:?}");
    assert_eq!(arrived(&fixture.receiver), SIGNALS);
    assert!(!folder.exists());
}

/// The tests above cover each kind of variable that the reference marks.
#[test]
fn every_variable_that_turns_signals_off_is_tested() {
    let kinds = [
        "_EXPORTER",
        "_ENDPOINT",
        "_HEADERS",
        "_PROTOCOL",
        "_COMPRESSION",
        "_CERTIFICATE",
        "_CLIENT_KEY",
        "_PROMETHEUS_HOST",
        "_PROMETHEUS_PORT",
        "_PROXY",
        "_proxy",
        "_SPOOL_DIR",
        // In tests/history/faults.rs.
        "SPANWIRE_HISTORY",
    ];
    for variable in VARIABLES {
        let known = kinds.iter().any(|kind| variable.name.ends_with(kind));
        let off = variable.fallback == Fallback::SignalOff;
        assert_eq!(off, known, "{}", variable.name);
    }
}
