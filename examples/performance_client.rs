//! The performance client: metrics, a session, its report, and an optimisation that is applied and
//! undone. It needs neither a webview nor a server.
//!
//! ```sh
//! cargo run --example performance_client
//! ```

#![expect(
    clippy::print_stdout,
    reason = "what it measured is for whoever runs it"
)]

use std::time::Duration;

use spanwire::Ipc;
use spanwire::report::prelude::*;
use spanwire::report::{RollingHistory, record_action};
use spanwire::timer::{monitor, set_current_operation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let ipc = Ipc::builder("main").build();
    let history = RollingHistory::builder().watch(&ipc).build();
    let config = PerformanceConfig::from_env()
        .with_profile_interval(Duration::from_millis(20))
        .with_ipc(&ipc);
    let client = create_performance_client_with_config(config);

    client.start_profiling().await?;
    set_current_operation("import");
    for n in 0..2_000_u32 {
        // Nothing takes the events: the queue grows, which the report sees.
        ipc.emit("progress", &n)?;
    }
    monitor("decode").time(|| std::thread::sleep(Duration::from_millis(60)));
    record_action("upload", Duration::from_millis(12), true);
    let upload = Metric::new("texture.upload", MetricCategory::Rendering, 12.0, "ms");
    client
        .record_metric(upload.with_metadata("texture", "wood"))
        .await?;
    let sample = history.collect();
    set_current_operation(None);
    let report = client.stop_profiling().await?;

    println!("{}\n", report.display_summary());
    println!("Actions: {:?}\n", sample.actions);
    for recommended in &report.recommendations {
        let Some(id) = &recommended.optimization else {
            continue;
        };
        let setting = async || -> Result<String, Box<dyn std::error::Error>> {
            let all = client.get_optimizations().await?;
            let found = all.into_iter().find(|of| of.id == *id);
            Ok(found.map_or_else(String::new, |of| of.setting))
        };
        println!("{id}");
        println!("  before:  {}", setting().await?);
        client.apply_optimization(id).await?;
        println!("  applied: {}", setting().await?);
        client.undo_optimization(id).await?;
        println!("  undone:  {}", setting().await?);
    }
    Ok(())
}
