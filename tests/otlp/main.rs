//! OTLP against a receiver on a real socket.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod failing_collector;

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use spanwire::telemetry::{
    Exporter, MetricsExporter, Sampler, Telemetry, TelemetryBuilder, TelemetryParts,
};
use spanwire_testkit::authority::Authority;
use spanwire_testkit::environment::{environment, variables};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::receiver::{Answer, Payload, Receiver, body, text};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

/// Nothing from the process environment, and no endpoint for Prometheus.
fn builder(pairs: &[(&str, &str)]) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(environment(variables(pairs)))
        .metrics(MetricsExporter::None)
        .without_system()
}

fn run<R>(parts: &TelemetryParts, f: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(Registry::default().with(parts.layer()), f)
}

fn one_span(parts: &TelemetryParts) {
    run(parts, || tracing::info_span!("work", n = 1).in_scope(|| ()));
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_span_arrives_with_its_resource_and_attributes() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b")])
        .service_version("1.2.3")
        .otlp_endpoint(receiver.url())
        .build()
        .unwrap();
    run(&parts, || {
        let outer = tracing::info_span!("outer", n = 1).entered();
        tracing::info_span!("inner").in_scope(|| ());
        drop(outer);
    });
    let report = telemetry.shutdown(10 * SECOND);
    assert_eq!(report.spans.to_string(), "2 exported, 0 dropped, 0 lost");

    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].headers["content-type"],
        "application/x-protobuf"
    );
    let resource = received[0].resource().attributes;
    for (key, value) in [
        ("service.name", "test"),
        ("service.version", "1.2.3"),
        ("team", "a b"),
        ("os.type", std::env::consts::OS),
        ("telemetry.sdk.name", "opentelemetry"),
    ] {
        assert_eq!(text(&resource, key).as_deref(), Some(value), "{key}");
    }
    assert!(text(&resource, "service.instance.id").is_some());
    let created = text(&resource, "process.creation.time").unwrap();
    assert_eq!(
        (created.len(), created.ends_with('Z')),
        (20, true),
        "{created}"
    );
    assert!(text(&resource, "host.name").is_none());

    let spans = receiver.spans();
    let find = |name| spans.iter().find(|span| span.name == name).unwrap();
    let (outer, inner) = (find("outer"), find("inner"));
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert_eq!(inner.trace_id, outer.trace_id);
    assert_eq!(text(&outer.attributes, "n").as_deref(), Some("1"));
    assert!(outer.end_time_unix_nano >= inner.end_time_unix_nano);
}

#[test]
fn logs_carry_the_ids_of_their_span() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .logs(Exporter::Otlp)
        .build()
        .unwrap();
    run(&parts, || {
        tracing::info_span!("work").in_scope(|| tracing::warn!(answer = 42, "inside"));
        tracing::debug!("below the level");
    });
    let report = telemetry.shutdown(10 * SECOND);
    assert_eq!(report.logs.to_string(), "1 exported, 0 dropped, 0 lost");
    let (span, log) = (&receiver.spans()[0], &receiver.logs()[0]);
    assert_eq!(body(log), "inside");
    assert_eq!(log.severity_text, "WARN");
    assert_eq!(text(&log.attributes, "answer").as_deref(), Some("42"));
    assert_eq!(
        (&log.trace_id, &log.span_id),
        (&span.trace_id, &span.span_id)
    );
}

