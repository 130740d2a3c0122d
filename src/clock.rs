//! Cheap monotonic stamps, anchored to wall time when a span needs it, and mockable.
//!
//! Everything that measures reads time here and nowhere else, so a test can move it.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// A point in monotonic time: nanoseconds since the process first read the clock.
///
/// Only differences mean anything. [`Stamp::NONE`] marks "not measured".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// No time was taken, because nobody was listening.
    pub const NONE: Stamp = Stamp(0);

    /// The time from `earlier` to this stamp; zero when `earlier` is later or was not measured.
    #[must_use]
    pub fn since(self, earlier: Stamp) -> Duration {
        if earlier == Self::NONE {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds since the process first read the clock.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// The stamp `after` later than this one.
    #[must_use]
    pub fn plus(self, after: Duration) -> Stamp {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Stamp(self.0.saturating_add(after))
    }

    /// The stamp `before` earlier than this one; the first there can be when that is before the
    /// clock was first read.
    pub(crate) fn minus(self, before: Duration) -> Stamp {
        let before = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
        // 0 is `NONE`, which would make it a time that was not measured.
        Stamp(self.0.saturating_sub(before).max(1))
    }
}

/// A source of stamps. Cloning is cheap and both clones tell the same time.
///
/// The default reads the processor's counter, about a third of the cost of `Instant::now`.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<FakeTime>>);

impl Clock {
    /// The real clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// The clock in force on this thread: the real one, unless a test set another.
    #[must_use]
    pub fn current() -> Self {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .unwrap_or_else(|_| Self::system())
    }

    /// The time now. Never [`Stamp::NONE`].
    #[inline]
    #[must_use]
    pub fn now(&self) -> Stamp {
        match &self.0 {
            None => system_now(),
            // Relaxed: a test that moves time on one thread and reads it on another joins them
            // itself.
            Some(fake) => Stamp(fake.nanos.load(Ordering::Relaxed)),
        }
    }

    /// The time now, and a wall time that is no earlier: what began before by the wall clock did
    /// not begin after it.
    pub(crate) fn now_and_wall(&self) -> (Stamp, SystemTime) {
        let stamp = self.now();
        // The wall clock is read after the stamp, so its time is no earlier than the stamp.
        let wall = match &self.0 {
            None => wall_now(),
            Some(_) => self.wall(stamp),
        };
        (stamp, wall)
    }

    /// The wall time at `stamp`.
    ///
    /// It is counted back from the wall time now, so a clock that was set or a machine that slept
    /// in between shifts this one answer and not all that follow.
    #[must_use]
    pub fn wall(&self, stamp: Stamp) -> SystemTime {
        self.wall_by(stamp, self.now())
    }

    /// The same, for who has just read the time `now`.
    pub(crate) fn wall_by(&self, stamp: Stamp, now: Stamp) -> SystemTime {
        match &self.0 {
            None => {
                let wall = wall_now();
                // A span needs a time in any case, so one that cannot be counted back is now.
                wall.checked_sub(now.since(stamp)).unwrap_or(wall)
            }
            Some(_) => SystemTime::UNIX_EPOCH + FAKE_EPOCH + Duration::from_nanos(stamp.0),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Clock(fake)"
        } else {
            "Clock(system)"
        })
    }
}

/// The time now by the clock in force on this thread.
#[inline]
#[must_use]
pub fn now() -> Stamp {
    // In a thread-local's destructor it may be gone.
    CURRENT
        .try_with(|current| current.borrow().now())
        .unwrap_or_else(|_| system_now())
}

/// The time that a test moves by hand.
#[derive(Debug)]
pub(crate) struct FakeTime {
    nanos: AtomicU64,
}

#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, reason = "only the fake clock moves time")
)]
impl FakeTime {
    pub(crate) fn start() -> Arc<Self> {
        // One second in, so that no stamp is `Stamp::NONE`.
        Arc::new(Self {
            nanos: AtomicU64::new(1_000_000_000),
        })
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn clock(self: &Arc<Self>) -> Clock {
        Clock(Some(Arc::clone(self)))
    }

    /// Runs `f` with this time in force on this thread.
    pub(crate) fn run<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        // A guard, so that the clock is set back when `f` panics.
        struct Restore(Clock);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(std::mem::take(&mut self.0));
            }
        }
        let _restore = Restore(CURRENT.replace(self.clock()));
        f()
    }
}

/// CPU time that this thread has used; `None` where it is not known. No test moves it.
#[cfg(all(target_os = "linux", feature = "otlp"))]
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
}

/// CPU time that this thread has used; `None` where it is not known.
#[cfg(not(all(target_os = "linux", feature = "otlp")))]
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    None
}

fn system_now() -> Stamp {
    // One anchor for the process, so that stamps of all threads compare. The first look pays for
    // `quanta`'s calibration of the counter.
    static ANCHOR: OnceLock<(quanta::Clock, u64)> = OnceLock::new();
    let (clock, start) = ANCHOR.get_or_init(|| {
        let clock = quanta::Clock::new();
        let start = clock.raw();
        (clock, start)
    });
    // One nanosecond in, so that the first stamp is not `Stamp::NONE`.
    Stamp(clock.delta_as_nanos(*start, clock.raw()) + 1)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// The wall time so long ago by the system, whatever clock is in force: `tracing` asks the system
/// when its spans begin.
pub(crate) fn system_wall_before(ago: Duration) -> SystemTime {
    let wall = wall_now();
    wall.checked_sub(ago).unwrap_or(wall)
}

/// Fake time counts from the first second of 2026.
const FAKE_EPOCH: Duration = Duration::from_secs(1_767_225_600);

thread_local! {
    static CURRENT: RefCell<Clock> = const { RefCell::new(Clock::system()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards_and_is_never_none() {
        let clock = Clock::system();
        let mut last = clock.now();
        assert_ne!(last, Stamp::NONE);
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_fake_clock_moves_only_by_hand_and_only_inside_run() {
        let fake = FakeTime::start();
        let (before, after) = fake.run(|| {
            let before = now();
            fake.advance(Duration::from_millis(5));
            (before, now())
        });
        assert_eq!(after.since(before), Duration::from_millis(5));
        assert_eq!(format!("{:?}", Clock::current()), "Clock(system)");
    }

    #[test]
    fn an_unmeasured_stamp_gives_no_duration() {
        assert_eq!(now().since(Stamp::NONE), Duration::ZERO);
    }

    #[test]
    fn wall_time_of_a_stamp_lies_as_far_back_as_the_stamp() {
        let fake = FakeTime::start();
        let clock = fake.clock();
        let stamp = clock.now();
        fake.advance(Duration::from_secs(2));
        let later = clock.wall(clock.now());
        assert_eq!(
            later.duration_since(clock.wall(stamp)).unwrap(),
            Duration::from_secs(2)
        );
    }
}
