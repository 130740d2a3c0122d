//! The state of every page, for who looks from outside: the history, once a second.

#![cfg_attr(
    not(feature = "history"),
    allow(dead_code, reason = "only the history looks at pages")
)]

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::caught_panic::catch_panic;

/// A page and its messages at one moment.
#[derive(Clone, Debug)]
pub(crate) struct PageSnapshot {
    pub(crate) webview: Arc<str>,
    pub(crate) state: &'static str,
    /// How long nothing was heard from it; `None` while there is no page, or where that is not known.
    pub(crate) silent: Option<Duration>,
    /// Messages that wait for the UI thread; `None` where that is not known.
    pub(crate) queued: Option<usize>,
    /// Messages that the page was handed and did not acknowledge.
    pub(crate) in_flight: usize,
    pub(crate) in_flight_age: Option<Duration>,
    /// How long the UI thread has left a wake unanswered, or has been in a handler of a message layer
    /// that is observed; `None` when it answered.
    pub(crate) ui_blocked: Option<Duration>,
    pub(crate) calls: Vec<OpenCallsSnapshot>,
}

/// Calls of one event that are not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenCallsSnapshot {
    pub(crate) event: Arc<str>,
    pub(crate) count: u32,
    /// Of the oldest.
    pub(crate) age: Duration,
}

/// Something that has a page.
pub(crate) trait HasPage: Send + Sync {
    /// The page's state now. It must not wait for the UI thread, which may never answer.
    fn snapshot(&self) -> PageSnapshot;
}

static PAGES: Mutex<Vec<Weak<dyn HasPage>>> = Mutex::new(Vec::new());

/// Includes `page` in the snapshots until it is dropped.
pub(crate) fn register(page: Weak<dyn HasPage>) {
    let mut pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    // Only a registration removes dead entries. Nothing else makes the list longer, so that bounds
    // it.
    pages.retain(|page| page.strong_count() > 0);
    pages.push(page);
}

/// The newest pages of the process, and how they are.
pub(crate) fn page_snapshots() -> Vec<PageSnapshot> {
    let pages: Vec<Arc<dyn HasPage>> = {
        let pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest first: an app that opens windows without end loses the oldest from the
        // history's look, and a look has a bound.
        let pages = pages.iter().rev().filter_map(Weak::upgrade);
        pages.take(PAGES_MAX).collect()
    };
    // Without the lock: to drop the last handle of a page may make another. A wake is the app's code.
    let looks = pages
        .into_iter()
        .map(|page| catch_panic(move || page.snapshot()));
    looks.filter_map(Result::ok).collect()
}

/// Pages of one look.
const PAGES_MAX: usize = 32;
