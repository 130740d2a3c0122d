//! Spans with explicit times: of messages to the page and of what the page did with them, made when
//! a message ends.
//!
//! They go through the OpenTelemetry API, so they end up wherever the app's provider sends them.

use std::cell::OnceCell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime};

use opentelemetry::global::{self, BoxedSpan, BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};

use super::live_span::later;
use super::outbox::{Body, Ended, Ran};
use super::series::Direction;

use crate::clock::{Clock, Stamp};
use crate::instruments::install_epoch;
use crate::rate::Rate;
use crate::semconv;

/// Where the spans go: a tracer that the app gave, or the global one once there is one.
pub(super) struct Spans {
    tracer: OnceLock<BoxedTracer>,
    /// When to look for a global tracer again: looking costs more than a message does.
    look_again_at: AtomicU64,
    /// The last install of ours that was seen: a new one is a reason to look at once.
    epoch: AtomicU64,
    /// Of events from the page, and to it.
    rates: [Rate; 2],
    /// A handler's span was one of OpenTelemetry's.
    reached: AtomicBool,
}

/// How long to go without a tracer before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Spans {
    pub(super) fn new(
        tracer: Option<Box<dyn ObjectSafeTracer + Send + Sync>>,
        events_per_second: u32,
    ) -> Self {
        let cell = OnceLock::new();
        if let Some(tracer) = tracer {
            cell.get_or_init(|| BoxedTracer::new(tracer));
        }
        Self {
            tracer: cell,
            look_again_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            rates: [(); 2].map(|()| Rate::per_second(events_per_second)),
            reached: AtomicBool::new(false),
        }
    }

    /// Whether one more event from the page may have a span. Where none was seen to reach
    /// OpenTelemetry there is nothing to save.
    pub(super) fn admits_handler(&self, now: Stamp) -> bool {
        !self.reached.load(Ordering::Relaxed) || self.admits(Direction::Inbound, now)
    }

    /// What goes on in a handler, to be a later span's parent.
    pub(super) fn handlers_parent(&self, now: Stamp) -> Option<Context> {
        let parent = Self::parent();
        if parent.is_some() {
            self.has_reached(now);
        }
        parent
    }

    /// A handler's span reached OpenTelemetry.
    fn has_reached(&self, now: Stamp) {
        if !self.reached.load(Ordering::Relaxed) && !self.reached.swap(true, Ordering::Relaxed) {
            // That one counts, too.
            self.admits(Direction::Inbound, now);
        }
    }

    /// Whether one more event may have spans.
    fn admits(&self, direction: Direction, now: Stamp) -> bool {
        self.rates[direction as usize].admits(now)
    }

    /// What is given as the parent where no span is wanted: samplers that ask the parent then say
    /// no to what the app does within.
    pub(super) fn unsampled() -> Context {
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("trace") | 1);
        static LAST: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only that the ids differ matters, since log records carry them.
        let id = LAST.fetch_add(1, Ordering::Relaxed);
        let trace = (u128::from(*SEED) << 64) | u128::from(id);
        Context::new().with_remote_span_context(SpanContext::new(
            trace.into(),
            id.into(),
            TraceFlags::NOT_SAMPLED,
            false,
            TraceState::NONE,
        ))
    }

    /// What is going on here, to be a later span's parent.
    pub(super) fn parent() -> Option<Context> {
        Context::map_current(|context| context.has_active_span().then(|| context.clone()))
    }

    /// Where a span can be made now, if anywhere.
    pub(super) fn tracer(&self, now: Stamp) -> Option<Found<'_>> {
        if let Some(tracer) = self.tracer.get() {
            return Some(Found::Kept(tracer));
        }
        let is_due = now.as_nanos() >= self.look_again_at.load(Ordering::Relaxed)
            || self.epoch.load(Ordering::Relaxed) != install_epoch();
        is_due.then(|| self.look(now))
    }

    #[cold]
    fn look(&self, now: Stamp) -> Found<'_> {
        self.epoch.store(install_epoch(), Ordering::Relaxed);
        self.look_again_at
            .store(now.plus(LOOK_AGAIN).as_nanos(), Ordering::Relaxed);
        Found::OnTrial(&self.tracer, global::tracer(semconv::SCOPE))
    }

    /// Makes the span of a message that ended, and that of the page's work on it; false when there
    /// were too many.
    #[must_use]
    pub(super) fn ended(&self, webview: &Arc<str>, ended: &Ended, now: &Moment<'_>) -> bool {
        let Some(tracer) = self.tracer(now.stamp) else {
            return true;
        };
        let message = &ended.message;
        let is_reply = matches!(message.body, Body::Reply { .. });
        if !is_reply && !self.admits(Direction::Outbound, now.stamp) {
            return false;
        }
        let event = message.series.label();
        let parent = message.parent.as_deref();
        let times = match parent {
            Some(parent) => Times {
                stamp: message.enqueued_at,
                wall: parent.wall,
            },
            None => Times {
                stamp: now.stamp,
                wall: now.wall(),
            },
        };
        let (verb, kind) = match message.body {
            Body::Reply { .. } => ("reply ", SpanKind::Internal),
            Body::Event { .. } | Body::Eval { .. } => ("send ", SpanKind::Producer),
        };
        let journey = ended.journey;
        let mut attributes = attributes(event, webview);
        attributes.push(count(semconv::MESSAGE_SIZE_BY, message.size()));
        if !journey.main_thread.is_zero() {
            attributes.push(KeyValue::new(
                semconv::MAIN_THREAD_DELAY_S,
                journey.main_thread.as_secs_f64(),
            ));
        }
        if let Some((_, wait)) = journey.dequeued {
            attributes.push(KeyValue::new(semconv::WAIT_S, wait.as_secs_f64()));
        }
        if let Some((_, batch)) = journey.dispatched {
            attributes.push(count(semconv::BATCH_SIZE, batch));
        }
        if journey.attempts > 1 {
            attributes.push(KeyValue::new(
                semconv::RETRIES,
                i64::from(journey.attempts - 1),
            ));
        }
        attributes.extend(
            ended
                .end
                .err()
                .map(|error| KeyValue::new(semconv::ERROR_TYPE, error.as_str())),
        );
        let span = SpanBuilder::from_name([verb, event].concat())
            .with_kind(kind)
            .with_start_time(times.at(message.enqueued_at))
            .with_attributes(attributes);
        let Some(mut span) = tracer.start(parent.map(|parent| &parent.context), span) else {
            return true;
        };
        let end = times.at(now.stamp);
        if span.is_recording() {
            if let Some((stamp, _)) = journey.dequeued {
                span.add_event_with_timestamp("dequeued", times.at(stamp), Vec::new());
            }
            if let Some((stamp, _)) = journey.dispatched {
                span.add_event_with_timestamp("dispatched", times.at(stamp), Vec::new());
            }
            match ended.end {
                Ok(()) => span.add_event_with_timestamp("acknowledged", end, Vec::new()),
                Err(_) => span.set_status(Status::error("")),
            }
        }
        span.end_with_timestamp(end);
        if let Some(ran) = ended.ran
            && !matches!(message.body, Body::Eval { .. })
        {
            self.process(webview, ended, span.span_context(), ran, times);
        }
        true
    }

    /// Makes the span of the page's listeners at work, or of its promise's continuations.
    fn process(
        &self,
        webview: &Arc<str>,
        ended: &Ended,
        parent: &SpanContext,
        ran: Ran,
        times: Times,
    ) {
        let Some(tracer) = self.tracer.get() else {
            return;
        };
        let event = ended.message.series.label();
        let span = SpanBuilder::from_name(["process ", event].concat())
            .with_kind(SpanKind::Consumer)
            .with_start_time(times.at(ran.begin))
            .with_attributes(attributes(event, webview));
        let parent = Context::new().with_remote_span_context(parent.clone());
        tracer
            .build_with_context(span, &parent)
            .end_with_timestamp(times.at(ran.end));
    }
}

