//! The snapshot of one webview's messages that an app can print.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::series::{Outcome, outcome_value};
use crate::clock::{Clock, Stamp};

/// What crossed the wire of one webview since it was built, or since
/// [`reset_metrics`](super::Ipc::reset_metrics).
///
/// Sent, failed and dropped are messages from the host to the page, replies among them: a message
/// counts as sent when the page has acknowledged it. The latencies are of all that were sent, also of
/// those that waited for their page to load, which the metric `spanwire.ipc.delivery.duration` leaves
/// to `spanwire.ipc.startup.delivery.duration`. Its `Display` is a block of text for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IpcMetrics {
    /// Messages that the page acknowledged, or that an [observer](super::observe) saw handed over
    /// where nothing acknowledges.
    pub messages_sent: u64,
    /// Messages that the page could not run, or that ended with it.
    pub messages_failed: u64,
    /// Messages that never left, since the queue was full or a newer one took their place, and all
    /// that were open when the wire was closed.
    pub messages_dropped: u64,
    /// How often a message was sent once more.
    pub retry_attempts: u64,
    /// Messages from the page, whatever became of them; those that the page script refused to send
    /// among them, as if the host had.
    pub messages_received: u64,
    /// Messages that did not end yet: queued, in flight, or to be sent again.
    pub messages_open: u64,
    /// Share of ended messages that were sent, 0 to 100; 100 while none ended.
    pub success_rate: f64,
    /// Mean time from `emit` to the page's acknowledgement, in microseconds; 0 while none was sent.
    pub avg_latency_us: u64,
    /// Median of the same, within 1 %.
    pub p50_latency_us: u64,
    /// 95th percentile of the same.
    pub p95_latency_us: u64,
    /// 99th percentile of the same.
    pub p99_latency_us: u64,
    /// Most messages that ever waited in the queue at once.
    pub peak_queue_length: usize,
    /// When the snapshot was taken.
    pub taken_at: Stamp,
    latency_sum_us: u64,
    /// Messages whose latency is known.
    timed: u64,
}

impl IpcMetrics {
    /// What happened since `earlier`, a snapshot of the same webview.
    ///
    /// A reset in between makes counts that would be negative zero.
    #[must_use]
    pub fn since(&self, earlier: &IpcMetrics) -> IpcMetricsDelta {
        IpcMetricsDelta {
            messages_sent: self.messages_sent.saturating_sub(earlier.messages_sent),
            messages_failed: self.messages_failed.saturating_sub(earlier.messages_failed),
            messages_dropped: self
                .messages_dropped
                .saturating_sub(earlier.messages_dropped),
            retry_attempts: self.retry_attempts.saturating_sub(earlier.retry_attempts),
            messages_received: self
                .messages_received
                .saturating_sub(earlier.messages_received),
            avg_latency_us: self
                .latency_sum_us
                .saturating_sub(earlier.latency_sum_us)
                .checked_div(self.timed.saturating_sub(earlier.timed))
                .unwrap_or(0),
            elapsed: self.taken_at.since(earlier.taken_at),
        }
    }
}

impl fmt::Display for IpcMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A test holds this block to the letter.
        writeln!(f, "IPC Metrics:")?;
        writeln!(f, "- Messages Sent: {}", self.messages_sent)?;
        writeln!(f, "- Messages Failed: {}", self.messages_failed)?;
        writeln!(f, "- Messages Dropped: {}", self.messages_dropped)?;
        writeln!(f, "- Retry Attempts: {}", self.retry_attempts)?;
        writeln!(f, "- Success Rate: {:.2}%", self.success_rate)?;
        writeln!(f, "- Avg Latency: {}μs", self.avg_latency_us)?;
        writeln!(f, "- Peak Queue Length: {}", self.peak_queue_length)?;
        write!(f, "- Messages Received: {}", self.messages_received)
    }
}

/// What happened between two snapshots; see [`IpcMetrics::since`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IpcMetricsDelta {
    /// Messages that the page acknowledged.
    pub messages_sent: u64,
    /// Messages that the page could not run, or that ended with it.
    pub messages_failed: u64,
    /// Messages that never left, or were open when the wire was closed.
    pub messages_dropped: u64,
    /// How often a message was sent once more.
    pub retry_attempts: u64,
    /// Messages from the page.
    pub messages_received: u64,
    /// Mean time from `emit` to the acknowledgement, in microseconds; 0 when none was sent.
    pub avg_latency_us: u64,
    /// Time between the snapshots.
    pub elapsed: Duration,
}

impl IpcMetricsDelta {
    /// Messages in both directions for each second; 0 when no time passed.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds == 0.0 {
            return 0.0;
        }
        (self.messages_sent + self.messages_received) as f64 / seconds
    }
}

/// The running counts behind the snapshots.
#[derive(Debug)]
pub(super) struct Stats {
    received: AtomicU64,
    /// Messages that were given an id in the ledger: it moves under no lock, so it is apart.
    accepted: AtomicU64,
    ended: AtomicU64,
    // Behind a lock, so that the sums and the histogram of a snapshot belong together.
    outbound: Mutex<Sums>,
}

#[derive(Debug)]
struct Sums {
    sent: u64,
    failed: u64,
    dropped: u64,
    retries: u64,
    latency_sum_us: u64,
    latency_us: Histogram<u64>,
}

impl Stats {
    pub(super) fn new() -> Self {
        let (received, accepted, ended) = Default::default();
        Self {
            received,
            accepted,
            ended,
            outbound: Mutex::new(Sums::new()),
        }
    }

    // Relaxed but for `ended`, whose pair is explained in `open`: each of the others is read on its
    // own and orders no other memory.

