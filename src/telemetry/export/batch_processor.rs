//! A batch processor that never blocks the caller and counts what becomes of every item.
//!
//! The SDK's own drops silently, answers `Ok` to a shutdown that lost everything, and waits for
//! collectors that never answer.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::instrument::caught_panic::catch_panic;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use metrics::{Counter, Gauge};
use opentelemetry::Context;

use super::component::Server;
use super::counters::SignalCounters;
use super::export_log::ExportFailureLog;
use super::limits::BatchLimits;
use super::queue_age::QueueAge;
use super::result::{ExportError, Outcome, Sent};
use super::shutdown_deadline::ShutdownDeadline;
use super::signal::Signal;
use crate::clock::{self, Stamp};
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::ExportErrorType;
use crate::telemetry::consent::{Epoch, Switch};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::quiet::quietly;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::shutdown_report::SignalReport;

/// Sends a batch and says what became of each request that it took.
pub(crate) trait Export<T>: Send + 'static {
    /// None of the items was queued before `queued`.
    fn export(&mut self, batch: Vec<T>, queued: Stamp) -> Vec<Sent>;

    /// What comes next was taken in during that epoch, or before and is kept.
    fn begin(&mut self, _: Epoch) {}

    /// The collector that it sends to.
    fn server(&self) -> Option<&Server> {
        None
    }

    /// For how many fields the app's redaction panicked since the last look.
    fn unredacted(&self) -> u64 {
        0
    }
}

/// Holds items back and pushes them when it is time.
pub(crate) trait Source: Send + Sync {
    /// Pushes what is due, as far as the queue has room; true when there is more.
    fn feed(&self, occasion: Occasion) -> bool;
}

/// Why the worker is about to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The delay is over.
    Tick,
    /// Somebody waits for it.
    Flush,
}

/// A bounded queue of items and the thread that exports them. Clones share both.
///
/// At the bound the newest item is dropped and counted. A batch whose export failed is lost and
/// counted, unless the exporter put it into the spool. While telemetry is paused it takes nothing,
/// and nothing leaves it; what a pause deletes is counted.
pub(crate) struct Batch<T>(Arc<Shared<T>>);

struct Shared<T> {
    signal: &'static Signal,
    server: Option<Server>,
    limits: BatchLimits,
    shutdown_deadline: Arc<ShutdownDeadline>,
    sender: Sender<Queued<T>>,
    receiver: Receiver<Queued<T>>,
    wake: Sender<()>,
    /// The worker was woken and has not looked yet: it is woken once per burst, not per item.
    woken: AtomicBool,
    closed: AtomicBool,
    counters: Arc<SignalCounters>,
    /// Drops not yet told to the recorder, which the dropping thread has no time for.
    unreported_drops: AtomicU64,
    source: OnceLock<Weak<dyn Source>>,
    /// What came with the close, in addition to what was queued.
    last: Mutex<Vec<T>>,
    progress: Mutex<Progress>,
    settled: Condvar,
    local_recorder: LocalRecorder,
    instruments: Instruments<Meters>,
}

/// An item, and when it was taken in.
struct Queued<T> {
    epoch: Epoch,
    item: T,
}

#[derive(Default)]
struct Progress {
    flushes_asked: u64,
    flushes_done: u64,
    ended: bool,
}

struct Meters {
    passed_on: Counter,
    dropped: Counter,
    exported: Counter,
    queue_size: Gauge,
    queue_capacity: Gauge,
}

