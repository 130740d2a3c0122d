//! The last samples, in memory.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::recording::{ACTION_QUEUE, EVENT_QUEUE};
use super::sampling::{ActionMetrics, EventMetrics, RollingSample, SystemLook, SystemMetrics};
use super::ticker::Ticker;
use crate::clock::{Clock, Stamp};
use crate::ipc::{Ipc, WeakIpc};
use crate::queue::reported_depth;
use crate::timer::{Kind, OperationTotals, TotalsReader, current_operation, running_now};

/// Keeps the last samples of the system, the operations and the events in memory.
///
/// It needs neither [`Telemetry`](crate::Telemetry) nor a server. From when it is made operations
/// are counted for it, also where nothing else measures them.
///
/// ```
/// use spanwire::report::{RollingHistory, record_action};
/// use std::time::Duration;
///
/// let history = RollingHistory::builder().build();
/// record_action("save", Duration::from_millis(12), true);
/// let sample = history.collect();
/// assert_eq!(sample.actions.total, 1);
/// assert_eq!(history.latest(), Some(sample));
/// // Or once a second, until it is dropped or stopped:
/// history.start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "sampling ends when it is dropped"]
pub struct RollingHistory {
    inner: Arc<Inner>,
    ticker: Mutex<Option<Ticker>>,
}

/// Sets up a [`RollingHistory`].
#[derive(Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct RollingHistoryBuilder {
    sample_interval: Duration,
    history_size: usize,
    wires: Vec<WeakIpc>,
}

impl RollingHistoryBuilder {
    /// Time between two samples, of which the least is 10 ms. Default: 1 s.
    pub fn sample_interval(mut self, interval: Duration) -> Self {
        self.sample_interval = interval;
        self
    }

    /// How many samples are kept, at least one; beyond it the oldest goes. Default: 300, of some 300
    /// bytes each.
    pub fn history_size(mut self, samples: usize) -> Self {
        self.history_size = samples.max(1);
        self
    }

    /// Counts the messages of this wire among the events. It is not kept alive, and what crossed it
    /// while it was there no longer counts when it is gone.
    pub fn watch(mut self, ipc: &Ipc) -> Self {
        self.wires.push(WeakIpc::of(ipc));
        self
    }

    /// The history, which does not sample by itself yet.
    pub fn build(self) -> RollingHistory {
        let totals = TotalsReader::new();
        let state = State {
            look: SystemLook::start(),
            // Not at its full size: the app may ask for a large history and use little of it.
            samples: VecDeque::new(),
            forgotten_total: 0,
        };
        RollingHistory {
            inner: Arc::new(Inner {
                clock: Clock::current(),
                actions_before: totals.totals(Kind::Operation),
                events_before: totals.totals(Kind::Event),
                totals,
                config: self,
                state: Mutex::new(state),
            }),
            ticker: Mutex::new(None),
        }
    }
}

impl RollingHistory {
    /// Begins to set one up.
    pub fn builder() -> RollingHistoryBuilder {
        RollingHistoryBuilder {
            sample_interval: Duration::from_secs(1),
            history_size: 300,
            wires: Vec::new(),
        }
    }

    /// Takes a sample at each interval from now on, the first at once, on a thread of its own. Does
    /// nothing while it does so already.
    ///
    /// # Errors
    ///
    /// The operating system gave no thread.
    pub fn start(&self) -> io::Result<()> {
        // Held until the thread runs, so that two callers do not start two.
        let mut ticker = self.ticker();
        if ticker.is_some() {
            return Ok(());
        }
        self.inner.collect();
        // A strong handle would keep the thread sampling after the history is dropped.
        let weak = Arc::downgrade(&self.inner);
        *ticker = Some(Ticker::start(
            self.inner.config.sample_interval,
            move || match weak.upgrade() {
                Some(inner) => {
                    inner.collect();
                    true
                }
                None => false,
            },
        )?);
        Ok(())
    }

    /// Stops to take samples; those that there are stay.
    pub fn stop(&self) {
        // A statement of its own takes the ticker, so the lock is free while the drop waits for the
        // thread.
        let ticker = self.ticker().take();
        drop(ticker);
    }

    /// Whether it samples by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.ticker().is_some()
    }

    /// Takes a sample now, and keeps it.
    pub fn collect(&self) -> RollingSample {
        self.inner.collect()
    }

    /// The last sample, if there is one.
    #[must_use]
    pub fn latest(&self) -> Option<RollingSample> {
        let state = self.inner.state();
        state.samples.back().map(|(_, sample)| sample.clone())
    }

    /// All samples that are kept, the oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<RollingSample> {
        let state = self.inner.state();
        let samples = state.samples.iter();
        samples.map(|(_, sample)| sample.clone()).collect()
    }

    /// How many samples are kept at most.
    #[must_use]
    pub fn history_size(&self) -> usize {
        self.inner.config.history_size
    }

    fn ticker(&self) -> MutexGuard<'_, Option<Ticker>> {
        self.ticker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inner {
    config: RollingHistoryBuilder,
    clock: Clock,
    totals: TotalsReader,
    actions_before: OperationTotals,
    events_before: OperationTotals,
    state: Mutex<State>,
}

