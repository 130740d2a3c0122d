//! A real Prometheus scrapes the example `headless` at 1 s, and finds what the docs promise.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use spanwire::semconv::{Instrument, METRICS, Metric};
use spanwire_testkit::example;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::prometheus::Prometheus;
use spanwire_testkit::receiver::Receiver;

/// What the example has no cause to emit, and why.
const NOT_IN_THE_EXAMPLE: &[(&str, &str)] = &[
    ("spanwire.queue.messages", "it has no queue of its own"),
    ("spanwire.queue.worker.count", "it has no queue of its own"),
    ("spanwire.allocator.allocated", "it asks no allocator"),
    ("spanwire.allocator.resident", "it asks no allocator"),
    ("spanwire.allocator.mapped", "it asks no allocator"),
    ("spanwire.ipc.retries", "its page takes every batch"),
    ("spanwire.page.errors", "its page makes none"),
    (
        "spanwire.page.web_vital.duration",
        "its page has no engine that measures them",
    ),
    (
        "spanwire.page.long_task.duration",
        "its page has no engine that is busy",
    ),
    (
        "spanwire.page.spans",
        "its page has no OpenTelemetry SDK of its own",
    ),
    (
        "spanwire.endpoint.metric.conflicts",
        "no two of its metrics get one name",
    ),
    (
        "spanwire.telemetry.problems",
        "all that it asks for is in place",
    ),
    ("spanwire.main_thread.delay", "it has no event loop to wake"),
    (
        "spanwire.ipc.events.unheard",
        "its page is a model that says of no event that nothing listens",
    ),
    (
        "spanwire.ipc.spans.skipped",
        "it sends a few events a second",
    ),
    (
        "spanwire.ipc.task_spans.dropped",
        "nothing polls its async handlers outside of their spans",
    ),
    (
        "spanwire.webview.process.cpu.utilization",
        "it has no webview",
    ),
    ("spanwire.webview.process.memory.usage", "it has no webview"),
    ("spanwire.webview.process.count", "it has no webview"),
];

/// What it emits when the machine is busy, and not otherwise.
const BY_CHANCE: &[(&str, &str)] = &[(
    "spanwire.main_thread.blocked",
    "its handlers take less than a frame, unless another program takes the processor from them",
)];

/// The example, running.
struct Headless {
    process: Child,
    /// Host and port of its endpoint.
    metrics: String,
    _spool: Folder,
}

impl Headless {
    fn start(receiver: &Receiver) -> Self {
        let spool = Folder::new("headless-spool");
        let mut process = Command::new(example::program("spanwire", "headless"))
            .arg("60")
            .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
            .env("OTEL_LOGS_EXPORTER", "otlp")
            .env("OTEL_METRICS_EXPORTER", "otlp,prometheus")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .env("SPANWIRE_SPOOL_DIR", spool.path())
            .env("SPANWIRE_HISTORY", spool.path().join("history.db"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(process.stdout.as_mut().unwrap())
            .lines()
            .map(Result::unwrap)
            .find(|line| line.starts_with("metrics: "))
            .unwrap();
        let metrics = line
            .trim_start_matches("metrics: http://")
            .trim_end_matches("/metrics")
            .to_owned();
        Self {
            process,
            metrics,
            _spool: spool,
        }
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_among(excuses: &[(&str, &str)], metric: &Metric) -> bool {
    excuses.iter().any(|(name, _)| *name == metric.name)
}

fn is_excused(metric: &Metric) -> bool {
    is_among(NOT_IN_THE_EXAMPLE, metric)
}

fn query_name(metric: &Metric) -> String {
    let ending = match metric.instrument {
        Instrument::Histogram if metric.bounds.is_empty() => "_count",
        Instrument::Histogram => "_bucket",
        Instrument::Counter | Instrument::UpDownCounter | Instrument::Gauge => "",
    };
    metric.prometheus_name() + ending
}

#[test]
fn a_real_prometheus_finds_every_metric_that_the_example_can_make() {
    let receiver = Receiver::start();
    let headless = Headless::start(&receiver);
    let prometheus = Prometheus::scraping(&headless.metrics);
    for metric in METRICS {
        if !is_excused(metric) && !is_among(BY_CHANCE, metric) {
            prometheus.wait_for(&query_name(metric));
        }
    }
    // An excuse that does not hold any more has to go.
    for metric in METRICS.iter().filter(|metric| is_excused(metric)) {
        assert_eq!(
            prometheus.query(&query_name(metric)),
            None,
            "{}",
            metric.name
        );
    }
    let info = prometheus.wait_for("target_info");
    assert_eq!(info[0]["metric"]["service_name"], "headless");
    // Every call failed or was answered, none was lost.
    let dropped =
        r#"spanwire_ipc_messages_total{spanwire_outcome="dropped",error_type!="superseded"}"#;
    assert_eq!(prometheus.query(dropped), None);
    let spans = receiver.wait_for(|all| all.iter().any(|one| one.path.ends_with("traces")));
    assert!(!spans.is_empty());
}

#[test]
fn a_prometheus_in_a_container_may_use_its_name_for_the_host() {
    let receiver = Receiver::start();
    let headless = Headless::start(&receiver);
    let prometheus = Prometheus::scraping_as("host.docker.internal:9464", &headless.metrics);
    let found =
        prometheus.wait_for(r#"process_uptime_seconds{instance="host.docker.internal:9464"}"#);
    assert_eq!(found[0]["metric"]["job"], "spanwire");
    let refused = "sum(spanwire_endpoint_refused_total)";
    assert_eq!(prometheus.query(refused), Some(0.0));
}
