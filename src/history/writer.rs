//! The one thread that writes: what waits in the queue, twice a second, in one transaction.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, after, never, select};

use super::batch::{Batch, Intake, WallAnchor};
use super::error::HistoryError;
use super::flight::FlightRecorder;
use super::intake_queue::{IntakeEnds, IntakeQueue, Item, QUEUE_MAX};
use super::session::Session;
use super::store::{Bounds, Opened, Store, is_busy};
use super::unclean_end::UncleanEnd;
use crate::clock::{self, Stamp};
use crate::instrument::rate_limit::RateLimit;
use crate::semconv::{EVENT_CONFIGURATION_WARNING, EVENT_HISTORY_FAILED};

/// What the writer is asked to do; each answers with what came of it.
#[derive(Debug)]
pub(crate) enum Command {
    /// Write all that waits.
    Flush(Sender<Result<(), HistoryError>>),
    /// Recording is paused; with `discard` nothing of what was recorded is to be left.
    Pause {
        discard: bool,
        done: Sender<Pending>,
    },
    /// Recording goes on; the answer is why it cannot.
    Resume(Sender<Result<(), HistoryError>>),
    /// Write all that waits, and end. An app that `crashed` does not end by itself.
    End { crashed: bool, done: Sender<()> },
}

/// What waited, and what was on disk, when recording was paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) discarded: u64,
    pub(crate) kept: u64,
}

/// What the writer was started with.
#[derive(Debug)]
pub(crate) struct WriterSettings {
    pub(crate) path: PathBuf,
    pub(crate) bounds: Bounds,
    pub(crate) retention: Duration,
    pub(crate) session: Session,
    /// The run before this one, as soon as it is known that it did not end by itself.
    pub(crate) unclean_end: Arc<OnceLock<UncleanEnd>>,
}

pub(crate) struct Writer {
    pub(crate) settings: WriterSettings,
    pub(crate) queue: Arc<IntakeQueue>,
    pub(crate) ends: IntakeEnds,
    pub(crate) commands: Receiver<Command>,
    pub(crate) intake: Intake,
    pub(crate) state: WriterState,
}

/// What changes while it writes.
pub(crate) struct WriterState {
    /// None in a pause from the start, and after a file could not be opened again.
    store: Option<Store>,
    batch: Batch,
    flight: FlightRecorder,
    /// When what is old was last looked for.
    expired: Option<Stamp>,
    /// What ended later and began before was not asked for: there was a pause.
    resumed: Option<Stamp>,
    /// What was taken in before this epoch is deleted.
    kept_from: u32,
    /// The file knows this run, and the run before it was looked for.
    has_begun: bool,
    /// When the run ended, or was paused, while the file does not say so.
    end_due: Option<i64>,
    /// The batch waits for a reason that passes. It is tried again in its time.
    is_held_up: bool,
    warnings: RateLimit,
}

impl WriterState {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self {
            store,
            batch: Batch::default(),
            flight: FlightRecorder::default(),
            expired: None,
            resumed: None,
            kept_from: 0,
            has_begun: false,
            end_due: None,
            is_held_up: false,
            warnings: RateLimit::per_minute(1),
        }
    }
}

impl WriterState {
    /// Says it in the log, once a minute at most.
    fn warn(&self, error: &HistoryError, what: &'static str) {
        if self.warnings.admits(clock::now()) {
            let error: &dyn std::error::Error = error;
            tracing::warn!(name: EVENT_HISTORY_FAILED, error, "{what}");
        }
    }
}

impl Writer {
    /// Writes until it is asked to end, or the history is dropped.
    ///
    /// It says by `begun` that the run is in the file, unless it starts with a pause.
    pub(crate) fn run(mut self, begun: Sender<()>) {
        // A process that ends soon has a first state, too.
        self.look();
        if !self.queue.is_paused()
            && let Err(error) = self.begin()
        {
            // It is tried again with the first write.
            self.queue.counts.failed(&error);
        }
        drop(begun);
        // Commands and calls in between do not set this again, so they cannot put off the write.
        let mut due = after(INTERVAL);
        loop {
            let commands = self.commands.clone();
            // The app's threads call the writer with each record that finds no room. It would try
            // without end where it cannot make room before its time.
            let full = match self.state.is_held_up && self.is_batch_full() {
                true => never(),
                false => self.ends.full.clone(),
            };
            let command = select! {
                recv(commands) -> command => command.ok(),
                recv(full) -> _ => {
                    self.make_room_in_queue();
                    continue;
                }
                recv(due) -> _ => {
                    due = after(INTERVAL);
                    self.look();
                    // Its error is counted and told.
                    let _ = self.take_and_write();
                    // A file that was locked when the pause began still lacks the end of the run.
                    if self.queue.is_paused() {
                        self.end_run();
                    }
                    continue;
                }
            };
            match command {
                Some(Command::Flush(done)) => {
                    let _ = done.send(self.take_and_write());
                }
                Some(Command::Pause { discard, done }) => {
                    let _ = done.send(self.pause(discard));
                }
                Some(Command::Resume(done)) => {
                    let _ = done.send(self.resume());
                }
                Some(Command::End { crashed, done }) => {
                    self.end(crashed);
                    let _ = done.send(());
                    return;
                }
                None => return self.end(false),
            }
        }
    }

