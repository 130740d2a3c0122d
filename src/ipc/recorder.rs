//! What the messages of one webview are recorded with, whoever carries them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::global::ObjectSafeTracer;

use super::builder::PageTraces;
use super::main_thread::MainThread;
use super::series::WebviewSeries;
use super::spans::tracer::WireTracer;
use super::stats::Stats;
use crate::clock::Clock;
use crate::startup::PageStartup;

/// The series, counts and spans of one webview's messages.
///
/// [`Ipc`](super::Ipc) records what it carries itself, and [`observe`](super::observe) what another
/// message layer does; both do it with this alone, so there is one vocabulary.
pub(super) struct Recorder {
    /// As the app named it; its series may have another label.
    pub(super) webview: Arc<str>,
    pub(super) clock: Clock,
    pub(super) series: WebviewSeries,
    pub(super) stats: Stats,
    pub(super) tracer: WireTracer,
    pub(super) main_thread: MainThread,
    pub(super) page_traces: PageTraces,
    /// Whether spans of messages to the page name the code that sends them.
    pub(super) names_call_sites: bool,
    pub(super) startup: PageStartup,
}

/// How a [`Recorder`] is set up.
pub(super) struct RecorderSettings {
    pub(super) tracer: Option<Box<dyn ObjectSafeTracer + Send + Sync>>,
    pub(super) event_spans_per_second_max: u32,
    pub(super) main_thread_budget: Duration,
    pub(super) page_traces: PageTraces,
    pub(super) names_call_sites: bool,
}

impl Recorder {
    pub(super) fn new(webview: &Arc<str>, settings: RecorderSettings) -> Self {
        // The recorder keeps this clock for the wire's life: the clock that a test sets holds on
        // its own thread alone.
        let clock = Clock::current();
        Self {
            webview: Arc::clone(webview),
            startup: PageStartup::new(clock.now()),
            clock,
            series: WebviewSeries::new(webview),
            stats: Stats::new(),
            tracer: WireTracer::new(settings.tracer, settings.event_spans_per_second_max),
            main_thread: MainThread::new(settings.main_thread_budget),
            page_traces: settings.page_traces,
            names_call_sites: settings.names_call_sites,
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("webview", &self.webview)
            .finish_non_exhaustive()
    }
}
