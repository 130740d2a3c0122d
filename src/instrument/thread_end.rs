//! Whether this thread is at its end, where a thread-local's destructor may still call us.
//!
//! OpenTelemetry's context, its `tracing` layer and a registry of spans have thread-locals of their
//! own, and panic when they are used after those are gone, which in a destructor aborts the process.
//! Thread-locals go in the reverse order of their first use. So one of ours that is first used
//! after theirs goes before them, and says from then on that they are not to be used.

use std::cell::Cell;

use opentelemetry::Context;

use super::caught_panic::catch_panic;

#[derive(Clone, Copy, PartialEq, Eq)]
enum ThreadState {
    New,
    /// Context was used here.
    Alive,
    /// A span was entered here, too.
    #[cfg(any(feature = "otlp", feature = "testing"))]
    SpanSeen,
    Ending,
}

/// Says when it is dropped that the thread ends.
struct Sentinel;

impl Drop for Sentinel {
    fn drop(&mut self) {
        STATE.set(ThreadState::Ending);
    }
}

thread_local! {
    // Needs no drop, so it can be read to the very end.
    static STATE: Cell<ThreadState> = const { Cell::new(ThreadState::New) };
    // Two, since a sentinel protects what was used before it: the layers' thread-locals may come
    // long after the context's.
    static BEFORE_CONTEXT: Sentinel = const { Sentinel };
    static BEFORE_SPANS: Sentinel = const { Sentinel };
}

/// Whether contexts and spans are not to be used on this thread any more.
#[inline]
pub(crate) fn is_ending() -> bool {
    match STATE.get() {
        ThreadState::New => first_look(),
        state => state == ThreadState::Ending,
    }
}

#[cold]
fn first_look() -> bool {
    // The app may have used it without us, and this may be a destructor: there is no other way to ask.
    let is_gone = catch_panic(|| Context::map_current(|_| ())).is_err();
    watch(&BEFORE_CONTEXT, ThreadState::Alive, is_gone)
}

/// A span was entered on this thread.
#[cfg(any(feature = "otlp", feature = "testing"))]
#[inline]
pub(crate) fn span_seen() {
    if matches!(STATE.get(), ThreadState::New | ThreadState::Alive) {
        watch(&BEFORE_SPANS, ThreadState::SpanSeen, false);
    }
}

#[cold]
fn watch(
    sentinel: &'static std::thread::LocalKey<Sentinel>,
    alive: ThreadState,
    is_gone: bool,
) -> bool {
    // The first `try_with` registers the sentinel's destructor; it fails where that has run
    // already.
    let is_ending = is_gone || sentinel.try_with(|_| ()).is_err();
    STATE.set(if is_ending {
        ThreadState::Ending
    } else {
        alive
    });
    is_ending
}
