//! Telemetry that waits on disk while its collector is away.
//!
//! A batch of spans or log records that cannot be delivered for a reason that passes is written to
//! a folder, and its thread goes on. As long as something waits there, newer batches of the same
//! signal go behind it without asking the collector, and one thread for each signal,
//! `spanwire-spool`, tries the oldest from time to time. So a signal's order is kept, an absent
//! collector costs no batch a time-out, and when it is back everything follows, oldest first.
//!
//! While nothing waits, the same thread sends what comes, before it is on disk ([`Flight`]): so the
//! one that exports is never stuck in the network, and writes to disk whatever is not answered
//! within a second of its decision.
//!
//! Delivery is at least once: a request leaves the disk after it was answered, so one that is on
//! its way when the process or the machine dies, or when its time-out comes, is sent again. Metrics are not
//! spooled, since the next export carries their totals.

mod counts;
mod directory;
mod flight;
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
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use http::{Request, header};

use self::counts::Meters;
use self::directory::SpoolDirectory;
use self::flight::NextFlight;
pub(crate) use self::flight::{Answer, Flight, Landing};
use self::record::Encoding;
pub(crate) use self::record::SpooledSignal;
pub(crate) use self::replay::ReplayTarget;
use self::store::{Dropped, GoneBy, Place, Store, StoredBy};
use super::completion::Completion;
use super::counters::{LastError, SignalCounters};
use super::result::PAUSED;
use super::shutdown_deadline::ShutdownDeadline;
use crate::clock::Stamp;
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::SpoolErrorType;
use crate::telemetry::consent::{Epoch, Switch};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::reporter::Reporter;

/// What waits on disk, for the threads that export and the one that replays.
#[derive(Debug)]
pub(crate) struct Spool {
    // Held while the disk is written and synced, and never while a request is sent.
    store: Mutex<Store>,
    /// Beside the store, so that a scrape never waits for the disk.
    bytes: AtomicU64,
    waiting: [AtomicBool; SpooledSignal::ALL.len()],
    counters: [OnceLock<Arc<SignalCounters>>; SpooledSignal::ALL.len()],
    /// Why each lane waits, as the last attempt had it.
    reasons: [LastError; SpooledSignal::ALL.len()],
    /// Given up and not yet logged, by reason.
    unreported: [AtomicU64; SpoolErrorType::ALL.len()],
    flights: [NextFlight; SpooledSignal::ALL.len()],
    wakes: [(Sender<()>, Receiver<()>); SpooledSignal::ALL.len()],
    shutdown_deadline: Arc<ShutdownDeadline>,
    /// Those of the threads.
    ends: Mutex<Vec<Arc<Completion>>>,
    local_recorder: LocalRecorder,
    instruments: Instruments<Meters>,
}

impl Spool {
    /// Takes a place in that folder, for at most `bytes_max`. What other processes left there is
    /// looked at by the thread, see [`start`](Self::start). While telemetry is paused the folder is
    /// not touched.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, written or locked, or is not this user's alone.
    pub(crate) fn open(
        root: &Path,
        bytes_max: u64,
        local_recorder: LocalRecorder,
        switch: Arc<Switch>,
    ) -> io::Result<Arc<Self>> {
        let store = match switch.is_paused() {
            true => Store::closed(root, bytes_max)?,
            false => Store::new(SpoolDirectory::open(root)?, bytes_max),
        };
        let spool = Arc::new(Self {
            store: Mutex::new(store),
            bytes: AtomicU64::new(0),
            waiting: Default::default(),
            counters: Default::default(),
            reasons: Default::default(),
            unreported: Default::default(),
            flights: Default::default(),
            wakes: SpooledSignal::ALL.map(|_| bounded(1)),
            // Its own, since the spool is closed after the batches, which may still append.
            shutdown_deadline: Arc::new(ShutdownDeadline::new(switch)),
            ends: Mutex::default(),
            local_recorder,
            instruments: Instruments::new(),
        });
        let source: Weak<dyn Publish> = Arc::downgrade(&spool) as Weak<dyn Publish>;
        handles::register(source);
        Ok(spool)
    }

