//! An app that lets a page have a report written.

use std::path::PathBuf;

use tauri_plugin_spanwire::{Builder, Spanwire};

/// The folder of the app's reports; without it the app names none.
pub const REPORTS: &str = "SPANWIRE_SCENARIO_REPORTS";

/// The one line of the guide, or with a file for reports.
pub(crate) fn plugin<R: tauri::Runtime>() -> Spanwire<R> {
    match std::env::var_os(REPORTS) {
        None => tauri_plugin_spanwire::init("scenarios"),
        Some(folder) => Builder::new("scenarios")
            .report_to(move || PathBuf::from(&folder).join("report.zip"))
            .build(),
    }
}