#[test]
fn metrics_arrive_with_units_and_bounds() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::Otlp)
        .traces(Exporter::None)
        .build()
        .unwrap();
    with_recorder_of(&parts, || {
        metrics::describe_histogram!(
            "spanwire.operation.duration",
            metrics::Unit::Seconds,
            "Time that a scoped operation took."
        );
        metrics::histogram!("spanwire.operation.duration", "spanwire.operation.name" => "save")
            .record(0.02);
        metrics::counter!("own.things").increment(3);
    });
    let report = telemetry.shutdown(10 * SECOND);
    assert!(report.metrics.exported >= 2, "{report}");
    assert_eq!((report.metrics.dropped, report.metrics.lost), (0, 0));

    let found = receiver.metrics();
    let find = |name| found.iter().find(|metric| metric.name == name).unwrap();
    let duration = find("spanwire.operation.duration");
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}");
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (1, Some(0.02)));
    assert_eq!(point.explicit_bounds, spanwire::semconv::OPERATION_BOUNDS_S);
    let Some(Data::Sum(sum)) = &find("own.things").data else {
        panic!("{found:?}");
    };
    assert_eq!(sum.data_points[0].value, Some(Value::AsInt(3)));
    let resource = receiver.received()[0].resource().attributes;
    assert_eq!(text(&resource, "service.name").as_deref(), Some("test"));
}

#[test]
fn each_signal_is_compressed_and_has_its_headers() {
    let receiver = Receiver::start();
    let endpoint = receiver.url();
    let (telemetry, parts) = builder(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=general%20key,x-zone=1"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-key=logs"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
    ])
    .otlp_header("x-zone", "2")
    .logs(Exporter::Otlp)
    .metrics(MetricsExporter::Otlp)
    .build()
    .unwrap();
    with_recorder_of(&parts, || {
        metrics::counter!("own.things").increment(3);
    });
    run(&parts, || {
        tracing::info_span!("work").in_scope(|| tracing::info!("hello"));
    });
    let report = telemetry.shutdown(10 * SECOND);
    assert_eq!((report.spans.exported, report.logs.exported), (1, 1));

    let received = receiver.received();
    for (path, key, encoding) in [
        ("/v1/traces", "general key", Some("gzip")),
        ("/v1/logs", "logs", Some("gzip")),
        ("/v1/metrics", "general key", None),
    ] {
        let request = received.iter().find(|one| one.path == path).unwrap();
        assert!(!matches!(request.payload, Payload::Undecodable(_)));
        assert_eq!(request.headers["x-key"], key);
        assert_eq!(request.headers["x-zone"], "2");
        let found = request.headers.get("content-encoding");
        assert_eq!(found.map(|value| value.to_str().unwrap()), encoding);
    }
}

#[test]
fn a_signals_own_endpoint_is_used_unchanged() {
    let receiver = Receiver::start();
    let own = format!("{}/v1/traces", receiver.url());
    let (telemetry, parts) = builder(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &own),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
    ])
    .build()
    .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
}

#[test]
fn https_with_a_private_ca_works() {
    let authority = Authority::new("ours");
    let receiver = Receiver::start_tls(authority.server());
    let file = authority.file();
    let (telemetry, parts) = builder(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap())])
        .otlp_endpoint(receiver.url())
        .strict()
        .build()
        .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
}

#[test]
fn a_client_certificate_is_sent_to_a_collector_that_asks() {
    let authority = Authority::new("ours");
    let receiver = Receiver::start_tls(authority.server_for_known_clients());
    let (file, (certificate, key)) = (authority.file(), authority.client_files());
    let ca = ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap());
    let (telemetry, parts) = builder(&[
        ca,
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            certificate.to_str().unwrap(),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.to_str().unwrap()),
    ])
    .otlp_endpoint(receiver.url())
    .strict()
    .build()
    .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);

    let (telemetry, parts) = builder(&[ca])
        .otlp_endpoint(receiver.url())
        .build()
        .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.shutdown(10 * SECOND).spans.lost, 1);
}

#[test]
fn a_burst_larger_than_the_queue_counts_every_span() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[("OTEL_TRACES_SAMPLER", "parentbased_always_on")])
        .otlp_endpoint(receiver.url())
        .build()
        .unwrap();
    run(&parts, || {
        for _ in 0..20_000 {
            tracing::info_span!("work").in_scope(|| ());
        }
    });
    let report = telemetry.shutdown(20 * SECOND);
    assert_eq!(report.spans.lost, 0);
    assert_eq!(report.spans.exported + report.spans.dropped, 20_000);
    assert_eq!(report.spans.exported, receiver.spans().len() as u64);
}

