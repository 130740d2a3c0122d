//! A real Prometheus scrapes the example `headless` at 1 s, and finds what the docs promise.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spanwire::semconv::{Instrument, METRICS, Metric};
use support::prometheus::Prometheus;
use support::receiver::Receiver;
use support::scrape::scrape_text;

/// What the example has no cause to emit, and why.
const NOT_IN_THE_EXAMPLE: &[(&str, &str)] = &[
    ("spanwire.queue.messages", "it has no queue of its own"),
    ("spanwire.ipc.retries", "its page takes every batch"),
    ("spanwire.page.errors", "its page makes none"),
    ("spanwire.operation.slow", "nothing in it takes a second"),
    (
        "spanwire.webview.process.cpu.utilization",
        "it has no webview",
    ),
    ("spanwire.webview.process.memory.usage", "it has no webview"),
    ("spanwire.webview.process.count", "it has no webview"),
];

/// What promtool says of names that are OpenTelemetry's.
const PROMTOOL_EXCEPTIONS: &[&str] = &[
    r#"process_thread_count non-histogram and non-summary metrics should not have "_count" suffix"#,
    r#"process_unix_file_descriptor_count non-histogram and non-summary metrics should not have "_count" suffix"#,
];

/// The example, running.
struct Headless {
    process: Child,
    metrics: SocketAddr,
}

impl Headless {
    fn start(receiver: &Receiver) -> Self {
        let mut process = Command::new(example("headless"))
            .arg("60")
            .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
            .env("OTEL_LOGS_EXPORTER", "otlp")
            .env("OTEL_METRICS_EXPORTER", "otlp,prometheus")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(process.stdout.as_mut().unwrap())
            .lines()
            .map(Result::unwrap)
            .find(|line| line.starts_with("metrics: "))
            .unwrap();
        let addr = line
            .trim_start_matches("metrics: http://")
            .trim_end_matches("/metrics");
        let metrics = addr.parse().unwrap();
        Self { process, metrics }
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo builds the examples beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples`",
        path.display()
    );
    path
}

fn query_name(metric: &Metric) -> String {
    let mut name = metric.name.replace('.', "_");
    name += match metric.unit {
        "s" => "_seconds",
        "By" => "_bytes",
        "1" => "_ratio",
        _ => "",
    };
    name += match metric.instrument {
        Instrument::Counter => "_total",
        Instrument::Histogram => "_bucket",
        Instrument::Gauge => "",
    };
    name
}

#[test]
fn a_real_prometheus_finds_every_metric_that_the_example_can_make() {
    let receiver = Receiver::start();
    let headless = Headless::start(&receiver);
    let prometheus = Prometheus::scraping(headless.metrics);
    for metric in METRICS {
        if NOT_IN_THE_EXAMPLE
            .iter()
            .any(|(name, _)| *name == metric.name)
        {
            continue;
        }
        prometheus.wait_for(&query_name(metric));
    }
    let info = prometheus.wait_for("target_info");
    assert!(info.contains(r#""service_name":"headless""#), "{info}");
    // Every call failed or was answered, none was lost.
    let dropped = prometheus
        .query(r#"spanwire_ipc_messages_total{outcome="dropped",error_type!="superseded"}"#);
    assert!(dropped.contains(r#""result":[]"#), "{dropped}");
    let spans = receiver.wait_for(|all| all.iter().any(|one| one.path.ends_with("traces")));
    assert!(!spans.is_empty());
}

#[test]
fn promtool_has_nothing_to_say_beyond_the_exceptions() {
    let receiver = Receiver::start();
    let headless = Headless::start(&receiver);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("promtool is missing: `make test` installs it, or `apt-get install prometheus`");
    // The CPU's gauges come last, with the second sample.
    let text = std::iter::repeat_with(|| scrape_text(headless.metrics))
        .inspect(|_| std::thread::sleep(Duration::from_millis(200)))
        .take(100)
        .find(|text| text.contains("process_cpu_utilization"))
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let unexpected: Vec<&str> = said
        .lines()
        .filter(|line| !PROMTOOL_EXCEPTIONS.contains(&line.trim()))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}
