//! Telemetry that waits on disk while its collector is away.
//!
//! A batch of spans or log records that cannot be delivered for a reason that passes is written to
//! a folder, and its thread goes on. As long as something waits there, newer batches of the same
//! signal go behind it without asking the collector, and one thread, `spanwire-spool`, tries the
//! oldest from time to time. So a signal's order is kept, an absent collector costs nobody a
//! time-out per batch, and when it is back everything follows, oldest first.
//!
//! Delivery is at least once: a request leaves the disk after it was answered, so one that is on
//! its way when the process or the machine dies is sent again by the next. Metrics are not
//! spooled, since the next export carries their totals.

mod counts;
mod directory;
mod folder;
#[cfg(fuzzing)]
pub(in crate::telemetry) mod fuzzing;
mod record;
mod replay;
mod store;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};

use self::counts::Meters;
use self::directory::SpoolDirectory;
pub(crate) use self::record::{Encoding, SpooledSignal};
pub(crate) use self::replay::ReplayTarget;
use self::store::{Dropped, Place, Store, StoredBy};
use super::completion::Completion;
use super::counters::{LastError, SignalCounters};
use super::shutdown_deadline::ShutdownDeadline;
use crate::clock::Stamp;
use crate::instrument::handles::{self, Instruments, Publish};
use crate::semconv::SpoolErrorType;
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::reporter::Reporter;

/// What waits on disk, for the threads that export and the one that replays.
#[derive(Debug)]
pub(crate) struct Spool {
    store: Mutex<Store>,
    /// Beside the store, so that a scrape never waits for the disk.
    bytes: AtomicU64,
    waiting: [AtomicBool; SpooledSignal::ALL.len()],
    counters: [OnceLock<Arc<SignalCounters>>; SpooledSignal::ALL.len()],
    /// Why each lane waits, as the last attempt had it.
    reasons: [LastError; SpooledSignal::ALL.len()],
    /// Given up and not yet logged, by reason.
    unreported: [AtomicU64; SpoolErrorType::ALL.len()],
    wake: Sender<()>,
    wakes: Receiver<()>,
    shutdown_deadline: Arc<ShutdownDeadline>,
    end: Arc<Completion>,
    local_recorder: LocalRecorder,
    instruments: Instruments<Meters>,
}

impl Spool {
    /// Takes a place in that folder, for at most `bytes_max`. What other processes left there is
    /// looked at by the thread, see [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, written or locked, or is not this user's alone.
    pub(crate) fn open(
        root: &Path,
        bytes_max: u64,
        local_recorder: LocalRecorder,
    ) -> io::Result<Arc<Self>> {
        let (wake, wakes) = bounded(1);
        let spool = Arc::new(Self {
            store: Mutex::new(Store::new(SpoolDirectory::open(root)?, bytes_max)),
            bytes: AtomicU64::new(0),
            waiting: Default::default(),
            counters: Default::default(),
            reasons: Default::default(),
            unreported: Default::default(),
            wake,
            wakes,
            shutdown_deadline: Arc::default(),
            end: Arc::default(),
            local_recorder,
            instruments: Instruments::new(),
        });
        let source: Weak<dyn Publish> = Arc::downgrade(&spool) as Weak<dyn Publish>;
        handles::register(source);
        Ok(spool)
    }

