//! How long an export may still take once the app wants to end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Stamp};

/// Cuts waits short when a shutdown begins, and ends all of them by its deadline.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    deadline: Mutex<Option<Stamp>>,
    closing: Condvar,
}

impl Patience {
    /// From now on nothing waits beyond `deadline`.
    pub(crate) fn close(&self, deadline: Stamp) {
        *self.lock() = Some(deadline);
        self.closing.notify_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().is_some()
    }

    /// The earlier of `until` and the shutdown's deadline.
    pub(crate) fn limit(&self, until: Stamp) -> Stamp {
        self.lock().map_or(until, |deadline| until.min(deadline))
    }

    /// Waits for `time`, or until a shutdown begins or its deadline comes, if that is earlier.
    pub(crate) fn sleep(&self, time: Duration) {
        let mut deadline = self.lock();
        let end = clock::now().plus(time);
        let end = deadline.map_or(end, |deadline| end.min(deadline));
        let was_closing = deadline.is_some();
        loop {
            let left = end.since(clock::now());
            if left.is_zero() || deadline.is_some() != was_closing {
                return;
            }
            deadline = self
                .closing
                .wait_timeout(deadline, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Stamp>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_shutdown_ends_a_long_sleep() {
        let patience = Arc::new(Patience::default());
        let sleeper = std::thread::spawn({
            let patience = Arc::clone(&patience);
            move || patience.sleep(Duration::from_secs(3_600))
        });
        patience.close(clock::now());
        sleeper.join().unwrap();
        assert!(patience.is_closing());
    }

    #[test]
    fn the_earlier_end_holds() {
        let patience = Patience::default();
        let (soon, late) = (clock::now(), clock::now().plus(Duration::from_secs(9)));
        assert_eq!(patience.limit(late), late);
        patience.close(soon);
        assert_eq!(patience.limit(late), soon);
    }
}
