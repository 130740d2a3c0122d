//! The UI thread: the one that asks for scripts, and the handlers that it cannot do so during.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stamp;

/// Which thread is the UI thread, and what a handler may take there.
#[derive(Debug)]
pub(super) struct MainThread {
    /// The thread that asked for a script last; 0 while none did.
    thread: AtomicU64,
    budget: Duration,
    /// Since when a handler holds it, in nanoseconds; 0 while none does.
    held_since: AtomicU64,
}

/// A handler holds the UI thread until this is dropped.
#[must_use = "the thread is held while this is"]
pub(super) struct Hold<'a>(&'a AtomicU64);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Where a handler ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadKind {
    Main,
    Worker,
}

impl ThreadKind {
    /// The value of `spanwire.thread`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Worker => "worker",
        }
    }
}

/// From 60 Hz: what a thread may be busy without a frame being late.
pub(super) const DEFAULT_BUDGET: Duration = Duration::from_millis(16);

impl MainThread {
    pub(super) fn new(budget: Duration) -> Self {
        Self {
            thread: AtomicU64::new(0),
            budget,
            held_since: AtomicU64::new(0),
        }
    }

    /// The thread that this is called on asks for a script, so it is the main thread.
    pub(super) fn set_current(&self) {
        let here = here();
        // Only read as a rule: a write would take the line away from the other threads.
        if self.thread.load(Ordering::Relaxed) != here {
            self.thread.store(here, Ordering::Relaxed);
        }
    }

    /// What this thread is; `None` before the first script was asked for.
    pub(super) fn current(&self) -> Option<ThreadKind> {
        match self.thread.load(Ordering::Relaxed) {
            // Threads are numbered from 1.
            0 => None,
            main if main == here() => Some(ThreadKind::Main),
            _ => Some(ThreadKind::Worker),
        }
    }

    /// A handler begins on this thread. `None` where that is not the UI thread, and within another
    /// handler.
    pub(super) fn hold(&self, since: Stamp) -> Option<Hold<'_>> {
        // Relaxed: one thread writes it, and who reads it wants the time alone.
        let is_held = self.held_since.load(Ordering::Relaxed) != 0;
        if is_held || self.current() != Some(ThreadKind::Main) {
            return None;
        }
        // A stamp is never 0, so this says that the thread is held.
        self.held_since.store(since.as_nanos(), Ordering::Relaxed);
        Some(Hold(&self.held_since))
    }

    /// Since when a handler that [holds](Self::hold) the UI thread does.
    pub(super) fn held_since(&self) -> Option<Stamp> {
        let since = self.held_since.load(Ordering::Relaxed);
        (since != 0).then(|| Stamp::NONE.plus(Duration::from_nanos(since)))
    }

    /// Whether something that took so long, on this thread, kept the UI from its next frame.
    pub(super) fn was_blocked(&self, took: Duration) -> bool {
        took >= self.budget && self.current() == Some(ThreadKind::Main)
    }
}

/// A number of this thread's own, never 0. An address would be given to another thread later, and
/// `thread::current().id()` costs a reference count.
fn here() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static HERE: Cell<u64> = const { Cell::new(0) };
    }
    let here = HERE.get();
    if here != 0 {
        return here;
    }
    let here = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    HERE.set(here);
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_thread_is_the_one_that_asked_for_a_script_last() {
        let ui = MainThread::new(DEFAULT_BUDGET);
        assert_eq!(ui.current(), None);
        assert!(!ui.was_blocked(Duration::MAX), "nobody is waiting for it");
        ui.set_current();
        assert_eq!(ui.current(), Some(ThreadKind::Main));
        assert!(ui.was_blocked(DEFAULT_BUDGET));
        assert!(!ui.was_blocked(DEFAULT_BUDGET - Duration::from_nanos(1)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(ui.current(), Some(ThreadKind::Worker));
                assert!(!ui.was_blocked(Duration::MAX));
                // The event loop moved.
                ui.set_current();
                assert_eq!(ui.current(), Some(ThreadKind::Main));
            });
        });
        assert_eq!(ui.current(), Some(ThreadKind::Worker));
    }
}
