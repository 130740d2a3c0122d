//! The one switch that everything asks before it records, queues, sends, serves or writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "otlp")]
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Pending;
use crate::clock::Clock;
#[cfg(feature = "otlp")]
use crate::clock::Stamp;

/// Whether telemetry records.
///
/// Time is cut into epochs: a pause ends one and a resume begins the next. What is taken in carries
/// the epoch in which that was, so what a pause deletes is known by comparison: a thread that is
/// late by a moment cannot bring it back.
#[derive(Debug)]
pub(crate) struct Switch {
    /// Even while telemetry records, odd while it is paused. Each change adds one.
    epoch: AtomicU64,
    /// What was taken in before this epoch is deleted.
    kept_from: AtomicU64,
    /// When it was resumed for the last time, in nanoseconds of the monotonic clock.
    resumed: AtomicU64,
    /// Replaced with each change, which all receivers of the old one see.
    change: Mutex<(Sender<()>, Receiver<()>)>,
}

/// A time between two pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

impl Default for Switch {
    /// Telemetry records.
    fn default() -> Self {
        Self::starting_at(0)
    }
}

impl Switch {
    /// Telemetry is paused from the start.
    pub(crate) fn paused() -> Self {
        Self::starting_at(1)
    }

    fn starting_at(epoch: u64) -> Self {
        Self {
            epoch: AtomicU64::new(epoch),
            kept_from: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            // Nothing is ever sent. Dropping the sender disconnects every receiver, which wakes all
            // that wait on one.
            change: Mutex::new(bounded(0)),
        }
    }

    /// Whether nothing is recorded now.
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        // Relaxed: a thread sees it a moment later at the worst, which is what it is for the caller
        // of `pause` too. What must not be late is decided by the epoch.
        !self.epoch.load(Ordering::Relaxed).is_multiple_of(2)
    }

    /// The epoch in which something is taken in now; `None` while paused.
    #[inline]
    #[cfg(feature = "otlp")]
    pub(crate) fn recording(&self) -> Option<Epoch> {
        let epoch = self.epoch.load(Ordering::Acquire);
        epoch.is_multiple_of(2).then_some(Epoch(epoch))
    }

    /// The epoch in force, also that of a pause: another one says that the switch was turned.
    #[cfg(feature = "otlp")]
    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Whether what was taken in then is still wanted.
    #[cfg(feature = "otlp")]
    pub(crate) fn keeps(&self, epoch: Epoch) -> bool {
        epoch.0 >= self.kept_from.load(Ordering::Acquire)
    }

    /// Whether what was taken in then may leave now.
    #[cfg(feature = "otlp")]
    pub(crate) fn allows(&self, epoch: Epoch) -> bool {
        !self.is_paused() && self.keeps(epoch)
    }

    /// Whether something that began then and ends now is recorded: not when it began in a pause or
    /// before one. Gives the epoch in which it is taken in.
    #[cfg(feature = "otlp")]
    pub(crate) fn admits(&self, began: SystemTime) -> Option<Epoch> {
        let epoch = self.recording()?;
        // Never paused, which is how nearly all processes live.
        if epoch.0 == 0 || began >= self.resumed_at() {
            return Some(epoch);
        }
        None
    }

    /// When it was resumed, by the wall clock as it is set now.
    #[cfg(feature = "otlp")]
    fn resumed_at(&self) -> SystemTime {
        let clock = Clock::system();
        let resumed = Stamp::NONE.plus(Duration::from_nanos(self.resumed.load(Ordering::Acquire)));
        let (mut now, mut wall) = clock.now_and_wall();
        // A thread that was held up between the two would take the resume for later than it was.
        for _ in 0..READS_MAX {
            if clock.now().since(now) < READ_MAX {
                break;
            }
            (now, wall) = clock.now_and_wall();
        }
        wall.checked_sub(now.since(resumed))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Pauses; the epoch that ended is `None` when it was paused already. With
    /// [`Pending::Discard`] nothing of what was taken in before is wanted any more.
    pub(in crate::telemetry) fn pause(&self, pending: Pending) -> Option<Epoch> {
        let mut change = self.change();
        // Relaxed: only the holder of the lock stores it.
        let epoch = self.epoch.load(Ordering::Relaxed);
        let is_first = epoch.is_multiple_of(2);
        let paused = epoch + u64::from(is_first);
        // Before the epoch: a thread that reads the new epoch reads this too.
        if pending == Pending::Discard {
            self.kept_from.store(paused, Ordering::Release);
        }
        self.epoch.store(paused, Ordering::Release);
        // In a second pause, too: `kept_from` may have changed, so waiting threads must look again.
        *change = bounded(0);
        is_first.then_some(Epoch(epoch))
    }

    /// Records again; nothing changes when it does already.
    pub(in crate::telemetry) fn resume(&self) {
        let mut change = self.change();
        let epoch = self.epoch.load(Ordering::Relaxed);
        if epoch.is_multiple_of(2) {
            return;
        }
        // Stored before the epoch: a thread that reads the new epoch reads this time with it.
        let now = Clock::system().now().as_nanos();
        self.resumed.store(now, Ordering::Release);
        self.epoch.store(epoch + 1, Ordering::Release);
        *change = bounded(0);
    }

    /// Is disconnected by the next change. Ask for it before looking at the switch.
    #[cfg(feature = "otlp")]
    pub(crate) fn next_change(&self) -> Receiver<()> {
        self.change().1.clone()
    }

    fn change(&self) -> MutexGuard<'_, (Sender<()>, Receiver<()>)> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longer between two reads of clocks means that the thread was held up.
#[cfg(feature = "otlp")]
const READ_MAX: Duration = Duration::from_micros(50);
#[cfg(feature = "otlp")]
const READS_MAX: usize = 10;

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_pause_deletes_stays_deleted_after_the_resume() {
        let switch = Switch::default();
        let first = switch.recording().unwrap();
        assert_eq!(switch.pause(Pending::Keep), Some(first));
        assert!(switch.keeps(first) && !switch.allows(first));
        assert_eq!(switch.recording(), None);
        // Deleted after all.
        assert_eq!(switch.pause(Pending::Discard), None);
        assert!(!switch.keeps(first));
        switch.resume();
        let second = switch.recording().unwrap();
        assert!(!switch.keeps(first) && switch.allows(second));
        switch.pause(Pending::Keep);
        switch.resume();
        assert!(switch.allows(second) && !switch.keeps(first));
    }

    #[test]
    fn what_began_before_the_resume_is_not_admitted() {
        let switch = Switch::paused();
        let (_, before) = Clock::system().now_and_wall();
        assert_eq!(switch.admits(before), None);
        let earlier = before - Duration::from_millis(1);
        switch.resume();
        let (_, after) = Clock::system().now_and_wall();
        assert_eq!(switch.admits(earlier), None);
        let later = after + Duration::from_millis(1);
        assert_eq!(switch.admits(later), switch.recording());
    }

    #[test]
    fn each_change_disconnects_who_waits_for_it() {
        let switch = Switch::default();
        let change = switch.next_change();
        switch.resume();
        assert!(change.try_recv().is_err_and(|error| error.is_empty()));
        switch.pause(Pending::Keep);
        assert!(
            change
                .try_recv()
                .is_err_and(|error| error.is_disconnected())
        );
        let change = switch.next_change();
        // The same state, and another answer to what becomes of what is queued.
        switch.pause(Pending::Discard);
        assert!(
            change
                .try_recv()
                .is_err_and(|error| error.is_disconnected())
        );
    }
}
