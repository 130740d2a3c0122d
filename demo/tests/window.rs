//! The demo as a person runs it: a real window that drives itself, scraped by a real Prometheus,
//! with its spans sent to a receiver in this process.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use spanwire_testkit::prometheus::Prometheus;
use spanwire_testkit::receiver::{self, Receiver};
use spanwire_testkit::virtual_display::on_display;

/// The events that the driven page uses as calls, each with a reply.
const CALLS: [&str; 7] = [
    "session.start",
    "assets.search",
    "assets.open",
    "assets.import",
    "assets.publish",
    "render.preview",
    "render.final",
];

#[test]
fn a_driven_window_is_seen_by_prometheus_and_over_otlp() {
    let receiver = Receiver::start();
    let mut demo = DrivenDemo::start(&receiver.url());
    let prometheus = Prometheus::scraping(&demo.metrics_addr);
    let output = demo.wait();

    // What the demo says at its end.
    let ledger = Ledger::read(&output);
    assert!(ledger["Messages Sent"] > 50.0, "{output}");
    // A machine that is busy lets the page do less; that it did each thing is seen below.
    assert!(ledger["Messages Received"] > 15.0, "{output}");
    assert_eq!(ledger["Messages Failed"], 0.0, "{output}");
    assert_eq!(ledger["Messages Dropped"], 0.0, "{output}");
    assert_eq!(ledger["Retry Attempts"], 0.0, "{output}");
    assert_eq!(ledger["Success Rate"], 100.0, "{output}");
    assert!(ledger["Avg Latency"] > 0.0, "{output}");
    assert!(ledger["Peak Queue Length"] >= 1.0, "{output}");
    assert!(
        output.contains(" 0 lost") && !output.contains("Spans: 0 exported"),
        "{output}"
    );

    traces_are_one_for_each_call(&receiver, &ledger);
    prometheus_has_it(&prometheus, &ledger);
    the_start_is_one_trace_and_one_value_a_phase(&receiver, &prometheus);
}

/// The phases in the order in which the demo reaches them; what the page does is between its script
/// and its first answer.
const PHASES: [&str; 9] = [
    "telemetry",
    "event_loop",
    "window",
    "webview",
    "navigation",
    "script",
    "dom_ready",
    "first_paint",
    "first_call",
];

fn the_start_is_one_trace_and_one_value_a_phase(receiver: &Receiver, prometheus: &Prometheus) {
    let spans = receiver.spans();
    let roots: Vec<_> = spans.iter().filter(|span| span.name == "startup").collect();
    let [root] = roots[..] else {
        panic!("{roots:#?}");
    };
    let mut phases: Vec<_> = spans
        .iter()
        .filter(|span| span.parent_span_id == root.span_id)
        .collect();
    phases.sort_by_key(|span| span.end_time_unix_nano);
    // One begins where the one before ended.
    let mut at = root.start_time_unix_nano;
    for phase in &phases {
        assert_eq!(phase.trace_id, root.trace_id);
        assert_eq!(phase.start_time_unix_nano, at, "{phases:#?}");
        at = phase.end_time_unix_nano;
    }
    assert_eq!(at, root.end_time_unix_nano);
    let names: Vec<_> = phases
        .iter()
        .map(|span| receiver::text(&span.attributes, "spanwire.startup.phase").unwrap())
        .collect();
    let place = |phase: &str| {
        let found = names.iter().position(|name| name == phase);
        found.unwrap_or_else(|| panic!("no {phase}: {names:?}"))
    };
    // The document may begin while the webview is still being made.
    assert_eq!(names[..3], PHASES[..3]);
    for (before, after) in [
        ("window", "navigation"),
        ("window", "webview"),
        ("navigation", "script"),
        ("script", "dom_ready"),
        ("script", "first_paint"),
        ("script", "first_call"),
    ] {
        assert!(place(before) < place(after), "{names:?}");
    }
    assert_eq!(names.len(), PHASES.len(), "{names:?}");

    for phase in PHASES {
        let series = format!(
            r#"last_over_time(spanwire_startup_duration_seconds{{spanwire_startup_phase="{phase}"}}[5m])"#
        );
        assert_eq!(
            prometheus.query(&format!("count({series})")),
            Some(1.0),
            "{phase}"
        );
        let span = phases[place(phase)];
        let took = (span.end_time_unix_nano - root.start_time_unix_nano) as f64 / 1e9;
        let measured = prometheus.query(&series).unwrap();
        assert!(
            (took - measured).abs() < 0.001,
            "{phase}: {took} {measured}"
        );
    }
}

