//! The handle to a history that records.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::batch::{Intake, WallAnchor};
use super::counts::HistoryReport;
use super::error::HistoryError;
use super::intake_queue::IntakeQueue;
use super::options::HistoryOptions;
use super::profile::Profiler;
use super::session::Session;
use super::slowness::Slowness;
use super::store::{Bounds, Store};
use super::unclean_end::UncleanEnd;
use super::writer::{Command, Pending, Writer, WriterSettings, WriterState, was_set_aside};
use crate::clock::{self, Stamp};
use crate::instrument::handles::{self, Publish};
use crate::instrument::record_sink::{self, SinkPlace};

/// A history that records what this process measures; clones are the same one.
///
/// Operations, calls, events by stage, startup phases, page errors and samples of the system go into
/// the file, each half second in one transaction, and the sums of each minute beside them. A caller
/// never waits for it: what does not fit into its queue of 16,384 records is dropped and counted.
/// A process has one history at a time.
///
/// [`TelemetryBuilder::history`](crate::telemetry::TelemetryBuilder::history) and `SPANWIRE_HISTORY`
/// open one with everything else. On its own it needs nothing else:
///
/// ```
/// use spanwire::history::History;
/// use spanwire::monitor;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("spanwire-history-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("history.db");
/// let history = History::open(&path)?;
/// monitor("load_scene").time(|| { /* … */ });
/// history.flush(Duration::from_secs(2))?;
/// # assert_eq!(history.report().written, 1);
/// # history.shutdown(Duration::from_secs(2));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
///
/// When its last handle is dropped, what waits is written, and recording ends.
#[derive(Clone)]
#[must_use = "recording ends when its last handle is dropped"]
pub struct History(Arc<Inner>);

/// Why a [`History::flush`] did not write all that waited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// It takes longer than that. It is still being written.
    #[error("the history was not written in time: give flush a longer deadline")]
    TimedOut,
    /// It has ended.
    #[error("the history has ended: open it again to record")]
    Ended,
    /// The file cannot be written.
    #[error("the history cannot be written")]
    NotWritten(#[source] HistoryError),
}

struct Inner {
    options: HistoryOptions,
    queue: Arc<IntakeQueue>,
    unclean_end: Arc<OnceLock<UncleanEnd>>,
    /// None once it was asked to end.
    running: Mutex<Option<Running>>,
    // The registry of what publishes gauges has a weak reference alone.
    /// Keeps the registration alive.
    _counts: Arc<dyn Publish>,
}

struct Running {
    commands: Sender<Command>,
    place: SinkPlace,
    profiler: Option<Profiler>,
}

/// Writes the counts to their metric.
struct PublishedCounts(Arc<IntakeQueue>);

impl Publish for PublishedCounts {
    fn publish(&self, sums: &mut handles::GaugeSums) {
        self.0.counts.publish(sums);
    }
}