    /// Has the flight recorder look, when it is time.
    fn look(&mut self) {
        if self.queue.is_paused() {
            return;
        }
        let wall = WallAnchor::now().wall_nanos();
        let state = &mut self.state;
        if let Some(look) = state.flight.look(wall) {
            // They wait for a file that is locked.
            if state.batch.looks.len() >= LOOKS_MAX {
                state.batch.looks.remove(0);
            }
            state.batch.looks.push(look);
            let prune = state.flight.prune(wall);
            state.batch.prune_before = prune.or(state.batch.prune_before);
        }
    }

    /// Takes in what waits before its time; it is written in its time, unless it is too much.
    fn make_room_in_queue(&mut self) {
        if self.queue.is_paused() {
            return;
        }
        // Not more than a transaction may have, so that the write-ahead log keeps its bound.
        self.take_some(self.settings.bounds.rows_max());
        if self.is_batch_full() && !self.state.is_held_up {
            // Its error is counted and told.
            let _ = self.write();
        }
    }

    fn is_batch_full(&self) -> bool {
        self.state.batch.rows.len() >= self.settings.bounds.rows_max()
    }

    /// Takes in what waits, as much as was there at the start of it.
    fn take(&mut self) {
        let anchor = WallAnchor::now();
        // The app's threads may push faster than this loop takes. Without a bound it might never
        // end.
        for _ in 0..QUEUE_MAX {
            match self.ends.items.try_recv() {
                Ok(item) => self.take_in(item, anchor),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn take_in(&mut self, item: Item, anchor: WallAnchor) {
        let kept_from = self.state.kept_from;
        let batch = &mut self.state.batch;
        match item {
            // A thread that was late by a moment does not bring back what a pause deleted.
            Item::Record(record) if record.epoch < kept_from => {
                self.queue.counts.discarded(1);
            }
            Item::Samples { values, epoch, .. } if epoch < kept_from => {
                self.queue.counts.discarded(values.len() as u64);
            }
            Item::Profile(period) if period.epoch < kept_from => {}
            Item::Profile(period) => {
                // They wait for a file that is locked.
                if batch.profile.len() >= PROFILE_PERIODS_MAX {
                    batch.profile.remove(0);
                }
                batch.profile.push(*period);
            }
            Item::Record(record) => {
                // Of before the pause, and of what began in it, nothing is known.
                let began_late = self.state.resumed.is_none_or(|resumed| {
                    record.epoch < self.queue.epoch()
                        || record.ended.since(resumed) >= record.duration
                });
                if began_late {
                    self.intake.take(record, anchor, batch);
                } else {
                    self.queue.counts.discarded(1);
                }
            }
            Item::Samples { values, at, .. } => {
                self.state.flight.take_samples(&values, at);
                self.intake.take_samples(&values, at, anchor, batch);
            }
        }
    }

    fn take_and_write(&mut self) -> Result<(), HistoryError> {
        if self.queue.is_paused() {
            return Ok(());
        }
        let mut result = Ok(());
        let rows_max = self.settings.bounds.rows_max();
        for _ in 0..QUEUE_MAX {
            let before = self.state.batch.count;
            self.take_some(rows_max);
            let is_last = self.state.batch.count == before || self.ends.items.is_empty();
            result = self.write();
            if is_last || result.is_err() {
                break;
            }
        }
        self.expire();
        result
    }

    /// Takes in until the batch has so many rows.
    fn take_some(&mut self, rows_max: usize) {
        let anchor = WallAnchor::now();
        while self.state.batch.rows.len() < rows_max {
            match self.ends.items.try_recv() {
                Ok(item) => self.take_in(item, anchor),
                Err(_) => return,
            }
        }
    }

    /// Writes the batch. What cannot be written for a reason that passes stays for the next time,
    /// up to a bound; the rest is dropped.
    fn write(&mut self) -> Result<(), HistoryError> {
        self.state.is_held_up = false;
        if self.state.batch.is_empty() {
            return Ok(());
        }
        let result = self.attempt(Self::write_once);
        let count = self.state.batch.count;
        let waiting = self.state.batch.rows.len() + self.state.batch.samples.len();
        match &result {
            Ok(()) => self.queue.counts.written(count),
            Err(error) => {
                self.queue.counts.failed(error);
                self.state.warn(error, "the history cannot be written");
                // A batch that is held up may have as many rows as the queue may hold.
                if may_pass(error) && waiting < QUEUE_MAX {
                    self.state.is_held_up = true;
                    return result;
                }
                self.queue.counts.dropped(count);
            }
        }
        self.state.batch.clear();
        result
    }

    /// Changes the file, and does so again when what is in its way can be put away.
    fn attempt(
        &mut self,
        change: fn(&mut Self) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let mut result = change(self);
        if matches!(result, Err(HistoryError::NoSpace { .. })) {
            // The bound is reached in the middle of a batch, or the disk is full.
            result = self.make_room().and_then(|()| change(self));
        }
        if matches!(result, Err(HistoryError::Corrupt { .. })) {
            result = self.replace().and_then(|()| change(self));
        }
        result
    }

    /// Has the file know this run, and looks for the one before it.
    fn begin(&mut self) -> Result<(), HistoryError> {
        let Self {
            settings, state, ..
        } = self;
        let Some(store) = state.store.as_mut().filter(|_| !state.has_begun) else {
            return Ok(());
        };
        let begun = store.begin(&settings.session, WallAnchor::now().wall_nanos());
        let unclean_end = begun.map_err(|error| HistoryError::of(&settings.path, error))?;
        state.has_begun = true;
        if let Some(unclean_end) = unclean_end {
            // A run begins once.
            let _ = settings.unclean_end.set(unclean_end);
        }
        Ok(())
    }

    /// The same after the app has started, when its start did not succeed with it.
    fn begin_late(&mut self) -> Result<(), HistoryError> {
        if self.state.has_begun {
            return Ok(());
        }
        self.begin()?;
        if let Some(unclean_end) = self.settings.unclean_end.get() {
            tracing::warn!(name: EVENT_CONFIGURATION_WARNING, "{unclean_end}");
        }
        Ok(())
    }

    fn write_once(&mut self) -> Result<(), HistoryError> {
        let Self {
            settings, state, ..
        } = self;
        let path = &settings.path;
        if state
            .store
            .as_ref()
            .is_some_and(|store| !store.is_in_place())
        {
            // Deleted or moved: what is written there is seen by nobody.
            state.store = None;
        }
        if state.store.is_none() {
            let opened = Store::open(path, settings.bounds)?;
            self.opened(opened);
        }
        self.begin_late()?;
        let Self {
            settings,
            state,
            intake,
            ..
        } = self;
        let Some(store) = &mut state.store else {
            return Ok(());
        };
        let of = |error| HistoryError::of(&settings.path, error);
        if !store.has_room_in_log().map_err(of)? {
            return Err(HistoryError::HeldByReader {
                path: settings.path.clone(),
            });
        }
        let now = WallAnchor::now().wall_nanos();
        // The trim precedes the write: at the bound SQLite refuses the page, and the whole batch
        // with it.
        if store.is_nearly_full().map_err(of)? {
            store.trim(now).map_err(of)?;
        }
        store
            .write(&state.batch, &intake.series, &settings.session, now)
            .map_err(of)?;
        store.bound_wal();
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), HistoryError> {
        let Some(store) = &self.state.store else {
            return Ok(());
        };
        let now = WallAnchor::now().wall_nanos();
        let trimmed = store.trim(now);
        trimmed.map_err(|error| HistoryError::of(&self.settings.path, error))
    }

    fn replace(&mut self) -> Result<(), HistoryError> {
        let Some(store) = self.state.store.take() else {
            return Ok(());
        };
        let opened = store.replace()?;
        self.opened(opened);
        Ok(())
    }

    fn opened(&mut self, opened: Opened) {
        if let Some(aside) = &opened.set_aside {
            was_set_aside(&self.queue, aside);
        }
        self.state.store = Some(opened.store);
    }

    /// Looks for what is too old, at the start and once a minute.
    fn expire(&mut self) {
        let now = clock::now();
        let is_due = self
            .state
            .expired
            .is_none_or(|last| now.since(last) >= EXPIRE_INTERVAL);
        let Some(store) = self.state.store.as_ref().filter(|_| is_due) else {
            return;
        };
        // The writer sets the time whatever the result: after an error the next attempt is a minute
        // later and not with each write.
        self.state.expired = Some(now);
        let wall = WallAnchor::now().wall_nanos();
        match store.expire(self.settings.retention, wall) {
            Ok(()) => {}
            // Another process is at it.
            Err(error) if is_busy(&error) => {}
            Err(error) => {
                let error = HistoryError::of(&self.settings.path, error);
                self.queue.counts.failed(&error);
                self.state.warn(&error, "what is old stays in the history");
            }
        }
    }

    fn pause(&mut self, discard: bool) -> Pending {
        self.take();
        let waiting = self.state.batch.count;
        if !discard {
            // The end of an app in a pause is not reported.
            self.state.end_due = Some(WallAnchor::now().wall_nanos());
            self.end_run();
            return Pending {
                discarded: 0,
                kept: waiting,
            };
        }
        self.state.batch.clear();
        self.state.end_due = None;
        // How long something usually takes was learnt from the records that are deleted.
        self.intake.series.forget_usual();
        // Threads that were in the middle of it may still push records of an earlier epoch.
        // `take_in` drops those.
        self.state.kept_from = self.queue.epoch();
        self.queue.counts.discarded(waiting);
        let deleted = match &mut self.state.store {
            Some(store) => store.discard(),
            // Paused from the start: what earlier runs left is to go, too.
            None if self.settings.path.exists() => {
                match Store::open(&self.settings.path, self.settings.bounds) {
                    Ok(mut opened) => opened.store.discard(),
                    Err(error) => {
                        self.queue.counts.failed(&error);
                        Ok(0)
                    }
                }
            }
            None => Ok(0),
        };
        let deleted = deleted.unwrap_or_else(|error| {
            let error = HistoryError::of(&self.settings.path, error);
            self.queue.counts.failed(&error);
            self.state.warn(&error, "the history could not be deleted");
            0
        });
        Pending {
            discarded: waiting + deleted,
            kept: 0,
        }
    }

    fn resume(&mut self) -> Result<(), HistoryError> {
        self.state.resumed = Some(clock::now());
        self.state.end_due = None;
        if self.state.store.is_none() {
            let opened = Store::open(&self.settings.path, self.settings.bounds)?;
            self.opened(opened);
        }
        if let Err(error) = self.begin() {
            // It is tried again with the next write.
            self.queue.counts.failed(&error);
        }
        Ok(())
    }

    /// Says in the file that the run has ended or is paused, when it does not say so. What cannot be
    /// written for a reason that passes stays for the next time.
    fn end_run(&mut self) {
        let Err(error) = self.attempt(Self::end_once) else {
            self.state.end_due = None;
            return;
        };
        self.queue.counts.failed(&error);
        self.state
            .warn(&error, "the end of the run cannot be written");
        if !may_pass(&error) {
            self.state.end_due = None;
        }
    }

    fn end_once(&mut self) -> Result<(), HistoryError> {
        let Self {
            settings, state, ..
        } = self;
        let (Some(store), Some(at)) = (&mut state.store, state.end_due) else {
            return Ok(());
        };
        let ended = store.end(&settings.session, at);
        ended.map_err(|error| HistoryError::of(&settings.path, error))
    }

    fn end(&mut self, crashed: bool) {
        if self.queue.is_paused() {
            self.take();
            self.queue.counts.discarded(self.state.batch.count);
            self.state.batch.clear();
            self.end_run();
            return;
        }
        // Its error is counted.
        let _ = self.take_and_write();
        // There is no next time for what was to wait for it.
        self.take();
        self.queue.counts.dropped(self.state.batch.count);
        self.state.batch.clear();
        if !crashed {
            self.state.end_due = Some(WallAnchor::now().wall_nanos());
            self.end_run();
            // There is no next time for this either, and it must not look like a crash.
            self.end_run();
        }
        // The writer closes the store before the caller goes on: SQLite writes the log into the
        // file and removes it when the last connection ends.
        self.state.store = None;
    }
}

/// Whether the same may succeed later: another process is in the way.
fn may_pass(error: &HistoryError) -> bool {
    matches!(
        error,
        HistoryError::Locked { .. } | HistoryError::HeldByReader { .. }
    )
}

/// Keeps and says where a damaged file is now.
pub(crate) fn was_set_aside(queue: &IntakeQueue, aside: &Path) {
    queue.counts.set_aside(aside);
    let error: &dyn std::error::Error = &SetAside(aside.to_owned());
    tracing::warn!(name: EVENT_HISTORY_FAILED, error, "the history was damaged: a new one begins");
}

/// A damaged file has another name now.
#[derive(Debug, thiserror::Error)]
#[error("the damaged history is at {}", .0.display())]
struct SetAside(PathBuf);

/// How often the queue is written, so how much a process that is killed can lose.
const INTERVAL: Duration = Duration::from_millis(500);
/// What the flight recorder saw that may wait to be written.
// There is a look each second, and the report of a crash shows the last minute.
const LOOKS_MAX: usize = 60;
/// Periods of a profile that may wait to be written.
const PROFILE_PERIODS_MAX: usize = 4;
const EXPIRE_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
