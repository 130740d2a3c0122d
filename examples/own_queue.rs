//! A queue of one's own: who waits, for how long, and what was refused.
//!
//! Run with `cargo run --example own_queue`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::thread;
use std::time::Duration;

use spanwire::queue::{MessageQueue, Overflow, PopError};
use spanwire::telemetry::Telemetry;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Port 0: any free one, so that the examples do not fight for 9464.
    let telemetry = Telemetry::builder("own-queue")
        .prometheus_port(0)
        .install()?;

    let jobs = MessageQueue::<u32>::builder("jobs")
        .capacity(100)
        .overflow(Overflow::DropOldest)
        .build();

    let worker = thread::spawn({
        let jobs = jobs.clone();
        move || {
            let mut done = 0;
            loop {
                match jobs.pop_timeout(Duration::from_secs(1)) {
                    Ok(_job) => done += 1,
                    Err(PopError::Timeout) => {}
                    Err(_) => return done,
                }
            }
        }
    });

    // Faster than the worker takes them: the oldest give way, and each is counted.
    for job in 0..10_000 {
        jobs.push(job)?;
    }
    jobs.close();
    let done: u32 = worker.join().map_err(|_| "the worker panicked")?;
    println!("{done} of 10000 jobs done, the others gave way to newer ones");

    if let Some(addr) = telemetry.prometheus_addr() {
        println!("while the app runs, http://{addr}/metrics shows spanwire_queue_*");
    }
    println!("{}", telemetry.shutdown(Duration::from_secs(1)));
    Ok(())
}
