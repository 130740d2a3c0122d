//! A span that begins at one message and ends at another.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};

use super::names::SpanNames;
use super::parent::{Ahead, Around};
use super::tracer::attributes;
use crate::clock::Stamp;
use crate::semconv;

/// A span that is open: a call of the page that did not end, or a span of the page's own.
///
/// One that nobody ends is ended when it is dropped, as an error. Its methods go to the app's
/// tracer provider, so none of them, and no drop, belongs under a lock.
#[must_use = "a span that is dropped ends as an error"]
pub(in crate::ipc) struct LiveSpan {
    span: BoxedSpan,
    place: Place,
    has_ended: bool,
}

/// Where a span is in its trace and in time, to be the parent of others.
#[derive(Clone, Debug)]
pub(in crate::ipc) struct Place {
    pub(in crate::ipc) context: SpanContext,
    pub(in crate::ipc) start: Stamp,
    /// The wall time at `start`. Its children's is no earlier, whatever the system's clock does.
    pub(in crate::ipc) wall: SystemTime,
    /// Nobody will get to see what is in one that is not, either.
    pub(in crate::ipc) is_recording: bool,
}

impl Place {
    /// The parent for spans that begin within it.
    pub(in crate::ipc) fn as_parent(&self) -> Context {
        Context::new().with_remote_span_context(self.context.clone())
    }

    /// What goes on within it.
    pub(in crate::ipc) fn ahead(&self) -> Ahead {
        if self.is_recording {
            Ahead::Traced(Around::Within(self.as_parent()))
        } else {
            Ahead::untraced(self.context.clone())
        }
    }

    /// The wall time at `stamp`, which is not before the start.
    pub(in crate::ipc) fn wall(&self, stamp: Stamp) -> SystemTime {
        later(self.wall, stamp.since(self.start))
    }
}

impl LiveSpan {
    pub(in crate::ipc) fn new(span: BoxedSpan, start: Stamp, wall: SystemTime) -> Self {
        let context = span.span_context().clone();
        let is_recording = span.is_recording();
        Self {
            span,
            place: Place {
                context,
                start,
                wall,
                is_recording,
            },
            has_ended: false,
        }
    }

    pub(in crate::ipc) fn place(&self) -> &Place {
        &self.place
    }

    /// Notes the event and the webview.
    pub(in crate::ipc) fn describe(&mut self, names: &SpanNames, webview: &Arc<str>) {
        self.span.set_attributes(attributes(names, webview));
    }

    pub(in crate::ipc) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    pub(in crate::ipc) fn event(&mut self, name: &'static str, at: Stamp) {
        let wall = self.place.wall(at);
        self.span.add_event_with_timestamp(name, wall, Vec::new());
    }

    pub(in crate::ipc) fn fail(self, error: &'static str, at: Stamp) {
        self.finish(Some(error), at);
    }

    pub(in crate::ipc) fn finish(mut self, error: Option<&'static str>, at: Stamp) {
        self.has_ended = true;
        if let Some(error) = error {
            mark(&mut self.span, error);
        }
        self.span.end_with_timestamp(self.place.wall(at));
    }
}

impl Drop for LiveSpan {
    fn drop(&mut self) {
        if !self.has_ended {
            mark(&mut self.span, semconv::OTHER);
            self.span.end();
        }
    }
}

/// Marks a span as failed.
pub(in crate::ipc) fn mark(span: &mut BoxedSpan, error: &'static str) {
    span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
    span.set_status(Status::error(""));
}

/// `time` and `by`; a time that is beyond what the system can tell stays as it is.
pub(in crate::ipc) fn later(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}

impl fmt::Debug for LiveSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSpan")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
