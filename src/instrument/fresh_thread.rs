//! What holds for the process, where this thread may have something of its own.

use std::thread;

/// What `look` sees on a thread for which nothing was set: no recorder and no subscriber of its own.
///
/// When the system gives no thread, it looks on this one.
pub(crate) fn on_fresh_thread<R: Send>(look: impl Fn() -> R + Copy + Send) -> R {
    thread::scope(|scope| {
        let fresh = thread::Builder::new().spawn_scoped(scope, look);
        fresh.ok().and_then(|fresh| fresh.join().ok())
    })
    .unwrap_or_else(look)
}
