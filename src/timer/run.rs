//! One run of an operation, from its start to its one end.

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use tracing::field::Empty;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::failure::Failure;
use super::fields::Fields;
use super::kept_record;
use super::operation::Operation;
use crate::clock::{self, Stamp, system_wall_before};
use crate::instrument::ended::are_durations_read;
use crate::instrument::handles;
use crate::instrument::open_work::OpenWork;
use crate::instrument::record_sink::{self, RecordOutcome};
use crate::instrument::send_span::SendSpan;
use crate::instrument::span_delivery;
use crate::instrument::suppression::is_marked;
use crate::instrument::thread_cpu::{CpuTime, ThreadCpu, set_cpu_time};
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

/// The target of our spans and events, for users' filters.
const TARGET: &str = "spanwire::timer";

/// Whether a recorder or a subscriber would see an operation that runs on this thread now.
///
/// If not, no name is looked up and no clock is read.
#[inline]
pub(super) fn is_listening() -> bool {
    // The cheapest look first; the last one reads caches of `tracing`'s call sites.
    handles::recorder().is_some()
        || record_sink::is_on()
        || are_durations_read()
        // The subscriber's thread-locals may be gone in the end of a thread.
        || !is_ending()
            && (tracing::event_enabled!(target: TARGET, Level::WARN)
                || tracing::span_enabled!(target: TARGET, Level::INFO))
}

/// What the caller asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) slow_after: Option<Duration>,
    /// One in so many runs gets a span.
    pub(super) sample: u32,
    pub(super) fields: Fields,
    pub(super) cpu_time: CpuTime,
    /// The message that the run is to take from a queue.
    pub(super) message: Option<Box<SendSpan>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slow_after: None,
            sample: 1,
            fields: Fields::default(),
            cpu_time: CpuTime::default(),
            message: None,
        }
    }
}

/// An operation that runs.
#[derive(Debug)]
pub(super) struct Run {
    operation: Operation,
    started: Stamp,
    slow_after: Option<Duration>,
    fields: Fields,
    /// The history sees the run until this is dropped.
    open: OpenWork,
    cpu_time: CpuTime,
    /// Of a run that stays on the thread where it began.
    cpu: Option<ThreadCpu>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) enum RunOutcome {
    Ok,
    Failed(Failure),
    /// Its future was dropped before it was done.
    Cancelled,
}

impl Run {
    /// Starts a run of `operation`, whose span is `name`d as the app said, even beyond the cap.
    #[inline]
    pub(super) fn start(operation: Operation, name: &str, options: Options) -> (Self, Span) {
        // The span is made before the clock is read, so what it costs is not the operation's time.
        let span = if operation.is_sampled(options.sample) && !is_ending() {
            let span = span(name, operation.name());
            if span.is_disabled() {
                span_is_missing();
            }
            span
        } else {
            Span::none()
        };
        if let Some(message) = options.message {
            message.taken_by(&span);
        }
        // This call stands between the span and the stamp: it may register handles, which takes
        // long at the first run.
        operation.run_started();
        let started = clock::now();
        let run = Self {
            open: operation.open_work(started),
            operation,
            started,
            slow_after: options.slow_after,
            fields: options.fields,
            cpu_time: options.cpu_time,
            cpu: None,
        };
        (run, span)
    }

    /// A run of `operation` that begins now, without a span of `tracing`'s.
    pub(super) fn start_spanless(operation: Operation, options: Options) -> Self {
        let mut run = Self::measured_elsewhere(operation, Duration::ZERO, options);
        run.open = run.operation.open_work(run.started);
        run
    }

    /// A run of `operation` that took `elapsed` until now, without a span of `tracing`'s.
    pub(super) fn measured_elsewhere(
        operation: Operation,
        elapsed: Duration,
        options: Options,
    ) -> Self {
        operation.run_started();
        let started = clock::now().minus(elapsed);
        Self {
            open: OpenWork::none(),
            operation,
            started,
            slow_after: options.slow_after,
            fields: options.fields,
            cpu_time: options.cpu_time,
            cpu: None,
        }
    }

    /// The run stays on this thread, and its span was entered.
    #[inline]
    pub(super) fn stays_here(&mut self, span: &Span) {
        self.cpu = ThreadCpu::begin(self.cpu_time, span);
    }

    pub(super) fn operation(&self) -> &Operation {
        &self.operation
    }

    pub(super) fn started(&self) -> Stamp {
        self.started
    }

    pub(super) fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The fields as attributes, for a span that is not one of `tracing`'s.
    #[inline]
    pub(super) fn each_attribute(&self, f: impl FnMut(KeyValue)) {
        self.fields.each_attribute(f);
    }

    /// Records the end, once. The outcome is set on the span before it is left, since its last exit is its end.
    ///
    /// The clocks stop before the outcome is described: the first backtrace of a process takes its
    /// symbols a fifth of a second.
    ///
    /// It takes a reference because moving a run around costs more than recording it.
    #[inline]
    pub(super) fn end(&self, span: &Span, outcome: impl FnOnce() -> RunOutcome) {
        let ended = clock::now();
        let computed = self.cpu.and_then(ThreadCpu::used);
        let outcome = outcome();
        if let Some(computed) = computed
            && !is_ending()
        {
            set_cpu_time(span, computed);
        }
        self.end_after(ended.since(self.started), span, &outcome);
        // Only a backtrace takes long enough to make the span visibly longer than the metric.
        if let RunOutcome::Failed(Failure {
            backtrace: Some(_), ..
        }) = outcome
        {
            end_span_at(span, ended);
        }
    }

