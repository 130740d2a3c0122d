//! An app that already has a `tracing` subscriber and a `metrics` recorder keeps both.
//!
//! Run with `cargo run --example existing_subscriber`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its reader"
)]

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_util::layers::FanoutBuilder;
use spanwire::queue::MessageQueue;
use spanwire::telemetry::Telemetry;
use spanwire::timer::monitor;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the app had before: a recorder of its own, and lines on the terminal.
    let own_recorder = PrometheusBuilder::new().build_recorder();
    let own_metrics = own_recorder.handle();
    let own_lines = tracing_subscriber::fmt::layer().without_time();

    // `build` sets nothing process-wide: it gives the parts.
    let (telemetry, parts) = Telemetry::builder("existing").prometheus_port(0).build()?;
    for warning in telemetry.warnings() {
        eprintln!("{warning}");
    }
    tracing_subscriber::registry()
        .with(own_lines)
        .with(parts.layer())
        .init();
    let mut recorders = FanoutBuilder::default().add_recorder(own_recorder);
    // None when the environment switches metrics off.
    if let Some(recorder) = &parts.recorder {
        recorders = recorders.add_recorder(Arc::clone(recorder));
    }
    metrics::set_global_recorder(recorders.build()).map_err(|_| "a recorder is set already")?;
    // Afterwards, since it sets a recorder where there is none: for the spans of messages, for trace
    // ids that cross to the page, and for SPANWIRE_SLOW_THRESHOLD_MS.
    parts.set_globals();

    let jobs = MessageQueue::bounded("jobs", 10);
    jobs.push("thumbnail")?;
    monitor("make_thumbnail").time(|| {
        tracing::info!(job = jobs.try_pop(), "done");
    });

    // Gauges are written when somebody looks.
    spanwire::publish();
    println!("the app's own recorder saw:");
    for line in own_metrics
        .render()
        .lines()
        .filter(|line| line.starts_with("spanwire_queue"))
    {
        println!("  {line}");
    }
    println!("{}", telemetry.shutdown(Duration::from_secs(1)));
    Ok(())
}