fn traces_are_one_for_each_call(receiver: &Receiver, ledger: &Ledger) {
    let spans = receiver.spans();
    let kind = |span: &&Span, kind: SpanKind| span.kind == i32::from(kind);
    let calls: Vec<_> = spans.iter().filter(|s| kind(s, SpanKind::Server)).collect();
    let events: Vec<_> = spans
        .iter()
        .filter(|s| {
            kind(s, SpanKind::Consumer)
                && ["ui.selected", "session.idle"].contains(&s.name.as_str())
        })
        .collect();
    // Every message from the page is a call or an event, and each has one span.
    assert_eq!(
        (calls.len() + events.len()) as f64,
        ledger["Messages Received"]
    );

    // What OTLP's own metrics counted, by event: the last export comes after the last message.
    let mut counted = BTreeMap::new();
    for (attributes, value) in sums(&receiver.metrics(), "spanwire.ipc.messages") {
        if receiver::text(&attributes, "spanwire.ipc.direction").as_deref() == Some("inbound") {
            let event = receiver::text(&attributes, "spanwire.ipc.event").unwrap();
            *counted.entry(event).or_insert(0) += value;
        }
    }
    // Above each is the page's own span of the call, and above that what was clicked, if anything.
    let parent = |span: &Span| {
        spans
            .iter()
            .find(|other| other.span_id == span.parent_span_id)
    };
    let mut traces = BTreeSet::new();
    for span in &calls {
        assert!(CALLS.contains(&span.name.as_str()), "{span:?}");
        let client = parent(span).unwrap_or_else(|| panic!("no client of {span:?}"));
        assert!(kind(&client, SpanKind::Client), "{client:?}");
        assert_eq!(
            (&client.name, &client.trace_id),
            (&span.name, &span.trace_id)
        );
        match parent(client) {
            Some(clicked) => assert!(clicked.name.starts_with("ui."), "{clicked:?}"),
            None => assert!(client.parent_span_id.is_empty(), "{client:?}"),
        }
        assert!(
            traces.insert(&span.trace_id),
            "one trace for each call: {span:?}"
        );
    }
    for call in CALLS {
        let spans = calls.iter().filter(|span| span.name == call).count() as i64;
        assert!(spans > 0, "the driven page uses {call}");
        assert_eq!(counted.get(call), Some(&spans), "{call}");
    }

    // The app's own spans are in the call's trace, those of another thread too.
    let child = |name: &str, of: &str| {
        let span = spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| panic!("no span {name}"));
        let parent = spans
            .iter()
            .find(|parent| parent.span_id == span.parent_span_id)
            .unwrap_or_else(|| panic!("{name} has no parent"));
        assert_eq!(parent.name, of, "{name}");
        assert_eq!(parent.trace_id, span.trace_id, "{name}");
    };
    child("matching", "search");
    child("import", "assets.import");
    child("trace_rays", "render");
    child("shade", "trace_rays");
}

/// The values of a counter, each with its attributes.
fn sums(metrics: &[Metric], name: &str) -> Vec<(Vec<KeyValue>, i64)> {
    let Some(metric::Data::Sum(sum)) = metrics
        .iter()
        .find(|metric| metric.name == name)
        .and_then(|metric| metric.data.clone())
    else {
        panic!("no counter {name}");
    };
    let value = |value| match value {
        Some(number_data_point::Value::AsInt(value)) => value,
        other => panic!("{name} is {other:?}"),
    };
    sum.data_points
        .into_iter()
        .map(|point| (point.attributes, value(point.value)))
        .collect()
}

