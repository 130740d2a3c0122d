//! Where what was measured is handed over one by one, for who keeps it: the history.
//!
//! Metrics know sums alone. A sink gets each operation, call, event, startup phase and page error
//! as one record. Without a sink that costs one relaxed load.

#![cfg_attr(
    not(feature = "history"),
    allow(dead_code, reason = "only the history takes records")
)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceId};

use super::thread_end::is_ending;
use crate::clock::{self, Stamp};
use crate::semconv::ErrorType;

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RecordKind {
    Operation,
    /// The time in which an operation was the one that the app named as the current one.
    CurrentOperation,
    /// A call of the page's, until its promise was settled.
    Call,
    /// An event from the page.
    EventIn,
    /// An event to the page.
    EventOut,
    /// The reply to a call, on its way to the page.
    Reply,
    Startup,
    /// A page that took another one's place.
    PageLoad,
    PageError,
    System,
}

impl RecordKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::CurrentOperation => "current_operation",
            Self::Call => "call",
            Self::EventIn => "event_in",
            Self::EventOut => "event_out",
            Self::Reply => "reply",
            Self::Startup => "startup",
            Self::PageLoad => "page_load",
            Self::PageError => "page_error",
            Self::System => "system",
        }
    }

    /// Whether it is a message of the wire, which has a threshold of its own for being slow.
    pub(crate) const fn is_message(self) -> bool {
        matches!(
            self,
            Self::Call | Self::EventIn | Self::EventOut | Self::Reply
        )
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordOutcome {
    Ok,
    Error,
    Cancelled,
    Timeout,
    /// It ended before the other side had a chance to take it.
    Dropped,
}

impl RecordOutcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Dropped => "dropped",
        }
    }

    /// Of a message, or of an operation whose error is one of ours.
    pub(crate) fn of(outcome: Result<(), ErrorType>) -> Self {
        match outcome {
            Ok(()) => Self::Ok,
            Err(ErrorType::Cancelled) => Self::Cancelled,
            Err(ErrorType::Timeout) => Self::Timeout,
            Err(
                // These say where a message was given up before the other side could have taken it.
                ErrorType::PageShed
                | ErrorType::QueueFull
                | ErrorType::Shutdown
                | ErrorType::Superseded,
            ) => Self::Dropped,
            Err(_) => Self::Error,
        }
    }
}

/// How long it was where, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    /// From the page's call until it was posted.
    pub(crate) page_wait: Option<Duration>,
    pub(crate) transit: Option<Duration>,
    /// Until it was handed to the webview.
    pub(crate) queue_wait: Option<Duration>,
    pub(crate) handler: Option<Duration>,
    /// From the handler's end, or the page's, until the other side knew of it.
    pub(crate) response: Option<Duration>,
}

/// What is known of a call beside its outcome and its time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallDetails {
    pub(crate) stages: Stages,
    pub(crate) trace_id: Option<TraceId>,
}

/// A name that is there already: a record allocates none.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Shared(name) => name,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<&Arc<str>> for Name {
    fn from(name: &Arc<str>) -> Self {
        Self::Shared(Arc::clone(name))
    }
}

/// One thing that ended.
///
/// Nothing in it is allocated for it, but for the context of one that has some.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) webview: Option<Arc<str>>,
    pub(crate) error_type: Option<Name>,
    pub(crate) ended: Stamp,
    pub(crate) duration: Duration,
    /// How many alike it stands for: of some the page tells their number alone.
    pub(crate) count: u32,
    pub(crate) stages: Stages,
    /// Payload bytes.
    pub(crate) size: Option<u64>,
    pub(crate) trace_id: TraceId,
    /// A JSON object of what the app added.
    pub(crate) context: Option<Box<str>>,
    pub(crate) thread: ThreadName,
    /// Of the sink's own: when it took the record.
    pub(crate) epoch: u32,
    pub(crate) kind: RecordKind,
    pub(crate) outcome: RecordOutcome,
    pub(crate) is_slow: bool,
}

impl Record {
    /// Something that ended well, now and on this thread.
    pub(crate) fn new(kind: RecordKind, name: impl Into<Name>, duration: Duration) -> Self {
        Self {
            name: name.into(),
            webview: None,
            error_type: None,
            // The caller records at the end, so the end is read here and the begin is known by the
            // duration.
            ended: clock::now(),
            duration,
            count: 1,
            stages: Stages::default(),
            size: None,
            trace_id: TraceId::INVALID,
            context: None,
            thread: ThreadName::current(),
            epoch: 0,
            kind,
            outcome: RecordOutcome::Ok,
            is_slow: false,
        }
    }

    pub(crate) fn webview(self, webview: &Arc<str>) -> Self {
        Self {
            webview: Some(Arc::clone(webview)),
            ..self
        }
    }

    /// How a message ended.
    pub(crate) fn outcome(self, outcome: Result<(), ErrorType>) -> Self {
        Self {
            outcome: RecordOutcome::of(outcome),
            error_type: outcome.err().map(|error| Name::Static(error.as_str())),
            ..self
        }
    }
}

/// A value of the process or the host at a time.
#[derive(Clone, Debug)]
pub(crate) struct SampleValue {
    /// The metric, and the part of it where it has several.
    pub(crate) name: &'static str,
    pub(crate) part: &'static str,
    pub(crate) value: f64,
}

