//! Work at an interval.

use std::io;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::clock::Clock;

/// Runs its work at each interval on a thread of its own, until it is dropped.
///
/// Dropping it waits for work in progress, but not longer than a quarter of a second.
#[derive(Debug)]
pub(super) struct Ticker {
    /// `None` only while it is dropped: its end is the thread's sign to stop.
    end: Option<Sender<()>>,
    ended: Receiver<()>,
    thread: ThreadId,
}

impl Ticker {
    /// `work` says whether to go on.
    pub(super) fn start(
        interval: Duration,
        mut work: impl FnMut() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (end, stop) = bounded::<()>(0);
        let (done, ended) = bounded::<()>(0);
        let interval = interval.max(INTERVAL_MIN);
        let thread = thread::Builder::new()
            .name("spanwire-report".into())
            .spawn(move || {
                // A panic in `work` drops it too, so a thread that waits for the end goes on.
                let _done = done;
                // The system's clock: a test's clock that stands still would never come to the next
                // tick.
                let clock = Clock::system();
                let mut next = clock.now().plus(interval);
                while stop.recv_timeout(next.since(clock.now())) == Err(RecvTimeoutError::Timeout) {
                    if !work() {
                        return;
                    }
                    // Work that takes longer than the interval delays the next tick; missed ticks
                    // are not made up for.
                    next = next.plus(interval).max(clock.now());
                }
            })?;
        Ok(Self {
            end: Some(end),
            ended,
            // The handle is dropped, which detaches the thread: a join could not have a limit.
            thread: thread.thread().id(),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.end = None;
        // The thread itself may hold the last handle to what it works on.
        if thread::current().id() != self.thread {
            let _ = self.ended.recv_timeout(END_MAX);
        }
    }
}

const INTERVAL_MIN: Duration = Duration::from_millis(10);
const END_MAX: Duration = Duration::from_millis(250);
