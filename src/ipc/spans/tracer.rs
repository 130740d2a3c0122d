//! Spans with explicit times: of messages to the page and of what the page did with them.
//!
//! They go through the OpenTelemetry API, so they end up wherever the app's provider sends them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use opentelemetry::global::{self, BoxedSpan, BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue};

use super::names::{SpanNames, Verb};
use super::parent::Ahead;
use super::timed::{LiveSpan, Place};
use crate::clock::{Clock, Stamp};
use crate::instrument::handles::install_epoch;
use crate::instrument::rate_limit::RateLimit;
use crate::ipc::outbox::{Body, Ended, Ran};
use crate::ipc::series::Direction;
use crate::semconv::{self, ErrorType};

/// Where the spans go: a tracer that the app gave, or the global one once there is one.
pub(in crate::ipc) struct Spans {
    tracer: OnceLock<BoxedTracer>,
    /// When to look for a global tracer again: looking costs more than a message does.
    look_again_at: AtomicU64,
    /// The last install of ours that was seen: a new one is a reason to look at once.
    epoch: AtomicU64,
    /// Of events from the page, and to it.
    rates: [RateLimit; 2],
    /// A handler's span was one of OpenTelemetry's.
    reached: AtomicBool,
}

/// How long to go without a tracer before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Spans {
    pub(in crate::ipc) fn new(
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
            rates: [(); 2].map(|()| RateLimit::per_second(events_per_second)),
            reached: AtomicBool::new(false),
        }
    }

    /// Whether one more event from the page may have a span. Where none was seen to reach
    /// OpenTelemetry there is nothing to save.
    pub(in crate::ipc) fn admits_handler(&self, now: Stamp) -> bool {
        !self.reached.load(Ordering::Relaxed) || self.admits(Direction::Inbound, now)
    }

    /// A handler's span reached OpenTelemetry.
    pub(in crate::ipc) fn has_reached(&self, now: Stamp) {
        if !self.reached.load(Ordering::Relaxed) && !self.reached.swap(true, Ordering::Relaxed) {
            // That one counts, too.
            self.admits(Direction::Inbound, now);
        }
    }

    /// Whether one more event may have spans.
    pub(in crate::ipc) fn admits(&self, direction: Direction, now: Stamp) -> bool {
        self.rates[direction as usize].admits(now)
    }

    /// What goes on where no span is wanted: the parent of what is made all the same, which
    /// samplers that ask the parent then say no to.
    pub(in crate::ipc) fn untraced() -> Ahead {
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("trace") | 1);
        static LAST: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only that the ids differ matters, since log records carry them.
        let id = LAST.fetch_add(1, Ordering::Relaxed);
        let trace = (u128::from(*SEED) << 64) | u128::from(id);
        Ahead::untraced(SpanContext::new(
            trace.into(),
            id.into(),
            TraceFlags::NOT_SAMPLED,
            false,
            TraceState::NONE,
        ))
    }

    /// Where a span can be made now, if anywhere.
    pub(in crate::ipc) fn tracer(&self, clock: &Clock) -> Option<Found<'_>> {
        if let Some(tracer) = self.tracer.get() {
            return Some(Found::Kept(tracer));
        }
        let now = clock.now();
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

    /// Ends the span of a message that ended, and makes that of the page's work on it.
    pub(in crate::ipc) fn ended(
        &self,
        mut span: LiveSpan,
        webview: &Arc<str>,
        ended: &Ended,
        now: Stamp,
    ) {
        let journey = ended.journey;
        if let Some((at, wait)) = journey.dequeued {
            span.event("dequeued", at);
            span.set(semconv::WAIT_S, wait.as_secs_f64());
        }
        if !journey.main_thread.is_zero() {
            let delay = journey.main_thread.as_secs_f64();
            span.set(semconv::MAIN_THREAD_DELAY_S, delay);
        }
        if let Some((at, batch)) = journey.dispatched {
            span.event("dispatched", at);
            span.set(semconv::BATCH_SIZE, count(batch));
        }
        if journey.attempts > 1 {
            span.set(semconv::RETRIES, i64::from(journey.attempts - 1));
        }
        if ended.end.is_ok() {
            span.event("acknowledged", now);
        }
        if let Some(ran) = ended.ran
            && !matches!(ended.message.body, Body::Eval { .. })
        {
            self.process(webview, ended, span.place(), ran);
        }
        span.finish(ended.end.err().map(ErrorType::as_str), now);
    }

    /// Makes the span of the page's listeners at work, or of its promise's continuations.
    fn process(&self, webview: &Arc<str>, ended: &Ended, parent: &Place, ran: Ran) {
        let Some(tracer) = self.tracer.get() else {
            return;
        };
        let names = ended.message.series.names();
        let span = SpanBuilder::from_name(names.span(Verb::Process))
            .with_kind(SpanKind::Consumer)
            .with_start_time(parent.wall(ran.begin))
            .with_attributes(attributes(names, webview));
        let mut span = tracer.build_with_context(span, &parent.as_parent());
        span.end_with_timestamp(parent.wall(ran.end));
    }
}

/// A tracer to make one span with.
pub(in crate::ipc) enum Found<'a> {
    Kept(&'a BoxedTracer),
    /// The global one, which is kept when it turns out to be a real one.
    OnTrial(&'a OnceLock<BoxedTracer>, BoxedTracer),
}

impl Found<'_> {
    /// Starts a span; `None` when nobody would ever see it.
    pub(in crate::ipc) fn start(
        self,
        parent: Option<&Context>,
        span: SpanBuilder,
    ) -> Option<BoxedSpan> {
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

/// What every span of the wire's messages carries. Set once it is known that the span is recorded:
/// for one that a sampler refuses it would cost as much as asking.
pub(in crate::ipc) fn attributes(names: &SpanNames, webview: &Arc<str>) -> [KeyValue; 3] {
    [
        KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::RPC_SYSTEM),
        KeyValue::new(semconv::RPC_METHOD, names.event()),
        KeyValue::new(semconv::WEBVIEW_NAME, Arc::clone(webview)),
    ]
}

/// A number of things or bytes as an attribute's value.
pub(in crate::ipc) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spans")
            .field("has_tracer", &self.tracer.get().is_some())
            .finish()
    }
}