impl History {
    /// Opens the file, or makes it, and records into it from now on, with the defaults of
    /// [`HistoryOptions`].
    ///
    /// # Errors
    ///
    /// As [`HistoryOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HistoryError> {
        Self::options(path).open()
    }

    /// How the history at that path is kept, to be changed before it is opened.
    pub fn options(path: impl AsRef<Path>) -> HistoryOptions {
        HistoryOptions::new(path.as_ref())
    }

    pub(super) fn start(options: HistoryOptions) -> Result<Self, HistoryError> {
        let bounds = Bounds::of(options.max_bytes);
        let (queue, ends) = IntakeQueue::new(options.starts_paused);
        // A second history of the process does not touch its file.
        if record_sink::is_on() {
            return Err(HistoryError::AlreadyOpen);
        }
        // In a pause nothing is written, so nothing is made either.
        let store = match options.starts_paused {
            true => None,
            false => Some(Store::open(&options.path, bounds)?),
        };
        let store = store.map(|opened| {
            if let Some(aside) = &opened.set_aside {
                was_set_aside(&queue, aside);
            }
            opened.store
        });
        let now = WallAnchor::now().wall_nanos();
        let session = Session::new(
            options.service.clone(),
            options.version.clone(),
            options.instance.clone(),
            now,
        );
        // This decides. The check above only keeps a second history from touching its file, and
        // another thread may have installed a sink since.
        let place = record_sink::install(Box::new(Arc::clone(&queue)))
            .map_err(|_| HistoryError::AlreadyOpen)?;
        let unclean_end = Arc::new(OnceLock::new());
        let (commands, asked) = bounded(COMMANDS_MAX);
        let slowness = Slowness {
            ipc_threshold: options.ipc_slow_threshold,
            factor: options.slow_factor,
        };
        let writer = Writer {
            settings: WriterSettings {
                path: options.path.clone(),
                bounds,
                retention: options.retention,
                session,
                unclean_end: Arc::clone(&unclean_end),
            },
            queue: Arc::clone(&queue),
            ends,
            commands: asked,
            intake: Intake::new(options.records_per_second, slowness),
            state: WriterState::new(store),
        };
        // No value is sent: that the writer drops its end is the sign, also after an error.
        let (begun, has_begun) = bounded(1);
        // The thread begins the run: without a thread there is none that could end.
        thread::Builder::new()
            // Where there is no thread, `place` is dropped on the way out, which takes the sink out
            // again.
            .name("spanwire-history".into())
            .spawn(move || writer.run(begun))
            .map_err(HistoryError::NoThread)?;
        // From here on it is known whether the run before this one ended by itself.
        let _ = has_begun.recv();
        let profiler = profiler(&options, bounds, &queue);
        let counts: Arc<dyn Publish> = Arc::new(PublishedCounts(Arc::clone(&queue)));
        let weak: Weak<dyn Publish> = Arc::downgrade(&counts);
        handles::register_for_process(weak);
        Ok(Self(Arc::new(Inner {
            options,
            queue,
            unclean_end,
            running: Mutex::new(Some(Running {
                commands,
                place,
                profiler,
            })),
            _counts: counts,
        })))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.options.path
    }

    /// What became of the records so far.
    #[must_use]
    pub fn report(&self) -> HistoryReport {
        let unclean_end = self.0.unclean_end.get();
        HistoryReport {
            unclean_end: unclean_end.map(UncleanEnd::to_string),
            ..self.0.queue.counts.report()
        }
    }

    /// Whether nothing is recorded now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.queue.is_paused()
    }

    /// Writes what waits, and returns when it is in the file. In a pause nothing is written.
    ///
    /// # Errors
    ///
    /// [`FlushError`] when it is not.
    pub fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        let until = clock::now().plus(deadline);
        // The profiler comes first, so that the writer finds its samples in the queue.
        self.with_profiler(|profiler| profiler.collect(deadline));
        let deadline = until.since(clock::now());
        let (done, written) = bounded(1);
        let commands = self.commands().ok_or(FlushError::Ended)?;
        commands
            .send_timeout(Command::Flush(done), deadline)
            .map_err(|_| FlushError::TimedOut)?;
        let written = written.recv_timeout(deadline);
        written
            .map_err(|_| FlushError::TimedOut)?
            .map_err(FlushError::NotWritten)
    }

    /// Writes what waits, ends recording, and says what became of all records. It returns by
    /// `deadline`. A second call says the same.
    pub fn shutdown(&self, deadline: Duration) -> HistoryReport {
        self.0.end(deadline);
        self.report()
    }

    /// Ends recording, and has what waits written meanwhile.
    pub(crate) fn begin_shutdown(&self) -> Ending {
        self.0.begin_end(Duration::ZERO)
    }

    /// Records nothing from now on. With `discard` what waits and what is in the file is deleted.
    ///
    /// Gives `None` when the writer did not answer in time: then it does so later.
    pub(crate) fn pause(&self, discard: bool) -> Option<Pending> {
        // The order matters: first nothing more comes in, then the profiler forgets its samples,
        // and last the writer counts what waits.
        self.0.queue.pause();
        self.with_profiler(Profiler::pause);
        let (done, paused) = bounded(1);
        let commands = self.commands()?;
        let command = Command::Pause { discard, done };
        commands.send_timeout(command, ANSWER_MAX).ok()?;
        paused.recv_timeout(ANSWER_MAX).ok()
    }

    /// Records again.
    pub(crate) fn resume(&self) -> Result<(), HistoryError> {
        let Some(commands) = self.commands() else {
            return Ok(());
        };
        let (done, resumed) = bounded(1);
        let sent = commands.send_timeout(Command::Resume(done), ANSWER_MAX);
        // An answer that does not come in time is no error: the writer resumes when it gets to the
        // command, and opens the file with its next write at the latest.
        let result = match sent {
            Ok(()) => resumed.recv_timeout(ANSWER_MAX).unwrap_or(Ok(())),
            Err(_) => Ok(()),
        };
        // Also after an error: the file may come back, and until then losses are counted.
        self.0.queue.resume();
        self.with_profiler(Profiler::resume);
        result
    }

    /// Has the profiler do it, if there is one.
    fn with_profiler(&self, ask: impl FnOnce(&Profiler)) {
        // Not while the lock is held: it may take its time.
        let profiler = self.0.running().as_ref().and_then(|it| it.profiler.clone());
        if let Some(profiler) = profiler {
            ask(&profiler);
        }
    }

    fn commands(&self) -> Option<Sender<Command>> {
        let running = self.0.running();
        running.as_ref().map(|running| running.commands.clone())
    }
}

