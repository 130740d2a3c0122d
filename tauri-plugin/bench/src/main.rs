//! A Tauri app whose page measures it, with the plugin and without: `make bench-tauri`.
//!
//! `run.mjs` starts it once for each way and round, and compares what it prints.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the benchmark, and what it prints is its result"
)]

mod usage;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Emitter, State};
use usage::Usage;

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Plan {
    warm_up: u32,
    calls: u32,
    paced_events: u32,
    flood_events: u32,
    idle_ms: u32,
}

/// What `emit` took on the thread that emits, in µs.
#[derive(Clone, Copy, Debug, Serialize)]
struct Emitted {
    p50: f64,
    mean: f64,
    /// The emitting thread's processor time, the pauses between the events with it.
    processor: f64,
}

#[tauri::command]
fn plan(plan: State<'_, Plan>) -> Plan {
    *plan
}

#[tauri::command]
fn add(value: u32) -> u32 {
    value + 1
}

#[tauri::command]
fn usage() -> Usage {
    Usage::now()
}

/// Emits from a thread of its own, as an app does that works in the background.
#[tauri::command(async)]
fn emit_events(app: AppHandle, event: String, times: u32, gap_us: u64) -> Emitted {
    let mut took = Vec::new();
    let processor = usage::thread();
    for n in 0..times {
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        let began = Instant::now();
        app.emit(&event, n).unwrap();
        took.push(began.elapsed().as_secs_f64() * 1e6);
        if gap_us > 0 {
            std::thread::sleep(Duration::from_micros(gap_us));
        }
    }
    let processor = usage::thread() - processor;
    took.sort_by(f64::total_cmp);
    Emitted {
        p50: took[took.len() / 2],
        mean: took.iter().sum::<f64>() / f64::from(times),
        processor: processor / f64::from(times),
    }
}

#[tauri::command]
fn finish(app: AppHandle, mut report: serde_json::Value) {
    // One name for both builds in `target/release`: so the script knows which of them it ran.
    report["has_tauri_tracing"] = cfg!(feature = "tauri-tracing").into();
    println!("{report}");
    app.exit(0);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let way = args.next().unwrap();
    let plan: Plan = serde_json::from_str(&args.next().unwrap()).unwrap();
    let builder = tauri::Builder::default();
    let builder = match way.as_str() {
        "plain" => builder,
        "init" => builder.plugin(tauri_plugin_spanwire::init("bench")),
        "instrument" => tauri_plugin_spanwire::instrument(builder, "bench"),
        other => panic!("{other} is no way"),
    };
    builder
        .manage(plan)
        .invoke_handler(tauri::generate_handler![
            self::plan,
            add,
            usage,
            emit_events,
            finish
        ])
        .run(tauri::generate_context!())
        .unwrap();
}
