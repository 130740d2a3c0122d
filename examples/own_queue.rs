//! A queue of one's own with workers: who waits, for how long, what was refused, and which push led
//! to which work.
//!
//! Run with `cargo run --example own_queue`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::num::TryFromIntError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use spanwire::queue::{MessageQueue, Overflow, Traced};
use spanwire::telemetry::Telemetry;
use spanwire::timer::monitor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Port 0: any free one, so that the examples do not fight for 9464.
    let telemetry = Telemetry::builder("own-queue")
        .prometheus_port(0)
        .install()?;

    let jobs = MessageQueue::<Traced<u32>>::builder("jobs")
        .capacity(100)
        .overflow(Overflow::DropOldest)
        .build();

    // Each job is a run of the operation `resize`. The operation counts one that fails or panics, and
    // the worker takes the next.
    let done = Arc::new(AtomicU32::new(0));
    let workers = jobs.try_work(2, "resize", {
        let done = Arc::clone(&done);
        move |job| -> Result<(), TryFromIntError> {
            // Some are too large.
            u8::try_from(job % 300)?;
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    })?;

    // Faster than the workers take them: the oldest give way, and each is counted. In Jaeger the
    // span of the push and that of the work are linked to each other.
    monitor("import").run(|| (0..10_000).try_for_each(|job| jobs.push_traced(job).map(drop)))?;
    jobs.close();
    workers.join();
    let done = done.load(Ordering::Relaxed);
    println!("{done} of 10000 jobs done, the others failed or gave way to newer ones");

    if let Some(addr) = telemetry.prometheus_addr() {
        println!("while the app runs, http://{addr}/metrics shows spanwire_queue_*");
    }
    println!("{}", telemetry.shutdown(std::time::Duration::from_secs(1)));
    Ok(())
}
