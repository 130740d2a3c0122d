//! What `install` does to a process. Each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use opentelemetry::trace::{Span as _, TraceContextExt, Tracer};
use opentelemetry::{Context, global};
use spanwire::telemetry::{Exporter, MetricsExporter, Telemetry, TelemetryBuilder, Warning};
use support::receiver::{Receiver, body, text};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;

const SECOND: Duration = Duration::from_secs(1);

/// Runs `scenario` in a child process: this test again, alone, with that environment.
fn alone(test: &str, environment: &[(&str, &str)], scenario: impl FnOnce()) {
    if std::env::var_os("SPANWIRE_TEST_CHILD").is_some() {
        scenario();
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SPANWIRE_TEST_CHILD", "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

fn builder() -> TelemetryBuilder {
    Telemetry::builder("test").prometheus_port(0)
}

fn scrape(addr: SocketAddr) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn everything_is_put_in_place() {
    alone("everything_is_put_in_place", &[], || {
        let receiver = Receiver::start();
        let early = metrics::counter!("too.early");
        let telemetry = builder()
            .otlp_endpoint(receiver.url())
            .logs(Exporter::Otlp)
            .metrics(MetricsExporter::PrometheusAndOtlp)
            .strict()
            .install()
            .unwrap();
        early.increment(1);
        metrics::counter!("own.things").increment(3);
        tracing::info_span!("work").in_scope(|| tracing::info!("hello"));
        global::tracer("own").start("by hand").end();
        let mut carrier = std::collections::HashMap::<String, String>::new();
        let span = global::tracer("own").start("carried");
        let context = Context::new().with_span(span);
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut carrier);
        });
        assert!(carrier.contains_key("traceparent"));
        drop(context);

        let text = scrape(telemetry.prometheus_addr().unwrap());
        assert!(text.contains("own_things_total 3"), "{text}");
        assert!(text.contains("target_info{"), "{text}");
        assert!(text.contains("spanwire_operation_slow_threshold_seconds 1\n"));
        assert!(text.contains("spanwire_ipc_slow_threshold_seconds 0.1\n"));
        assert!(text.contains("spanwire_error_rate_threshold_ratio 0.1\n"));
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!(report.spans.to_string(), "3 exported, 0 dropped, 0 lost");
        assert_eq!(report.logs.exported, 1);
        assert!(receiver.metrics().iter().any(|m| m.name == "own.things"));
        let logs = receiver.logs();
        assert_eq!(logs[0].span_id, span_id(&receiver, "work"));

        // All of it is still there, and harmless.
        metrics::counter!("own.things").increment(1);
        tracing::info_span!("late").in_scope(|| tracing::info!("late"));
        global::tracer("own").start("late").end();
        assert_eq!(telemetry.shutdown(SECOND), report);
        assert_eq!(receiver.spans().len(), 3);
        assert!(TcpStream::connect(telemetry.prometheus_addr().unwrap()).is_err());
    });
}

fn span_id(receiver: &Receiver, name: &str) -> Vec<u8> {
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == name).unwrap();
    span.span_id.clone()
}

#[test]
fn the_environment_of_the_process_is_read() {
    let test = "the_environment_of_the_process_is_read";
    let receiver = Receiver::start();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".into()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=1".into()),
        ("OTEL_SERVICE_NAME", "renamed".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,team=a".into()),
    ];
    let environment: Vec<_> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    alone(test, &environment, || {
        let telemetry = builder().strict().install().unwrap();
        tracing::info_span!("work").in_scope(|| ());
        assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
    });
    if std::env::var_os("SPANWIRE_TEST_CHILD").is_none() {
        let received = receiver.received();
        let resource = received[0].resource().attributes;
        assert_eq!(text(&resource, "service.name").as_deref(), Some("renamed"));
        assert_eq!(text(&resource, "team").as_deref(), Some("a"));
        assert_eq!(received[0].headers["content-encoding"], "gzip");
        assert_eq!(received[0].headers["x-key"], "1");
    }
}

#[test]
fn what_the_app_has_already_stays() {
    alone("what_the_app_has_already_stays", &[], || {
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
        let (_first, parts) = builder().build().unwrap();
        metrics::set_global_recorder(parts.recorder.unwrap()).unwrap();
        let receiver = Receiver::start();
        let make = || builder().otlp_endpoint(receiver.url());
        let telemetry = make().install().unwrap();
        let warnings = telemetry.warnings();
        assert!(warnings.contains(&Warning::SubscriberTaken), "{warnings:?}");
        assert!(warnings.contains(&Warning::RecorderTaken), "{warnings:?}");
        assert!(warnings[0].to_string().contains("TelemetryBuilder::build"));
        // What is not taken works: spans made by hand.
        global::tracer("own").start("by hand").end();
        assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);

        let error = make().strict().install().unwrap_err().to_string();
        assert!(error.contains("recorder already"), "{error}");
    });
}

#[test]
fn disabled_telemetry_touches_nothing() {
    let switches = [("OTEL_SDK_DISABLED", "true")];
    alone("disabled_telemetry_touches_nothing", &switches, || {
        let telemetry = builder()
            .otlp_endpoint("http://127.0.0.1:1")
            .logs(Exporter::Otlp)
            .install()
            .unwrap();
        tracing::info_span!("work").in_scope(|| ());
        metrics::counter!("own.things").increment(1);
        // Nobody has the places, so the app can take them.
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
        let (_other, parts) = builder()
            .environment(|_| None)
            .without_system()
            .build()
            .unwrap();
        metrics::set_global_recorder(parts.recorder.unwrap()).unwrap();
        assert!(!global::tracer("own").start("x").span_context().is_valid());
        assert_eq!(telemetry.shutdown(SECOND), Default::default());
    });
}

#[test]
fn metrics_alone_leave_the_subscriber_to_the_app() {
    let test = "metrics_alone_leave_the_subscriber_to_the_app";
    alone(test, &[], || {
        let _telemetry = builder().strict().install().unwrap();
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
    });
}

#[test]
fn exports_do_not_breed_telemetry() {
    alone("exports_do_not_breed_telemetry", &[], || {
        // What the transport says to `log` comes in as events too.
        tracing_log::LogTracer::init().unwrap();
        let receiver = Receiver::start();
        let telemetry = builder()
            .otlp_endpoint(receiver.url())
            .logs(Exporter::Otlp)
            .metrics(MetricsExporter::PrometheusAndOtlp)
            .level(LevelFilter::TRACE)
            .install()
            .unwrap();
        for _ in 0..3 {
            tracing::trace_span!("work").in_scope(|| tracing::trace!("hello"));
            scrape(telemetry.prometheus_addr().unwrap());
            telemetry.flush(10 * SECOND).unwrap();
        }
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!((report.spans.exported, report.logs.exported), (3, 3));
        assert!(receiver.logs().iter().all(|log| body(log) == "hello"));
        assert!(receiver.spans().iter().all(|span| span.name == "work"));
    });
}