#[test]
fn a_flush_and_a_shutdown_accept_an_endless_deadline() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::Otlp)
        .build()
        .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.flush(Duration::MAX), Ok(()));
    one_span(&parts);
    assert_eq!(telemetry.shutdown(Duration::MAX).spans.exported, 2);
}

#[test]
fn exports_are_counted_as_metrics_with_the_reason_of_a_loss() {
    let (traces, metrics) = (Receiver::start(), Receiver::start());
    let url = format!("{}/v1/metrics", metrics.url());
    let (telemetry, parts) = builder(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &traces.url()),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &url),
    ])
    .metrics(MetricsExporter::Otlp)
    .build()
    .unwrap();
    one_span(&parts);
    telemetry.flush(10 * SECOND).unwrap();
    traces.answer(Answer::Status(400));
    one_span(&parts);
    let _ = telemetry.flush(10 * SECOND);
    telemetry.shutdown(10 * SECOND);

    let found = metrics.metrics();
    let points = |name: &str| {
        let metric = found.iter().find(|metric| metric.name == name).unwrap();
        match metric.data.clone().unwrap() {
            Data::Sum(sum) => sum.data_points,
            Data::Gauge(gauge) => gauge.data_points,
            other => panic!("{other:?}"),
        }
    };
    let number = |name: &str, error: Option<&str>| {
        let points = points(name);
        let found = points
            .iter()
            .find(|point| text(&point.attributes, "error.type").as_deref() == error);
        found.and_then(|point| point.value)
    };
    let exported = "otel.sdk.exporter.span.exported";
    let url = traces.url();
    let (host, port) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once(':')
        .unwrap();
    let port: i64 = port.parse().unwrap();
    for point in points(exported) {
        let text = |key| text(&point.attributes, key).unwrap();
        assert_eq!(text("otel.component.type"), "otlp_http_span_exporter");
        assert_eq!(text("otel.component.name"), "otlp_http_span_exporter/0");
        assert_eq!(text("server.address"), host);
        let found = point.attributes.iter().find(|one| one.key == "server.port");
        let found = found.unwrap().value.clone().unwrap().value.unwrap();
        assert_eq!(found, any_value::Value::IntValue(port));
    }
    assert_eq!(number(exported, None), Some(Value::AsInt(1)));
    assert_eq!(number(exported, Some("refused")), Some(Value::AsInt(1)));
    let processed = "otel.sdk.processor.span.processed";
    assert_eq!(number(processed, None), Some(Value::AsInt(2)));
    let capacity = "otel.sdk.processor.span.queue.capacity";
    assert_eq!(number(capacity, None), Some(Value::AsInt(2048)));
    let capacity = found.iter().find(|metric| metric.name == capacity).unwrap();
    let Some(Data::Sum(sum)) = &capacity.data else {
        panic!("{capacity:?}")
    };
    assert!(!sum.is_monotonic, "it is an up-down counter");
}

/// Attributes as `key = value`, numbers as numbers and texts in quotes.
fn typed(attributes: &[KeyValue]) -> Vec<String> {
    let value = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::StringValue(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    };
    let line = |attribute: &KeyValue| format!("{} = {}", attribute.key, value(attribute));
    attributes.iter().map(line).collect()
}

/// Neither ours nor the level that `tracing-opentelemetry` adds to events.
fn is_own(field: &str) -> bool {
    !["spanwire.", "level", "target"]
        .iter()
        .any(|other| field.starts_with(other))
}

