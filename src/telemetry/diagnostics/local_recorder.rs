//! Where telemetry counts itself: at the recorder it brings, or else at the one in force.

use std::sync::{Arc, OnceLock, Weak};

use metrics::Recorder;

pub(crate) type SharedRecorder = dyn Recorder + Send + Sync;

/// Runs code with our recorder in force, once there is one.
///
/// Weak, since the recorder leads to the exporters that hold this.
#[derive(Clone, Default)]
pub(crate) struct LocalRecorder(Arc<OnceLock<Weak<SharedRecorder>>>);

impl LocalRecorder {
    pub(crate) fn use_recorder(&self, recorder: &Arc<SharedRecorder>) {
        // A second one is not set: there is one recorder for each telemetry.
        let _ = self.0.set(Arc::downgrade(recorder));
    }

    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        // The process's recorder may be the app's. So ours is put in force on this thread for as
        // long as `f` runs.
        match self.0.get().and_then(Weak::upgrade) {
            Some(recorder) => metrics::with_local_recorder(&*recorder, f),
            None => f(),
        }
    }
}

impl std::fmt::Debug for LocalRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() {
            "LocalRecorder(own)"
        } else {
            "LocalRecorder(in force)"
        })
    }
}
