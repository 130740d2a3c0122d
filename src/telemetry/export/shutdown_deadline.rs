//! How long an export may still take once the app wants to end, and whether it may at all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::clock::{self, Stamp};
use crate::telemetry::consent::Switch;

/// Cuts waits short when a shutdown begins, and ends all of them by its deadline.
#[derive(Debug)]
pub(crate) struct ShutdownDeadline {
    end: Mutex<Option<Shutdown>>,
    /// Dropped when the shutdown begins, which all receivers see.
    open: Mutex<Option<Sender<()>>>,
    closing: Receiver<()>,
    switch: Arc<Switch>,
}

impl Default for ShutdownDeadline {
    /// Nothing pauses.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

#[derive(Clone, Copy, Debug)]
struct Shutdown {
    began: Stamp,
    deadline: Stamp,
}

impl ShutdownDeadline {
    pub(crate) fn new(switch: Arc<Switch>) -> Self {
        // Nothing is ever sent: the drop of `open` disconnects every receiver.
        let (open, closing) = bounded(0);
        Self {
            end: Mutex::new(None),
            open: Mutex::new(Some(open)),
            closing,
            switch,
        }
    }

    /// What pauses exports.
    pub(crate) fn switch(&self) -> &Switch {
        &self.switch
    }

    /// From now on nothing waits beyond `deadline`.
    pub(crate) fn close(&self, deadline: Stamp) {
        // The deadline is set before the receivers are disconnected: a thread that wakes asks for
        // it.
        *self.lock() = Some(Shutdown {
            began: clock::now(),
            deadline,
        });
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(open);
    }

    /// Is disconnected as soon as a shutdown begins, for who waits for something else as well.
    pub(crate) fn closing(&self) -> &Receiver<()> {
        &self.closing
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().is_some()
    }

    /// The earlier of `until` and the shutdown's deadline.
    pub(crate) fn limit(&self, until: Stamp) -> Stamp {
        self.lock().map_or(until, |end| until.min(end.deadline))
    }

    /// The same, with half of the shutdown's time left for what can be done without a collector.
    pub(crate) fn limit_early(&self, until: Stamp) -> Stamp {
        self.lock().map_or(until, |end| {
            until.min(end.began.plus(end.deadline.since(end.began) / 2))
        })
    }

    /// Waits for `time`, or until a shutdown begins or its deadline comes, if that is earlier.
    pub(crate) fn sleep(&self, time: Duration) {
        let now = clock::now();
        // After the shutdown has begun, `closing` is disconnected and would end every wait at once.
        match self.is_closing() {
            true => std::thread::sleep(self.limit(now.plus(time)).since(now)),
            false => drop(self.closing.recv_timeout(time)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Shutdown>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_shutdown_ends_a_long_sleep() {
        let shutdown_deadline = Arc::new(ShutdownDeadline::default());
        let sleeper = std::thread::spawn({
            let shutdown_deadline = Arc::clone(&shutdown_deadline);
            move || shutdown_deadline.sleep(Duration::from_secs(3_600))
        });
        shutdown_deadline.close(clock::now());
        sleeper.join().unwrap();
        assert!(shutdown_deadline.is_closing());
    }

    #[test]
    fn the_earlier_end_holds() {
        let shutdown_deadline = ShutdownDeadline::default();
        let (soon, late) = (clock::now(), clock::now().plus(Duration::from_secs(9)));
        assert_eq!(shutdown_deadline.limit(late), late);
        shutdown_deadline.close(soon);
        assert_eq!(shutdown_deadline.limit(late), soon);
    }

    #[test]
    fn the_early_end_leaves_half_of_the_time() {
        let shutdown_deadline = ShutdownDeadline::default();
        let late = clock::now().plus(Duration::from_secs(100));
        assert_eq!(shutdown_deadline.limit_early(late), late);
        shutdown_deadline.close(late);
        let left = late.since(shutdown_deadline.limit_early(late));
        assert!(left > Duration::from_secs(49), "{left:?}");
    }
}