    /// Starts the thread that sends what waits, on these targets. Without any it is not needed.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        self: &Arc<Self>,
        targets: Vec<ReplayTarget>,
        reporter: Reporter,
    ) -> io::Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        replay::start(Arc::clone(self), targets, reporter)
    }

    /// Says where a lane's items are counted, before the first comes.
    pub(crate) fn count_at(&self, lane: SpooledSignal, counters: Arc<SignalCounters>) {
        let _ = self.counters[lane.index()].set(counters);
    }

    /// How long the thread may still take for a request.
    pub(crate) fn shutdown_deadline(&self) -> Arc<ShutdownDeadline> {
        Arc::clone(&self.shutdown_deadline)
    }

    /// Whether something waits, behind which newer requests have to go.
    pub(crate) fn waits(&self, lane: SpooledSignal) -> bool {
        // Relaxed: one request that does not see it yet is sent out of order, no more.
        self.waiting[lane.index()].load(Ordering::Relaxed)
    }

    /// Why it waits, for a person.
    pub(crate) fn reason(&self, lane: SpooledSignal) -> String {
        let reason = self.reasons[lane.index()].get();
        reason.unwrap_or_else(|| "what an earlier process left is sent first".to_owned())
    }

    /// Puts a request on disk, for `why`.
    ///
    /// # Errors
    ///
    /// When it is larger than the spool, or the disk does not take it.
    pub(crate) fn append(
        &self,
        lane: SpooledSignal,
        encoding: Encoding,
        items: u64,
        body: &[u8],
        why: &str,
    ) -> io::Result<Place> {
        let mut store = self.store();
        let outcome = store.append(lane, encoding, items, body);
        if outcome.is_ok() {
            // Under the lock, so that nobody counts them off before.
            if let Some(counters) = self.counters[lane.index()].get() {
                counters.spool(items, why);
            }
            self.reasons[lane.index()].set(why);
            self.with_meters(|meters| meters.spooled.increment(items));
        }
        let was_empty = !self.waits(lane);
        self.settle(&mut store);
        drop(store);
        if was_empty {
            self.wake();
        }
        outcome
    }

    /// Ends the thread: at once while the collector is away, else when nothing waits any more or
    /// `deadline` has come.
    pub(crate) fn close(&self, deadline: Stamp) {
        self.shutdown_deadline.close(deadline);
        self.wake();
    }

    /// Waits for the thread's end; `false` when that was not so by `until`.
    pub(crate) fn wait_ended(&self, until: Stamp) -> bool {
        self.end.wait(until)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Full means that a wake-up is already on its way.
        let _ = self.wake.try_send(());
    }

    /// Makes visible what the store has become, and counts what it gave up.
    fn settle(&self, store: &mut Store) {
        self.bytes.store(store.bytes(), Ordering::Relaxed);
        for lane in SpooledSignal::ALL {
            self.waiting[lane.index()].store(store.waits(lane), Ordering::Relaxed);
        }
        for dropped in store.take_drops() {
            self.give_up(dropped);
        }
    }

    fn give_up(&self, dropped: Dropped) {
        let Dropped {
            lane,
            items,
            stored_by,
            why,
        } = dropped;
        if items == 0 {
            return;
        }
        if let Some(counters) = self.counters[lane.index()].get() {
            match stored_by {
                StoredBy::ThisProcess => counters.unspool(items),
                // The process that decides on an item reports it.
                StoredBy::EarlierProcess => counters.accept(items),
            }
            counters.fail(items, reason(why));
        }
        self.with_meters(|meters| meters.dropped[why.index()].increment(items));
        self.unreported[why.index()].fetch_add(items, Ordering::Relaxed);
        self.wake();
    }

    fn with_meters(&self, f: impl FnOnce(&Meters)) {
        self.local_recorder.run(|| {
            if let Some(meters) = self.instruments.get(Meters::register) {
                f(meters);
            }
        });
    }
}

impl Publish for Spool {
    fn publish(&self) {
        self.with_meters(|meters| {
            let bytes = self.bytes.load(Ordering::Relaxed);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a disk is smaller than 2^52 bytes"
            )]
            meters.size.set(bytes as f64);
        });
    }
}

/// For a person.
fn reason(why: SpoolErrorType) -> &'static str {
    match why {
        SpoolErrorType::SpoolFull => "the spool was full",
        SpoolErrorType::Corrupt => "the spool's files are damaged",
        SpoolErrorType::Deleted => "the spool's files were deleted",
        SpoolErrorType::Refused => "the collector refused what was spooled",
        SpoolErrorType::Rejected => "the collector rejected some of what was spooled",
    }
}
