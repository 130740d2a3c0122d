//! The observer of one webview.

use std::fmt;
use std::sync::{Arc, Weak};

use tracing::Level;

use super::channel::Channel;
use super::delivery::Delivery;
use super::inbound::Inbound;
use super::shared::Shared;
use super::wake::Wake;
use crate::instrument::call_site::CallSite;
use crate::instrument::later;
use crate::ipc::delivery::OutboundKind;
use crate::ipc::handling::InboundKind;
use crate::ipc::page_state::PageState;
use crate::ipc::recorder::RecorderSettings;
use crate::ipc::spans::parent::TraceParent;
use crate::ipc::stats::IpcMetrics;
use crate::semconv::{self, ErrorType};

/// Observes one webview's messages, which another message layer carries.
///
/// Clones are handles to one observer, usable from any thread. See the [module](super) for how to
/// use it.
#[derive(Clone)]
pub struct Observer(pub(super) Arc<Shared>);

impl Observer {
    pub(super) fn new(
        name: &Arc<str>,
        settings: RecorderSettings,
        page_nonce: Option<Arc<str>>,
    ) -> Self {
        Self(Shared::new(name, settings, page_nonce))
    }

    /// The observer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.recorder.webview
    }

    /// A call came in: its sender waits for a reply.
    pub fn call<'a>(&'a self, event: &'a str) -> Inbound<'a> {
        Inbound::new(&self.0, InboundKind::Call, event)
    }

    /// An event came in: it has no reply.
    pub fn event<'a>(&'a self, event: &'a str) -> Inbound<'a> {
        Inbound::new(&self.0, InboundKind::Event, event)
    }

    /// A message of `bytes` is sent to the page, here and now. Its span is a child of the one that
    /// is current.
    #[track_caller]
    pub fn send(&self, event: &str, bytes: usize) -> Delivery {
        let series = self.0.sent_series(event);
        let parent = TraceParent::current();
        Delivery::new(
            Arc::clone(&self.0),
            OutboundKind::Event,
            series,
            bytes,
            &parent,
            Some(CallSite::of_caller()),
        )
    }

    /// A stream of messages to the page under the name of `event`.
    #[must_use]
    pub fn channel(&self, event: &str) -> Channel {
        Channel::new(Arc::clone(&self.0), self.0.sent_series(event))
    }

    /// The page's state changed, as the message layer or its webview knows.
    ///
    /// What waits for the word of a page that goes ends as `page_gone`: its spans, its calls, and the
    /// messages that it was to acknowledge. What the message layer has open does not: drop it, or end
    /// it as `page_gone`.
    ///
    /// A page with a [`PageScript`](super::PageScript) says itself that it is there, and that it goes
    /// away; it cannot say that it crashed.
    pub fn set_page_state(&self, state: PageState) {
        // Events that came before belong to the page that was there.
        later::finish();
        let now = self.0.recorder.clock.now();
        // The guard ends with this statement: `apply` ends spans, which is the app's code.
        let change = self.0.page().set_state(state, now);
        self.0.apply(change, ErrorType::PageGone);
    }

    /// The page's process ended by itself, as its webview says: that is counted in
    /// `spanwire.page.errors` and logged, and the page is gone.
    pub fn page_crashed(&self) {
        let recorder = &self.0.recorder;
        recorder.series.protocol_error(ErrorType::PageCrashed);
        tracing::event!(
            name: semconv::EVENT_PAGE_CRASHED,
            target: "spanwire",
            Level::ERROR,
            { {semconv::WEBVIEW_NAME} = self.name(), {semconv::ERROR_TYPE} = ErrorType::PageCrashed.as_str() },
            "the page's process ended by itself"
        );
        // The state changes after the crash is counted, so that the crash's error precedes the ends
        // that it causes.
        self.set_page_state(PageState::Gone);
    }

    /// The page can be seen, or not: a window that is hidden holds its timers back.
    pub fn set_page_visible(&self, is_visible: bool) {
        self.0.page().set_visible(is_visible);
    }

    /// The page's state, as it was set last.
    #[must_use]
    pub fn page_state(&self) -> PageState {
        self.0.page().state()
    }

    /// The thread that this is called on runs the webview: what keeps it busy freezes the window.
    pub fn set_main_thread(&self) {
        self.0.recorder.main_thread.set_current();
    }

    /// Sets how to wake the UI thread, so that it is known how late it is, and whether it hangs: the
    /// metric `spanwire.main_thread.delay`, and the flight recorder of a history.
    ///
    /// `wake` is called at once, then when the metrics are read and while a history records, once a
    /// second at most, on any thread. It has the UI thread call [`Wake::answer`] as soon as it can, and
    /// returns at once:
    ///
    /// ```
    /// # use spanwire::ipc::observe::{Observer, Wake};
    /// # let observer = Observer::builder("main").build();
    /// let (event_loop, tasks) = std::sync::mpsc::sync_channel::<Wake>(8);
    /// observer.on_wake(move |wake| _ = event_loop.try_send(wake));
    /// // On the UI thread:
    /// tasks.recv()?.answer();
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    ///
    /// A later call replaces what an earlier one set.
    pub fn on_wake(&self, wake: impl Fn(Wake) + Send + Sync + 'static) {
        // Weak: the observer itself owns this closure.
        let shared = Arc::downgrade(&self.0);
        let waker = &self.0.heartbeat.waker;
        waker.set(move || wake(Wake(Weak::clone(&shared))));
    }

    /// What was observed so far.
    ///
    /// `peak_queue_length` is the most messages to the page that were open at once.
    #[must_use]
    pub fn metrics(&self) -> IpcMetrics {
        later::finish();
        let recorder = &self.0.recorder;
        recorder.stats.snapshot(self.0.open_max(), &recorder.clock)
    }

    /// Zeroes [`metrics`](Self::metrics); the exported counters keep their values.
    pub fn reset_metrics(&self) {
        self.0.recorder.stats.reset();
        self.0.reset_open_max();
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("name", &self.name())
            .field("page_state", &self.page_state())
            .finish_non_exhaustive()
    }
}
