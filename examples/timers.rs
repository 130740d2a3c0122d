//! Scoped operations: a good one, a failing one, a slow one, and one that runs often.
//!
//! `cargo run --example timers` prints what Prometheus would scrape and what the log says.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use spanwire::timer::{ScopedTimer, monitor, operation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Any recorder and any subscriber will do; `spanwire::telemetry` brings its own.
    let name = Matcher::Full("spanwire_operation_duration".to_owned());
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(name, spanwire::semconv::OPERATION_BOUNDS_S)?
        .install_recorder()?;
    tracing_subscriber::fmt().without_time().init();

    // A scope: completed when dropped. What happens in it belongs to its span.
    let mut startup = ScopedTimer::start("startup");
    startup.field("workspace", "default");

    // A closure: its error is recorded, then returned.
    let settings = monitor("read_settings").run(|| std::fs::read("/no/such/settings.toml"));
    assert!(settings.is_err());

    // Slow: counted, and told with its context.
    monitor("load_scene")
        .slow_after(Duration::from_millis(10))
        .field("file", "forest.scene")
        .time(|| std::thread::sleep(Duration::from_millis(12)));
    startup.complete();

    // Often: a kept handle spares the look-up, one in 1000 gets a span, all are counted.
    let stroke = operation("brush_stroke");
    for _ in 0..5_000 {
        stroke.monitor().sample_one_in(1_000).time(|| ());
    }

    // Async: the span follows the future from poll to poll.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(monitor("render").time_async(async {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }));

    spanwire::publish();
    for line in prometheus.render().lines() {
        let interesting = ["_count", "_active", "_slow"];
        if interesting.iter().any(|part| line.contains(part)) && !line.starts_with('#') {
            println!("{line}");
        }
    }
    Ok(())
}
