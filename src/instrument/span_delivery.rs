//! Whether spans of ours arrive at OpenTelemetry, where they should.
//!
//! A subscriber of the app's may lack our layer, or have a filter that turns our spans down, and
//! nothing fails then. So telemetry that exports spans expects them, and the first one
//! that is missing calls it, once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Relaxed everywhere: it orders nothing, and a span that is missed is followed by others.
static EXPECTED: AtomicBool = AtomicBool::new(false);
static ON_MISSING: OnceLock<fn()> = OnceLock::new();
static IS_ASKED: AtomicBool = AtomicBool::new(false);
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// From now on, `on_missing` is called for the first span that is missing.
#[cfg(feature = "otlp")]
pub(crate) fn expect(on_missing: fn()) {
    // The first call sets the function for good: only telemetry passes one, and always the same.
    ON_MISSING.get_or_init(|| on_missing);
    EXPECTED.store(true, Ordering::Relaxed);
}

/// No span is expected any more.
#[cfg(feature = "otlp")]
pub(crate) fn expect_none() {
    EXPECTED.store(false, Ordering::Relaxed);
}

/// From now on, `before` is called on the thread that is about to make a span of ours.
#[cfg(feature = "otlp")]
pub(crate) fn ask_before(before: fn()) {
    BEFORE.get_or_init(|| before);
    IS_ASKED.store(true, Ordering::Relaxed);
}

/// Nobody wants to know.
#[cfg(feature = "otlp")]
pub(crate) fn ask_no_more() {
    IS_ASKED.store(false, Ordering::Relaxed);
}

/// A span of ours is about to be made on this thread.
#[inline]
pub(crate) fn next() {
    if IS_ASKED.load(Ordering::Relaxed) {
        ask();
    }
}

#[cold]
fn ask() {
    if let Some(before) = BEFORE.get() {
        before();
    }
}

/// A span of ours was made on this thread, and none of OpenTelemetry's with it.
#[inline]
pub(crate) fn missing() {
    if EXPECTED.load(Ordering::Relaxed) {
        tell();
    }
}

#[cold]
fn tell() {
    // The swap lets one of several threads tell.
    if EXPECTED.swap(false, Ordering::Relaxed)
        && let Some(on_missing) = ON_MISSING.get()
    {
        on_missing();
    }
}
