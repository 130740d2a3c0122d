//! Each example, in a real window: it says what it should, ends by itself, and its telemetry has
//! arrived by then, although `run` of the event loop ends the process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Mutex, PoisonError};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire::history::query::{Filter, HistoryReader};
use spanwire_testkit::example;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{self, Receiver};
use spanwire_testkit::virtual_display::on_display;

/// `xvfb-run` looks for a free display and takes it in two steps: one at a time.
static DISPLAY: Mutex<()> = Mutex::new(());

/// Runs it to its end and returns what it printed.
fn run(name: &str, receiver: &Receiver) -> String {
    run_with(name, &["--once"], receiver)
}

fn run_with(name: &str, arguments: &[&str], receiver: &Receiver) -> String {
    let _alone = DISPLAY.lock().unwrap_or_else(PoisonError::into_inner);
    let output = on_display()
        .args(["timeout", "60"])
        .arg(example::program("spanwire-demo", name))
        .args(arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .env("OTEL_TRACES_SAMPLER", "parentbased_always_on")
        .output()
        .expect("xvfb-run is there: scripts/install-packages test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    text
}

/// Each span as `webview kind name`.
fn spans(receiver: &Receiver) -> Vec<String> {
    let line = |span: &Span| {
        let webview = receiver::text(&span.attributes, "spanwire.webview.name").unwrap_or_default();
        let kind = span.kind().as_str_name().replace("SPAN_KIND_", "");
        format!("{webview} {} {}", kind.to_lowercase(), span.name)
    };
    receiver.spans().iter().map(line).collect()
}

fn has(spans: &[String], wanted: &str) -> bool {
    spans.iter().any(|span| span == wanted)
}

/// The spans of one call and one event arrived, although the loop ended the process.
fn has_a_greeting(receiver: &Receiver) {
    let spans = spans(receiver);
    for span in [
        "main server greet",
        "main consumer greeted",
        "main internal reply greet",
    ] {
        assert!(has(&spans, span), "{span} in {spans:?}");
    }
}

#[test]
fn minimal_flushes_its_spans_before_the_loop_ends_the_process() {
    let receiver = Receiver::start();
    let said = run("minimal", &receiver);
    assert!(said.contains("- Messages Received: 2"), "{said}");
    has_a_greeting(&receiver);
}

#[test]
fn winit_flushes_its_spans_before_the_loop_ends_the_process() {
    let receiver = Receiver::start();
    let said = run("winit", &receiver);
    assert!(said.contains("the page was greeted"), "{said}");
    has_a_greeting(&receiver);
}

#[test]
fn a_window_that_is_closed_leaves_the_other_one_working() {
    let receiver = Receiver::start();
    let said = run("windows", &receiver);
    let lines: Vec<&str> = said.lines().collect();
    let place = |line: &str| {
        let place = lines.iter().position(|known| *known == line);
        place.unwrap_or_else(|| panic!("{line} in {said}"))
    };
    assert!(place("left says hello") < place("left is closed"));
    assert!(place("left is closed") < place("right heard that the other one was closed"));
    assert!(
        place("right heard that the other one was closed") < place("right is closed"),
        "{said}"
    );
    let spans = spans(&receiver);
    for span in [
        "left server hello",
        "right server hello",
        "right consumer heard",
    ] {
        assert!(has(&spans, span), "{span} in {spans:?}");
    }
}

#[test]
fn the_app_reloads_its_page_after_a_crash() {
    let receiver = Receiver::start();
    let said = run("app", &receiver);
    let steps: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("the page "))
        .collect();
    assert_eq!(
        steps,
        ["the page is there", "the page crashed", "the page is there"]
    );
    assert!(has(&spans(&receiver), "main consumer there"));
}

#[test]
fn the_spans_of_a_pages_own_sdk_are_in_one_trace_with_what_rust_did_for_it() {
    let receiver = Receiver::start();
    let said = run("otel_page", &receiver);
    assert!(said.contains("sunrise is loaded"), "{said}");
    let spans = receiver.spans();
    let of = |name: &str, kind: SpanKind| {
        let mut found = spans.iter();
        let found = found.find(|span| span.name == name && span.kind() == kind);
        found.unwrap_or_else(|| panic!("{name} in {spans:#?}"))
    };
    let click = of("open picture", SpanKind::Internal);
    let client = of("picture.load", SpanKind::Client);
    let handler = of("picture.load", SpanKind::Server);
    for (child, parent) in [
        (of("draw", SpanKind::Internal), click),
        (client, click),
        (handler, client),
        (of("decode", SpanKind::Internal), handler),
    ] {
        assert_eq!(child.parent_span_id, parent.span_id, "{child:?}");
        assert_eq!(child.trace_id, click.trace_id, "{child:?}");
    }
    let received = receiver.received();
    for request in &received {
        let resource = request.resource();
        let service = receiver::text(&resource.attributes, "service.name");
        assert_eq!(service.as_deref(), Some("otel_page"));
    }
    let webview = receiver::text(&click.attributes, "spanwire.webview.name");
    assert_eq!(webview.as_deref(), Some("main"));
}

#[test]
fn the_notebook_without_a_fault_ends_by_itself() {
    let receiver = Receiver::start();
    let said = run_with("notebook", &["--for", "3"], &receiver);
    assert!(said.contains("metrics http://127.0.0.1:"), "{said}");
}

#[test]
fn the_mixer_without_a_fault_ends_by_itself_and_keeps_a_history() {
    let receiver = Receiver::start();
    let folder = Folder::new("mixer");
    let history = folder.path().join("history.db");
    run_with(
        "mixer",
        &["--for", "3", "--history", history.to_str().unwrap()],
        &receiver,
    );
    let reader = HistoryReader::open(&history).unwrap();
    assert!(!reader.stats(&Filter::new()).unwrap().is_empty());
}
