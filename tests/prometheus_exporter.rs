//! The recorder of metrics-exporter-prometheus behind our endpoint: one workload goes to it and to
//! ours, and both are scraped.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::layers::FanoutBuilder;
use spanwire::telemetry::{Telemetry, TelemetryBuilder, prometheus_builder};
use spanwire::{Ipc, MessageQueue, ScopedTimer, monitor};
use spanwire_testkit::scrape::scrape_as;

/// A shared recorder as one that a fan-out owns.
struct Shared(std::sync::Arc<dyn Recorder + Send + Sync>);

impl Recorder for Shared {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_counter(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_gauge(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.0.describe_histogram(name, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

fn builder() -> TelemetryBuilder {
    let builder = Telemetry::builder("paint-tool").environment(|_| None);
    builder.prometheus_port(0).without_system()
}

fn scrape(telemetry: &Telemetry, accept: &str) -> (String, String) {
    scrape_as(telemetry.prometheus_addr().expect("it listens"), accept)
}

fn work() {
    let queue = MessageQueue::bounded("jobs", 2);
    for job in 0..3 {
        // The third does not fit, which is counted.
        let _ = queue.push(job);
    }
    queue.try_pop().unwrap();
    let ipc = Ipc::builder("main").build();
    ipc.emit("ready", &true).unwrap();
    drop(ScopedTimer::start("load"));
    let failed: Result<(), std::num::ParseIntError> =
        monitor("parse").run(|| "x".parse::<u8>().map(drop));
    assert!(failed.is_err());
    metrics::histogram!("app.own", "kind" => "a").record(0.3);
    // What is published at a scrape must be the same for both.
    std::mem::forget((queue, ipc));
}

/// A sample with its labels in order, which differs and means nothing. No value here has a comma.
fn in_order(line: &str) -> String {
    match (line.split_once('{'), line.rsplit_once('}')) {
        (Some((name, rest)), Some((_, value))) if !line.starts_with('#') => {
            let labels = rest.rsplit_once('}').expect("it was found").0;
            let mut labels: Vec<&str> = labels.split(',').collect();
            labels.sort_unstable();
            format!("{name}{{{}}}{value}", labels.join(","))
        }
        _ => line.to_owned(),
    }
}

#[test]
fn either_recorder_has_the_same_names_units_and_figures() {
    let (ours, parts) = builder().build().unwrap();
    let recorder = prometheus_builder().build_recorder();
    let (theirs, other_parts) = builder()
        .prometheus_exporter(recorder.handle())
        .build()
        .unwrap();
    assert!(
        other_parts.recorder.is_none(),
        "the app's recorder is the one"
    );
    let both = FanoutBuilder::default()
        .add_recorder(recorder)
        .add_recorder(Shared(parts.recorder.unwrap()))
        .build();
    metrics::set_global_recorder(both).unwrap();
    work();

    let lines = |text: String| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.is_empty());
        // The instance's id is another one for each.
        let lines = lines.filter(|line| !line.starts_with("target_info{"));
        lines.map(in_order).collect()
    };
    let (kind, text) = scrape(&theirs, "application/openmetrics-text");
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert!(text.contains("\ntarget_info{") && text.contains("service_name=\"paint-tool\""));
    let (_, ours_text) = scrape(&ours, "text/plain");
    let (text, ours_lines) = (lines(text), lines(ours_text.clone()));
    let differing: Vec<_> = text.symmetric_difference(&ours_lines).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    for name in [
        "spanwire_queue_wait_duration_seconds_bucket",
        "spanwire_operation_duration_seconds_bucket",
        "app_own_bucket{kind=\"a\",le=\"0.5\"} 1",
    ] {
        assert!(ours_text.contains(name), "{name} in {ours_text}");
    }
    theirs.shutdown(Duration::from_secs(2));
    ours.shutdown(Duration::from_secs(2));
}
