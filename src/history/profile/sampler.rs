//! The thread that has the process sampled, and hands over what was sampled each minute.
//!
//! The samples themselves are taken by pprof, in a handler of `SIGPROF`: a timer sends that signal
//! by the processor time of the process, so a thread that waits is not sampled.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::names::Names;
use super::stacks::bounded::bounded as bounded_stacks;
use super::stacks::{ProfilePeriod, ProfileSink};
use super::unwinding::libraries_to_skip;
use crate::clock::{self, Clock};
use crate::history::time::nanos_since_epoch;
use crate::semconv::EVENT_CONFIGURATION_WARNING;

/// The handle to the thread; dropped, it ends.
#[derive(Clone, Debug)]
pub(in crate::history) struct Profiler {
    asked: Sender<Ask>,
}

enum Ask {
    /// Hand over what was sampled until now.
    Collect(Sender<()>),
    /// Take no samples, and forget those that were not handed over.
    Pause(Sender<()>),
    Resume,
    /// Hand over what was sampled, and do this then.
    End(Box<dyn FnOnce() + Send>),
}

impl Profiler {
    /// `None` where there is no rate, or no thread.
    pub(in crate::history) fn start(
        rate: u32,
        bytes_max: usize,
        starts_paused: bool,
        sink: Box<dyn ProfileSink>,
    ) -> Option<Self> {
        if rate == 0 {
            return None;
        }
        let (asked, asks) = bounded(ASKS_MAX);
        let sampler = Sampler {
            rate: i32::try_from(rate).unwrap_or(i32::MAX),
            bytes_max,
            sink,
            names: Names::default(),
            running: None,
            is_paused: starts_paused,
        };
        let thread = thread::Builder::new().name(THREAD.into());
        match thread.spawn(move || sampler.run(&asks)) {
            Ok(_) => Some(Self { asked }),
            Err(error) => {
                warn(&error);
                None
            }
        }
    }

    /// Returns when what was sampled until now is on its way, but not later than that.
    pub(in crate::history) fn collect(&self, deadline: Duration) {
        let (done, collected) = bounded(1);
        if self
            .asked
            .send_timeout(Ask::Collect(done), deadline)
            .is_ok()
        {
            let _ = collected.recv_timeout(deadline);
        }
    }

    pub(in crate::history) fn pause(&self) {
        let (done, paused) = bounded(1);
        let sent = self.asked.send_timeout(Ask::Pause(done), ANSWER_MAX);
        if sent.is_ok() {
            let _ = paused.recv_timeout(ANSWER_MAX);
        }
    }

    pub(in crate::history) fn resume(&self) {
        let _ = self.asked.send_timeout(Ask::Resume, ANSWER_MAX);
    }

    pub(in crate::history) fn end(self, then: Box<dyn FnOnce() + Send>) {
        // Where there is no room, `then` is dropped, and so is what it holds.
        let _ = self.asked.try_send(Ask::End(then));
    }
}

struct Sampler {
    rate: i32,
    /// Of a period in the file.
    bytes_max: usize,
    sink: Box<dyn ProfileSink>,
    names: Names,
    running: Option<Running>,
    is_paused: bool,
}

/// Samples are being taken.
struct Running {
    guard: ProfilerGuard<'static>,
    started_at: i64,
    epoch: u32,
}

impl Sampler {
    fn run(mut self, asks: &Receiver<Ask>) {
        self.begin();
        let mut due = after(PERIOD);
        loop {
            let ask = select! {
                recv(asks) -> ask => ask.ok(),
                recv(due) -> _ => {
                    due = after(PERIOD);
                    self.hand_over(RESOLVE_MAX);
                    self.begin();
                    continue;
                }
            };
            match ask {
                Some(Ask::Collect(done)) => {
                    due = after(PERIOD);
                    self.hand_over(RESOLVE_MAX);
                    let _ = done.send(());
                    self.begin();
                }
                Some(Ask::Pause(done)) => {
                    self.is_paused = true;
                    // Dropping pprof's guard ends the sampling and throws away what pprof has.
                    self.running = None;
                    let _ = done.send(());
                }
                Some(Ask::Resume) => {
                    self.is_paused = false;
                    due = after(PERIOD);
                    self.begin();
                }
                Some(Ask::End(then)) => {
                    self.hand_over(RESOLVE_AT_END_MAX);
                    return then();
                }
                None => return,
            }
        }
    }

    /// Takes samples, unless it does or is paused.
    fn begin(&mut self) {
        if self.is_paused || self.running.is_some() {
            return;
        }
        let guard = ProfilerGuardBuilder::default()
            .frequency(self.rate)
            // The sampler asks for the list in each period: pprof looks up the libraries' addresses
            // here, and the app may have loaded one since.
            .blocklist(&libraries_to_skip())
            .build();
        // pprof has read the binary's symbols for that, which may be many megabytes.
        backtrace::clear_symbol_cache();
        match guard {
            Ok(guard) => {
                self.running = Some(Running {
                    guard,
                    started_at: wall_nanos(),
                    epoch: self.sink.epoch(),
                });
            }
            Err(error) => {
                // It would fail each minute.
                self.is_paused = true;
                warn(&error);
            }
        }
    }

    /// Ends the samples of this period and hands them over, with the names that are found in that
    /// time.
    fn hand_over(&mut self, resolve_max: Duration) {
        let Some(running) = self.running.take() else {
            return;
        };
        // pprof forgets the samples when its guard is dropped, so the report comes first. The names
        // come after the guard, so that the search for them is not sampled.
        let report = running.guard.report().build_unresolved();
        let ended_at = wall_nanos();
        drop(running.guard);
        let report = match report {
            Ok(report) => report,
            Err(error) => return warn(&error),
        };
        let until = clock::now().plus(resolve_max);
        let sampled = self.names.of(report, until);
        // The symbols are needed once a minute and may take as much memory as the binary.
        backtrace::clear_symbol_cache();
        let threads = bounded_stacks(sampled, self.bytes_max);
        if !threads.is_empty() {
            self.sink.put(ProfilePeriod {
                started_at: running.started_at,
                ended_at,
                epoch: running.epoch,
                threads,
            });
        }
    }
}

fn wall_nanos() -> i64 {
    let (_, wall) = Clock::system().now_and_wall();
    nanos_since_epoch(wall).max(0)
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(name: EVENT_CONFIGURATION_WARNING, error, "there is no CPU profile");
}

const THREAD: &str = "spanwire-profile";
/// How often what was sampled is handed over.
const PERIOD: Duration = Duration::from_secs(60);
/// How long names are looked for. What has none then is called unknown.
const RESOLVE_MAX: Duration = Duration::from_secs(10);
// The app's shutdown waits for this one.
const RESOLVE_AT_END_MAX: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(5);
const ASKS_MAX: usize = 16;
