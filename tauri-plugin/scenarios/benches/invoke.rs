//! What the plugin costs: the same app, driven by the same page, with it and without.
//!
//! `cargo bench -p tauri-plugin-spanwire-scenarios` runs it. Each app is a process of its own, in turns,
//! so that what else the machine does meets all of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may panic and print"
)]

use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::virtual_display;
use tauri_plugin_spanwire_scenarios::{Origin, Plugin, REPORT, Setup};

const SETUP: &str = "SPANWIRE_SCENARIO";
const HAS_DISPLAY: &str = "SPANWIRE_SCENARIOS_HAVE_DISPLAY";
const ROUNDS: usize = 5;
const PLUGINS: [Plugin; 3] = [Plugin::Without, Plugin::Init, Plugin::Instrument];

/// What the page and the app measured, each in microseconds.
const FIGURES: [&str; 5] = ["sync_us", "async_us", "cpu_us", "emit_us", "emit_cpu_us"];

fn main() -> ExitCode {
    if let Ok(setup) = std::env::var(SETUP) {
        tauri_plugin_spanwire_scenarios::run(serde_json::from_str(&setup).unwrap());
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    let mut runs = vec![Vec::new(); PLUGINS.len()];
    for _ in 0..ROUNDS {
        for (at, plugin) in PLUGINS.into_iter().enumerate() {
            runs[at].push(run(plugin));
        }
    }
    println!("median of {ROUNDS} processes, in microseconds: {FIGURES:?}");
    for (plugin, runs) in PLUGINS.iter().zip(&runs) {
        let medians: Vec<_> = FIGURES.iter().map(|figure| median(runs, figure)).collect();
        println!("{plugin:?}: {medians:.2?}");
    }
    ExitCode::SUCCESS
}

fn run(plugin: Plugin) -> Value {
    let receiver = Receiver::start();
    let folder = Folder::new("bench");
    let report = folder.path().join("report.json");
    let setup = Setup {
        plugin,
        scenario: "bench".to_owned(),
        label: "main".to_owned(),
        origin: Origin::Local,
        settings: Value::Null,
        csp: None,
    };
    let status = Command::new(std::env::current_exe().unwrap())
        .env(SETUP, serde_json::to_string(&setup).unwrap())
        .env(REPORT, &report)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap()
}

fn median(runs: &[Value], figure: &str) -> f64 {
    let mut values: Vec<_> = runs
        .iter()
        .map(|run| run[figure].as_f64().unwrap())
        .collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
