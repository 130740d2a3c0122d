//! A value that was changed, and what it was before.

use std::sync::{Mutex, PoisonError};

/// Remembers a value while another is in its place.
#[derive(Debug)]
pub(super) struct Changed<T>(Mutex<Option<Change<T>>>);

#[derive(Clone, Copy, Debug)]
struct Change<T> {
    before: T,
    to: T,
}

impl<T: Copy + PartialEq> Changed<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Changes what is `now` with `set`; whether it was another value.
    pub(super) fn apply(&self, now: T, to: T, set: impl FnOnce(T)) -> bool {
        if now == to {
            return false;
        }
        // The lock is held while the value is set, so apply and undo of two threads do not mix.
        // `set` is Spanwire's own code.
        let mut change = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *change = Some(Change { before: now, to });
        set(to);
        true
    }

    /// Changes it back, unless the app has set something else since.
    pub(super) fn undo(&self, now: T, set: impl FnOnce(T)) -> bool {
        let mut change = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change.take() {
            // The app's own setting is not overwritten with an older one.
            Some(Change { before, to }) if to == now => {
                set(before);
                true
            }
            _ => false,
        }
    }
}
