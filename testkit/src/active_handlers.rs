//! Counts the handlers that are at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many handlers are at work. A handler that is dropped while it works counts as ended.
#[derive(Clone, Debug, Default)]
pub struct ActiveHandlers(Arc<AtomicU64>);

impl ActiveHandlers {
    /// Counts one more until the guard is dropped.
    pub fn start(&self) -> ActiveHandler {
        self.0.fetch_add(1, Ordering::SeqCst);
        ActiveHandler(Arc::clone(&self.0))
    }

    /// How many are at work now.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A handler that is at work until this is dropped.
#[derive(Debug)]
pub struct ActiveHandler(Arc<AtomicU64>);

impl Drop for ActiveHandler {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
