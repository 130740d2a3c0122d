//! Which document a webview shows: an answer for one that was replaced reaches no page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The documents of one webview, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(Arc<AtomicU64>);

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    page: Page,
    number: u64,
}

impl Page {
    /// The document that is there now.
    pub(crate) fn document(&self) -> Document {
        Document {
            page: self.clone(),
            number: self.0.load(Ordering::Relaxed),
        }
    }

    /// Another document takes its place, or none.
    pub(crate) fn replaced(&self) {
        // Relaxed: the number orders nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Document {
    /// Whether no other has taken its place.
    pub(crate) fn is_there(&self) -> bool {
        self.page.0.load(Ordering::Relaxed) == self.number
    }
}