impl HistoryOptions {
    /// Opens the file, or makes it, and records into it from now on.
    ///
    /// Several processes may have the same file open. A damaged history is set aside, and a new one
    /// begun: see [`HistoryReport::set_aside`].
    ///
    /// # Errors
    ///
    /// A [`HistoryError`] when the file cannot be used, or this process has a history already.
    pub fn open(self) -> Result<History, HistoryError> {
        History::start(self)
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, deadline: Duration) {
        let until = clock::now().plus(deadline);
        self.begin_end(deadline).wait(until);
    }

    fn begin_end(&self, deadline: Duration) -> Ending {
        let (done, ended) = bounded(1);
        if let Some(running) = self.running().take() {
            let Running {
                commands,
                place,
                profiler,
            } = running;
            // What ends from here on is not taken.
            drop(place);
            // Where there is no room, the end of the commands is the writer's sign to end.
            // A guard that is dropped by a panic on its way out of the app does not end it well.
            let crashed = thread::panicking();
            let command = Command::End { crashed, done };
            match profiler {
                None => {
                    let _ = commands.send_timeout(command, deadline);
                }
                // The writer ends after what the profiler hands over at its own end.
                Some(profiler) => profiler.end(Box::new(move || {
                    // This runs later, on the profiler's thread, so it has a limit of its own.
                    let _ = commands.send_timeout(command, DROP_DEADLINE);
                })),
            }
        }
        // On a second call `done` is dropped unused, so the wait returns at once.
        Ending(ended)
    }
}

/// What has the process sampled, where that is asked for.
fn profiler(
    options: &HistoryOptions,
    bounds: Bounds,
    queue: &Arc<IntakeQueue>,
) -> Option<Profiler> {
    #[cfg(feature = "profile")]
    let rate = options.profile;
    #[cfg(not(feature = "profile"))]
    let rate = 0;
    let sink = Box::new(Arc::clone(queue));
    Profiler::start(rate, bounds.profile_period(), options.starts_paused, sink)
}

/// A history on its way to its end.
#[must_use = "the end is to be waited for"]
pub(crate) struct Ending(Receiver<()>);

impl Ending {
    /// Waits until all is written, but not longer.
    pub(crate) fn wait(self, until: Stamp) {
        let _ = self.0.recv_timeout(until.since(clock::now()));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end(DROP_DEADLINE);
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("path", &self.path())
            .field("is_paused", &self.is_paused())
            .finish_non_exhaustive()
    }
}

/// Callers that may ask the writer for something at once; further ones wait.
const COMMANDS_MAX: usize = 16;
/// How long a pause waits for the writer, which may be waiting for another process.
const ANSWER_MAX: Duration = Duration::from_secs(5);
// How long a dropped handle may hold up an app that ends.
const DROP_DEADLINE: Duration = Duration::from_secs(2);
