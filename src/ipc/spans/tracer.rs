//! The tracer of one wire, and how many events have spans.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::global::{self, BoxedSpan, BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{Span, SpanBuilder, SpanId, TraceContextExt, Tracer};

use crate::clock::{Clock, Stamp};
use crate::instrument::handles::install_epoch;
use crate::instrument::rate_limit::RateLimit;
use crate::ipc::protocol::direction::Direction;
use crate::semconv;

/// The tracer that the app gave, or the global one once there is one.
pub(in crate::ipc) struct WireTracer {
    // The wire keeps its first tracer for good, so it does not notice a later change of the global
    // provider.
    tracer: OnceLock<BoxedTracer>,
    /// When to look for a global tracer again: looking costs more than a message does.
    retry_at: AtomicU64,
    /// The last install of ours that was seen: a new one is a reason to look at once.
    epoch: AtomicU64,
    /// Of events from the page, and to it.
    rates: [RateLimit; 2],
    events_per_second: AtomicU32,
    /// Whether a handler's span was seen to be one of OpenTelemetry's.
    is_traced: AtomicBool,
}

/// How long to go without a tracer before the global one is asked for again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

impl WireTracer {
    pub(in crate::ipc) fn new(
        tracer: Option<Box<dyn ObjectSafeTracer + Send + Sync>>,
        events_per_second: u32,
    ) -> Self {
        let cell = OnceLock::new();
        if let Some(tracer) = tracer {
            // The app named it, so the global one is never asked for.
            cell.get_or_init(|| BoxedTracer::new(tracer));
        }
        Self {
            tracer: cell,
            retry_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            rates: [(); 2].map(|()| RateLimit::per_second(events_per_second)),
            events_per_second: AtomicU32::new(events_per_second),
            is_traced: AtomicBool::new(false),
        }
    }

    /// How many events a second of each direction may have spans.
    pub(in crate::ipc) fn events_per_second(&self) -> u32 {
        self.events_per_second.load(Ordering::Relaxed)
    }

    pub(in crate::ipc) fn set_events_per_second(&self, rate: u32) {
        self.events_per_second.store(rate, Ordering::Relaxed);
        for limit in &self.rates {
            limit.set_rate(rate);
        }
    }

    /// Whether one more event from the page may have a span. Without a layer of
    /// OpenTelemetry's there is nothing to save.
    pub(in crate::ipc) fn admits_handler(&self, now: Stamp) -> bool {
        !self.is_traced.load(Ordering::Relaxed) || self.admits(Direction::Inbound, now)
    }

    /// A handler's span is one of OpenTelemetry's.
    pub(in crate::ipc) fn handler_traced(&self, now: Stamp) {
        // The load first: a swap with each event would take the cache line from other threads.
        if !self.is_traced.load(Ordering::Relaxed) && !self.is_traced.swap(true, Ordering::Relaxed)
        {
            // That one counts, too.
            self.admits(Direction::Inbound, now);
        }
    }

    /// Whether one more event may have spans.
    pub(in crate::ipc) fn admits(&self, direction: Direction, now: Stamp) -> bool {
        self.rates[direction as usize].admits(now)
    }

    /// The tracer that is kept: none before the first span was made.
    pub(in crate::ipc) fn kept(&self) -> Option<&BoxedTracer> {
        self.tracer.get()
    }

    /// The tracer that a span can be made with now, if any.
    pub(in crate::ipc) fn tracer(&self, clock: &Clock) -> Option<TracerRef<'_>> {
        if let Some(tracer) = self.tracer.get() {
            return Some(TracerRef::Kept(tracer));
        }
        let now = clock.now();
        let is_due = now.as_nanos() >= self.retry_at.load(Ordering::Relaxed)
            || self.epoch.load(Ordering::Relaxed) != install_epoch();
        is_due.then(|| self.global(now))
    }

    #[cold]
    fn global(&self, now: Stamp) -> TracerRef<'_> {
        // The epoch is stored before the global tracer is read: an install in between is then a
        // reason to look again.
        self.epoch.store(install_epoch(), Ordering::Relaxed);
        self.retry_at
            .store(now.plus(RETRY_INTERVAL).as_nanos(), Ordering::Relaxed);
        TracerRef::Global(&self.tracer, global::tracer(semconv::SCOPE))
    }
}

/// A tracer to make one span with.
pub(in crate::ipc) enum TracerRef<'a> {
    Kept(&'a BoxedTracer),
    /// The global one, which is kept when it turns out to be a real one.
    Global(&'a OnceLock<BoxedTracer>, BoxedTracer),
}

impl TracerRef<'_> {
    /// Starts a span; `None` when there is no tracer but OpenTelemetry's no-op one.
    pub(in crate::ipc) fn start(
        self,
        parent: Option<&Context>,
        span: SpanBuilder,
    ) -> Option<BoxedSpan> {
        let root = Context::new();
        let tracer = match &self {
            Self::Kept(tracer) => tracer,
            Self::Global(_, tracer) => tracer,
        };
        let span = tracer.build_with_context(span, parent.unwrap_or(&root));
        let id = span.span_context().span_id();
        if id == SpanId::INVALID {
            // OpenTelemetry's no-op tracer.
            return None;
        }
        if let Self::Global(kept, tracer) = self {
            // The tracer that stands in while none is installed makes no ids of its own.
            if parent.is_some_and(|parent| parent.span().span_context().span_id() == id) {
                return None;
            }
            kept.get_or_init(|| tracer);
        }
        Some(span)
    }
}

impl std::fmt::Debug for WireTracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireTracer")
            .field("has_tracer", &self.tracer.get().is_some())
            .finish()
    }
}