/// Takes what was measured. Its methods return at once, whatever it does with it.
pub(crate) trait RecordSink: Send + Sync {
    fn record(&self, record: Record);

    /// Values that were measured together, now.
    fn samples(&self, samples: &[SampleValue]);
}

/// A process has one sink: operations and webviews are the process's, too.
static SINK: ArcSwapOption<Box<dyn RecordSink>> = ArcSwapOption::const_empty();
// The flag is separate from the pointer, so that a check without a sink is a plain load and no
// guard of `arc_swap`.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Whether somebody takes records.
#[inline]
pub(crate) fn is_on() -> bool {
    // Relaxed: one that sees it late hands over a record less or more.
    cfg!(feature = "history") && IS_ON.load(Ordering::Relaxed)
}

/// Hands over what `make` makes, if somebody takes it.
#[inline]
pub(crate) fn record(make: impl FnOnce() -> Record) {
    if is_on() {
        with_sink(|sink| sink.record(make()));
    }
}

/// Hands over values that were measured together.
#[cfg_attr(
    not(feature = "system"),
    expect(dead_code, reason = "only the sampler measures them")
)]
pub(crate) fn samples(make: impl FnOnce() -> Vec<SampleValue>) {
    if is_on() {
        with_sink(|sink| sink.samples(&make()));
    }
}

fn with_sink(f: impl FnOnce(&dyn RecordSink)) {
    // A guard and no lock: a sink that is being replaced lives until its last caller has returned.
    if let Some(sink) = &*SINK.load() {
        f(&***sink);
    }
}

/// The process has a sink already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SinkTaken;

/// Keeps its sink in place.
#[derive(Debug)]
pub(crate) struct SinkPlace(());

/// Has all records go to `sink` until what is returned is dropped.
pub(crate) fn install(sink: Box<dyn RecordSink>) -> Result<SinkPlace, SinkTaken> {
    // The swap decides who has the place. Until the store below, records find no sink and are lost,
    // which is as if they had come before the install.
    if IS_ON.swap(true, Ordering::AcqRel) {
        return Err(SinkTaken);
    }
    SINK.store(Some(Arc::new(sink)));
    Ok(SinkPlace(()))
}

/// What lasts longer than a sink, and hands over what there is of it before the sink goes.
static BEFORE_END: OnceLock<fn()> = OnceLock::new();

/// Has `hand_over` called each time before a sink goes. There is one that lasts longer.
pub(crate) fn before_end(hand_over: fn()) {
    BEFORE_END.get_or_init(|| hand_over);
}

impl Drop for SinkPlace {
    fn drop(&mut self) {
        if let Some(hand_over) = BEFORE_END.get() {
            // The hand-over comes first, since it still needs the sink.
            hand_over();
        }
        // This store precedes that of `IS_ON`: once `IS_ON` is false, another sink may be
        // installed, and this store would remove it.
        SINK.store(None);
        IS_ON.store(false, Ordering::Release);
    }
}

/// The trace that runs on this thread, if any.
pub(crate) fn current_trace() -> TraceId {
    // OpenTelemetry's context may be gone on this thread, and would panic.
    if is_ending() {
        return TraceId::INVALID;
    }
    // `map_current` borrows the context; `Context::current` would clone it for each record.
    Context::map_current(|context| match context.has_active_span() {
        true => context.span().span_context().trace_id(),
        false => TraceId::INVALID,
    })
}

/// A thread by its name: a number, which costs nothing to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadName(u32);

/// Names of threads that are told apart; those beyond have none.
const THREAD_NAMES_MAX: usize = 1_000;
const NAMELESS: ThreadName = ThreadName(0);

static THREAD_NAMES: Mutex<Vec<Arc<str>>> = Mutex::new(Vec::new());

thread_local! {
    // Needs no drop, so it can be read to the very end of the thread.
    static CURRENT: Cell<Option<ThreadName>> = const { Cell::new(None) };
}

impl ThreadName {
    #[inline]
    pub(crate) fn current() -> Self {
        CURRENT.get().unwrap_or_else(Self::first_of_thread)
    }

    /// Its number, which fits into an atomic.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The name of that number.
    pub(crate) fn of_number(number: u32) -> Self {
        Self(number)
    }

    /// The name's text; `None` when it has none.
    pub(crate) fn text(self) -> Option<Arc<str>> {
        let place = usize::try_from(self.0).ok()?.checked_sub(1)?;
        thread_names().get(place).cloned()
    }

    #[cold]
    fn first_of_thread() -> Self {
        // A thread that is first seen in its own end gets no name: there is nothing more to show
        // for it.
        let name = if is_ending() {
            NAMELESS
        } else {
            thread::current().name().map_or(NAMELESS, Self::of)
        };
        CURRENT.set(Some(name));
        name
    }

    fn of(name: &str) -> Self {
        let mut names = thread_names();
        // A linear search under a lock will do: each thread asks once.
        let place = names.iter().position(|known| **known == *name);
        let place = place.or_else(|| {
            let has_room = names.len() < THREAD_NAMES_MAX;
            has_room.then(|| {
                names.push(Arc::from(name));
                names.len() - 1
            })
        });
        // Numbers begin at 1, since 0 is `NAMELESS`.
        let number = place.and_then(|place| u32::try_from(place + 1).ok());
        number.map_or(NAMELESS, Self)
    }
}

fn thread_names() -> MutexGuard<'static, Vec<Arc<str>>> {
    THREAD_NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}
