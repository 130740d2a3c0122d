//! The wake of the pumping thread, and how long that thread keeps us waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use metrics::Histogram;

use crate::clock::{Clock, Stamp};
use crate::instrument::handles::{self, Instruments};
use crate::semconv;

/// Wakes the pumping thread once per burst, whatever there is to send.
pub(super) struct Waker {
    /// A wake was sent and not answered yet.
    sent: AtomicBool,
    /// When, in the clock's nanoseconds; 0 when that is not measured.
    sent_at: AtomicU64,
    /// Nanoseconds from all answered wakes to their answers.
    delay_total: AtomicU64,
    wake: ArcSwapOption<Box<dyn Fn() + Send + Sync>>,
    clock: Clock,
    delay: Instruments<Histogram>,
}

impl Waker {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            sent: AtomicBool::new(false),
            sent_at: AtomicU64::new(0),
            delay_total: AtomicU64::new(0),
            wake: ArcSwapOption::empty(),
            clock,
            delay: Instruments::new(),
        }
    }

    pub(super) fn set(&self, wake: impl Fn() + Send + Sync + 'static) {
        let wake: Arc<Box<dyn Fn() + Send + Sync>> = Arc::new(Box::new(wake));
        self.wake.store(Some(Arc::clone(&wake)));
        // Whatever came before there was anyone to wake waits for this. Not measured: the event
        // loop that it wakes mostly does not run yet.
        self.sent_at.store(0, Ordering::Relaxed);
        self.sent.store(true, Ordering::Release);
        wake();
    }

    pub(super) fn wake(&self) {
        // A read-modify-write on both sides: one that finds a wake sent comes before the rearm that
        // answers it, so the rearming thread sees what was put there before.
        if !self.sent.swap(true, Ordering::AcqRel)
            && let Some(wake) = &*self.wake.load()
        {
            let now = self.clock.now().as_nanos();
            self.sent_at.store(now, Ordering::Relaxed);
            wake();
        }
    }

    /// The pumping thread looks. What comes from here on wakes it again.
    pub(super) fn rearm(&self, now: Stamp) {
        // Taken before the wake counts as answered, or it could be that of the next one.
        let sent_at = self.unanswered_since();
        if sent_at.is_some() {
            self.sent_at.store(0, Ordering::Relaxed);
        }
        self.sent.swap(false, Ordering::AcqRel);
        let Some(sent_at) = sent_at else { return };
        let took = now.since(sent_at);
        self.delay_total.fetch_add(nanos(took), Ordering::Relaxed);
        if let Some(delay) = self.delay.get(register) {
            delay.record(took.as_secs_f64());
        }
    }

    /// Cancels the last wake: the event loop dropped it, so the UI thread will not answer.
    pub(super) fn forget(&self) {
        self.sent_at.store(0, Ordering::Relaxed);
        self.sent.store(false, Ordering::Release);
    }

    /// How long the pumping thread kept us waiting in all, until now. The difference of two
    /// readings is what it did in between.
    pub(super) fn total_delay(&self, now: Stamp) -> Duration {
        // In this order: a wake that is answered in between counts twice, so a message that is sent
        // just then gets too little of the delay and never too much.
        let open = self
            .unanswered_since()
            .map_or(Duration::ZERO, |at| now.since(at));
        open + Duration::from_nanos(self.delay_total.load(Ordering::Relaxed))
    }

    /// Since when a wake is not answered.
    pub(super) fn unanswered_since(&self) -> Option<Stamp> {
        // Relaxed: a number on its own.
        let sent_at = self.sent_at.load(Ordering::Relaxed);
        (sent_at != 0).then(|| Stamp::NONE.plus(Duration::from_nanos(sent_at)))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn register() -> Histogram {
    handles::histogram(&semconv::MAIN_THREAD_DELAY, &[])
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
