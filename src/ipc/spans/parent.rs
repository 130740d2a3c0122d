//! The trace that a message is sent or handled in.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};

use crate::instrument::suppression;
use crate::instrument::thread_end::is_ending;

/// What the spans of a message are made below.
#[derive(Clone, Debug)]
pub(in crate::ipc) enum TraceParent {
    /// Nothing: a span begins a trace.
    Root,
    /// A span is a child of the one in this context.
    Within(Context),
    /// Spans are suppressed here.
    Suppressed,
}

/// What a handler that is yet to run runs in.
#[derive(Debug)]
pub(in crate::ipc) enum HandlerContext {
    Traced(TraceParent),
    /// Spans are suppressed where this context is attached.
    Suppressed(Context),
}

impl TraceParent {
    /// That of the code that runs on this thread now.
    pub(in crate::ipc) fn current() -> Self {
        if is_ending() {
            return Self::Suppressed;
        }
        Context::map_current(|context| {
            // The second mark is OpenTelemetry's own. An exporter works under it, and its messages
            // need no spans.
            if suppression::is_marked(context) || context.is_telemetry_suppressed() {
                Self::Suppressed
            } else if context.has_active_span() {
                Self::Within(context.clone())
            } else {
                Self::Root
            }
        })
    }

    /// The context of the parent span, where there is one.
    pub(in crate::ipc) fn context(&self) -> Option<&Context> {
        match self {
            Self::Root | Self::Suppressed => None,
            Self::Within(context) => Some(context),
        }
    }
}

impl HandlerContext {
    /// Spans are suppressed below this one, which is not sampled.
    pub(super) fn suppressed_below(span: SpanContext) -> Self {
        Self::Suppressed(suppression::below(span))
    }

    /// Spans are suppressed below no span of ours: a span that the app makes all the same has a
    /// parent that is not sampled, so samplers that ask the parent refuse it.
    pub(in crate::ipc) fn suppressed() -> Self {
        // `| 1`, since an id of zeros is invalid, and an invalid parent is none. It is random, so
        // that two processes do not give one id to different messages.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("trace") | 1);
        static LAST: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only that the ids differ matters, since log records carry them.
        let id = LAST.fetch_add(1, Ordering::Relaxed);
        let trace = (u128::from(*SEED) << 64) | u128::from(id);
        Self::suppressed_below(SpanContext::new(
            trace.into(),
            id.into(),
            TraceFlags::NOT_SAMPLED,
            false,
            TraceState::NONE,
        ))
    }
}
