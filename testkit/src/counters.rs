//! Counts what a wire does, for tests that compare the counts with the wire's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanwire::ipc::{Call, Ipc};

/// Registers a handler that counts the messages of this event.
pub fn count_events(ipc: &Ipc, event: &str) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    ipc.on(event, move |_: &Call<'_>| {
        _ = counted.fetch_add(1, Ordering::SeqCst)
    })
    .unwrap();
    count
}

/// Counts how often the wire asks to be pumped.
pub fn count_wakes(ipc: &Ipc) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    ipc.on_wake(move || _ = counted.fetch_add(1, Ordering::SeqCst));
    count
}
