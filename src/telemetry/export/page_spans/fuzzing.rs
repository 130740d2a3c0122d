//! The reader of pages' spans for the fuzz target: the same code, on the caller's thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry_sdk::trace::SpanData;

use super::queue::{Job, Queue};
use super::reader::{ReadCounts, Reader};
use crate::clock::{self, FakeTime, Stamp};
use crate::instrument::page_spans::PageSpanSource;
use crate::telemetry::config::settings::Settings;
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::batch_processor::{Batch, Export};
use crate::telemetry::export::limits::BatchLimits;
use crate::telemetry::export::result::{Acceptance, Outcome, Sent};
use crate::telemetry::export::signal::TRACES;
use crate::telemetry::metrics::span_series::span_series;

/// Reads requests of a page named `main`, under the default limits, at a time that stands still.
#[derive(Debug)]
pub struct PageSpanReader {
    reader: Reader,
    source: Arc<PageSpanSource>,
    exported: Exported,
}

/// What became of a request.
#[derive(Debug)]
pub struct PageSpansRead {
    /// What the exporter got.
    pub spans: Vec<SpanData>,
    /// How many were passed on, as the metrics say.
    pub passed_on: u64,
    /// How many were lost, for whatever reason.
    pub lost: u64,
}

impl PageSpanReader {
    /// A reader with a batch of its own.
    ///
    /// # Panics
    ///
    /// When the system gives no thread.
    #[must_use]
    pub fn new() -> Self {
        let limits = BatchLimits {
            queue_max: 100_000,
            batch_max: 100_000,
            // So long that only `flush` exports, and each call gets the spans of its own request.
            delay: Duration::from_secs(3_600),
            timeout: Duration::from_secs(3_600),
        };
        let exported = Exported::default();
        let batch = Batch::start(
            &TRACES,
            limits,
            Arc::default(),
            LocalRecorder::default(),
            Reporter::Quiet,
            exported.clone(),
        )
        .expect("there are threads");
        let (settings, _) = Settings::read(&|_: &str| None);
        let reader = Reader {
            queue: Arc::new(Queue::default()),
            limits: settings.otlp.page_span_limits(),
            batch,
            local_recorder: LocalRecorder::default(),
        };
        let name = Arc::from("main");
        let clock = FakeTime::start().clock();
        Self {
            reader,
            // No rate: the time stands still, so a limit would never admit a span again.
            source: Arc::new(PageSpanSource::new(&name, &name, clock, u32::MAX)),
            exported,
        }
    }

    /// The time that spans are held against.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.source.wall()
    }

    /// Reads a request of which the page says that it has so many spans.
    pub fn read(&self, json: &str, spans: u32) -> PageSpansRead {
        let job = Job {
            source: Arc::clone(&self.source),
            spans,
            json: json.into(),
            epoch: self.reader.batch.switch().now(),
        };
        let mut counts = ReadCounts::default();
        self.reader.read(&job, &mut counts);
        let soon = clock::now().plus(Duration::from_secs(30));
        assert!(self.reader.batch.flush(soon), "the batch is exported");
        PageSpansRead {
            spans: self.exported.take(),
            passed_on: counts.passed_on,
            lost: counts.lost.iter().sum(),
        }
    }

    /// Whether a span would be taken for one of the host's, and be an exemplar of its metrics.
    #[must_use]
    pub fn is_measured(span: &SpanData) -> bool {
        span_series(span).next().is_some()
    }
}

impl Default for PageSpanReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps what the batch exports.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl Exported {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Export<SpanData> for Exported {
    fn export(&mut self, batch: Vec<SpanData>, _: Stamp) -> Vec<Sent> {
        let items = batch.len() as u64;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(batch);
        vec![Sent {
            items,
            outcome: Outcome::Exported(Acceptance::default()),
        }]
    }
}
