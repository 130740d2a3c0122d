//! A timer that measures the rest of a scope.

use std::any::type_name;
use std::error::Error;
use std::fmt;

use tracing::span::EnteredSpan;

use super::failure::Failure;
use super::fields::FieldValue;
use super::run::{Run, RunOutcome};
use crate::instrument::thread_end::is_ending;

/// An operation that is measured from [`start`](Self::start) until it ends.
///
/// End it with [`complete`](Self::complete), [`fail`](Self::fail) or [`fail_as`](Self::fail_as). A
/// timer that is dropped first has completed, unless a panic that began meanwhile is unwinding:
/// then the operation failed with `error.type` `panic`.
///
/// Its span is entered on this thread, so spans and logs of the same thread are in it, and the timer
/// cannot move to another. Across an `.await` use [`Monitor::run_async`](super::Monitor::run_async).
///
/// ```
/// use spanwire::timer::ScopedTimer;
///
/// fn load(path: &str) -> std::io::Result<Vec<u8>> {
///     let mut timer = ScopedTimer::start("load_scene");
///     timer.field("path", path);
///     match std::fs::read(path) {
///         Ok(bytes) => Ok(bytes), // dropped: completed
///         Err(error) => {
///             timer.fail(&error);
///             Err(error)
///         }
///     }
/// }
/// # load("/no/such/file").unwrap_err();
/// ```
#[must_use = "a timer that is dropped at once measures nothing"]
pub struct ScopedTimer(Option<Scope>);

struct Scope {
    run: Run,
    span: EnteredSpan,
    /// A timer in a `drop` that runs because of a panic did not panic itself.
    began_panicking: bool,
}

impl ScopedTimer {
    /// A timer that measures nothing: neither a recorder nor a subscriber would see it.
    #[inline]
    pub(super) fn disabled() -> Self {
        Self(None)
    }

    #[inline]
    pub(super) fn of_run(mut run: Run, span: tracing::Span) -> Self {
        // Entered for good: the guard owns the span, and makes the timer `!Send`.
        let span = span.entered();
        run.stays_here(&span);
        Self(Some(Scope {
            run,
            span,
            began_panicking: std::thread::panicking(),
        }))
    }

    /// Notes something about this run, for its span and its log records. Never for metrics.
    ///
    /// At most 16 fields are kept; a field that is set again has its last value.
    pub fn field(&mut self, key: &'static str, value: impl Into<FieldValue>) -> &mut Self {
        if let Some(scope) = &mut self.0 {
            scope.run.fields().set(key, value.into());
        }
        self
    }

    /// Ends the operation: it went well.
    pub fn complete(mut self) {
        self.end(|| RunOutcome::Ok);
    }

    /// Ends the operation: it failed with this error.
    ///
    /// For a boxed error pass what is in the box: `timer.fail(&*error)`. Its type is then unknown,
    /// so `error.type` is `_OTHER`; name it with [`fail_as`](Self::fail_as).
    pub fn fail<E: Error + ?Sized>(mut self, error: &E) {
        self.end(|| RunOutcome::Failed(Failure::of_type(error, type_name::<E>(), None)));
    }

    /// Ends the operation: it failed, with this `error.type` and this text for the log record.
    ///
    /// The type is an attribute of metrics: give it few values.
    pub fn fail_as(mut self, error_type: &'static str, message: impl fmt::Display) {
        self.end(|| RunOutcome::Failed(Failure::named(error_type, message)));
    }

    fn end(&mut self, outcome: impl FnOnce() -> RunOutcome) {
        // Taken, so that the drop has nothing left to record.
        if let Some(scope) = self.0.take() {
            // The run ends before the span is left, which closes it: a closed span takes no more
            // fields.
            scope.run.end(&scope.span, outcome);
            scope.leave();
        }
    }
}

impl Drop for ScopedTimer {
    #[inline]
    fn drop(&mut self) {
        let Some(scope) = &self.0 else { return };
        if std::thread::panicking() && !scope.began_panicking {
            panicked(scope);
        } else {
            // By reference, and the scope is dropped with `self`: moving it out costs more than
            // recording.
            scope.run.end(&scope.span, || RunOutcome::Ok);
        }
        if is_ending()
            && let Some(scope) = self.0.take()
        {
            scope.leave();
        }
    }
}

impl Scope {
    /// Leaves the span, but for a timer that a thread-local held to the end of its thread: then there
    /// is nothing any more that the span could be left in, and it is leaked.
    fn leave(self) {
        if is_ending() {
            std::mem::forget(self.span);
        }
    }
}

/// Out of the way of timers that went well.
#[cold]
fn panicked(scope: &Scope) {
    scope
        .run
        .end(&scope.span, || RunOutcome::Failed(Failure::panicking()));
}

impl fmt::Debug for ScopedTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedTimer")
            .field(&self.0.as_ref().map(|scope| &scope.run))
            .finish()
    }
}
