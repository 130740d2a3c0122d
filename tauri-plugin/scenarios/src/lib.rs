//! A Tauri app whose pages test the plugin in real windows.
//!
//! The test's process starts itself once more for each scenario, with a display; that child runs
//! [`run`], its page does what the scenario is about, and reports with the command `finish`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails the test that runs it"
)]

mod commands;
mod own;
mod pages;
mod remote;
mod reports;
mod windows;

use std::path::PathBuf;

pub use own::Own;
pub use reports::REPORTS;
pub use windows::{Origin, Pattern, Plugin, Setup, run};

/// Where the page's report goes.
pub const REPORT: &str = "SPANWIRE_SCENARIO_REPORT";

pub(crate) fn report_path() -> PathBuf {
    std::env::var_os(REPORT).unwrap().into()
}
