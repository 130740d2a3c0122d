//! Work of telemetry that must not become telemetry.

/// Runs `f` without a subscriber on this thread, so that a transport that logs is not exported.
///
/// Only as long as it must: while any thread has a subscriber of its own, all look a little longer
/// for theirs.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> R {
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), f)
}
