//! An app that computes: two functions, of which one does three times as much as the other.

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Duration;

use spanwire::Telemetry;
use spanwire::telemetry::{MetricsExporter, TelemetryBuilder};
use spanwire_testkit::folder::Folder;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const THREAD: &str = "painter";

pub(crate) fn builder(history: &Path) -> TelemetryBuilder {
    Telemetry::builder("paint-tool")
        .environment(|_| None)
        .metrics(MetricsExporter::None)
        .without_system()
        .quiet()
        .history(history)
}

pub(crate) fn folder(name: &str) -> Folder {
    Folder::new(&format!("profile-{name}"))
}

#[inline(never)]
fn renders_much() {
    black_box(computed(3_000_000));
}

#[inline(never)]
fn renders_little() {
    black_box(computed(1_000_000));
}

/// Within each of the two, so that they are what the samples show.
#[inline(always)]
fn computed(rounds: u64) -> u64 {
    let mut sum = black_box(1_u64);
    for round in 0..rounds {
        sum = sum.wrapping_mul(6_364_136_223_846_793_005) ^ round;
    }
    sum
}

/// Computes on a thread of that name until `is_enough`.
pub(crate) fn compute_until(mut is_enough: impl FnMut() -> bool + Send) {
    thread::scope(|scope| {
        let painter = thread::Builder::new().name(THREAD.to_owned());
        let work = move || {
            while !is_enough() {
                for _ in 0..10 {
                    renders_much();
                    renders_little();
                }
            }
        };
        painter.spawn_scoped(scope, work).unwrap();
    });
}

/// Computes for a second or two of the processor.
pub(crate) fn compute() {
    let mut rounds = 0;
    compute_until(move || {
        rounds += 1;
        rounds > ROUNDS
    });
}

/// Computes while samples are taken, which begins in the background.
pub(crate) fn compute_sampled() {
    #[cfg(target_os = "linux")]
    assert!(wait_until(catches_sigprof));
    compute();
}

/// Until it is so: the profiler's thread does it.
#[cfg(target_os = "linux")]
pub(crate) fn wait_until(is_so: impl Fn() -> bool) -> bool {
    (0..3_000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        is_so()
    })
}

/// Each is 40 million rounds of the loop.
const ROUNDS: u32 = if cfg!(debug_assertions) { 6 } else { 40 };

/// What the system says of the handler of `SIGPROF`: whether the process catches it.
#[cfg(target_os = "linux")]
pub(crate) fn catches_sigprof() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & (1 << (SIGPROF - 1)) != 0
}

#[cfg(target_os = "linux")]
const SIGPROF: u32 = 27;