/// A tracer to make one span with.
pub(super) enum Found<'a> {
    Kept(&'a BoxedTracer),
    /// The global one, which is kept when it turns out to be a real one.
    OnTrial(&'a OnceLock<BoxedTracer>, BoxedTracer),
}

impl Found<'_> {
    /// Starts a span; `None` when nobody would ever see it.
    pub(super) fn start(self, parent: Option<&Context>, span: SpanBuilder) -> Option<BoxedSpan> {
        let root = Context::new();
        let tracer = match &self {
            Self::Kept(tracer) => tracer,
            Self::OnTrial(_, tracer) => tracer,
        };
        let span = tracer.build_with_context(span, parent.unwrap_or(&root));
        let id = span.span_context().span_id();
        if id == SpanId::INVALID {
            return None;
        }
        if let Self::OnTrial(kept, tracer) = self {
            // The tracer that stands in while none is installed makes no ids of its own.
            if parent.is_some_and(|parent| parent.span().span_context().span_id() == id) {
                return None;
            }
            kept.get_or_init(|| tracer);
        }
        Some(span)
    }
}

/// What every span of the wire's messages carries, with room for more.
pub(super) fn attributes(event: &Arc<str>, webview: &Arc<str>) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(8);
    attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::RPC_SYSTEM));
    attributes.push(KeyValue::new(semconv::RPC_METHOD, Arc::clone(event)));
    attributes.push(KeyValue::new(semconv::WEBVIEW_NAME, Arc::clone(webview)));
    attributes
}

/// A number of things or bytes.
pub(super) fn count(key: &'static str, count: usize) -> KeyValue {
    KeyValue::new(key, i64::try_from(count).unwrap_or(i64::MAX))
}

/// The time now. The wall time is read when it is first asked for.
pub(super) struct Moment<'a> {
    pub(super) stamp: Stamp,
    clock: &'a Clock,
    wall: OnceCell<SystemTime>,
}

impl<'a> Moment<'a> {
    pub(super) fn now(clock: &'a Clock) -> Self {
        Self {
            stamp: clock.now(),
            clock,
            wall: OnceCell::new(),
        }
    }

    fn wall(&self) -> SystemTime {
        *self.wall.get_or_init(|| self.clock.wall(self.stamp))
    }
}

/// Wall times of one span: all from one reading, so a clock that is set shifts the span as a whole.
///
/// A span that has a parent takes the reading at its own start, so that it never begins before its
/// parent did.
#[derive(Clone, Copy)]
struct Times {
    stamp: Stamp,
    wall: SystemTime,
}

impl Times {
    fn at(self, stamp: Stamp) -> SystemTime {
        if stamp >= self.stamp {
            return later(self.wall, stamp.since(self.stamp));
        }
        let back = self.stamp.since(stamp);
        self.wall.checked_sub(back).unwrap_or(self.wall)
    }
}

impl std::fmt::Debug for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spans")
            .field("has_tracer", &self.tracer.get().is_some())
            .finish()
    }
}
