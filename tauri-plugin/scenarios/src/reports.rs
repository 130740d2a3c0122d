//! An app that lets a page have a report written.

use std::path::PathBuf;

use tauri_plugin_spanwire::{Builder, Spanwire};

use crate::commands::held;

/// The folder of the app's reports; without it the app names none.
pub const REPORTS: &str = "SPANWIRE_SCENARIO_REPORTS";

/// The scenario in which a report is not written before the page has released it.
const HELD: &str = "two_reports";

/// The one line of the guide, or with a file for reports.
pub(crate) fn plugin<R: tauri::Runtime>(scenario: &str) -> Spanwire<R> {
    let is_held = scenario == HELD;
    match std::env::var_os(REPORTS) {
        None => tauri_plugin_spanwire::init("scenarios"),
        Some(folder) => Builder::new("scenarios")
            .report_to(move || {
                if is_held {
                    tauri::async_runtime::block_on(held());
                }
                PathBuf::from(&folder).join("report.zip")
            })
            .build(),
    }
}