struct State {
    look: SystemLook,
    samples: VecDeque<(Stamp, RollingSample)>,
    /// How many operations had ended at the last sample that was forgotten.
    forgotten_total: u64,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self) -> RollingSample {
        // The wires are taken before the lock, and so dropped after it: with the last handle of a
        // wire the app's handlers are dropped, too, and these may ask for the samples.
        let wires = self.config.wires.iter().filter_map(WeakIpc::upgrade);
        let wires: Vec<Ipc> = wires.collect();
        let mut state = self.state();
        // The totals are read within the lock: so no sample has smaller ones than the sample before.
        let mut actions = self.actions();
        let events = self.events(&wires);
        let (now, timestamp) = self.clock.now_and_wall();
        // The total is cumulative, so the last minute is the difference to the sample from before
        // it.
        actions.per_minute = actions.total - state.total_before(now.minus(MINUTE));
        let sample = RollingSample {
            timestamp,
            system: state.look.take().as_ref().map(SystemMetrics::of),
            actions,
            events,
        };
        while state.samples.len() >= self.config.history_size {
            if let Some((_, oldest)) = state.samples.pop_front() {
                state.forgotten_total = oldest.actions.total;
            }
        }
        state.samples.push_back((now, sample.clone()));
        sample
    }

    fn actions(&self) -> ActionMetrics {
        let of = self
            .totals
            .totals(Kind::Operation)
            .since(self.actions_before);
        ActionMetrics {
            total: of.count,
            per_minute: 0,
            average: mean(of.duration, of.count),
            // What the app named comes first: it knows better what the user waits for.
            current: current_operation()
                .or_else(|| running_now().into_iter().next().map(|(name, _)| name)),
            // `None` and not 0 where the app never said it.
            queue_depth: reported_depth(ACTION_QUEUE),
            success_rate: (of.count > 0)
                .then(|| (of.count - of.failed) as f64 * 100.0 / of.count as f64),
            errors: of.failed,
        }
    }

    fn events(&self, wires: &[Ipc]) -> EventMetrics {
        let of = self.totals.totals(Kind::Event).since(self.events_before);
        let reported = reported_depth(EVENT_QUEUE);
        let mut events = EventMetrics {
            // Those that have ended were queued, too.
            queued: of.count + reported.unwrap_or(0),
            processed: of.count - of.failed,
            failed: of.failed,
            average: None,
            queue_depth: reported,
        };
        let (mut timed, mut took) = (of.count, of.duration);
        for ipc in wires {
            let wire = ipc.metrics();
            let lost = wire.messages_failed + wire.messages_dropped;
            events.processed += wire.messages_sent + wire.messages_received;
            events.failed += lost;
            events.queued +=
                wire.messages_sent + wire.messages_received + lost + wire.messages_open;
            events.queue_depth = Some(events.queue_depth.unwrap_or(0) + wire.messages_open);
            timed += wire.messages_sent;
            // The wire has a mean, so its weight is how many messages it is of. Only those to the
            // page have a time.
            let latency = wire.avg_latency_us.saturating_mul(wire.messages_sent);
            took += Duration::from_micros(latency);
        }
        events.average = mean(took, timed);
        events
    }
}

impl State {
    /// How many operations had ended at that time.
    fn total_before(&self, then: Stamp) -> u64 {
        let mut newest_first = self.samples.iter().rev();
        match newest_first.find(|(at, _)| *at <= then) {
            Some((_, sample)) => sample.actions.total,
            // So small a history forgot how many they were: what it forgot last is the best guess.
            None => self.forgotten_total,
        }
    }
}

fn mean(sum: Duration, count: u64) -> Option<Duration> {
    // A `Duration` can only be divided by a `u32`.
    (count > 0).then(|| Duration::from_secs_f64(sum.as_secs_f64() / count as f64))
}

const MINUTE: Duration = Duration::from_secs(60);

impl fmt::Debug for RollingHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollingHistory")
            .field("is_running", &self.is_running())
            .field("samples", &self.inner.state().samples.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RollingHistoryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollingHistoryBuilder")
            .field("sample_interval", &self.sample_interval)
            .field("history_size", &self.history_size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::report::{record_action, record_event};

    #[test]
    fn samples_that_many_threads_take_at_once_keep_the_order_of_their_totals() {
        let history = RollingHistory::builder().history_size(2).build();
        let collect = || {
            for _ in 0..500 {
                record_action("rolling_test", Duration::ZERO, true);
                record_event(Duration::ZERO, true);
                // With so small a history the last minute may be counted from the sample before.
                let sample = history.collect();
                assert!(sample.actions.per_minute <= sample.actions.total);
                let samples = history.samples();
                let is_sorted = samples.is_sorted_by_key(|sample| sample.actions.total)
                    && samples.is_sorted_by_key(|sample| sample.events.processed);
                assert!(is_sorted, "{samples:?}");
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(collect);
            }
        });
    }
}
