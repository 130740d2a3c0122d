//! Spans of an OpenTelemetry SDK in a page: the trait between the wire that brings them
//! and the exporter.
//!
//! A module of its own, so that neither the wire nor telemetry has to know the other.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "otlp")]
use std::time::SystemTime;

use metrics::Counter;

use super::handles::{self, Instruments};
use super::rate_limit::RateLimit;
use crate::clock::Clock;
use crate::semconv::{self, PageSpanErrorType};

/// Takes the spans that an OpenTelemetry SDK in a page made.
///
/// `Telemetry::page_spans` is one, which checks them and sends them on.
/// One of your own gets them as they came: whatever is in them, the page wrote it.
pub trait PageSpanSink: Send + Sync {
    /// Takes a request, or says why not.
    ///
    /// It is called on the thread that hands messages to `Ipc::receive`, the UI
    /// thread with a webview: it must not wait, and reading the request is for another thread. What
    /// is taken is the sink's to count, what is not is counted as `spanwire.page.spans`.
    ///
    /// # Errors
    ///
    /// [`PageSpansRefused`]: nothing was taken.
    fn take(&self, request: PageSpanRequest<'_>) -> Result<(), PageSpansRefused>;
}

/// Spans that came in one message.
#[derive(Clone, Copy)]
pub struct PageSpanRequest<'a> {
    pub(crate) source: &'a Arc<PageSpanSource>,
    pub(crate) spans: u32,
    pub(crate) json: &'a str,
}

impl PageSpanRequest<'_> {
    /// The name of the webview whose page sent them.
    #[must_use]
    pub fn webview(&self) -> &str {
        &self.source.webview
    }

    /// How many there are, as the page says.
    #[must_use]
    pub fn spans(&self) -> u32 {
        self.spans
    }

    /// An `ExportTraceServiceRequest` in OTLP's JSON, as the page says; it is JSON, within the wire's
    /// limits.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json
    }
}

impl fmt::Debug for PageSpanRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSpanRequest")
            .field("webview", &self.webview())
            .field("spans", &self.spans)
            // The size and not the JSON: no `Debug` of ours quotes a payload.
            .field("bytes", &self.json.len())
            .finish()
    }
}

/// Why a [`PageSpanSink`] did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageSpansRefused {
    /// Too much waits already.
    #[error("too many spans of pages wait for the reader: send fewer, or later")]
    QueueFull,
    /// Telemetry was shut down.
    #[error("telemetry was shut down: spans of pages are no longer taken")]
    Shutdown,
    /// Traces go nowhere, or telemetry is paused.
    #[error("no traces are sent: no endpoint is set, or telemetry is paused")]
    Off,
}

impl From<PageSpansRefused> for PageSpanErrorType {
    fn from(refused: PageSpansRefused) -> Self {
        match refused {
            PageSpansRefused::QueueFull => Self::QueueFull,
            PageSpansRefused::Shutdown => Self::Shutdown,
            PageSpansRefused::Off => Self::Off,
        }
    }
}

/// One wire as a source of spans: whose they are, how many it may send, and what became of them.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "the reader of spans comes with `otlp`")
)]
pub(crate) struct PageSpanSource {
    webview: Arc<str>,
    /// The same, capped, for metrics.
    label: Arc<str>,
    clock: Clock,
    rate: RateLimit,
    passed_on: Instruments<Counter>,
    // Registered one by one at the first loss, since most wires never lose spans: a series for each
    // reason and webview would be many that stay zero.
    lost: [Instruments<Counter>; PageSpanErrorType::ALL.len()],
}

impl PageSpanSource {
    pub(crate) fn new(
        webview: &Arc<str>,
        label: &Arc<str>,
        clock: Clock,
        per_second_max: u32,
    ) -> Self {
        Self {
            webview: Arc::clone(webview),
            label: Arc::clone(label),
            clock,
            rate: RateLimit::per_second(per_second_max),
            passed_on: Instruments::new(),
            lost: [const { Instruments::new() }; PageSpanErrorType::ALL.len()],
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn webview(&self) -> &Arc<str> {
        &self.webview
    }

    /// The wall time now.
    #[cfg(feature = "otlp")]
    pub(crate) fn wall(&self) -> SystemTime {
        // Through the wire's clock, so that a test with fake time moves it.
        self.clock.wall(self.clock.now())
    }

    /// Whether one more is within the rate.
    #[cfg(feature = "otlp")]
    pub(crate) fn admits(&self) -> bool {
        // Span by span, and only when read: `spans` of a request is what the page claims.
        self.rate.admits(self.clock.now())
    }

    /// Counts spans that were passed on.
    #[cfg(feature = "otlp")]
    pub(crate) fn passed_on(&self, spans: u64) {
        if let Some(counter) = self.passed_on.get(|| self.counter("ok", None)) {
            counter.increment(spans);
        }
    }

    /// Counts spans that were not.
    pub(crate) fn lost(&self, why: PageSpanErrorType, spans: u64) {
        // The label of the webview is capped, and the reasons are a closed set, so a page cannot
        // make series.
        let register = || self.counter(outcome(why), Some(why));
        if let Some(counter) = self.lost[why.index()].get(register) {
            counter.increment(spans);
        }
    }

    fn counter(&self, outcome: &str, why: Option<PageSpanErrorType>) -> Counter {
        let mut labels = vec![
            (semconv::WEBVIEW_NAME, &*self.label),
            (semconv::OUTCOME, outcome),
        ];
        labels.extend(why.map(|why| (semconv::ERROR_TYPE, why.as_str())));
        handles::counter(&semconv::PAGE_SPANS, &labels)
    }
}

/// What is wrong with a span fails it; what is right with it and has no place drops it. One that was
/// repaired is passed on.
const fn outcome(why: PageSpanErrorType) -> &'static str {
    use PageSpanErrorType::{NotSampled, Off, OverRate, PageShed, QueueFull, Repaired, Shutdown};
    match why {
        Repaired => "ok",
        NotSampled | Off | OverRate | PageShed | QueueFull | Shutdown => "dropped",
        _ => "failed",
    }
}