fn prometheus_has_it(prometheus: &Prometheus, ledger: &Ledger) {
    // The demo is gone: the last value of each series is what counts.
    let inbound = prometheus
        .query(r#"sum(last_over_time(spanwire_ipc_messages_total{spanwire_ipc_direction="inbound"}[5m]))"#)
        .unwrap_or(0.0);
    let outbound = prometheus
        .query(r#"sum(last_over_time(spanwire_ipc_messages_total{spanwire_ipc_direction="outbound"}[5m]))"#)
        .unwrap_or(0.0);
    assert!(
        inbound > 10.0 && inbound <= ledger["Messages Received"],
        "{inbound}"
    );
    assert!(
        outbound > 20.0 && outbound <= ledger["Messages Sent"],
        "{outbound}"
    );
    for query in [
        r#"sum(last_over_time(spanwire_ipc_delivery_duration_seconds_count{spanwire_webview_name="main"}[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_handler_duration_seconds_count{spanwire_ipc_event="assets.search"}[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_messages_total{spanwire_ipc_event="assets.publish",spanwire_outcome="failed",error_type="handler_error"}[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_message_size_bytes_count[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_batch_size_count[5m]))"#,
        r#"max(last_over_time(spanwire_page_state{spanwire_page_state="ready"}[5m]))"#,
        r#"max(last_over_time(spanwire_queue_capacity{spanwire_queue_name="imports"}[5m]))"#,
        r#"sum(last_over_time(spanwire_operation_duration_seconds_count{spanwire_operation_name="search"}[5m]))"#,
        r#"max(last_over_time(process_memory_usage_bytes[5m]))"#,
        r#"max(last_over_time(spanwire_webview_process_memory_usage_bytes{spanwire_webview_process_type="web"}[5m]))"#,
        r#"sum(last_over_time(spanwire_main_thread_delay_seconds_count[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_transit_duration_seconds_count{spanwire_webview_name="main",spanwire_ipc_direction="inbound"}[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_transit_duration_seconds_count{spanwire_webview_name="main",spanwire_ipc_direction="outbound"}[5m]))"#,
        r#"sum(last_over_time(spanwire_ipc_process_duration_seconds_count{spanwire_webview_name="main"}[5m]))"#,
        r#"sum(last_over_time(spanwire_page_web_vital_duration_seconds_count{browser_web_vital_name="fcp"}[5m]))"#,
        r#"sum(last_over_time(spanwire_measurement[5m]))"#,
        // Rates are what dashboards show: several scrapes came in.
        r#"sum(max_over_time(rate(spanwire_ipc_messages_total[5s])[1m:1s]))"#,
    ] {
        assert!(
            prometheus.query(query).is_some_and(|value| value > 0.0),
            "{query}"
        );
    }
}

/// The demo at work, and what it has printed.
struct DrivenDemo {
    child: Child,
    output: String,
    lines: BufReader<std::process::ChildStdout>,
    metrics_addr: String,
}

impl DrivenDemo {
    fn start(otlp_endpoint: &str) -> Self {
        let mut child = on_display()
            .arg(env!("CARGO_BIN_EXE_spanwire-demo"))
            .args(["--for", "12s", "--drive", "--port", "0"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp_endpoint)
            .env("OTEL_METRICS_EXPORTER", "prometheus,otlp")
            .env("OTEL_TRACES_SAMPLER", "always_on")
            .stdout(Stdio::piped())
            .spawn()
            .expect("xvfb-run is there: scripts/install-packages test");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut output = String::new();
        let metrics_addr = loop {
            let mut line = String::new();
            assert!(
                lines.read_line(&mut line).unwrap() > 0,
                "the demo ended early: {output}"
            );
            output.push_str(&line);
            if let Some(url) = line.strip_prefix("metrics") {
                let addr = url.trim().strip_prefix("http://").unwrap();
                break addr.strip_suffix("/metrics").unwrap().to_owned();
            }
        };
        Self {
            child,
            output,
            lines,
            metrics_addr,
        }
    }

    fn wait(&mut self) -> String {
        self.lines.read_to_string(&mut self.output).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.output);
        self.output.clone()
    }
}

impl Drop for DrivenDemo {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The block of numbers that the demo prints last, by their names.
struct Ledger(BTreeMap<String, f64>);

impl Ledger {
    fn read(output: &str) -> Self {
        let (_, block) = output
            .split_once("IPC Metrics:\n")
            .expect("the demo ends with its numbers");
        let lines = block.lines().map_while(|line| line.strip_prefix("- "));
        Self(
            lines
                .map(|line| {
                    let (name, value) = line.split_once(": ").unwrap();
                    let number = value.trim_end_matches(['%', 's', 'μ']);
                    (name.to_owned(), number.parse().unwrap())
                })
                .collect(),
        )
    }
}

impl std::ops::Index<&str> for Ledger {
    type Output = f64;

    fn index(&self, name: &str) -> &f64 {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no line {name} in {:?}", self.0))
    }
}

/// Ends a child that may have ended already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
