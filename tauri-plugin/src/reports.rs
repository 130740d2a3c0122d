//! "Why is it laggy?" as one file, at a place that the app's Rust names and no page can.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use tauri::{AppHandle, Runtime};

/// Names the file of the next report.
pub(crate) struct ReportTo(Box<dyn Fn() -> PathBuf + Send + Sync>);

impl ReportTo {
    pub(crate) fn new(name: impl Fn() -> PathBuf + Send + Sync + 'static) -> Self {
        Self(Box::new(name))
    }

    fn next(&self) -> PathBuf {
        (self.0)()
    }
}

impl fmt::Debug for ReportTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReportTo")
    }
}

/// The command's answer to the page. It contains neither the report's folder nor its contents.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedReport {
    /// The file's name, without its folder.
    file: String,
    verdict: String,
    findings: usize,
}

/// Writes a report to the file that the app names.
#[cfg(feature = "report")]
pub(crate) fn save<R: Runtime>(app: &AppHandle<R>) -> Result<SavedReport, String> {
    use tauri::Manager;

    use crate::extension::SpanwireExt;

    let to = app
        .try_state::<ReportTo>()
        .ok_or("the app names no file for reports: tauri_plugin_spanwire::Builder::report_to")?;
    // An error names the file with its folder, which is the app's affair.
    let report = app
        .spanwire_report(to.next())
        .map_err(|error| match error {
            spanwire::history::report::ReportError::NoHistory => error.to_string(),
            error => {
                crate::diagnostics::warn(format_args!("there is no report: {error}"));
                "the report could not be written: the app's log says why".to_owned()
            }
        })?;
    Ok(SavedReport {
        file: report
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        verdict: report.verdict,
        findings: report.advice.len(),
    })
}

#[cfg(not(feature = "report"))]
pub(crate) fn save<R: Runtime>(_: &AppHandle<R>) -> Result<SavedReport, String> {
    Err("the app was built without the feature `report` of tauri-plugin-spanwire".to_owned())
}