#[test]
fn integers_of_every_type_arrive_as_integers_and_texts_as_texts() {
    for sampler in [Sampler::Tail, Sampler::AlwaysOn] {
        let receiver = Receiver::start();
        let (telemetry, parts) = builder(&[])
            .otlp_endpoint(receiver.url())
            .logs(Exporter::Otlp)
            .sampler(sampler)
            .build()
            .unwrap();
        run(&parts, || {
            let span = tracing::info_span!(
                "work",
                size = 11_usize,
                most = u64::MAX,
                byte = 7_u8,
                short = 16_u16,
                signed = -3_i32,
                wide = 5_u128,
                text = "11",
                debug = ?11,
                later = tracing::field::Empty,
            );
            span.record("later", 12_u32);
            span.in_scope(|| tracing::info!(size = 13_usize, text = "13", "done"));
            drop(span);
            // It has nothing of the first.
            tracing::info_span!("other", size = "11").in_scope(|| ());
            // Names that have both integers and texts.
            let codes = tracing::info_span!("codes", id = 7_u8, zip = "0123", door = "12");
            codes.in_scope(|| {
                tracing::info!(id = "7", "its span's name");
                tracing::info!(zip = 123_u32, door = 12_u8, "its span's names");
                for zip in ["0123", "+123", " 123", "-0", "12a"] {
                    tracing::info!(zip, "another event's name");
                }
            });
        });
        telemetry.shutdown(10 * SECOND);
        let spans = receiver.spans();
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let work = typed(&find("work").attributes);
        let own: Vec<_> = work
            .iter()
            .filter(|line| !line.starts_with("spanwire."))
            .collect();
        assert_eq!(
            own,
            [
                "size = 11",
                r#"most = "18446744073709551615""#,
                "byte = 7",
                "short = 16",
                "signed = -3",
                "wide = 5",
                r#"text = "11""#,
                r#"debug = "11""#,
                "later = 12",
            ]
        );
        let event = typed(&find("work").events[0].attributes);
        assert!(event.contains(&"size = 13".to_owned()), "{event:?}");
        assert!(event.contains(&r#"text = "13""#.to_owned()), "{event:?}");
        let other = typed(&find("other").attributes);
        assert_eq!(other[0], r#"size = "11""#);
        let codes = find("codes");
        let own = typed(&codes.attributes);
        let fields = ["id = 7", r#"zip = "0123""#, r#"door = "12""#];
        assert_eq!(own[..3], fields);
        let events: Vec<_> = codes
            .events
            .iter()
            .map(|event| typed(&event.attributes))
            .map(|fields| {
                fields
                    .into_iter()
                    .filter(|field| is_own(field))
                    .collect::<Vec<_>>()
                    .join(", ")
            })
            .collect();
        assert_eq!(
            events,
            [
                r#"id = "7""#,
                "zip = 123, door = 12",
                r#"zip = "0123""#,
                r#"zip = "+123""#,
                r#"zip = " 123""#,
                r#"zip = "-0""#,
                r#"zip = "12a""#,
            ]
        );
        let log = typed(&receiver.logs()[0].attributes);
        assert_eq!(log, ["size = 13", r#"text = "13""#]);
    }
}

#[test]
fn log_records_have_the_event_name_that_they_were_given_or_none() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .logs(Exporter::Otlp)
        .build()
        .unwrap();
    run(&parts, || {
        tracing::info!("without a name");
        tracing::info!(name: "app.loaded", "with a name");
        let failed = spanwire::timer::monitor("load").run(|| "x".parse::<u32>());
        assert!(failed.is_err());
    });
    telemetry.shutdown(10 * SECOND);
    let logs = receiver.logs();
    let mut names: Vec<_> = logs
        .iter()
        .map(|log| (body(log), &*log.event_name))
        .collect();
    // Each target has a scope of its own, in no order.
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ("operation failed".to_owned(), "spanwire.operation.failed"),
            ("with a name".to_owned(), "app.loaded"),
            ("without a name".to_owned(), ""),
        ]
    );
}

#[test]
fn spans_and_logs_of_the_transport_are_not_exported() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .logs(Exporter::Otlp)
        .level(LevelFilter::TRACE)
        .build()
        .unwrap();
    // The receiver runs in this process: what its hyper logs must not come back either.
    run(&parts, || {
        for _ in 0..3 {
            tracing::trace_span!("work").in_scope(|| tracing::trace!("hello"));
            tracing::trace!(target: "hyper::proto", "of the transport");
            tracing::trace_span!(target: "rustls", "of the transport").in_scope(|| ());
            telemetry.flush(10 * SECOND).unwrap();
        }
    });
    let report = telemetry.shutdown(10 * SECOND);
    assert_eq!((report.spans.exported, report.logs.exported), (3, 3));
    assert!(receiver.spans().iter().all(|span| span.name == "work"));
    assert!(receiver.logs().iter().all(|log| body(log) == "hello"));
}

#[test]
fn long_attribute_values_are_truncated() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
    ])
    .otlp_endpoint(receiver.url())
    .build()
    .unwrap();
    run(&parts, || {
        tracing::info_span!("work", long = "äöüß", second = 1).in_scope(|| ());
    });
    telemetry.shutdown(10 * SECOND);
    let span = &receiver.spans()[0];
    assert_eq!(span.attributes.len(), 1);
    assert_eq!(text(&span.attributes, "long").as_deref(), Some("äöü"));
}