    /// The same for a time that is known. Returns whether it was slow.
    #[inline]
    pub(super) fn end_after(&self, elapsed: Duration, span: &Span, outcome: &RunOutcome) -> bool {
        // This call comes first, so that nothing below can leave the run counted as active.
        self.operation.run_ended();
        let threshold = self.operation.slow_after(self.slow_after);
        // Compared at the end: a threshold that was set while it ran holds for it.
        let slow = elapsed >= threshold;
        let error_type = match outcome {
            RunOutcome::Ok => None,
            RunOutcome::Failed(failure) => Some(&*failure.error_type),
            RunOutcome::Cancelled => Some(ErrorType::Cancelled.as_str()),
        };
        self.operation.record_ended(elapsed, error_type, slow);
        // The check precedes the making of the record, since the context allocates.
        if record_sink::is_on() {
            let (ended_as, failure) = match outcome {
                RunOutcome::Ok => (RecordOutcome::Ok, None),
                RunOutcome::Failed(failure) => (RecordOutcome::Error, Some(failure)),
                RunOutcome::Cancelled => (RecordOutcome::Cancelled, None),
            };
            let mut record = self.operation.kept_record(elapsed, ended_as, slow);
            record.trace_id = trace_of(span);
            if let Some(error_type) = error_type {
                record.error_type = Some(kept_record::error_name(error_type, failure));
            }
            record.context = kept_record::context(&self.fields, failure);
            record_sink::record(|| record);
        }
        // A run that ends in a thread-local's destructor is counted, and tells its span and the log
        // nothing.
        if is_ending() {
            return slow;
        }
        if !span.is_disabled() {
            self.fields.write_to(span);
            if slow {
                span.record(semconv::SLOW, true);
            }
        }
        if slow || error_type.is_some() {
            // Entered once more: the span of a future is not entered here, and log records have
            // their trace from the current context.
            span.in_scope(|| {
                self.log(
                    span,
                    outcome,
                    error_type,
                    elapsed,
                    slow.then_some(threshold),
                )
            });
        }
        slow
    }

    /// Emits the log records of a run that failed or was slow.
    #[cold]
    fn log(
        &self,
        span: &Span,
        outcome: &RunOutcome,
        error_type: Option<&str>,
        elapsed: Duration,
        slow_after: Option<Duration>,
    ) {
        if let Some(error_type) = error_type {
            // `tracing-opentelemetry` takes this field as the span's status, and makes no attribute
            // of it.
            span.record("otel.status_code", "ERROR");
            span.record(semconv::ERROR_TYPE, error_type);
        }
        // A run without a span has no parent to name here: the span around it did not fail, and an
        // error event would mark it as failed. The record carries its trace's ids all the same,
        // which come from the OpenTelemetry context.
        let parent = span.id();
        let name = self.operation.name();
        let context = self.fields.line();
        let context = context.as_deref();
        match outcome {
            RunOutcome::Ok => {}
            RunOutcome::Failed(failure) => tracing::event!(
                name: semconv::EVENT_OPERATION_FAILED,
                target: TARGET,
                parent: parent.clone(),
                Level::ERROR,
                {
                    { semconv::OPERATION_NAME } = name,
                    { semconv::ERROR_TYPE } = error_type,
                    { semconv::EXCEPTION_TYPE } = failure.exception_type.as_str(),
                    { semconv::EXCEPTION_MESSAGE } = text(&failure.message),
                    { semconv::EXCEPTION_STACKTRACE } = failure.backtrace.as_deref(),
                    { semconv::CONTEXT } = context,
                },
                "operation failed"
            ),
            RunOutcome::Cancelled => tracing::event!(
                name: semconv::EVENT_OPERATION_CANCELLED,
                target: TARGET,
                parent: parent.clone(),
                Level::WARN,
                {
                    { semconv::OPERATION_NAME } = name,
                    { semconv::ERROR_TYPE } = error_type,
                    { semconv::CONTEXT } = context,
                },
                "operation cancelled"
            ),
        }
        // A record of its own, since a run can both fail and be slow.
        if let Some(threshold) = slow_after {
            tracing::event!(
                name: semconv::EVENT_OPERATION_SLOW,
                target: TARGET,
                parent: parent.clone(),
                Level::WARN,
                {
                    { semconv::OPERATION_NAME } = name,
                    { semconv::DURATION_S } = elapsed.as_secs_f64(),
                    { semconv::SLOW_THRESHOLD_S } = threshold.as_secs_f64(),
                    { semconv::CONTEXT } = context,
                },
                "operation slow"
            );
        }
    }
}

/// Not where none is wanted.
#[cold]
fn span_is_missing() {
    if !Context::map_current(is_marked) {
        span_delivery::missing();
    }
}

/// `name` may be one of many; the operation's own is one of few, as in the metrics.
fn span(name: &str, operation: &str) -> Span {
    span_delivery::next();
    tracing::info_span!(
        target: TARGET,
        "operation",
        // The name of OpenTelemetry's span. That of `tracing` is a constant of its call site.
        otel.name = name,
        // A span of `tracing` can later fill only the fields that it was made with.
        otel.status_code = Empty,
        { semconv::OPERATION_NAME } = operation,
        { semconv::ERROR_TYPE } = Empty,
        { semconv::SLOW } = Empty,
    )
}

/// Ends the span at that time, and not when it is left: its trace has the time that the metrics have.
#[cold]
fn end_span_at(span: &Span, ended: Stamp) {
    // `tracing-opentelemetry` takes the span's begin from the system's clock, so its end comes from
    // there too.
    let wall = system_wall_before(clock::now().since(ended));
    span.context().span().end_with_timestamp(wall);
}

/// The trace of a run: that of its span, or of what is around it.
fn trace_of(span: &Span) -> TraceId {
    if span.is_disabled() || is_ending() {
        return record_sink::current_trace();
    }
    span.context().span().span_context().trace_id()
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
