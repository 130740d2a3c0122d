//! What a page may ask, if a capability of the app allows it: whether telemetry is recorded, and a
//! report.

use serde::Serialize;
use spanwire::telemetry::Pending;
use tauri::ipc::Invoke;
use tauri::{AppHandle, Runtime};

use crate::extension::SpanwireExt;
use crate::reports::{self, SavedReport};

/// Whether telemetry is recorded.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Consent {
    recording: bool,
}

const NONE: &str = "the plugin has installed no telemetry";

/// Whether telemetry is recorded.
#[tauri::command]
fn consent<R: Runtime>(app: AppHandle<R>) -> Result<Consent, &'static str> {
    let telemetry = app.spanwire_telemetry().ok_or(NONE)?;
    Ok(Consent {
        recording: !telemetry.is_paused(),
    })
}

/// The person's answer. A no also deletes what is queued.
// It may write and delete files, so it does not run on the main thread.
#[tauri::command(async)]
fn set_consent<R: Runtime>(app: AppHandle<R>, granted: bool) -> Result<Consent, String> {
    let telemetry = app.spanwire_telemetry().ok_or(NONE)?;
    if granted {
        telemetry.resume().map_err(|error| error.to_string())?;
    // Recording has stopped in any case. The error says that the answer is not on disk, so the next
    // start would not know of it.
    } else if let Some(error) = telemetry.pause(Pending::Discard).not_saved {
        return Err(error);
    }
    consent(app).map_err(str::to_owned)
}

/// Writes a report of the history. The page cannot say where to.
#[tauri::command]
async fn save_report<R: Runtime>(app: AppHandle<R>) -> Result<SavedReport, String> {
    reports::save(app).await
}

/// Runs one of them.
pub(crate) fn handler<R: Runtime>() -> impl Fn(Invoke<R>) -> bool + Send + Sync {
    tauri::generate_handler![consent, set_consent, save_report]
}
