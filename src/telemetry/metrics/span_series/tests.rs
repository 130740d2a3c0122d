use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanKind, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

use super::*;
use crate::semconv::SCOPE;

/// A span of a quarter of a second, as the exporter gets it.
fn span(
    scope: &'static str,
    name: &'static str,
    kind: SpanKind,
    attributes: &[(&'static str, &'static str)],
) -> SpanData {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let attributes = attributes.iter().map(|(name, value)| {
        // What parses as a number is one.
        match value.parse::<f64>() {
            Ok(number) => KeyValue::new(*name, number),
            Err(_) => KeyValue::new(*name, *value),
        }
    });
    let tracer = provider.tracer(scope);
    let mut span = tracer
        .span_builder(name)
        .with_kind(kind)
        .with_start_time(UNIX_EPOCH + Duration::from_secs(10))
        .with_attributes(attributes)
        .start(&tracer);
    span.end_with_timestamp(UNIX_EPOCH + Duration::from_millis(10_250));
    drop(span);
    exporter.get_finished_spans().unwrap().remove(0)
}

/// The series as text.
fn lines(span: &SpanData) -> Vec<String> {
    span_series(span)
        .map(|series| {
            let labels: Vec<String> = series
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let (name, labels) = (series.metric.name, labels.join(","));
            format!("{name}{{{labels}}} {}", series.value_s)
        })
        .collect()
}

const WIRE: [(&str, &str); 3] = [
    ("rpc.system.name", "spanwire"),
    ("rpc.method", "save"),
    ("spanwire.webview.name", "main"),
];

fn wire(name: &'static str, kind: SpanKind, more: &[(&'static str, &'static str)]) -> Vec<String> {
    lines(&span(SCOPE, name, kind, &[&WIRE, more].concat()))
}

#[test]
fn handlers_are_measured_with_their_error() {
    let handled =
        "spanwire.ipc.handler.duration{spanwire.ipc.event=save,spanwire.webview.name=main} 0.25";
    assert_eq!(wire("save", SpanKind::Server, &[]), [handled]);
    assert_eq!(wire("save", SpanKind::Consumer, &[]), [handled]);
    assert_eq!(
        wire("save", SpanKind::Server, &[("error.type", "panic")]),
        [
            "spanwire.ipc.handler.duration{error.type=panic,spanwire.ipc.event=save,spanwire.webview.name=main} 0.25"
        ]
    );
}

#[test]
fn messages_to_the_page_are_measured_when_delivered_and_their_wait_in_any_case() {
    let delivered =
        "spanwire.ipc.delivery.duration{spanwire.ipc.event=save,spanwire.webview.name=main} 0.25";
    let waited = "spanwire.queue.wait.duration{spanwire.queue.name=main} 0.01";
    let wait = ("spanwire.queue.wait", "0.01");
    let gone = ("error.type", "page_gone");
    assert_eq!(
        wire("send save", SpanKind::Producer, &[wait]),
        [delivered, waited]
    );
    assert_eq!(
        wire("send save", SpanKind::Producer, &[wait, gone]),
        [waited]
    );
    // Dropped before it left the queue.
    assert!(wire("send save", SpanKind::Producer, &[gone]).is_empty());
    // Replies wait in a lane of their own.
    assert_eq!(wire("reply save", SpanKind::Internal, &[wait]), [delivered]);
    assert!(wire("reply save", SpanKind::Internal, &[wait, gone]).is_empty());
}

#[test]
fn what_the_page_measures_is_not_taken_for_the_hosts() {
    assert!(wire("save", SpanKind::Client, &[]).is_empty());
    assert!(wire("send save", SpanKind::Producer, &[]).is_empty());
    assert_eq!(
        wire("process save", SpanKind::Consumer, &[]),
        ["spanwire.ipc.process.duration{spanwire.ipc.event=save,spanwire.webview.name=main} 0.25"]
    );
    let trace = span(
        SCOPE,
        "click",
        SpanKind::Internal,
        &[("spanwire.webview.name", "main")],
    );
    assert!(lines(&trace).is_empty());
}

#[test]
fn operations_are_measured_by_their_capped_name() {
    let attributes = [
        ("spanwire.operation.name", "_OTHER"),
        ("error.type", "io::Error"),
    ];
    let operation = span(SCOPE, "save", SpanKind::Internal, &attributes);
    assert_eq!(
        lines(&operation),
        ["spanwire.operation.duration{error.type=io::Error,spanwire.operation.name=_OTHER} 0.25"]
    );
}

#[test]
fn spans_of_others_are_not_measured() {
    let operation = [("spanwire.operation.name", "save")];
    assert!(lines(&span("app", "save", SpanKind::Internal, &operation)).is_empty());
    let plain = span(
        SCOPE,
        "query",
        SpanKind::Server,
        &[("rpc.system.name", "grpc")],
    );
    assert!(lines(&plain).is_empty());
    let numbers = [("spanwire.operation.name", "7")];
    assert!(lines(&span(SCOPE, "x", SpanKind::Internal, &numbers)).is_empty());
}
