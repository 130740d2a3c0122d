//! What a CPU profile costs: processor time of a thread that computes, and memory.
//!
//! `cargo bench --bench profile --features profile`. Turns with and without samples take turns, and the
//! least of each counts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails loudly"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Duration;

use spanwire::clock::now;
use spanwire::history::History;

const TURNS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

fn main() {
    let folder = std::env::temp_dir().join(format!("spanwire-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let before = resident_mib();
    for rate in [99, 1_000] {
        let (mut off, mut on) = (f64::MAX, f64::MAX);
        let mut memory = 0.0_f64;
        for turn in 0..TURNS {
            off = off.min(turn_of(&folder, 0, rate, turn).0);
            let (took, resident) = turn_of(&folder, rate, rate, turn);
            on = on.min(took);
            memory = memory.max(resident - before);
        }
        println!(
            "{rate} samples a second: {:+.2} % of processor time, {memory:.0} MiB at most",
            (on / off - 1.0) * 100.0
        );
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Seconds that the work takes with a history that samples at this rate, and MiB of the process then.
fn turn_of(folder: &Path, rate: u32, name: u32, turn: usize) -> (f64, f64) {
    let file = folder.join(format!("{name}-{rate}-{turn}.db"));
    let history = History::options(file).profile(rate).open().unwrap();
    // Until the sampler's thread has begun.
    thread::sleep(Duration::from_millis(500));
    let began = processor_seconds();
    work(0);
    let took = processor_seconds() - began;
    // A period ends as it does each minute.
    history.flush(DEADLINE).unwrap();
    let resident = resident_mib();
    history.shutdown(DEADLINE);
    (took, resident)
}

/// A second or two of the processor, some calls deep.
#[inline(never)]
fn work(depth: u32) -> u64 {
    if depth < 30 {
        return black_box(work(black_box(depth + 1))) + 1;
    }
    let mut sum = black_box(1_u64);
    for round in 0..600_000_000_u64 {
        sum = sum.wrapping_mul(6_364_136_223_846_793_005) ^ round;
    }
    black_box(sum)
}

/// Of this thread, as Linux tells; elsewhere the clock's, which needs a machine that does nothing else.
fn processor_seconds() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: Option<f64> = told.split(' ').next().and_then(|it| it.parse().ok());
    nanos.map_or_else(|| now().as_nanos() as f64 / 1e9, |nanos| nanos / 1e9)
}

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0.0_f64) / 1024.0
}
