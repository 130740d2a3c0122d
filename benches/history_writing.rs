//! What a history costs: its callers, its writer, its memory.
//!
//! `cargo bench --bench history_writing --features history`. It fails when a target is missed:
//! 150 ns for each recorded operation, half of what bare prepared inserts of the same row do, and
//! 12 MB.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails loudly"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use spanwire::Telemetry;
use spanwire::clock::now;
use spanwire::history::{History, SCHEMA};
use spanwire::timer::{Operation, operation};

/// Less than the queue holds: what is dropped costs nothing.
const BURST: usize = 8_000;
const BURSTS: usize = 40;
const DEADLINE: Duration = Duration::from_secs(60);

fn main() {
    let folder = std::env::temp_dir().join(format!("spanwire-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // The metrics that every app has, so that the history's share is seen.
    let telemetry = Telemetry::builder("bench")
        .environment(|_| None)
        .prometheus_port(0)
        .without_system()
        .quiet()
        .install()
        .unwrap();
    let work = operation("bench");
    burst(&work);
    let mut missed = Vec::new();

    let before = resident_bytes();
    let history = History::options(folder.join("history.db"))
        .records_per_second(u32::MAX)
        .open()
        .unwrap();
    // In turns and the least of many, since a machine does other things, too.
    let (mut off, mut on, mut writing) = (f64::MAX, f64::MAX, Duration::ZERO);
    for _ in 0..BURSTS {
        on = on.min(burst(&work));
        let started = now();
        history.flush(DEADLINE).unwrap();
        writing += now().since(started);
    }
    let report = history.shutdown(DEADLINE);
    assert_eq!(report.dropped, 0, "{report}");
    for _ in 0..BURSTS {
        off = off.min(burst(&work));
    }
    println!(
        "caller: {off:.0} ns without a history, {on:.0} ns with one: {:.0} ns more",
        on - off
    );
    if on - off > 150.0 {
        missed.push("a caller pays more than 150 ns");
    }

    let rows = (BURST * BURSTS) as f64;
    let written = rows / writing.as_secs_f64();
    let bare = rows / bare_inserts(&folder.join("bare.db")).as_secs_f64();
    println!(
        "writer: {written:.0} records/s, bare prepared inserts {bare:.0} rows/s: {:.0} %",
        written / bare * 100.0
    );
    if written < bare / 2.0 {
        missed.push("the writer does less than half of bare inserts");
    }

    println!(
        "memory: {:.1} MB more after a flood of {rows:.0} records",
        (resident_bytes().saturating_sub(before)) as f64 / 1e6
    );
    let before = resident_bytes();
    let history = History::open(folder.join("demo.db")).unwrap();
    // A demo that drives itself ends some hundred operations and messages a second.
    let names: Vec<_> = (0..40).map(|n| operation(&format!("demo {n}"))).collect();
    for n in 0..2_000 {
        names[n % names.len()].monitor().time(|| black_box(n));
        std::thread::sleep(Duration::from_millis(2));
    }
    history.flush(DEADLINE).unwrap();
    let grown = resident_bytes().saturating_sub(before) as f64 / 1e6;
    println!("memory: {grown:.1} MB at the demo's load");
    if grown > 12.0 {
        missed.push("the history takes more than 12 MB");
    }
    history.shutdown(DEADLINE);
    telemetry.shutdown(Duration::from_secs(1));
    fs::remove_dir_all(&folder).unwrap();
    assert!(missed.is_empty(), "{}", missed.join("; "));
}

/// Nanoseconds for each of many operations.
fn burst(work: &Operation) -> f64 {
    let started = now();
    for n in 0..BURST {
        work.monitor().sample_one_in(0).time(|| black_box(n));
    }
    now().since(started).as_nanos() as f64 / BURST as f64
}

/// The same rows with the same indexes, in transactions of the same size, and nothing else.
fn bare_inserts(path: &Path) -> Duration {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF",
        )
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let started = now();
    let at = 1_700_000_000_000_000_000_i64;
    for n in 0..BURSTS * 2 {
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO record (session_id, series_id, started_at, duration, outcome, \
                     error_type, slow, page_wait, transit, queue_wait, handler, response, size, \
                     thread, trace_id, context, weight) VALUES \
                     (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
                )
                .unwrap();
            let none = None::<i64>;
            for row in 0..BURST / 2 {
                let started_at = at + ((n * BURST / 2 + row) * 1_000) as i64;
                insert
                    .execute(params![
                        1, 1, started_at, 60, "ok", none, none, none, none, none, none, none, none,
                        "main", none, none, 1.0
                    ])
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    now().since(started)
}

fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}
