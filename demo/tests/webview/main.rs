//! The adapter in real webviews: pages that crash, pages that leave, pages that are not the app's,
//! and pages that cannot send.
//!
//! An event loop wants the main thread, and there is one for each process. So each scenario is a
//! child, and this is no test harness; a scenario's name as an argument runs that one alone.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod scenarios;
mod scene;
mod server;

use std::process::{Command, ExitCode};

use scenarios::SCENARIOS;
use spanwire_testkit::virtual_display;

/// Tells the parent, which needs no display, from the one that has one.
const HAS_DISPLAY: &str = "SPANWIRE_WEBVIEW_TEST_DISPLAY";
/// The scenario that a child plays.
const SCENARIO: &str = "SPANWIRE_WEBVIEW_TEST_SCENARIO";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Ok(name) = std::env::var(SCENARIO) {
        let (_, play) = SCENARIOS.iter().find(|(known, _)| *known == name).unwrap();
        play();
        println!("played {name}");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    println!("webview {}", wry::webview_version().unwrap());
    let mut failed = 0;
    for (name, _) in SCENARIOS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        // It is the last line, so a child that ends early is not taken for one that is fine.
        let output = this().env(SCENARIO, name).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && text.contains(&format!("played {name}")) {
            println!("test {name} ... ok");
        } else {
            failed += 1;
            let errors = String::from_utf8_lossy(&output.stderr);
            println!("test {name} ... FAILED\n{text}{errors}");
        }
    }
    println!("\n{} scenarios, {failed} failed", SCENARIOS.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn this() -> Command {
    Command::new(std::env::current_exe().unwrap())
}
