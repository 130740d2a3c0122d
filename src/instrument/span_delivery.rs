//! Whether spans of ours arrive at OpenTelemetry, where they should.
//!
//! A subscriber of the app's may lack our layer, or have a filter that turns our spans down, and
//! nothing fails then. So telemetry that exports spans expects them, and the first one
//! that is missing calls it, once. Before its subscriber is the process's, telemetry is called with
//! each span of ours too.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A function of telemetry's, which is called while it is wanted.
struct Hook {
    /// Relaxed everywhere: it orders nothing, and a span that is missed is followed by others.
    is_wanted: AtomicBool,
    call: OnceLock<fn()>,
}

static MISSING: Hook = Hook::new();
static NEXT: Hook = Hook::new();

impl Hook {
    const fn new() -> Self {
        Self {
            is_wanted: AtomicBool::new(false),
            call: OnceLock::new(),
        }
    }

    #[cfg(feature = "otlp")]
    fn want(&self, call: fn()) {
        // The first call sets the function for good: only telemetry passes one, and always the same.
        self.call.get_or_init(|| call);
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    #[cfg(feature = "otlp")]
    fn unwant(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    #[inline]
    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    #[cold]
    fn call(&self) {
        if let Some(call) = self.call.get() {
            call();
        }
    }

    #[cold]
    fn call_once(&self) {
        // The swap lets one of several threads call.
        if self.is_wanted.swap(false, Ordering::Relaxed) {
            self.call();
        }
    }
}

/// From now on, `on_missing` is called for the first span that is missing.
#[cfg(feature = "otlp")]
pub(crate) fn expect(on_missing: fn()) {
    MISSING.want(on_missing);
}

/// No span is expected any more.
#[cfg(feature = "otlp")]
pub(crate) fn expect_none() {
    MISSING.unwant();
}

/// From now on, each thread that is about to make a span of ours calls `before`.
#[cfg(feature = "otlp")]
pub(crate) fn ask_before(before: fn()) {
    NEXT.want(before);
}

/// Threads no longer call what [`ask_before`] was given.
#[cfg(feature = "otlp")]
pub(crate) fn ask_no_more() {
    NEXT.unwant();
}

/// A span of ours is about to be made on this thread.
#[inline]
pub(crate) fn next() {
    if NEXT.is_wanted() {
        NEXT.call();
    }
}

/// A span of ours was made on this thread, and none of OpenTelemetry's with it.
#[inline]
pub(crate) fn missing() {
    if MISSING.is_wanted() {
        MISSING.call_once();
    }
}
