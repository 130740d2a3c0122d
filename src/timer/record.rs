//! Operations that the app measured itself, and work without a scope.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Span;

use super::failure::Failure;
use super::operation::{Operation, operation};
use super::outcome::Outcome;
use super::run::{Options, Run, RunOutcome, is_listening};
use crate::clock::{self, Stamp};
use crate::instrument::open_work::OpenWork;
use crate::instrument::record_sink;

impl Operation {
    /// Records one run of it that was measured elsewhere and ended now.
    ///
    /// It counts as one that [`monitor`](super::monitor) measured: in the same metrics, against the
    /// same slow threshold, and with the same log records of a failure or of slowness. It has no
    /// span: `tracing` cannot begin one in the past, and what happened within was not in it.
    ///
    /// ```
    /// use spanwire::timer::{Outcome, operation};
    /// use std::time::Duration;
    ///
    /// let upload = operation("upload");
    /// upload.record(Duration::from_millis(120), true);
    /// upload.record(Duration::from_millis(30), Outcome::failed("disk_full"));
    /// upload.record(Duration::from_millis(5), &"12x".parse::<u32>()); // ParseIntError
    /// ```
    pub fn record<'o>(&self, duration: Duration, outcome: impl Into<Outcome<'o>>) {
        if !is_listening() {
            return;
        }
        let outcome = match outcome.into() {
            Outcome::Success => RunOutcome::Ok,
            Outcome::Failure { error_type } => RunOutcome::Failed(Failure::recorded(&error_type)),
        };
        // By way of a run, so that thresholds, log records and the history treat it as a measured
        // one.
        Run::measured_elsewhere(self.clone(), duration, Options::default()).end_after(
            duration,
            &Span::none(),
            &outcome,
        );
    }
}

/// Records an event that the app handled outside of the wire, measured by the app itself.
///
/// In metrics it is an operation of that name. A
/// [`RollingHistory`](crate::report::RollingHistory) counts it among the events, and from then on
/// all operations of that name.
#[cfg(feature = "system")]
pub(crate) fn record_event<'o>(name: &str, took: Duration, outcome: impl Into<Outcome<'o>>) {
    let operation = operation(name);
    // This call comes first, so that this run is among the events already.
    operation.counts_as_event();
    operation.record(took, outcome);
}

/// Says which operation is running now, for work without a scope; `None` when none is.
///
/// It counts in `spanwire.operation.active` until another call, so the dashboards show it among the
/// operations that are running. There is one for the process: it takes the place of the one that
/// was set before. A history keeps from when to when it was the current one, as a record of the kind
/// `current_operation`, and shows it as open where the process ends before. It is no run of the
/// operation: [`Operation::record`] says how long one took and how it ended.
///
/// ```
/// use spanwire::timer::{current_operation, set_current_operation};
///
/// set_current_operation("import");
/// assert_eq!(current_operation().as_deref(), Some("import"));
/// set_current_operation(None);
/// assert_eq!(current_operation(), None);
/// ```
pub fn set_current_operation<'n>(name: impl Into<Option<&'n str>>) {
    // Cheap after the first call, and an app that never names an operation registers nothing.
    record_sink::before_end(keep_current_operation);
    let now = clock::now();
    // Begun before the lock, since that may register handles at the app's recorder.
    let next = name.into().map(|name| Current::begin(operation(name), now));
    // The guard is a temporary, so the lock is released at the end of this statement.
    let previous = std::mem::replace(&mut *current(), next);
    if let Some(mut previous) = previous {
        // Until the begin of the next one, by the same stamp: the times of two neighbours neither
        // overlap nor leave a gap.
        previous.keep_until(now);
        previous.operation.run_ended();
    }
}

/// Hands over how long the current operation has been that until now, since the history ends before
/// it does.
fn keep_current_operation() {
    if let Some(current) = &mut *current() {
        current.keep_until(clock::now());
    }
}

/// The operation that [`set_current_operation`] named last, if any.
#[must_use]
pub fn current_operation() -> Option<String> {
    let current = current();
    let name = current.as_ref().map(|current| current.operation.name());
    name.map(str::to_owned)
}

/// The operation that the app named, since it did.
struct Current {
    operation: Operation,
    /// What is before it is in the history already, or was never to be.
    since: Stamp,
    /// The history sees it until this is dropped.
    _open: OpenWork,
}

impl Current {
    fn begin(operation: Operation, now: Stamp) -> Self {
        operation.run_started();
        Self {
            _open: operation.open_work(now),
            operation,
            since: now,
        }
    }

    /// Hands the time until now to the history.
    fn keep_until(&mut self, now: Stamp) {
        let since = std::mem::replace(&mut self.since, now);
        record_sink::record(|| self.operation.current_record(since, now));
    }
}

static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

fn current() -> MutexGuard<'static, Option<Current>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}
