//! How many messages a queue holds, and the threads that wait for room.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::outcome::PushErrorReason;
use crate::clock::{Clock, Stamp};

/// The places of a queue.
///
/// A place is taken before a message is published and given back after it was received. So the
/// count is never less than what the channel holds, the channel always has room for a thread that
/// has a place, and a closed queue is finished exactly when the count is zero.
#[derive(Debug)]
pub(super) struct Capacity {
    /// The count, and [`CLOSED`] in the highest bit: one atomic, so that no place can be taken
    /// once the queue is closed.
    state: AtomicUsize,
    capacity: usize,
    /// Since the last reset.
    peak: AtomicUsize,
    /// The highest peak before the last reset.
    peak_before: AtomicUsize,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    freed: Condvar,
}

const CLOSED: usize = 1 << (usize::BITS - 1);

/// The most places that can be counted beside [`CLOSED`].
pub(super) const CAPACITY_MAX: usize = CLOSED - 1;

impl Capacity {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: AtomicUsize::new(0),
            capacity,
            peak: AtomicUsize::new(0),
            peak_before: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            gate: Mutex::new(()),
            freed: Condvar::new(),
        }
    }

    /// Takes a place, or says that the queue is full or closed.
    #[inline]
    pub(super) fn reserve(&self) -> Result<(), PushErrorReason> {
        // SeqCst here and in `release`: either a waiter sees the place that was given back, or the
        // thread that gave it back sees the waiter. On x86 and for atomic read-modify-writes it is free.
        let mut state = self.state.load(Ordering::SeqCst);
        loop {
            if state & CLOSED != 0 {
                return Err(PushErrorReason::Closed);
            }
            // The check above excludes `CLOSED`, and the rest of the state is the count.
            if state >= self.capacity {
                return Err(PushErrorReason::Full);
            }
            match self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        let len = state + 1;
        // Most pushes set no new peak, and a load costs less than a read-modify-write.
        if len > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(len, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes a place, waiting for one until `deadline`, or without end when there is none.
    #[cold]
    pub(super) fn reserve_by(&self, deadline: Option<Stamp>) -> Result<(), PushErrorReason> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        // The waiter counts itself before it looks at the count: a thread that frees a place after
        // that look sees the waiter.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let reserved = loop {
            match self.reserve() {
                Err(PushErrorReason::Full) => {}
                done => break done,
            }
            // The gate is held from the look at the count until the wait, and a thread that frees a
            // place passes through it: no wake-up falls in between.
            gate = match deadline {
                None => self
                    .freed
                    .wait(gate)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    // The system's clock even where a test has a fake one, since a condition
                    // variable waits in real time.
                    let left = deadline.since(Clock::system().now());
                    if left.is_zero() {
                        break Err(PushErrorReason::Timeout);
                    }
                    self.freed
                        .wait_timeout(gate, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        reserved
    }

    /// Gives a place back.
    #[inline]
    pub(super) fn release(&self) {
        let before = self.state.fetch_sub(1, Ordering::SeqCst);
        debug_assert_ne!(before & !CLOSED, 0, "a place was given back twice");
        // Nearly always zero, so a pop takes no lock.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // One place came free, so one waiter can use it. All are woken by `close` alone.
            self.wake(Condvar::notify_one);
        }
    }

    /// Refuses messages from here on; false when it was closed before.
    pub(super) fn close(&self) -> bool {
        let before = self.state.fetch_or(CLOSED, Ordering::SeqCst);
        // The bit is set before the wake, so a thread that wakes finds the queue closed.
        self.wake(Condvar::notify_all);
        before & CLOSED == 0
    }

    #[cold]
    fn wake(&self, notify: impl FnOnce(&Condvar)) {
        // The waker passes through the gate once: a waiter that has looked is in its wait by then.
        // It notifies without the lock, so that the waiter does not wake into a lock that is held.
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        notify(&self.freed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Closed, and the last message has gone.
    pub(super) fn is_finished(&self) -> bool {
        // One load for both, since a push and the close could come between two loads.
        self.state.load(Ordering::SeqCst) == CLOSED
    }

    pub(super) fn len(&self) -> usize {
        self.state.load(Ordering::SeqCst) & !CLOSED
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// The peak since the queue was built, whatever was reset.
    pub(super) fn peak_ever(&self) -> usize {
        self.peak().max(self.peak_before.load(Ordering::Relaxed))
    }

    pub(super) fn reset_peak(&self) {
        // What is counted between `len` and the swap may be missed, which only a report's peak
        // shows.
        let peak = self.peak.swap(self.len(), Ordering::Relaxed);
        self.peak_before.fetch_max(peak, Ordering::Relaxed);
    }
}
