//! Measuring a closure or a future, and seeing how it ended.

use std::any::type_name;
use std::error::Error;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use tracing::{Instrument as _, Span};

use super::error::OperationError;
use super::failure::Failure;
use super::fields::FieldValue;
use super::operation::{Operation, operation, valid_name};
use super::run::{Options, Run, RunOutcome, is_listening};
use super::scoped::ScopedTimer;
use crate::instrument::send_span::SendSpan;
use crate::instrument::thread_cpu::CpuTime;

/// Measures a closure or a future as the operation of that name.
///
/// ```
/// use spanwire::timer::monitor;
///
/// # fn main() -> Result<(), std::num::ParseIntError> {
/// let level: u32 = monitor("read_level").run(|| "42".parse())?;
/// let sum: u64 = monitor("sum_up").time(|| (1..=10).sum());
/// # assert_eq!((level, sum), (42, 55));
/// # Ok(())
/// # }
/// ```
#[inline]
pub fn monitor(operation_name: &str) -> Monitor<'_> {
    Monitor::new(Measured::Name(operation_name))
}

impl Operation {
    /// Starts to measure it on this thread.
    pub fn start(&self) -> ScopedTimer {
        self.monitor().start()
    }

    /// Measures a closure or a future as this operation.
    pub fn monitor(&self) -> Monitor<'_> {
        Monitor::new(Measured::Known(self))
    }
}

impl ScopedTimer {
    /// Starts to measure the operation of that name.
    ///
    /// For a threshold of its own or thinned out spans start it with [`Monitor::start`].
    #[inline]
    pub fn start(operation_name: &str) -> Self {
        monitor(operation_name).start()
    }
}

/// How an operation is measured; made by [`monitor`] or [`Operation::monitor`].
///
/// | the work returns | closure | future |
/// |---|---|---|
/// | `Result<T, E>` with an error, `Box<dyn Error>` or `anyhow::Error` | [`run`](Self::run) | [`run_async`](Self::run_async) |
/// | `Result` with another pointer to an error | [`run_dyn`](Self::run_dyn) | [`run_dyn_async`](Self::run_dyn_async) |
/// | anything else | [`time`](Self::time) | [`time_async`](Self::time_async) |
///
/// All give back what the work returned. A panic is recorded as a failure with `error.type` `panic`
/// and resumed.
///
/// The text of an error, its sources' and that of a panic are exported as `exception.message` of a
/// log record: what they say is the app's to decide, or to take out with
/// `TelemetryBuilder::redact`.
#[derive(Clone, Debug)]
#[must_use = "a monitor measures nothing until it runs something"]
pub struct Monitor<'a> {
    operation: Measured<'a>,
    error_type: Option<&'static str>,
    options: Options,
}

