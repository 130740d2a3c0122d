//! Metrics of one telemetry among several in a process.

use std::sync::Arc;

use spanwire::telemetry::TelemetryParts;

/// Runs `f` with the recorder of `parts` in force on this thread.
///
/// The recorder is never given back. Spanwire tells recorders apart by their address and keeps
/// handles for each, so the next one at this address would get handles that write into this one's
/// series. For the same reason it is not a reference to an `Arc` on the stack that is passed on.
///
/// # Panics
///
/// If metrics are off.
pub fn with_recorder_of<R>(parts: &TelemetryParts, f: impl FnOnce() -> R) -> R {
    let recorder = parts.recorder.as_ref().expect("metrics are on");
    std::mem::forget(Arc::clone(recorder));
    metrics::with_local_recorder(&**recorder, f)
}