    pub(super) fn received(&self, count: u64) {
        self.received.fetch_add(count, Ordering::Relaxed);
    }

    /// A message is about to be handed over. Before the hand-over, so that `open` never underflows.
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A message that had been accepted ended.
    ///
    /// `latency` is `None` where it is not known when the page took it.
    pub(super) fn sent(&self, outcome: Outcome, latency: Option<Duration>) {
        self.ended.fetch_add(1, Ordering::Release);
        let mut sums = self.sums();
        match (outcome, outcome_value(outcome)) {
            (Ok(()), _) => {
                sums.sent += 1;
                if let Some(latency) = latency {
                    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                    sums.latency_sum_us = sums.latency_sum_us.saturating_add(us);
                    // What took longer than the histogram's hour counts as an hour.
                    sums.latency_us.saturating_record(us);
                }
            }
            // By the value of the metric's attribute, so that both tell dropped from failed alike.
            (Err(_), "dropped") => sums.dropped += 1,
            (Err(_), _) => sums.failed += 1,
        }
    }

    pub(super) fn retried(&self, times: u64) {
        self.sums().retries += times;
    }

    /// Messages that were accepted and did not end.
    pub(super) fn open(&self) -> u64 {
        // The end is read first: a message that ends in between makes the answer higher, never
        // negative. Acquire, with the Release in `sent`: each message was accepted before it ended,
        // so the second load sees the acceptance of all whose end the first one saw. Without it,
        // an end that is seen ahead of its acceptance would hide a message that is open.
        let ended = self.ended.load(Ordering::Acquire);
        self.accepted.load(Ordering::Relaxed).saturating_sub(ended)
    }

    pub(super) fn snapshot(&self, peak_queue_length: usize, clock: &Clock) -> IpcMetrics {
        // Not one of `sums`: a reset leaves what is open alone.
        let messages_open = self.open();
        let sums = self.sums();
        let ended = sums.sent + sums.failed + sums.dropped;
        let percentile = |p| sums.latency_us.value_at_quantile(p);
        IpcMetrics {
            messages_sent: sums.sent,
            messages_failed: sums.failed,
            messages_dropped: sums.dropped,
            retry_attempts: sums.retries,
            messages_received: self.received.load(Ordering::Relaxed),
            messages_open,
            success_rate: if ended == 0 {
                100.0
            } else {
                sums.sent as f64 * 100.0 / ended as f64
            },
            avg_latency_us: sums
                .latency_sum_us
                .checked_div(sums.latency_us.len())
                .unwrap_or(0),
            p50_latency_us: percentile(0.5),
            p95_latency_us: percentile(0.95),
            p99_latency_us: percentile(0.99),
            peak_queue_length,
            taken_at: clock.now(),
            latency_sum_us: sums.latency_sum_us,
            timed: sums.latency_us.len(),
        }
    }

    /// Zeroes the snapshot. What is open stays open.
    pub(super) fn reset(&self) {
        self.received.store(0, Ordering::Relaxed);
        *self.sums() = Sums::new();
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    fn new() -> Self {
        // One microsecond to an hour within 1 %: 28 kB, and never more.
        let latency_us = Histogram::new_with_bounds(1, 3_600_000_000, 2)
            .expect("the bounds are in order and 2 digits are allowed");
        Self {
            sent: 0,
            failed: 0,
            dropped: 0,
            retries: 0,
            latency_sum_us: 0,
            latency_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;
    use crate::semconv::ErrorType;

    #[test]
    fn the_block_reads_as_designed() {
        let stats = Stats::new();
        stats.received(1523);
        stats.retried(2);
        for _ in 0..1523 {
            stats.sent(Ok(()), Some(Duration::from_micros(145)));
        }
        for _ in 0..2 {
            stats.sent(Err(ErrorType::PageGone), Some(Duration::ZERO));
        }
        expect_test::expect![[r#"
            IPC Metrics:
            - Messages Sent: 1523
            - Messages Failed: 2
            - Messages Dropped: 0
            - Retry Attempts: 2
            - Success Rate: 99.87%
            - Avg Latency: 145μs
            - Peak Queue Length: 12
            - Messages Received: 1523"#]]
        .assert_eq(&stats.snapshot(12, &Clock::system()).to_string());
    }

    #[test]
    fn drops_count_against_the_success_rate() {
        let stats = Stats::new();
        assert_eq!(stats.snapshot(0, &Clock::system()).success_rate, 100.0);
        stats.sent(Ok(()), Some(Duration::ZERO));
        stats.sent(Err(ErrorType::QueueFull), Some(Duration::ZERO));
        assert_eq!(stats.snapshot(0, &Clock::system()).success_rate, 50.0);
    }

    #[test]
    fn a_delta_has_the_rates_of_its_own_time_alone() {
        let time = FakeTime::start();
        let stats = Stats::new();
        stats.sent(Ok(()), Some(Duration::from_micros(900)));
        let earlier = stats.snapshot(0, &time.clock());
        time.advance(Duration::from_secs(2));
        stats.received(6);
        for _ in 0..4 {
            stats.sent(Ok(()), Some(Duration::from_micros(100)));
        }
        let delta = stats.snapshot(0, &time.clock()).since(&earlier);
        assert_eq!((delta.messages_sent, delta.avg_latency_us), (4, 100));
        assert_eq!(delta.throughput(), 5.0);
        stats.reset();
        let reset = stats.snapshot(0, &time.clock());
        assert_eq!(reset.since(&earlier).messages_sent, 0);
        assert_eq!(reset.since(&reset).throughput(), 0.0);
    }
}
