//! What the handles to one observer, and what they made, share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::awaited::{Ended, Left};
use super::heartbeat::Heartbeat;
use super::open_message::{Acknowledged, OpenMessage};
use super::outstanding::{Outstanding, Place};
use super::page_view::{PageChange, PageView};
use crate::clock::Stamp;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::is_event_name;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::instrument::page_snapshots::{self, HasPage, PageSnapshot};
use crate::instrument::record_sink::CallDetails;
use crate::ipc::call_series::OpenCalls;
use crate::ipc::delivery::{DeliveryTiming, OutboundKind};
use crate::ipc::open_call::OpenCall;
use crate::ipc::page_load::PageLoad;
use crate::ipc::recorder::{Recorder, RecorderSettings};
use crate::ipc::series::{EventSeries, InFlight, Outcome};
use crate::ipc::spans::parent::TraceParent;
use crate::ipc::spans::timed::TimedSpan;
use crate::semconv::ErrorType;

/// A call whose end the page will report.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwaitedCall {
    pub(super) id: u64,
    pub(super) generation: u64,
}

/// One webview as it is observed.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    /// What the page's reports prove themselves with; none are taken without.
    pub(super) page_nonce: Option<Arc<str>>,
    page: Mutex<PageView>,
    /// Of the UI thread, where the app lets it be woken.
    pub(super) heartbeat: Heartbeat,
    /// Messages to the page that have not ended.
    open: AtomicUsize,
    open_max: AtomicUsize,
    /// When each message was handed to the page that did not end.
    // Behind locks of their own: messages come and go far more often than the page does.
    pub(super) in_flight: Outstanding<Stamp>,
    /// The calls that are not settled.
    pub(super) calls: Outstanding<OpenCall>,
}

impl Shared {
    pub(super) fn new(
        name: &Arc<str>,
        settings: RecorderSettings,
        page_nonce: Option<Arc<str>>,
    ) -> Arc<Self> {
        let recorder = Recorder::new(name, settings);
        let shared = Arc::new(Self {
            heartbeat: Heartbeat::new(recorder.clock.clone()),
            recorder,
            page_nonce,
            page: Mutex::new(PageView::new()),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
            in_flight: Outstanding::new(),
            calls: Outstanding::new(),
        });
        handles::register(Arc::downgrade(&shared) as Weak<dyn Publish>);
        page_snapshots::register(Arc::downgrade(&shared) as Weak<dyn HasPage>);
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

    /// A page came or went. Called without the lock, since a span's end is the app's code.
    pub(super) fn apply(&self, change: PageChange, why_gone: ErrorType) {
        let PageChange { load, left } = change;
        self.end_left(left, why_gone);
        if let Some(load) = load {
            self.recorder.series.page_loaded(load);
            self.recorder.startup.page_ready(load == PageLoad::First);
            handles::page_appeared();
        }
    }

    fn end_left(&self, left: Left, why: ErrorType) {
        let now = self.recorder.clock.now();
        for message in left.messages {
            self.end_message(message, Err(why), Acknowledged::Never);
        }
        for span in left.spans {
            span.fail(why.as_str(), now);
        }
    }

    /// A call of the page's came, which the page will settle; its span is kept until then. `None`: it
    /// ends here, since its id is not its own, or too many are open.
    pub(super) fn open_call(
        &self,
        id: u64,
        span: &mut Option<Box<TimedSpan>>,
    ) -> Option<AwaitedCall> {
        // Nothing would come from a page without a script.
        self.page_nonce.as_ref()?;
        let opened = {
            let page = &mut *self.page();
            // The span goes in and may come back; it is not ended here, under the lock.
            let opened = page.awaited.open_call(id, span.take());
            opened.map(|ended| (ended, page.generation()))
        };
        match opened {
            Ok((ended, generation)) => {
                self.end(ended);
                Some(AwaitedCall { id, generation })
            }
            Err(returned) => {
                *span = returned;
                None
            }
        }
    }

    /// Records what the page's word, or the message layer's, ended.
    pub(super) fn end(&self, ended: Ended) {
        if let Some((message, page)) = ended.message {
            self.end_message(message, Ok(()), page);
        }
        if let Some(call) = ended.call {
            call.finish();
        }
    }

    /// Records the end of a message to the page.
    pub(super) fn end_message(
        &self,
        mut message: OpenMessage,
        outcome: Outcome,
        page: Acknowledged,
    ) {
        if let Some(place) = message.in_flight.take() {
            self.in_flight.remove(place);
        }
        // The guard ends here, before the span does.
        let is_startup = self.page().is_startup(message.enqueued_at);
        message.finish(&self.recorder, outcome, page, is_startup);
        self.closed();
    }

    /// Records an event that the webview was handed `at`, of which nothing says whether the page took
    /// it.
    pub(super) fn event_left(
        &self,
        series: Arc<EventSeries>,
        size: usize,
        parent: &TraceParent,
        at: Stamp,
    ) {
        let span = self.recorder.event_span(&series, size, parent, at);
        self.opened();
        let message = OpenMessage {
            kind: OutboundKind::Event,
            series,
            span,
            size,
            enqueued_at: at,
            timing: DeliveryTiming {
                dequeued: Some((at, Duration::ZERO)),
                dispatched: Some((at, 1)),
                attempts: 1,
                ..DeliveryTiming::default()
            },
            in_flight: None,
        };
        self.end_message(message, Ok(()), Acknowledged::Left(at));
    }

    /// A call's promise is settled, as far as the host sees, or never will be.
    pub(super) fn settled(&self, call: Place, outcome: Outcome, at: Stamp, details: CallDetails) {
        if let Some(OpenCall { series, began }) = self.calls.remove(call) {
            series.call_settled(outcome, at.since(began), details);
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
    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Publish for Shared {
    fn publish(&self, sums: &mut GaugeSums) {
        let Recorder { series, clock, .. } = &self.recorder;
        let now = clock.now();
        self.heartbeat.beat(now);
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

impl HasPage for Shared {
    fn snapshot(&self) -> PageSnapshot {
        let now = self.recorder.clock.now();
        // Read before the wake of this look, which the UI thread cannot have answered yet.
        let unanswered = self.heartbeat.unanswered_since();
        let since = unanswered
            .into_iter()
            .chain(self.recorder.main_thread.held_since());
        let ui_blocked = since.min().map(|at| now.since(at));
        self.heartbeat.beat(now);
        let state = self.page().state();
        let mut in_flight = InFlight::default();
        self.in_flight.for_each(|at| in_flight.add(*at));
        let mut calls = OpenCalls::default();
        self.calls.for_each(|call| call.add_to(&mut calls));
        PageSnapshot {
            webview: Arc::clone(self.recorder.series.webview()),
            state: state.as_str(),
            // The other message layer does not say.
            silent: None,
            queued: None,
            in_flight: in_flight.messages,
            in_flight_age: in_flight.oldest.map(|at| now.since(at)),
            ui_blocked,
            calls: calls.snapshots(now),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let left = self.page().end_generation();
        // Each handle and message holds an `Arc`, so only what waits for the page is left.
        self.end_left(left, ErrorType::Shutdown);
        self.recorder.series.page_dropped();
    }
}
