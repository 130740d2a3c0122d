//! What arrived on the host's side: how much of what is waited for, and when.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Both ways tell it of each message, on the main thread.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Wait>);

#[derive(Debug, Default)]
struct Wait {
    left: u64,
    stamps: Option<Vec<Instant>>,
    done: Option<SyncSender<Arrived>>,
}

/// All that was waited for is there.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Of the last.
    pub(crate) at: Instant,
    /// Of each, when they were asked for.
    pub(crate) stamps: Vec<Instant>,
}

impl Arrivals {
    /// Begins to wait for so many.
    pub(crate) fn expect(&self, count: u64) -> Receiver<Arrived> {
        self.wait(count, None)
    }

    /// The same, and the time of each.
    pub(crate) fn expect_stamps(&self, count: u64) -> Receiver<Arrived> {
        self.wait(count, Some(Vec::with_capacity(count as usize)))
    }

    fn wait(&self, left: u64, stamps: Option<Vec<Instant>>) -> Receiver<Arrived> {
        let (done, arrived) = sync_channel(1);
        let mut wait = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(wait.left, 0, "one after the other");
        *wait = Wait {
            left,
            stamps,
            done: Some(done),
        };
        arrived
    }

    /// One is there; whether more are to come.
    pub(crate) fn arrived(&self) -> bool {
        let mut wait = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wait.left = wait.left.checked_sub(1).expect("nothing comes uncalled");
        if let Some(stamps) = &mut wait.stamps {
            stamps.push(now());
        }
        if wait.left == 0 {
            let stamps = wait.stamps.take().unwrap_or_default();
            let done = wait.done.take().expect("somebody waits");
            let _ = done.send(Arrived { at: now(), stamps });
        }
        wait.left > 0
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "what is measured is not ours alone"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
