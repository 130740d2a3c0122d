//! The capture itself: what is in force while a test's code runs, and what it left behind.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample, SpanData};
use tracing::{Dispatch, Metadata};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

use super::clock::FakeClock;
use super::logs::Logs;
use super::recorder::MemoryRecorder;
use super::spans::{CountingIds, Spans};
use crate::instrument::handles;
use crate::instrument::span_filter::SuppressionFilter;
use crate::layer::{log_layer, span_layer};
use crate::semconv;

/// Spans, metrics and logs that one test emits, and the clock it does so by.
///
/// Clones share everything, so a worker thread takes part with a clone and a
/// [`run`](Self::run) of its own. Code on a thread outside `run` is not captured.
#[derive(Clone)]
pub struct Capture(Arc<Inner>);

struct Inner {
    recorder: &'static MemoryRecorder,
    spans: Spans,
    logs: Logs,
    tracer_provider: SdkTracerProvider,
    logger_provider: SdkLoggerProvider,
    dispatch: Dispatch,
    clock: FakeClock,
}

impl Capture {
    /// An empty capture, which records every span unless its parent is not sampled.
    #[must_use]
    pub fn new() -> Self {
        Self::with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    /// An empty capture whose spans are recorded as `sampler` says.
    #[must_use]
    pub fn with_sampler(sampler: impl ShouldSample + 'static) -> Self {
        keep_callsites_alive();
        let (spans, logs) = (Spans::default(), Logs::default());
        // The SDK's default resource reads the environment, which differs between machines.
        let resource = Resource::builder_empty().build();
        let tracer_provider = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(sampler)
            // Random ids would not tell the order in which spans started.
            .with_id_generator(CountingIds::default())
            .with_span_processor(spans.clone())
            .build();
        let logger_provider = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_log_processor(logs.clone())
            .build();
        let subscriber = Registry::default()
            .with(
                span_layer(tracer_provider.tracer(semconv::SCOPE))
                    // The same filter as in an app, so a test sees no span that production would
                    // not have.
                    .with_filter(filter_fn(not_sdk).and(SuppressionFilter)),
            )
            .with(log_layer(&logger_provider).with_filter(filter_fn(not_sdk)));
        Self(Arc::new(Inner {
            recorder: MemoryRecorder::leaked(),
            spans,
            logs,
            tracer_provider,
            logger_provider,
            dispatch: Dispatch::new(subscriber),
            clock: FakeClock::new(),
        }))
    }

    /// Runs `f` with this capture's recorder, subscriber and clock in force on this thread.
    ///
    /// For async code put `block_on` of a single-threaded runtime inside.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let inner = &*self.0;
        inner.clock.run(|| {
            // All three are of this thread alone, so tests can run side by side in one process.
            metrics::with_local_recorder(inner.recorder, || {
                tracing::dispatcher::with_default(&inner.dispatch, f)
            })
        })
    }

    /// The clock that [`run`](Self::run) puts in force.
    #[must_use]
    pub fn clock(&self) -> &FakeClock {
        &self.0.clock
    }

    /// The provider that captures spans, for code that makes them without `tracing`.
    #[must_use]
    pub fn tracer_provider(&self) -> SdkTracerProvider {
        self.0.tracer_provider.clone()
    }

    /// The provider that captures log records, for code that makes them without `tracing`.
    #[must_use]
    pub fn logger_provider(&self) -> SdkLoggerProvider {
        self.0.logger_provider.clone()
    }

    /// Spans, metrics and logs under a heading each.
    #[must_use]
    pub fn text(&self) -> String {
        let (spans, metrics, logs) = (self.spans(), self.metrics(), self.logs());
        format!("spans:\n{spans}metrics:\n{metrics}logs:\n{logs}")
    }

    /// The finished spans as a tree: name, kind, status, attributes, and events by name.
    ///
    /// Siblings stand in the order in which they started, whatever their traces.
    #[must_use]
    pub fn spans(&self) -> String {
        self.0.spans.text()
    }

    /// A line for each series: `name{label="value"} 3`, for histograms `count=3 sum=0.25`.
    ///
    /// Counters at zero, empty histograms and gauges that were never set are left out.
    #[must_use]
    pub fn metrics(&self) -> String {
        // Gauges are written only when somebody reads them, as at a scrape.
        self.publish();
        self.0.recorder.text()
    }

    /// A line for each log record: level, body, attributes, and the name of the span it is in.
    ///
    /// `exception.stacktrace` is left out, for it depends on `RUST_BACKTRACE`.
    #[must_use]
    pub fn logs(&self) -> String {
        self.0.logs.text(&self.0.spans)
    }

    /// The sum of the counters of that name that carry all of these labels.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.0.recorder.counter(name, labels)
    }

    /// The sum of the gauges of that name that carry all of these labels; `None` if none was set.
    #[must_use]
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.publish();
        self.0.recorder.gauge(name, labels)
    }

    /// Count and sum of the histograms of that name that carry all of these labels.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> (u64, f64) {
        self.0.recorder.histogram(name, labels)
    }

    /// The finished spans, in the order in which they ended.
    #[must_use]
    pub fn finished_spans(&self) -> Vec<SpanData> {
        self.0.spans.finished()
    }

    /// The log records, in the order in which they were emitted.
    #[must_use]
    pub fn log_records(&self) -> Vec<SdkLogRecord> {
        self.0.logs.records()
    }

    /// The names of all metrics in which something was recorded.
    #[must_use]
    pub fn metric_names(&self) -> BTreeSet<String> {
        self.publish();
        self.0.recorder.names()
    }

    /// The names of all attributes that a metric, a span or a log record carried.
    #[must_use]
    pub fn attribute_names(&self) -> BTreeSet<String> {
        self.publish();
        let mut names = self.0.recorder.label_names();
        names.extend(self.0.spans.attribute_names());
        names.extend(self.0.logs.attribute_names());
        names
    }

    fn publish(&self) {
        self.run(handles::publish_own);
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("clock", &self.0.clock)
            .finish_non_exhaustive()
    }
}

/// The SDK logs about itself when some dependency turns that on; no test is about that.
fn not_sdk(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("opentelemetry")
}

/// Makes `tracing` ask each thread's own subscriber whether it wants a span.
///
/// As long as a process has one subscriber, `tracing` asks the thread that first reaches a callsite
/// and caches the answer for all threads. In a test process that thread may be one without a
/// subscriber, and then the callsite stays off for the test that has one. A second subscriber that
/// wants nothing and lives for ever rules that out.
fn keep_callsites_alive() {
    static NOBODY: OnceLock<Dispatch> = OnceLock::new();
    // In a static: when the last handle to a subscriber goes, `tracing` forgets it.
    NOBODY.get_or_init(|| Dispatch::new(tracing::subscriber::NoSubscriber::default()));
}