    /// Starts the threads that send what waits, one for each of these targets, so that none waits
    /// for another's collector.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        self: &Arc<Self>,
        targets: Vec<ReplayTarget>,
        reporter: Reporter,
    ) -> io::Result<()> {
        let lanes: Vec<SpooledSignal> = targets.iter().map(ReplayTarget::lane).collect();
        for (place, target) in targets.into_iter().enumerate() {
            // One of them looks after what earlier processes left.
            let adopts = if place == 0 {
                lanes.clone()
            } else {
                Vec::new()
            };
            let end = replay::start(Arc::clone(self), target, adopts, reporter)?;
            self.ends().push(end);
        }
        Ok(())
    }

    /// Says where a lane's items are counted, before the first comes.
    pub(crate) fn count_at(&self, lane: SpooledSignal, counters: Arc<SignalCounters>) {
        // A lane has one batch, so this is set once.
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

    /// Has the lane's thread send a request that is not on disk. Nothing must wait there.
    pub(crate) fn launch(
        &self,
        lane: SpooledSignal,
        request: Request<Bytes>,
        epoch: Epoch,
        again_until: Stamp,
        until: Stamp,
    ) -> Arc<Flight> {
        let flight = Arc::new(Flight::new(request, epoch, again_until, until));
        // In its place before the wake-up, which the lane's thread may follow at once.
        self.flights[lane.index()].put(&flight);
        self.wake(lane);
        flight
    }

    /// Puts a request on disk, for `why`.
    ///
    /// # Errors
    ///
    /// When it is larger than the spool, or the disk does not take it, or a pause forbids it to what
    /// was taken in during `epoch`.
    pub(crate) fn append(
        &self,
        lane: SpooledSignal,
        request: &Request<Bytes>,
        items: u64,
        epoch: Epoch,
        why: &str,
    ) -> io::Result<()> {
        let was_empty = !self.waits(lane);
        self.write(lane, request, items, epoch, why, |_, _| ())?;
        // Otherwise its thread knows of something that waits, and when to try it next.
        if was_empty {
            self.wake(lane);
        }
        Ok(())
    }

    /// The same for one that is being sent.
    fn append_in_flight(
        &self,
        lane: SpooledSignal,
        request: &Request<Bytes>,
        items: u64,
        epoch: Epoch,
        why: &str,
    ) -> io::Result<Place> {
        self.write(lane, request, items, epoch, why, Store::is_in_flight)
    }

    fn write(
        &self,
        lane: SpooledSignal,
        request: &Request<Bytes>,
        items: u64,
        epoch: Epoch,
        why: &str,
        then: fn(&mut Store, &Place),
    ) -> io::Result<Place> {
        let encoding = match request.headers().get(header::CONTENT_ENCODING) {
            None => Encoding::Identity,
            // The exporter knows no other encoding.
            Some(_) => Encoding::Gzip,
        };
        let mut store = self.store();
        // Under the lock, so that a pause that deletes finds what was written before it.
        if !self.switch().allows(epoch) {
            return Err(io::Error::other(PAUSED));
        }
        let outcome = store.append(lane, encoding, items, request.body());
        if let Ok(place) = &outcome {
            then(&mut store, place);
            // Under the lock, so that nobody counts them off before.
            if let Some(counters) = self.counters[lane.index()].get() {
                counters.spool(items, why);
            }
            self.reasons[lane.index()].set(why);
            self.with_meters(|meters| meters.spooled.increment(items));
        }
        // The store is settled after a failure as well: segments may have gone to make room.
        self.settle(&mut store);
        outcome
    }

    /// Opens the folder that was left alone by a pause.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). Then what cannot be sent is lost.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.store().reopen()
    }

    /// Has the threads look whether telemetry is paused.
    pub(crate) fn look_at_switch(&self) {
        for lane in SpooledSignal::ALL {
            self.wake(lane);
        }
    }

    /// Deletes what waits, also what processes left that ended, and leaves the folder. Says how many
    /// items that were, by lane.
    ///
    /// What is just being sent is the thread's to count.
    pub(crate) fn discard(&self) -> [u64; SpooledSignal::ALL.len()] {
        let mut store = self.store();
        let discarded = store.discard();
        self.settle(&mut store);
        discarded
    }

    /// How many items wait, by lane.
    pub(crate) fn items(&self) -> [u64; SpooledSignal::ALL.len()] {
        self.store().items()
    }

    fn switch(&self) -> &Switch {
        self.shutdown_deadline.switch()
    }

    /// Ends the threads: at once while the collector is away, else when nothing waits any more or
    /// `deadline` has come.
    pub(crate) fn close(&self, deadline: Stamp) {
        self.shutdown_deadline.close(deadline);
        for lane in SpooledSignal::ALL {
            self.wake(lane);
        }
    }

    /// Waits for the threads' end; `false` when that was not so by `until`.
    pub(crate) fn wait_ended(&self, until: Stamp) -> bool {
        // A copy, so that the lock is not held while this waits.
        let ends = self.ends().clone();
        ends.iter().all(|end| end.wait(until))
    }

    fn ends(&self) -> MutexGuard<'_, Vec<Arc<Completion>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, lane: SpooledSignal) {
        // Full means that a wake-up is already on its way.
        let _ = self.wakes[lane.index()].0.try_send(());
    }

    /// Makes visible what the store has become, and counts what it gave up.
    fn settle(&self, store: &mut Store) {
        // The caller holds the store's lock, so these never fall behind a later change.
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
        // `finished` calls this also where nothing was rejected or refused.
        if items == 0 {
            return;
        }
        let counters = self.counters[lane.index()].get();
        if let Some(counters) = counters {
            match stored_by {
                StoredBy::ThisProcess => counters.unspool(items),
                // The process that decides on an item reports it.
                StoredBy::EarlierProcess => counters.accept(items),
            }
        }
        let why = match why {
            GoneBy::Error(why) => why,
            GoneBy::Pause => {
                if let Some(counters) = counters {
                    counters.discard(items);
                }
                return;
            }
        };
        if let Some(counters) = counters {
            counters.fail(items, reason(why));
        }
        self.with_meters(|meters| meters.dropped[why.index()].increment(items));
        self.unreported[why.index()].fetch_add(items, Ordering::Relaxed);
        // The lane's thread logs it. This may be a thread of the app that pauses, or one that
        // exports.
        self.wake(lane);
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
    fn publish(&self, _: &mut GaugeSums) {
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

/// Deletes what processes that ended left in that folder, where no spool of this process does it.
/// Says how many items that were, by lane.
pub(crate) fn discard_left(root: &Path) -> [u64; SpooledSignal::ALL.len()] {
    // Without a bound, since nothing is kept.
    match Store::closed(root, u64::MAX) {
        Ok(mut store) => store.discard(),
        Err(_) => Default::default(),
    }
}

/// So often a batch leaves a queue in front of a spool, or more often.
pub(crate) const QUEUE_DELAY_MAX: Duration = Duration::from_millis(400);

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
