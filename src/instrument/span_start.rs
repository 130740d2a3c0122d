//! What a span begins with that its `tracing` span does not say.
//!
//! A field of a `tracing` span is on every line that the app's own subscriber prints within it. So
//! a handler's span has one, its name, and the rest is handed to OpenTelemetry at the moment when
//! the span is entered, which is when our layer starts it: on the same thread, within that call.

use std::cell::Cell;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

/// What the next span that is started on this thread begins with.
#[derive(Debug)]
pub(crate) struct SpanStart {
    #[cfg_attr(
        not(any(feature = "otlp", feature = "testing")),
        expect(dead_code, reason = "what exports spans is not built in")
    )]
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Vec<KeyValue>,
}

thread_local! {
    // Of the thread and not of the span: `tracing` has no way to hand a value to a layer beside the
    // span's fields.
    static NEXT: Cell<Option<SpanStart>> = const { Cell::new(None) };
}

/// Keeps it for the span that is entered next. Where a thread ends, it is dropped.
pub(crate) fn put(start: SpanStart) {
    // `SpanStart` has a destructor, so at a thread's end this may be gone, and `with` would panic.
    let _ = NEXT.try_with(|next| next.set(Some(start)));
}

/// Takes what was [`put`], if no span took it.
pub(crate) fn take() -> Option<SpanStart> {
    NEXT.try_with(Cell::take).ok().flatten()
}
