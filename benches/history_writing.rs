//! What a history costs: its callers, its writer, its memory.
//!
//! `cargo bench --bench history_writing --features history`. It fails when a target is missed:
//! 150 ns for each recorded operation, half of what bare prepared inserts of the same row do, and
//! 12 MB of all of the layer.
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
use serde_json::json;
use spanwire::Telemetry;
use spanwire::clock::now;
use spanwire::history::{History, SCHEMA};
use spanwire::ipc::{Call, Ipc};
use spanwire::timer::{Operation, operation};
use spanwire_testkit::model_page::ModelPage;

/// Less than the queue holds: what is dropped costs nothing.
const BURST: usize = 8_000;
/// Turns with a history and without one.
const TURNS: usize = 4;
const BURSTS_IN_TURN: usize = 10;
const BURSTS: usize = TURNS * BURSTS_IN_TURN;
const DEADLINE: Duration = Duration::from_secs(60);

fn main() {
    let folder = std::env::temp_dir().join(format!("spanwire-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut missed = Vec::new();
    // First: what a flood leaves in the allocator would not be counted again.
    let (grown, code) = at_the_demos_load(&folder.join("demo.db"));
    println!(
        "memory: {grown:.1} MB of the layer with a history at the demo's load, and {code:.1} MB of \
         the program's code that it runs"
    );
    if grown > 12.0 {
        missed.push("the layer takes more than 12 MB");
    }
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

    let before = resident_bytes();
    // In turns and the least of many, since a machine does other things, too.
    let (mut off, mut on, mut writing) = (f64::MAX, f64::MAX, Duration::ZERO);
    for _ in 0..TURNS {
        let history = History::options(folder.join("history.db"))
            .records_per_second(u32::MAX)
            .open()
            .unwrap();
        for _ in 0..BURSTS_IN_TURN {
            on = on.min(burst(&work));
            let started = now();
            history.flush(DEADLINE).unwrap();
            writing += now().since(started);
        }
        let report = history.shutdown(DEADLINE);
        assert_eq!(report.dropped, 0, "{report}");
        for _ in 0..BURSTS_IN_TURN {
            off = off.min(burst(&work));
        }
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
    telemetry.shutdown(Duration::from_secs(1));
    fs::remove_dir_all(&folder).unwrap();
    assert!(missed.is_empty(), "{}", missed.join("; "));
}

/// By how many megabytes a process grows that has all of the layer: the endpoint, the sampler, a
/// wire with its page, and a history. Beside it what it maps of files: its own code, which the system
/// can drop and read again, and which a debug build has much more of.
fn at_the_demos_load(path: &Path) -> (f64, f64) {
    let before = (resident_bytes(), mapped_bytes());
    let telemetry = Telemetry::builder("bench")
        .environment(|_| None)
        .prometheus_port(0)
        .history(path)
        .quiet()
        .install()
        .unwrap();
    let ipc = Ipc::builder("main").build();
    ipc.on("ask", |_: &Call| Ok::<_, String>("answer")).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    // A demo that drives itself ends some hundred operations and messages a second.
    let names: Vec<_> = (0..40).map(|n| operation(&format!("demo {n}"))).collect();
    for n in 0..2_000 {
        names[n % names.len()].monitor().time(|| black_box(n));
        if n % 5 == 0 {
            page.call(&ipc, "ask", json!(n));
            ipc.emit("told", &n).unwrap();
            page.pump(&ipc);
            page.log.clear();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    telemetry.history().unwrap().flush(DEADLINE).unwrap();
    let mapped = mapped_bytes().saturating_sub(before.1);
    let grown = resident_bytes().saturating_sub(before.0 + mapped);
    let report = telemetry.shutdown(DEADLINE).history.unwrap();
    assert!(report.written > 2_400 && report.dropped == 0, "{report}");
    (grown as f64 / 1e6, mapped as f64 / 1e6)
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
    of_statm(1)
}

/// What is resident of files, as the program itself is.
fn mapped_bytes() -> u64 {
    of_statm(2)
}

fn of_statm(column: usize) -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(column)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}
