//! What `install` does to a process. Each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::net::TcpStream;
use std::time::Duration;

use opentelemetry::trace::{Span as _, TraceContextExt, Tracer};
use opentelemetry::{Context, global};
use spanwire::telemetry::{Exporter, MetricsExporter, Telemetry, TelemetryBuilder, Warning};
use spanwire::timer::monitor;
use spanwire_testkit::child_process::{is_child, run_alone};
use spanwire_testkit::receiver::{Receiver, body, text};
use spanwire_testkit::scrape::scrape_text;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::Registry;

const SECOND: Duration = Duration::from_secs(1);

fn builder() -> TelemetryBuilder {
    Telemetry::builder("test").prometheus_port(0)
}

#[test]
fn install_sets_everything_that_is_process_wide() {
    run_alone("install_sets_everything_that_is_process_wide", &[], || {
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

        let text = scrape_text(telemetry.prometheus_addr().unwrap());
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

#[test]
fn levels_without_a_consumer_stay_off_at_their_call_sites() {
    run_alone(
        "levels_without_a_consumer_stay_off_at_their_call_sites",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = builder()
                .otlp_endpoint(receiver.url())
                .strict()
                .install()
                .unwrap();
            assert_eq!(LevelFilter::current(), LevelFilter::INFO);
            drop(telemetry);
        },
    );
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
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    run_alone(test, &environment, || {
        let telemetry = builder().strict().install().unwrap();
        tracing::info_span!("work").in_scope(|| ());
        assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
    });
    if !is_child() {
        let received = receiver.received();
        let resource = received[0].resource().attributes;
        assert_eq!(text(&resource, "service.name").as_deref(), Some("renamed"));
        assert_eq!(text(&resource, "team").as_deref(), Some("a"));
        assert_eq!(received[0].headers["content-encoding"], "gzip");
        assert_eq!(received[0].headers["x-key"], "1");
    }
}

#[test]
fn an_existing_subscriber_and_recorder_stay() {
    run_alone("an_existing_subscriber_and_recorder_stay", &[], || {
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
fn a_recorder_of_this_thread_alone_leaves_the_place_free() {
    let test = "a_recorder_of_this_thread_alone_leaves_the_place_free";
    run_alone(test, &[], || {
        let (_other, parts) = builder().build().unwrap();
        let own = parts.recorder.unwrap();
        let install = || builder().strict().install();
        let telemetry = metrics::with_local_recorder(&*own, install).unwrap();
        assert!(telemetry.warnings().is_empty());
        metrics::counter!("own.things").increment(3);
        let text = scrape_text(telemetry.prometheus_addr().unwrap());
        assert!(text.contains("own_things_total 3"), "{text}");
        assert!(!text.contains("recorder_taken"), "{text}");
    });
}

/// A bad variable, and a collector that is not there.
fn in_trouble(builder: TelemetryBuilder) {
    let telemetry = builder
        .environment(|name| (name == "OTEL_PROPAGATORS").then(|| "b3".to_owned()))
        .otlp_endpoint("http://127.0.0.1:1")
        .install()
        .unwrap();
    assert_eq!(telemetry.warnings().len(), 1);
    for _ in 0..2 {
        global::tracer("own").start("by hand").end();
        assert!(telemetry.flush(10 * SECOND).is_err());
    }
}

#[test]
fn warnings_and_failed_exports_without_a_logger_are_written_to_stderr() {
    let test = "warnings_and_failed_exports_without_a_logger_are_written_to_stderr";
    let Some(errors) = run_alone(test, &[], || in_trouble(builder())) else {
        return;
    };
    let lines: Vec<_> = errors
        .lines()
        .filter(|line| line.starts_with("spanwire: "))
        .collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(
        lines[0].starts_with(r#"spanwire: OTEL_PROPAGATORS="b3" is not used: accepted is "#),
        "{errors}"
    );
    assert!(
        lines[1]
            .starts_with("spanwire: traces are not exported: cannot talk to http://127.0.0.1:1: ")
            && lines[1].ends_with(" (1 lost)"),
        "{errors}"
    );
}

#[test]
fn warnings_are_log_records_and_failed_exports_are_not() {
    let test = "warnings_are_log_records_and_failed_exports_are_not";
    run_alone(test, &[], || {
        let receiver = Receiver::start();
        let logs = format!("{}/v1/logs", receiver.url());
        let telemetry = builder()
            .environment(move |name| match name {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" => Some(logs.clone()),
                "OTEL_PROPAGATORS" => Some("b3".to_owned()),
                _ => None,
            })
            .logs(Exporter::Otlp)
            .install()
            .unwrap();
        tracing::info_span!("work").in_scope(|| ());
        assert!(telemetry.flush(10 * SECOND).is_err());
        telemetry.shutdown(10 * SECOND);
        let logs = receiver.logs();
        assert_eq!(logs.len(), 1, "{logs:?}");
        assert!(body(&logs[0]).contains("OTEL_PROPAGATORS"), "{logs:?}");
    });
}

#[test]
fn a_quiet_app_has_nothing_on_stderr() {
    let test = "a_quiet_app_has_nothing_on_stderr";
    let errors = run_alone(test, &[], || in_trouble(builder().quiet()));
    assert!(errors.is_none_or(|errors| !errors.contains("spanwire: ")));
}

#[test]
fn an_app_with_a_subscriber_of_its_own_has_nothing_on_stderr() {
    let test = "an_app_with_a_subscriber_of_its_own_has_nothing_on_stderr";
    let errors = run_alone(test, &[], || {
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
        let telemetry = builder().prometheus_host("http://x").install().unwrap();
        assert_eq!(telemetry.warnings().len(), 1);
    });
    assert!(errors.is_none_or(|errors| !errors.contains("spanwire: ")));
}

#[test]
fn set_globals_of_the_parts_sets_what_is_process_wide() {
    run_alone(
        "set_globals_of_the_parts_sets_what_is_process_wide",
        &[],
        || {
            let receiver = Receiver::start();
            let (telemetry, parts) = builder()
                .otlp_endpoint(receiver.url())
                .slow_threshold(7 * SECOND)
                .build()
                .unwrap();
            assert!(!global::tracer("own").start("x").span_context().is_valid());
            parts.set_globals();
            assert_eq!(spanwire::timer::slow_threshold(), 7 * SECOND);
            let context = Context::new().with_span(global::tracer("own").start("carried"));
            let mut carrier = std::collections::HashMap::<String, String>::new();
            global::get_text_map_propagator(|propagator| {
                propagator.inject_context(&context, &mut carrier);
            });
            assert!(carrier.contains_key("traceparent"));
            drop(context);
            assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
        },
    );
}

#[test]
fn disabled_telemetry_sets_nothing_that_is_process_wide() {
    let switches = [("OTEL_SDK_DISABLED", "true")];
    run_alone(
        "disabled_telemetry_sets_nothing_that_is_process_wide",
        &switches,
        || {
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
        },
    );
}

#[test]
fn metrics_alone_leave_the_subscriber_to_the_app() {
    let test = "metrics_alone_leave_the_subscriber_to_the_app";
    run_alone(test, &[], || {
        let _telemetry = builder().strict().install().unwrap();
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
    });
}

#[test]
fn exports_make_no_telemetry_of_their_own() {
    run_alone("exports_make_no_telemetry_of_their_own", &[], || {
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
            scrape_text(telemetry.prometheus_addr().unwrap());
            telemetry.flush(10 * SECOND).unwrap();
        }
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!((report.spans.exported, report.logs.exported), (3, 3));
        assert!(receiver.logs().iter().all(|log| body(log) == "hello"));
        assert!(receiver.spans().iter().all(|span| span.name == "work"));
    });
}

/// A call site of the app's own, which several threads pass.
fn work(n: i64) {
    tracing::info_span!("work", n).in_scope(|| {});
}

#[test]
fn spans_of_every_thread_are_exported_where_the_app_has_no_subscriber() {
    let test = "spans_of_every_thread_are_exported_where_the_app_has_no_subscriber";
    run_alone(test, &[], || {
        let receiver = Receiver::start();
        let telemetry = builder().otlp_endpoint(receiver.url()).install().unwrap();
        let on_a_thread = |run: fn()| std::thread::spawn(run).join().unwrap();
        // Ours begins on this thread.
        work(1);
        monitor("first").time(|| ());
        let taken_by_init = || tracing::subscriber::set_global_default(Registry::default());
        // A call site of ours that this thread has passed takes the process's place.
        on_a_thread(|| monitor("second").time(|| ()));
        on_a_thread(|| work(2));
        assert!(taken_by_init().is_err());
        monitor("third").time(|| ());
        work(3);
        telemetry.shutdown(10 * SECOND);
        let mut names: Vec<_> = receiver.spans().into_iter().map(|it| it.name).collect();
        names.sort();
        assert_eq!(names, ["first", "second", "third", "work", "work", "work"]);
    });
}

#[test]
fn a_new_call_site_on_another_thread_gives_ours_the_place() {
    let test = "a_new_call_site_on_another_thread_gives_ours_the_place";
    run_alone(test, &[], || {
        let receiver = Receiver::start();
        let telemetry = builder().otlp_endpoint(receiver.url()).install().unwrap();
        work(1);
        let other = || {
            tracing::info_span!("new").in_scope(|| {});
            work(2);
        };
        std::thread::spawn(other).join().unwrap();
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!(report.spans.exported, 3);
    });
}

#[test]
fn after_a_second_our_subscriber_has_the_place() {
    let test = "after_a_second_our_subscriber_has_the_place";
    run_alone(test, &[], || {
        let receiver = Receiver::start();
        let telemetry = builder().otlp_endpoint(receiver.url()).install().unwrap();
        work(1);
        let is_ours = || {
            let here = || tracing::dispatcher::get_default(|it| !it.is::<NoSubscriber>());
            std::thread::spawn(here).join().unwrap()
        };
        for _ in 0..1_000 {
            if is_ours() {
                break;
            }
            std::thread::sleep(SECOND / 100);
        }
        std::thread::spawn(|| work(2)).join().unwrap();
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!(report.spans.exported, 2);
    });
}

#[test]
fn telemetry_that_ends_at_once_leaves_the_place_to_the_app() {
    let test = "telemetry_that_ends_at_once_leaves_the_place_to_the_app";
    run_alone(test, &[], || {
        let receiver = Receiver::start();
        let telemetry = builder().otlp_endpoint(receiver.url()).install().unwrap();
        work(1);
        telemetry.shutdown(10 * SECOND);
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
        assert!(tracing::dispatcher::get_default(|it| it.is::<Registry>()));
        assert_eq!(receiver.spans().len(), 1);
    });
}
