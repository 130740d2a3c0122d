//! A wake of the UI thread, on its way to it.

use std::fmt;
use std::mem;
use std::sync::Weak;

use super::shared::Shared;

/// A wake of the UI thread, which [`Observer::on_wake`](super::Observer::on_wake) passes to the app: the UI thread
/// [answers](Self::answer) it.
///
/// One that is dropped, because the event loop has ended or takes no more, is forgotten: it does not
/// count as a UI thread that hangs.
#[must_use = "the UI thread is to answer it"]
pub struct Wake(pub(super) Weak<Shared>);

impl Wake {
    /// The UI thread came: call this there.
    pub fn answer(mut self) {
        // The answer takes the handle out, so that the drop at the end does not forget the wake
        // that is answered.
        if let Some(shared) = mem::take(&mut self.0).upgrade() {
            shared.recorder.main_thread.set_current();
            let now = shared.recorder.clock.now();
            shared.heartbeat.waker.rearm(now);
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.heartbeat.waker.forget();
        }
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wake").finish_non_exhaustive()
    }
}