impl<T: Send + 'static> Batch<T> {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        signal: &'static Signal,
        limits: BatchLimits,
        shutdown_deadline: Arc<ShutdownDeadline>,
        local_recorder: LocalRecorder,
        reporter: Reporter,
        exporter: impl Export<T>,
    ) -> std::io::Result<Self> {
        // crossbeam's bounded queue takes its memory here, so a push allocates nothing.
        let (sender, receiver) = bounded(limits.queue_max);
        // Room for one: a second wake-up would find nothing more than the first.
        let (wake, wakes) = bounded(1);
        let shared = Arc::new(Shared {
            signal,
            server: exporter.server().cloned(),
            limits,
            shutdown_deadline,
            sender,
            receiver,
            wake,
            woken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            counters: Arc::default(),
            unreported_drops: AtomicU64::new(0),
            source: OnceLock::new(),
            last: Mutex::default(),
            progress: Mutex::default(),
            settled: Condvar::new(),
            local_recorder,
            instruments: Instruments::new(),
        });
        let source: Weak<dyn Publish> = Arc::downgrade(&shared) as Weak<dyn Publish>;
        handles::register(source);
        let worker = Worker {
            shared: Arc::clone(&shared),
            exporter,
            age: QueueAge::new(clock::now()),
            epoch: shared.switch().now(),
            failure_log: ExportFailureLog::new(signal.name, reporter),
        };
        // The handle is not kept: `wait_ended` waits with a limit, which joining a thread cannot.
        std::thread::Builder::new()
            .name(format!("spanwire-{}", signal.name))
            .spawn(move || worker.run(&wakes))?;
        Ok(Self(shared))
    }

    /// Queues `item`, or drops and counts it. Never blocks.
    pub(crate) fn push(&self, item: T) {
        if let Some(epoch) = self.switch().recording() {
            self.push_of(epoch, item);
        }
    }

    /// The same for an item that was taken in before, perhaps before a pause that still lasts.
    pub(crate) fn push_of(&self, epoch: Epoch, item: T) {
        let shared = &*self.0;
        // Relaxed: an item of a thread that does not see the close yet is queued, and counts as
        // lost if the worker has ended by then.
        if shared.closed.load(Ordering::Relaxed) {
            shared.counters.drop_items(1);
            return;
        }
        shared.counters.accept(1);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            shared.sender.try_send(Queued { epoch, item })
        {
            shared.counters.drop_accepted();
            shared.unreported_drops.fetch_add(1, Ordering::Relaxed);
        } else if shared.sender.len() >= shared.limits.batch_max
            // The load goes first: in a burst the worker is woken already, and a swap each time
            // would take the cache line away from the other threads.
            && !shared.woken.load(Ordering::SeqCst)
            && !shared.woken.swap(true, Ordering::SeqCst)
        {
            shared.wake();
        }
    }

    /// What pauses it.
    pub(crate) fn switch(&self) -> &Switch {
        self.0.switch()
    }

    /// Deletes what is queued, and says how much that was. For a pause, which lasts meanwhile; an
    /// item of a thread that is late by a moment is deleted when its turn comes.
    pub(crate) fn discard_queued(&self) -> u64 {
        self.0.discard_all()
    }

    /// Counts items that were meant for it, and were deleted by a pause before they came to be.
    pub(crate) fn discard_unseen(&self, items: u64) {
        self.0.counters.accept(items);
        self.0.counters.discard(items);
    }

    /// Counts items that were meant for it and are lost before they came to be.
    pub(crate) fn drop_unseen(&self, items: u64) {
        self.0.counters.drop_items(items);
    }

    /// Exports what is queued now; `false` when that was not done by `until`.
    pub(crate) fn flush(&self, until: Stamp) -> bool {
        let mut progress = self.0.progress();
        // A ticket and no flag, so that a flush waits for an export that begins after it.
        progress.flushes_asked += 1;
        let ticket = progress.flushes_asked;
        drop(progress);
        self.0.wake();
        self.0
            .wait(until, |progress| progress.flushes_done >= ticket)
    }

    /// Asks `source` before each export. The first one stays.
    pub(crate) fn feed_from(&self, source: Weak<dyn Source>) {
        let _ = self.0.source.set(source);
    }

    /// How many are queued, of how many at most.
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.0.sender.len(), self.0.limits.queue_max)
    }

    /// Takes no more items and begins to export what is queued, until `deadline`. Does not wait.
    pub(crate) fn close(&self, deadline: Stamp) {
        self.close_with(deadline, Vec::new());
    }

    /// The same with some items more, whether or not the queue has room for them: they are there
    /// already, so to drop them would save nothing.
    pub(crate) fn close_with(&self, deadline: Stamp, last: Vec<T>) {
        // The last items are stored before `closed` is set: once the worker has seen `closed`, it
        // takes `last` and ends.
        if !last.is_empty() {
            self.0.counters.accept(last.len() as u64);
            self.0.last().extend(last);
        }
        // The first to close sets the deadline.
        if !self.0.closed.swap(true, Ordering::AcqRel) {
            self.0.shutdown_deadline.close(deadline);
        }
        self.0.wake();
    }

    /// Waits until everything was exported or given up; `false` when that was not so by `until`.
    pub(crate) fn wait_ended(&self, until: Stamp) -> bool {
        self.0.wait(until, |progress| progress.ended)
    }

    pub(crate) fn report(&self) -> SignalReport {
        self.0.counters.report()
    }

    /// Where what becomes of its items later is counted.
    pub(crate) fn counters(&self) -> Arc<SignalCounters> {
        Arc::clone(&self.0.counters)
    }

    /// Items whose export did not succeed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.0.counters.failed()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.limits.timeout
    }
}

