//! The start of the app, phase by phase: from the start of its process until its page is painted
//! and had an answer.
//!
//! Spanwire marks what it knows: telemetry, a webview at its first
//! [`pump`](crate::Ipc::pump), and of the page its navigation, the page script, `DOMContentLoaded`,
//! the first paint where the engine tells of it, and the first call whose answer reached the page.
//! The app marks the rest, with a line each, before or after telemetry is installed:
//!
//! ```
//! use spanwire::startup::{Phase, reached};
//!
//! // … the event loop is made …
//! reached(Phase::EventLoop);
//! // … the window is made …
//! reached(Phase::Window);
//! ```
//!
//! Each phase is reached once in a process, and later marks are ignored. The first page of the first
//! webview counts: neither a second webview nor a page that is loaded again is a start.
//!
//! What comes of it is the gauge `spanwire.startup.duration`, by phase, and one trace, `startup`, of the
//! global tracer, with a span for each phase that was reached. The trace is made when the page's
//! last phases were reached: `DOMContentLoaded`, the first paint and the first call's answer. Where one of
//! them does not come, it is made a minute after the process started, when another page takes the
//! place of the first, or when telemetry is shut down. An app without a webview gets the phases
//! that it marks, and one that marks none gets nothing.

mod phase;
mod process_age;
mod report;
mod timeline;

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

pub use phase::Phase;

use crate::clock::{self, Stamp};
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::instrument::record_sink::{self, Record, RecordKind};
use timeline::Timeline;

/// Marks a phase as reached now.
///
/// Only the first mark of a phase counts. Once the start is over, a call is one relaxed load.
pub fn reached(phase: Phase) {
    if awaits(phase) {
        mark(|timeline, now| {
            timeline.measure();
            timeline.reach(phase, now);
        });
    }
}

/// As [`reached`], for what every process reaches: it is no reason to measure a start.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) fn reached_by_any(phase: Phase) {
    if awaits(phase) {
        mark(|timeline, now| timeline.reach(phase, now));
    }
}

/// Ends the start with what was reached, since nothing can be exported later.
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) fn conclude() {
    mark(|timeline, _| timeline.conclude());
}

/// What one webview marks of its page.
///
/// The first webview whose page is ready marks the start; those of others come to nothing.
#[derive(Debug)]
pub(crate) struct PageStartup {
    id: u64,
    /// No page of this webview began before.
    made: Stamp,
}

impl PageStartup {
    pub(crate) fn new(made: Stamp) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the number only has to be another one.
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Self { id, made }
    }

    /// A page is ready; another than the first one ends the start.
    pub(crate) fn page_ready(&self, is_first: bool) {
        // Once the start is over, a page costs one relaxed load.
        if AWAITED.load(Ordering::Relaxed) != 0 {
            mark(|timeline, _| timeline.page_ready(self.id, is_first));
        }
    }

    /// The page's script ran, and its document began `after` before that, by the page's own word.
    pub(crate) fn script_ran(&self, at: Stamp, document_age: Option<Duration>) {
        if !awaits(Phase::Script) {
            return;
        }
        mark(|timeline, _| {
            if !timeline.is_page_of(self.id) {
                return;
            }
            if let Some(age) = document_age {
                // The page's own word of its age; its document cannot be older than its webview.
                let began = at.minus(age).max(self.made);
                timeline.reach(Phase::Navigation, began);
            }
            timeline.reach(Phase::Script, at);
        });
    }

    /// Whether the page's word of this phase would be heard: a relaxed load, for each message.
    #[inline]
    pub(crate) fn awaits(&self, phase: Phase) -> bool {
        awaits(phase)
    }

    /// The page reached a phase. Its own word of itself is a reason to measure a start.
    pub(crate) fn reached(&self, phase: Phase, at: Stamp) {
        if !awaits(phase) {
            return;
        }
        mark(|timeline, _| {
            if timeline.is_page_of(self.id) {
                if phase != Phase::FirstCall {
                    timeline.measure();
                }
                timeline.reach(phase, at);
            }
        });
    }
}

/// The phases that can still be reached, as bits; none once the start is over.
static AWAITED: AtomicU16 = AtomicU16::new(Phase::ALL_BITS);

static TIMELINE: Mutex<Timeline> = Mutex::new(Timeline::new());

#[inline]
fn awaits(phase: Phase) -> bool {
    // Relaxed: a mark that comes too late for it finds the same under the lock.
    AWAITED.load(Ordering::Relaxed) & phase.bit() != 0
}

fn timeline() -> MutexGuard<'static, Timeline> {
    // A timeline is sound after each of its steps.
    TIMELINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mark(step: impl FnOnce(&mut Timeline, Stamp)) {
    /// What is not pushed is asked for at each scrape, export and sample.
    static SOURCE: OnceLock<Arc<StartupSource>> = OnceLock::new();
    let now = clock::now();
    {
        let mut timeline = timeline();
        // In this order: a mark that comes after the minute finds the start over, and the last one
        // that is awaited ends it at once.
        timeline.begin(now, process_age::process_age);
        timeline.expire(now);
        step(&mut timeline, now);
        timeline.end_if_complete();
        AWAITED.store(timeline.awaited(), Ordering::Relaxed);
    }
    // A panic of the app's recorder or tracer must not reach the code that marks a phase.
    let _ = catch_panic(|| {
        SOURCE.get_or_init(|| {
            let source = Arc::new(StartupSource);
            handles::register_for_process(Arc::downgrade(&source) as Weak<dyn Publish>);
            source
        });
        hand_over(now);
    });
}

/// Makes the trace that is due. Called without the lock, since a tracer is the app's code.
fn hand_over(now: Stamp) {
    // This call precedes the trace: the history gets each phase as it is reached, even if no trace
    // is made.
    keep_reached(now);
    let Some(due) = timeline().take_due() else {
        return;
    };
    report::record(&due);
    if !report::trace(&due, now) {
        // There is no tracer yet.
        timeline().keep(now);
    }
}

/// Hands over the phases that were reached and not handed over yet, if they are kept.
fn keep_reached(now: Stamp) {
    /// Those that were, as bits.
    static KEPT: AtomicU16 = AtomicU16::new(0);
    if !record_sink::is_on() {
        return;
    }
    let Some(reached) = timeline().measured() else {
        return;
    };
    for (phase, after) in &reached.phases {
        // Relaxed: whoever sets the bit hands it over.
        if KEPT.fetch_or(phase.bit(), Ordering::Relaxed) & phase.bit() != 0 {
            continue;
        }
        // Stamps begin with the first look at the clock and the process is older, so the phase's
        // time is counted back from now.
        let ago = reached.process_age(now).saturating_sub(*after);
        record_sink::record(|| {
            let mut record = Record::new(RecordKind::Startup, phase.as_str(), *after);
            record.ended = now.minus(ago);
            record
        });
    }
}

#[derive(Debug)]
struct StartupSource;

impl Publish for StartupSource {
    fn publish(&self, _: &mut GaugeSums) {
        let now = clock::now();
        let reached = {
            let mut timeline = timeline();
            timeline.expire(now);
            AWAITED.store(timeline.awaited(), Ordering::Relaxed);
            timeline.measured()
        };
        if let Some(reached) = reached {
            report::record(&reached);
        }
        // Other sources come after this one.
        let _ = catch_panic(|| hand_over(now));
    }
}
