//! What the handles to one observer, and what they made, share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::outstanding::{Outstanding, Place};
use super::page_view::PageView;
use crate::clock::Stamp;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::is_event_name;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::ipc::call_series::OpenCalls;
use crate::ipc::open_call::OpenCall;
use crate::ipc::recorder::{Recorder, RecorderSettings};
use crate::ipc::series::{EventSeries, InFlight, Outcome};

/// One webview as it is observed.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    page: Mutex<PageView>,
    /// Messages to the page that have not ended.
    open: AtomicUsize,
    open_max: AtomicUsize,
    /// When each message was handed to the page that did not end.
    pub(super) in_flight: Outstanding<Stamp>,
    /// The calls that are not settled.
    pub(super) calls: Outstanding<OpenCall>,
}

impl Shared {
    pub(super) fn new(name: &Arc<str>, settings: RecorderSettings) -> Arc<Self> {
        let shared = Arc::new(Self {
            recorder: Recorder::new(name, settings),
            page: Mutex::new(PageView::new()),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
            in_flight: Outstanding::new(),
            calls: Outstanding::new(),
        });
        handles::register(Arc::downgrade(&shared) as Weak<dyn Publish>);
        shared
    }

    pub(super) fn page(&self) -> MutexGuard<'_, PageView> {
        // A view of the page is sound after each of its methods' steps.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of a name that came in, which may be hostile.
    pub(super) fn series_of(&self, name: &str) -> Arc<EventSeries> {
        self.series(name, NameSource::External)
    }

    /// The series of a name that the app sends under: what pages name takes no room from it.
    pub(super) fn sent_series(&self, name: &str) -> Arc<EventSeries> {
        self.series(name, NameSource::Registered)
    }

    fn series(&self, name: &str, source: NameSource) -> Arc<EventSeries> {
        if is_event_name(name) {
            self.recorder.series.event(name, source)
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

    /// A call's promise is settled, or never will be.
    pub(super) fn settled(&self, call: Place, outcome: Outcome, at: Stamp) {
        if let Some(OpenCall { series, began }) = self.calls.remove(call) {
            series.call_settled(outcome, at.since(began));
        }
    }

    /// A message to the page ended.
    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Publish for Shared {
    fn publish(&self, sums: &mut GaugeSums) {
        let Recorder { series, clock, .. } = &self.recorder;
        let now = clock.now();
        let page = self.page();
        let (state, vitals) = (page.state(), page.vitals(now));
        // The recorder is the app's.
        drop(page);
        series.page_state(state, sums);
        series.page_vitals(vitals, sums);
        let mut in_flight = InFlight::default();
        self.in_flight.for_each(|at| in_flight.add(*at));
        series.in_flight(in_flight, now, sums);
        let mut calls = OpenCalls::default();
        self.calls.for_each(|call| call.add_to(&mut calls));
        series.open_calls(&calls, now, sums);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.recorder.series.page_dropped();
    }
}
