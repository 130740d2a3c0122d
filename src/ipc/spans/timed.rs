//! Spans with explicit times: one that begins at one message and ends at another.
//!
//! They go through the OpenTelemetry API, so they end up wherever the app's provider sends them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, Status, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue, Value};

use super::names::SpanNames;
use super::parent::{HandlerContext, TraceParent};
use crate::clock::Stamp;
use crate::semconv;

/// A span that is open: a call of the page that did not end, or a span of the page's own.
///
/// One that is dropped before its end ends as an error. Its methods call the app's tracer provider,
/// so none of them, and no drop, belongs under a lock.
#[must_use = "a span that is dropped ends as an error"]
pub(in crate::ipc) struct TimedSpan {
    span: BoxedSpan,
    as_parent: ParentSpan,
    has_ended: bool,
}

/// A span as the parent of others: its place in the trace and in time.
#[derive(Clone, Debug)]
pub(in crate::ipc) struct ParentSpan {
    pub(super) context: SpanContext,
    pub(in crate::ipc) start: Stamp,
    /// The wall time at `start`. Its children's is no earlier, whatever the system's clock does.
    pub(super) wall: SystemTime,
    /// What is within a span that is not recorded is not recorded either.
    pub(super) is_recording: bool,
}

impl ParentSpan {
    /// The context in which its children are made.
    pub(in crate::ipc) fn context(&self) -> Context {
        // The span itself belongs to its message; its ids are all that a child needs.
        Context::new().with_remote_span_context(self.context.clone())
    }

    pub(in crate::ipc) fn trace_id(&self) -> TraceId {
        self.context.trace_id()
    }

    /// What a handler within it runs in.
    pub(in crate::ipc) fn handler_context(&self) -> HandlerContext {
        if self.is_recording {
            HandlerContext::Traced(TraceParent::Within(self.context()))
        } else {
            HandlerContext::suppressed_below(self.context.clone())
        }
    }

    /// The wall time at `stamp`, which is not before the start.
    pub(in crate::ipc) fn wall_at(&self, stamp: Stamp) -> SystemTime {
        later(self.wall, stamp.since(self.start))
    }
}

impl TimedSpan {
    pub(in crate::ipc) fn new(span: BoxedSpan, start: Stamp, wall: SystemTime) -> Self {
        let context = span.span_context().clone();
        let is_recording = span.is_recording();
        Self {
            span,
            as_parent: ParentSpan {
                context,
                start,
                wall,
                is_recording,
            },
            has_ended: false,
        }
    }

    /// The span as the parent of others.
    pub(in crate::ipc) fn as_parent(&self) -> &ParentSpan {
        &self.as_parent
    }

    /// Sets the attributes that every span of a message has.
    pub(in crate::ipc) fn describe(&mut self, names: &SpanNames, webview: &Arc<str>) {
        self.span.set_attributes(attributes(names, webview));
    }

    pub(in crate::ipc) fn set_attribute(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    pub(in crate::ipc) fn add_event(&mut self, name: &'static str, at: Stamp) {
        let wall = self.as_parent.wall_at(at);
        self.span.add_event_with_timestamp(name, wall, Vec::new());
    }

    pub(in crate::ipc) fn fail(self, error: &'static str, at: Stamp) {
        self.finish(Some(error), at);
    }

    pub(in crate::ipc) fn finish(mut self, error: Option<&'static str>, at: Stamp) {
        // The flag comes first, since `self` is dropped at the end of this function.
        self.has_ended = true;
        if let Some(error) = error {
            mark(&mut self.span, error);
        }
        self.span.end_with_timestamp(self.as_parent.wall_at(at));
    }
}

impl TimedSpan {
    /// Ends a span that began on the page, at a time that the page says: never before its start.
    pub(in crate::ipc) fn finish_on_page(self, error: Option<&'static str>, at: Stamp) {
        let at = at.max(self.as_parent.start);
        self.finish(error, at);
    }
}

impl Drop for TimedSpan {
    fn drop(&mut self) {
        if !self.has_ended {
            // The SDK would end it without an error.
            mark(&mut self.span, semconv::OTHER);
            self.span.end();
        }
    }
}

/// The attributes of every span of a message. They are set once it is known that the span is
/// recorded: for one that a sampler refuses they would cost as much as the sampler.
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

/// Marks a span as failed.
pub(in crate::ipc) fn mark(span: &mut BoxedSpan, error: &'static str) {
    span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
    // No description: that would be an error's text, which may quote the page.
    span.set_status(Status::error(""));
}

/// `time` and `by`; a time beyond what the system can hold stays as it is.
pub(in crate::ipc) fn later(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}

impl fmt::Debug for TimedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedSpan")
            .field("as_parent", &self.as_parent)
            .finish_non_exhaustive()
    }
}
