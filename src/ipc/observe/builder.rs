//! How an observer is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Tracer, TracerProvider};

use super::observer::Observer;
use super::page_script::PageScript;
use crate::ipc::builder::PageTraces;
use crate::ipc::main_thread::DEFAULT_BUDGET;
use crate::ipc::protocol::limits::Limits;
use crate::ipc::recorder::RecorderSettings;
use crate::semconv;

/// Sets up an observer; made by [`Observer::builder`].
#[must_use = "a builder does nothing until build()"]
pub struct ObserverBuilder {
    name: Arc<str>,
    settings: RecorderSettings,
    page_nonce: Option<Arc<str>>,
}

impl Observer {
    /// Starts building an observer. The name tells webviews apart in metrics: use few, fixed names.
    pub fn builder(name: &str) -> ObserverBuilder {
        ObserverBuilder::new(name)
    }
}

impl ObserverBuilder {
    fn new(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            settings: RecorderSettings {
                tracer: None,
                event_spans_per_second_max: Limits::default().event_spans_per_second_max,
                main_thread_budget: DEFAULT_BUDGET,
                // The message layer hands over the traceparents that it trusts, and no others.
                page_traces: PageTraces::Accepted,
                names_call_sites: true,
            },
            page_nonce: None,
        }
    }

    /// Where the spans of messages to the page go. Default: the global tracer provider.
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static,
    {
        self.settings.tracer = Some(Box::new(provider.tracer(semconv::SCOPE)));
        self
    }

    /// How long code in [`Handling::in_scope`](super::Handling::in_scope) may run on the main
    /// thread. Default: 16 ms, a frame at 60 Hz.
    ///
    /// What takes that long or longer is counted in `spanwire.main_thread.blocked` and marked on its
    /// span, once [`Observer::set_main_thread`] said which thread it is.
    pub fn main_thread_budget(mut self, budget: Duration) -> Self {
        self.settings.main_thread_budget = budget;
        self
    }

    /// Events of each direction that get spans, in a second, as many at once after a pause.
    /// Default: 1,000. Those beyond are counted in `spanwire.ipc.spans.skipped`, and in all other
    /// metrics as ever. Calls always have spans: bound them where you accept them.
    pub fn event_spans_per_second_max(mut self, events: u32) -> Self {
        self.settings.event_spans_per_second_max = events;
        self
    }

    /// Leaves `code.file.path` and `code.line.number` out of the spans of messages to the page: for a
    /// message layer that the sending code does not call through `#[track_caller]` functions, so that
    /// the place would be a line of its own. Default: they name the caller of [`Observer::send`].
    pub fn without_call_sites(mut self) -> Self {
        self.settings.names_call_sites = false;
        self
    }

    /// Takes the reports of pages that have this script; see [`Observer::page_report`]. Default: none
    /// are taken.
    pub fn page_script(mut self, script: &PageScript) -> Self {
        self.page_nonce = Some(Arc::clone(&script.nonce));
        self
    }

    /// Builds the observer. Its page is loading until [`Observer::set_page_state`] says otherwise.
    #[must_use]
    pub fn build(self) -> Observer {
        Observer::new(&self.name, self.settings, self.page_nonce)
    }
}

impl fmt::Debug for ObserverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