#[test]
fn long_attribute_values_of_logs_are_truncated_and_their_body_is_not() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")])
        .otlp_endpoint(receiver.url())
        .logs(Exporter::Otlp)
        .build()
        .unwrap();
    run(&parts, || tracing::error!(long = "äöüß", "hello"));
    telemetry.shutdown(10 * SECOND);
    let log = &receiver.logs()[0];
    assert_eq!(text(&log.attributes, "long").as_deref(), Some("äöü"));
    assert_eq!(body(log), "hello");
}

#[test]
fn the_sampler_decides_which_spans_are_exported() {
    let receiver = Receiver::start();
    for (environment, option, expected) in [
        (vec![("OTEL_TRACES_SAMPLER", "always_off")], None, 0),
        (
            vec![
                ("OTEL_TRACES_SAMPLER", "traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0"),
            ],
            None,
            0,
        ),
        (
            vec![("OTEL_TRACES_SAMPLER", "always_off")],
            Some(Sampler::AlwaysOn),
            1,
        ),
        (vec![], Some(Sampler::ParentBasedRatio(0.0)), 0),
        (vec![], None, 1),
    ] {
        let mut builder = builder(&environment).otlp_endpoint(receiver.url());
        if let Some(sampler) = option {
            builder = builder.sampler(sampler);
        }
        let (telemetry, parts) = builder.build().unwrap();
        one_span(&parts);
        let report = telemetry.shutdown(10 * SECOND);
        assert_eq!(report.spans.exported, expected, "{environment:?}");
    }
}

#[test]
fn a_second_shutdown_repeats_the_report_and_later_spans_are_ignored() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[]).otlp_endpoint(receiver.url()).build().unwrap();
    one_span(&parts);
    let report = telemetry.shutdown(10 * SECOND);
    one_span(&parts);
    assert_eq!(telemetry.flush(10 * SECOND), Ok(()));
    assert_eq!(telemetry.shutdown(10 * SECOND), report);
    assert_eq!(report.spans.exported, 1);
    drop(telemetry);
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn dropping_during_a_panic_sends_what_is_queued() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .shutdown_deadline(10 * SECOND)
        .build()
        .unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _telemetry = telemetry;
        one_span(&parts);
        std::panic::resume_unwind(Box::new("the app's own panic"));
    }));
    assert_eq!(
        *outcome.unwrap_err().downcast::<&str>().unwrap(),
        "the app's own panic"
    );
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn without_an_endpoint_nothing_is_traced() {
    let (telemetry, parts) = builder(&[]).build().unwrap();
    assert!(parts.tracer_provider.is_none() && parts.recorder.is_none());
    one_span(&parts);
    assert_eq!(telemetry.shutdown(SECOND), Default::default());
}