impl<T> Shared<T> {
    fn switch(&self) -> &Switch {
        self.shutdown_deadline.switch()
    }

    fn discard_all(&self) -> u64 {
        // As many as there are now: a thread that still pushes must not keep this one here.
        let discarded = self.receiver.try_iter().take(self.receiver.len()).count() as u64;
        self.counters.discard(discarded);
        discarded
    }

    fn wake(&self) {
        // Full means that a wake-up is already on its way.
        let _ = self.wake.try_send(());
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Vec<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the source push what is due; true when it has more than there is room for.
    fn feed(&self, occasion: Occasion) -> bool {
        let Some(source) = self.source.get().and_then(Weak::upgrade) else {
            return false;
        };
        // A panic must not end the thread.
        catch_panic(|| source.feed(occasion)).unwrap_or(false)
    }

    fn wait(&self, until: Stamp, done: impl Fn(&Progress) -> bool) -> bool {
        let mut progress = self.progress();
        // After the worker's end nothing more is exported, so the wait ends.
        while !done(&progress) && !progress.ended {
            let left = until.since(clock::now());
            if left.is_zero() {
                return false;
            }
            progress = self
                .settled
                .wait_timeout(progress, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn with_meters(&self, f: impl FnOnce(&Meters)) {
        self.local_recorder.run(|| {
            if let Some(meters) = self
                .instruments
                .get(|| Meters::register(self.signal, self.server.as_ref()))
            {
                f(meters);
            }
        });
    }

    /// How many were dropped since the last time.
    fn report_drops(&self) -> u64 {
        let drops = self.unreported_drops.swap(0, Ordering::Relaxed);
        if drops > 0 {
            self.with_meters(|meters| meters.dropped.increment(drops));
        }
        drops
    }

    fn count_failure(&self, kind: ExportErrorType, items: u64) {
        self.local_recorder.run(|| {
            // Failures are rare, so their counters are looked up each time and not kept for each
            // `error.type`.
            let labels = self
                .signal
                .exporter
                .labels_to(self.server.as_ref(), Some(kind));
            handles::counter(self.signal.exported, &labels).increment(items);
        });
    }
}

impl<T> Shared<T> {
    /// Lets those go on that wait for a flush or for the end.
    fn announce(&self, flushed: Option<u64>, ended: bool) {
        let mut progress = self.progress();
        progress.flushes_done = flushed.unwrap_or(progress.flushes_done);
        progress.ended = ended;
        drop(progress);
        self.settled.notify_all();
    }
}

impl<T: Send + 'static> Publish for Shared<T> {
    fn publish(&self, _: &mut GaugeSums) {
        self.report_drops();
        self.with_meters(|meters| {
            #[expect(clippy::cast_precision_loss, reason = "a queue is shorter than 2^52")]
            meters.queue_size.set(self.receiver.len() as f64);
            #[expect(clippy::cast_precision_loss, reason = "a queue is shorter than 2^52")]
            meters.queue_capacity.set(self.limits.queue_max as f64);
        });
    }
}

impl Meters {
    fn register(signal: &Signal, server: Option<&Server>) -> Self {
        let processor = signal.processor.labels(None);
        let full = signal.processor.labels(Some(ExportErrorType::QueueFull));
        Self {
            passed_on: handles::counter(signal.processed, &processor),
            dropped: handles::counter(signal.processed, &full),
            exported: handles::counter(signal.exported, &signal.exporter.labels_to(server, None)),
            queue_size: handles::gauge(signal.queue_size, &processor),
            queue_capacity: handles::gauge(signal.queue_capacity, &processor),
        }
    }
}

struct Worker<T, E> {
    shared: Arc<Shared<T>>,
    exporter: E,
    age: QueueAge,
    /// The one of which `age` tells.
    epoch: Epoch,
    failure_log: ExportFailureLog,
}

impl<T: Send + 'static, E: Export<T>> Worker<T, E> {
    fn run(mut self, wakes: &Receiver<()>) {
        // OpenTelemetry's own mark, which also keeps the SDK and other instrumented crates from
        // recording what this thread does.
        let _ours_is_not_telemetry = Context::enter_telemetry_suppressed_scope();
        let delay = self.shared.limits.delay;
        let mut due = clock::now().plus(delay);
        loop {
            // A time-out is a wake-up too: the delay is over.
            let _ = wakes.recv_timeout(due.since(clock::now()));
            // SeqCst, as in `push`: either we see the item that was pushed, or the one who pushed
            // it sees that we may be about to sleep, and wakes us.
            self.shared.woken.store(false, Ordering::SeqCst);
            let closed = self.shared.closed.load(Ordering::Acquire);
            let began = clock::now();
            // The worker reads this before the export: a flush that is asked for during the export
            // waits for the next one.
            let asked = {
                let progress = self.shared.progress();
                (progress.flushes_asked > progress.flushes_done).then_some(progress.flushes_asked)
            };
            self.look_at_switch();
            let is_paused = self.shared.switch().is_paused();
            if !is_paused {
                self.age.look(self.shared.receiver.len(), began);
            }
            if is_paused {
                if closed {
                    self.discard_rest();
                }
                // Moved on although nothing was exported, or the wait above would return at once
                // for ever.
                due = began.plus(delay);
            } else if closed || asked.is_some() || began >= due {
                let occasion = match asked {
                    Some(_) => Occasion::Flush,
                    None => Occasion::Tick,
                };
                self.export_all_and_fed(occasion);
                if closed {
                    self.export_last();
                }
                // A pause may have begun meanwhile.
                if closed && self.shared.switch().is_paused() {
                    self.discard_rest();
                }
                // Not from its end: what came since has waited for that.
                due = began.plus(delay);
            } else {
                // Woken by a burst: full batches leave now, and the rest waits for its delay.
                while self.shared.receiver.len() >= self.shared.limits.batch_max
                    && !self.shared.switch().is_paused()
                {
                    self.export_batch();
                }
            }
            self.failure_log.dropped(self.shared.report_drops());
            if closed {
                // Before the end is announced: with it goes the spool, which removes its folder
                // when nothing waits there, and the process may be gone right after.
                drop(self.exporter);
                self.shared.announce(asked, true);
                return;
            }
            self.shared.announce(asked, false);
        }
    }

    /// In a pause others take out of the queue, of which the age knows nothing.
    fn look_at_switch(&mut self) {
        let epoch = self.shared.switch().now();
        if self.epoch != epoch {
            self.epoch = epoch;
            self.age = QueueAge::new(clock::now());
        }
    }

    /// The end came in a pause, in which nothing leaves.
    fn discard_rest(&self) {
        let shared = &*self.shared;
        let last = std::mem::take(&mut *shared.last()).len() as u64;
        shared.counters.discard(last);
        while shared.discard_all() > 0 {}
    }

    /// What is queued now, and what the source has for now.
    fn export_all_and_fed(&mut self, occasion: Occasion) {
        for _ in 0..FEEDS_MAX {
            let has_more = self.shared.feed(occasion);
            self.export_all();
            if !has_more {
                return;
            }
        }
    }

    fn export_last(&mut self) {
        let mut last = std::mem::take(&mut *self.shared.last()).into_iter();
        loop {
            let batch: Vec<T> = last.by_ref().take(self.shared.limits.batch_max).collect();
            if batch.is_empty() {
                return;
            }
            // Tail sampling has just decided these, so the second within which they must be on disk
            // begins now.
            self.export(batch, self.epoch, clock::now());
        }
    }

    /// What is queued now, and not what comes meanwhile, or a busy app would keep a flush for ever.
    fn export_all(&mut self) {
        let mut left = self.shared.receiver.len();
        while left > 0 {
            // A pause may empty the queue meanwhile. Without the `max` this would then not end.
            left = left.saturating_sub(self.export_batch().max(1));
        }
    }

    fn export_batch(&mut self) -> usize {
        self.look_at_switch();
        let shared = &*self.shared;
        let Some(epoch) = shared.switch().recording() else {
            // A pause has just begun: the rest waits, or the thread that paused deletes it.
            return shared.receiver.len();
        };
        self.age.look(shared.receiver.len(), clock::now());
        let queued = self.age.oldest();
        let mut len = 0;
        // The count precedes the filter, since the age of the queue depends on all items taken,
        // wanted or not.
        let batch: Vec<T> = shared
            .receiver
            .try_iter()
            .take(shared.limits.batch_max)
            .inspect(|_| len += 1)
            .filter(|queued| shared.switch().keeps(queued.epoch))
            .map(|queued| queued.item)
            .collect();
        shared.counters.discard((len - batch.len()) as u64);
        self.age.take(len);
        if !batch.is_empty() {
            self.export(batch, epoch, queued);
        }
        len
    }

    fn export(&mut self, batch: Vec<T>, epoch: Epoch, queued: Stamp) {
        let shared = &*self.shared;
        let items = batch.len() as u64;
        self.exporter.begin(epoch);
        shared.with_meters(|meters| meters.passed_on.increment(items));
        let exporter = &mut self.exporter;
        // A panic must not end the thread: everything after it would be lost in silence.
        let sent =
            catch_panic(|| quietly(|| exporter.export(batch, queued))).unwrap_or_else(|_| {
                let error = ExportError::new(ExportErrorType::Internal, "the exporter panicked");
                let outcome = Outcome::Lost(error);
                vec![Sent { items, outcome }]
            });
        self.failure_log.unredacted(self.exporter.unredacted());
        for Sent { items, outcome } in sent {
            self.count(items, outcome);
        }
    }

    /// The one place where what became of a request is counted, but for what the spool does later.
    fn count(&mut self, items: u64, outcome: Outcome) {
        let shared = &*self.shared;
        match outcome {
            Outcome::Discarded => shared.counters.discard(items),
            // The spool counts them, before another thread can take them out of it.
            Outcome::Spooled(why) => self.failure_log.spooled(items, &why),
            Outcome::Exported(acceptance) => {
                // A collector may name any number, and more than there were would make the sum
                // wrong.
                let rejected = acceptance.rejected.min(items);
                shared.counters.export(items - rejected);
                shared.with_meters(|meters| meters.exported.increment(items - rejected));
                if rejected > 0 {
                    shared.counters.fail(rejected, &acceptance.complaint());
                    shared.count_failure(ExportErrorType::Rejected, rejected);
                    self.failure_log.rejected(rejected, &acceptance.message);
                } else {
                    self.failure_log.exported();
                    self.failure_log.warned(&acceptance.message);
                }
            }
            Outcome::Lost(error) => {
                shared.counters.fail(items, &error.message);
                shared.count_failure(error.kind, items);
                self.failure_log.failed(items, &error);
            }
        }
    }
}

/// A source that always has more must not keep a flush for ever.
const FEEDS_MAX: usize = 100;

impl<T> Clone for Batch<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("signal", &self.0.signal.name)
            .field("limits", &self.0.limits)
            .field("queued", &self.0.receiver.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