#[derive(Clone, Debug)]
enum Measured<'a> {
    Name(&'a str),
    Known(&'a Operation),
}

impl<'a> Monitor<'a> {
    #[inline]
    fn new(operation: Measured<'a>) -> Self {
        Self {
            operation,
            error_type: None,
            options: Options::default(),
        }
    }

    /// From which duration on it counts as slow. Default: the threshold set for the operation, or
    /// that of all.
    ///
    /// [`set_slow_threshold_of`](super::set_slow_threshold_of) beats it.
    #[inline]
    pub fn slow_after(mut self, threshold: Duration) -> Self {
        self.options.slow_after = Some(threshold);
        self
    }

    /// Makes a span for one run in `n` only; for none when `n` is 0. Default: 1, all.
    ///
    /// Metrics count all runs, and log records tell of each that failed or was slow. What happens
    /// inside a run without a span belongs to the span around it.
    #[inline]
    pub fn sample_one_in(mut self, n: u32) -> Self {
        self.options.sample = n;
        self
    }

    /// Whether its span has `spanwire.cpu_time`, the seconds that its thread computed and did not wait.
    /// Default: [`CpuTime::Ignored`].
    ///
    /// Linux only, with the feature `otlp`. A run that is awaited has none, since its thread runs other
    /// tasks as well, nor has one that is bound to no thread.
    ///
    /// ```
    /// use spanwire::timer::{CpuTime, monitor};
    ///
    /// monitor("blur").cpu_time(CpuTime::Recorded).time(|| { /* computes, or waits for a lock? */ });
    /// ```
    #[inline]
    pub fn cpu_time(mut self, cpu_time: CpuTime) -> Self {
        self.options.cpu_time = cpu_time;
        self
    }

    /// The `error.type` of an error that the work returns. Default: the error's type.
    ///
    /// It is an attribute of metrics: give it few values.
    #[inline]
    pub fn error_type(mut self, error_type: &'static str) -> Self {
        self.error_type = Some(error_type);
        self
    }

    /// Notes something about this run, for its span and its log records. Never for metrics.
    ///
    /// At most 16 fields are kept; a field that is set again has its last value.
    pub fn field(mut self, key: &'static str, value: impl Into<FieldValue>) -> Self {
        // Otherwise a field would allocate for a run that is not measured.
        if is_listening() {
            self.options.fields.set(key, value.into());
        }
        self
    }

    /// The run takes a message from a queue: its span and that of the push are linked.
    pub(crate) fn taking(mut self, message: Option<Box<SendSpan>>) -> Self {
        self.options.message = message;
        self
    }

    /// Starts a timer that ends by hand.
    #[inline]
    pub fn start(self) -> ScopedTimer {
        match self.begin() {
            None => ScopedTimer::disabled(),
            Some((run, span)) => ScopedTimer::of_run(run, span),
        }
    }

    /// Runs `work`; an error that it returns is recorded.
    ///
    /// The type of a boxed error is unknown, `Box<dyn Error>` and `anyhow::Error` included: then
    /// `error.type` is `_OTHER` unless [`error_type`](Self::error_type) gives a name.
    ///
    /// ```
    /// use spanwire::timer::monitor;
    ///
    /// let level: anyhow::Result<u32> = monitor("read_level")
    ///     .error_type("bad_level")
    ///     .run(|| Ok("12x".parse()?));
    /// assert!(level.is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` returns.
    #[inline]
    pub fn run<T, E, Kind: ?Sized>(self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: OperationError<Kind>,
    {
        let given = self.error_type;
        self.measure(work, |result| failure(result, |e| Failure::of(e, given)))
    }

    /// The same for any pointer to an error.
    ///
    /// # Errors
    ///
    /// What `work` returns.
    #[inline]
    pub fn run_dyn<T, E>(self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: Deref<Target: Error>,
    {
        let given = self.error_type;
        self.measure(work, |result| {
            failure(result, |e| {
                Failure::of_type(&**e, type_name::<E::Target>(), given)
            })
        })
    }

    /// Runs `work`, which cannot fail but by a panic.
    #[inline]
    pub fn time<T>(self, work: impl FnOnce() -> T) -> T {
        self.measure(work, |_| RunOutcome::Ok)
    }

    /// Awaits `work`; an error that it returns is recorded.
    ///
    /// It starts with the first poll. Spans and logs of `work` are in its span, at whatever thread
    /// it is polled, and those of other tasks are not.
    ///
    /// # Errors
    ///
    /// What `work` returns.
    ///
    /// # Cancel safety
    ///
    /// As `work`. Dropped before it is done, it is recorded as a failure with `error.type`
    /// `cancelled`.
    pub async fn run_async<T, E, Kind: ?Sized>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: OperationError<Kind>,
    {
        let given = self.error_type;
        self.measure_async(work, |result| failure(result, |e| Failure::of(e, given)))
            .await
    }

    /// The same for boxed errors: see [`run_dyn`](Self::run_dyn).
    ///
    /// # Errors
    ///
    /// What `work` returns.
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub async fn run_dyn_async<T, E>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: Deref<Target: Error>,
    {
        let given = self.error_type;
        self.measure_async(work, |result| {
            failure(result, |e| {
                Failure::of_type(&**e, type_name::<E::Target>(), given)
            })
        })
        .await
    }

    /// Awaits `work`, which cannot fail but by a panic.
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub async fn time_async<T>(self, work: impl Future<Output = T>) -> T {
        self.measure_async(work, |_| RunOutcome::Ok).await
    }

    /// What a run is started with. A name is there when the operation's own may be another.
    pub(super) fn into_parts(self) -> (Operation, Option<String>, Options) {
        match self.operation {
            Measured::Name(name) => (
                operation(name),
                Some(valid_name(name).to_owned()),
                self.options,
            ),
            Measured::Known(known) => (known.clone(), None, self.options),
        }
    }

    /// `None` when neither a recorder nor a subscriber would see it.
    #[inline]
    fn begin(self) -> Option<(Run, Span)> {
        if !is_listening() {
            return None;
        }
        Some(match self.operation {
            // The span has the name that the app gave, also beyond the cap of operations.
            Measured::Name(name) => Run::start(operation(name), valid_name(name), self.options),
            Measured::Known(known) => Run::start(known.clone(), known.name(), self.options),
        })
    }

    #[inline]
    fn measure<R>(self, work: impl FnOnce() -> R, outcome: impl FnOnce(&R) -> RunOutcome) -> R {
        let Some((mut run, span)) = self.begin() else {
            return work();
        };
        let entered = span.enter();
        // This call follows the entering of the span: CPU time is measured only where the current
        // span is recorded.
        run.stays_here(&span);
        // Unwind safe: a panic is resumed as soon as it is recorded.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => {
                run.end(&span, || outcome(&result));
                result
            }
            Err(payload) => {
                // Described from the payload, which goes on unwinding unchanged.
                run.end(&span, || RunOutcome::Failed(Failure::panic(&*payload)));
                drop(entered);
                resume_unwind(payload)
            }
        }
    }

    async fn measure_async<R>(
        self,
        work: impl Future<Output = R>,
        outcome: impl FnOnce(&R) -> RunOutcome,
    ) -> R {
        let Some((run, span)) = self.begin() else {
            return work.await;
        };
        // It holds the run from here on, so that a future which is dropped between two polls still
        // ends.
        let async_run = AsyncRun(Some((run, span.clone())));
        // `instrument` enters the span for each poll and leaves it after: a guard over the `.await`
        // would put other tasks of the thread into the span.
        match AssertUnwindSafe(work).catch_unwind().instrument(span).await {
            Ok(result) => {
                async_run.end(|| outcome(&result));
                result
            }
            Err(payload) => {
                async_run.end(|| RunOutcome::Failed(Failure::panic(&*payload)));
                resume_unwind(payload)
            }
        }
    }
}

fn failure<T, E>(result: &Result<T, E>, describe: impl FnOnce(&E) -> Failure) -> RunOutcome {
    match result {
        Ok(_) => RunOutcome::Ok,
        Err(error) => RunOutcome::Failed(describe(error)),
    }
}

/// The run of a future. Dropped before its end, it was cancelled.
struct AsyncRun(Option<(Run, Span)>);

impl AsyncRun {
    fn end(mut self, outcome: impl FnOnce() -> RunOutcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: impl FnOnce() -> RunOutcome) {
        // This code takes the run out, so that the drop after a normal end finds nothing.
        if let Some((run, span)) = self.0.take() {
            run.end(&span, outcome);
        }
    }
}

impl Drop for AsyncRun {
    fn drop(&mut self) {
        self.finish(|| RunOutcome::Cancelled);
    }
}
