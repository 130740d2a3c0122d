//! The end of what runs on a thread, to be waited for.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::clock::{self, Stamp};

/// It comes once, and stays.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    came: Mutex<bool>,
    coming: Condvar,
}

impl Completion {
    pub(crate) fn notify(&self) {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.coming.notify_all();
    }

    /// Waits for it; `false` when it had not come by `until`.
    pub(crate) fn wait(&self, until: Stamp) -> bool {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        while !*came {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            came = self
                .coming
                .wait_timeout(came, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}
