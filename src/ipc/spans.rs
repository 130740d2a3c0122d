//! Spans of messages to the page, made when a message ends, with explicit times.
//!
//! They go through the OpenTelemetry API, so they end up wherever the app's provider sends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use opentelemetry::global::{self, BoxedSpan, BoxedTracer, ObjectSafeTracer};
use opentelemetry::trace::{Span, SpanBuilder, SpanId, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

use super::outbox::{Body, Ended};
use crate::clock::{Clock, Stamp};
use crate::instruments::install_epoch;
use crate::semconv;

/// Where the spans go: a tracer that the app gave, or the global one once there is one.
pub(super) struct Spans {
    tracer: OnceLock<BoxedTracer>,
    /// When to look for a global tracer again: looking costs more than a message does.
    look_again_at: AtomicU64,
    /// The last install of ours that was seen: a new one is a reason to look at once.
    epoch: AtomicU64,
}

/// How long to go without a tracer before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Spans {
    pub(super) fn new(tracer: Option<Box<dyn ObjectSafeTracer + Send + Sync>>) -> Self {
        let cell = OnceLock::new();
        if let Some(tracer) = tracer {
            cell.get_or_init(|| BoxedTracer::new(tracer));
        }
        Self {
            tracer: cell,
            look_again_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        }
    }

    /// What is going on here, to be a later span's parent.
    pub(super) fn parent() -> Option<Context> {
        Context::map_current(|context| context.has_active_span().then(|| context.clone()))
    }

    /// Makes the span of a message that ended.
    pub(super) fn ended(&self, webview: &Arc<str>, ended: &Ended, now: Stamp, clock: &Clock) {
        if let Some(tracer) = self.tracer.get() {
            make(tracer, webview, ended, now, clock);
        } else if now.as_nanos() >= self.look_again_at.load(Ordering::Relaxed)
            || self.epoch.load(Ordering::Relaxed) != install_epoch()
        {
            self.look(webview, ended, now, clock);
        }
    }

    /// Tries the global tracer, and keeps it when it is a real one.
    #[cold]
    fn look(&self, webview: &Arc<str>, ended: &Ended, now: Stamp, clock: &Clock) {
        self.epoch.store(install_epoch(), Ordering::Relaxed);
        self.look_again_at
            .store(now.plus(LOOK_AGAIN).as_nanos(), Ordering::Relaxed);
        let tracer = global::tracer(semconv::SCOPE);
        // The tracer that stands in while none is installed makes no ids of its own.
        let made = make(&tracer, webview, ended, now, clock);
        let parent = ended
            .message
            .context
            .as_ref()
            .map(|parent| parent.span().span_context().span_id());
        if made != SpanId::INVALID && Some(made) != parent {
            self.tracer.get_or_init(|| tracer);
        }
    }
}

/// Makes the span and ends it.
fn make(
    tracer: &BoxedTracer,
    webview: &Arc<str>,
    ended: &Ended,
    now: Stamp,
    clock: &Clock,
) -> SpanId {
    let message = &ended.message;
    let event = message.series.label();
    let (name, kind) = match message.body {
        Body::Reply { .. } => (format!("reply {event}"), SpanKind::Internal),
        Body::Event { .. } | Body::Eval { .. } => (format!("send {event}"), SpanKind::Producer),
    };
    let end = clock.wall(now);
    let at = |stamp: Stamp| -> SystemTime { end.checked_sub(now.since(stamp)).unwrap_or(end) };
    let journey = ended.journey;
    let mut attributes = vec![
        KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::RPC_SYSTEM),
        KeyValue::new(semconv::RPC_METHOD, Arc::clone(event)),
        KeyValue::new(semconv::WEBVIEW_NAME, Arc::clone(webview)),
    ];
    if let Some((_, wait)) = journey.dequeued {
        attributes.push(KeyValue::new(semconv::WAIT_S, wait.as_secs_f64()));
    }
    if let Some((_, batch)) = journey.dispatched {
        attributes.push(KeyValue::new(
            semconv::BATCH_SIZE,
            i64::try_from(batch).unwrap_or(i64::MAX),
        ));
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
    let mut span: BoxedSpan = tracer.build_with_context(
        SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(at(message.enqueued_at))
            .with_attributes(attributes),
        message.context.as_ref().unwrap_or(&Context::new()),
    );
    if let Some((stamp, _)) = journey.dequeued {
        span.add_event_with_timestamp("dequeued", at(stamp), Vec::new());
    }
    if let Some((stamp, _)) = journey.dispatched {
        span.add_event_with_timestamp("dispatched", at(stamp), Vec::new());
    }
    match ended.end {
        Ok(()) => span.add_event_with_timestamp("acknowledged", end, Vec::new()),
        Err(_) => span.set_status(Status::error("")),
    }
    span.end_with_timestamp(end);
    span.span_context().span_id()
}

impl std::fmt::Debug for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spans")
            .field("has_tracer", &self.tracer.get().is_some())
            .finish()
    }
}
