//! An app that makes 2,000 spans a second, tells how it is, and ends when its input does.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use spanwire::clock;
use spanwire_testkit::scrape::scrape;
use spanwire_testkit::spooling_process::builder;

pub(crate) const URL: &str = "SPANWIRE_RELIABILITY_URL";
pub(crate) const FOLDER: &str = "SPANWIRE_RELIABILITY_FOLDER";

const SPANS_A_SECOND: u64 = 2_000;
const BURST: u64 = 10;

pub(crate) fn be_the_app() {
    let text = |name| std::env::var(name).unwrap();
    let builder = builder(&text(URL), text(FOLDER).as_ref());
    let telemetry = builder.strict().install().unwrap();
    let addr = telemetry.prometheus_addr().unwrap();

    let ends = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let ends = Arc::clone(&ends);
        move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            ends.store(true, Ordering::SeqCst);
        }
    });
    thread::spawn(move || {
        loop {
            let waiting = scrape(addr)
                .iter()
                .find(|sample| sample.name == "spanwire_spool_size_bytes")
                .map_or(0.0, |sample| sample.value);
            println!("is {} {waiting}", resident());
            thread::sleep(Duration::from_millis(500));
        }
    });

    let began = clock::now();
    let mut made = 0;
    while !ends.load(Ordering::SeqCst) {
        for _ in 0..BURST {
            made += 1;
            let name = made.to_string();
            tracing::info_span!("work", otel.name = name).in_scope(|| ());
        }
        let due = Duration::from_micros(made * 1_000_000 / SPANS_A_SECOND);
        thread::sleep(due.saturating_sub(clock::now().since(began)));
    }
    let took = clock::now().since(began);
    let report = telemetry.shutdown(Duration::from_secs(10)).spans;
    println!(
        "made {made} {} {} {} {} {}",
        took.as_millis(),
        report.exported,
        report.spooled,
        report.dropped,
        report.lost
    );
}

/// This process's memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    1_024 * kilobytes.parse::<u64>().unwrap()
}
