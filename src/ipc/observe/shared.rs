//! What the handles to one observer, and what they made, share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::page_view::PageView;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::is_event_name;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::ipc::recorder::{Recorder, RecorderSettings};
use crate::ipc::series::EventSeries;

/// One webview as it is observed.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    page: Mutex<PageView>,
    /// Messages to the page that have not ended.
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Shared {
    pub(super) fn new(name: &Arc<str>, settings: RecorderSettings) -> Arc<Self> {
        let shared = Arc::new(Self {
            recorder: Recorder::new(name, settings),
            page: Mutex::new(PageView::new()),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
        });
        handles::register(Arc::downgrade(&shared) as Weak<dyn Publish>);
        shared
    }

    pub(super) fn page(&self) -> MutexGuard<'_, PageView> {
        // A view of the page is sound after each of its methods' steps.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of a name, which may be hostile.
    pub(super) fn series_of(&self, name: &str) -> Arc<EventSeries> {
        if is_event_name(name) {
            self.recorder.series.event(name, NameSource::External)
        } else {
            Arc::clone(self.recorder.series.nameless())
        }
    }

    // Relaxed throughout: the numbers order nothing.

    /// A message to the page is open.
    pub(super) fn opened(&self) {
        self.recorder.stats.accepted();
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.open_max.fetch_max(open, Ordering::Relaxed);
    }

    /// Most messages to the page that were open at once.
    pub(super) fn open_max(&self) -> usize {
        self.open_max.load(Ordering::Relaxed)
    }

    /// Forgets how many were open before.
    pub(super) fn reset_open_max(&self) {
        let open = self.open.load(Ordering::Relaxed);
        self.open_max.store(open, Ordering::Relaxed);
    }

    /// A message to the page ended.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Publish for Shared {
    fn publish(&self, sums: &mut GaugeSums) {
        let state = self.page().state();
        self.recorder.series.page_state(state, sums);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.recorder.series.page_dropped();
    }
}
