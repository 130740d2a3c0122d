//! "Why is it laggy?" as one file, at a place that the app's Rust names and no page can.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tauri::{AppHandle, Runtime};

/// Names the file of the next report, and lets one be written at a time.
pub(crate) struct ReportTo {
    name: Box<dyn Fn() -> PathBuf + Send + Sync>,
    // No mutex: the turn moves to a worker's thread, which a guard cannot.
    is_writing: Arc<AtomicBool>,
}

impl ReportTo {
    pub(crate) fn new(name: impl Fn() -> PathBuf + Send + Sync + 'static) -> Self {
        Self {
            name: Box::new(name),
            is_writing: Arc::default(),
        }
    }

    fn next(&self) -> PathBuf {
        (self.name)()
    }

    /// The turn to write a report; `None` while another has it.
    fn turn(&self) -> Option<Turn> {
        // Acquire pairs with the Release below: the thread that gets the turn sees all that the
        // previous one wrote.
        let was_writing = self.is_writing.swap(true, Ordering::Acquire);
        (!was_writing).then(|| Turn(Arc::clone(&self.is_writing)))
    }
}

/// The turn to write a report, until it is dropped.
struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
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

const NO_FILE: &str =
    "the app names no file for reports: tauri_plugin_spanwire::Builder::report_to";

/// Writes a report to the file that the app names.
#[cfg(feature = "report")]
pub(crate) async fn save<R: Runtime>(app: AppHandle<R>) -> Result<SavedReport, String> {
    use tauri::Manager;

    let turn = app.try_state::<ReportTo>().ok_or(NO_FILE)?.turn();
    let turn = turn.ok_or("a report is being written already")?;
    // It takes up to some seconds, which the commands that wait for a worker do not have.
    let writing = tauri::async_runtime::spawn_blocking(move || {
        let saved = write(&app);
        // The worker has the turn, so it ends with the file, even if the command's future is
        // dropped.
        drop(turn);
        saved
    });
    writing.await.map_err(|error| error.to_string())?
}

#[cfg(feature = "report")]
fn write<R: Runtime>(app: &AppHandle<R>) -> Result<SavedReport, String> {
    use tauri::Manager;

    use crate::extension::SpanwireExt;

    let to = app.try_state::<ReportTo>().ok_or(NO_FILE)?;
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
pub(crate) async fn save<R: Runtime>(_: AppHandle<R>) -> Result<SavedReport, String> {
    Err("the app was built without the feature `report` of tauri-plugin-spanwire".to_owned())
}
