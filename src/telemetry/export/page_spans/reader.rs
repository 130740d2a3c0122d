//! The thread that reads requests of pages and passes their spans on.

use std::sync::Arc;

use opentelemetry_sdk::trace::SpanData;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::queue::{Job, Queue};
use super::repair::read_span;
use super::span::{BoundedSpan, SpanBounds, scope_of};
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::page_spans::PageSpanSource;
use crate::semconv::PageSpanErrorType;
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::export::batch_processor::Batch;
use crate::telemetry::export::limits::PageSpanLimits;

/// A span's text beyond which it is not read: reading takes memory, a few tens of times as much in
/// the worst case.
const SPAN_BYTES_MAX: usize = 256 << 10;

/// What is not one of these is not OTLP. The resource is not read at all: spans have the app's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow, default)]
    scope_spans: Vec<ScopeSpans<'a>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    /// Read one by one, so that one that is broken costs itself alone, and `[{},{}, ...]` little.
    #[serde(borrow, default)]
    spans: Vec<&'a RawValue>,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) queue: Arc<Queue>,
    pub(super) limits: PageSpanLimits,
    pub(super) batch: Batch<SpanData>,
    pub(super) local_recorder: LocalRecorder,
}

impl Reader {
    /// Reads until the queue is closed and empty.
    pub(super) fn run(&self) {
        /// Whoever waits for the end must learn of it, whatever ends this.
        struct Ended<'a>(&'a Queue);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.ended();
            }
        }
        let _ended = Ended(&self.queue);
        while let Some(job) = self.queue.next(self.batch.switch()) {
            let mut counts = ReadCounts::default();
            // A page must not end the thread, whatever it finds to write.
            let read = catch_panic(|| self.read(&job, &mut counts));
            if read.is_err() {
                counts.lose(PageSpanErrorType::Malformed, 1);
            }
            // Nor must the app's recorder.
            let tell = || self.local_recorder.run(|| counts.tell(&job.source));
            let _ = catch_panic(tell);
            self.queue.done();
        }
    }

    pub(super) fn read(&self, job: &Job, counts: &mut ReadCounts) {
        let switch = self.batch.switch();
        let is_last = switch.is_paused() && self.queue.is_closed();
        if is_last || !switch.keeps(job.epoch) {
            return self.batch.discard_unseen(job.spans_at_most());
        }
        if self.queue.is_late() {
            return self.give_up(job.spans_at_most(), counts);
        }
        let Ok(request) = serde_json::from_str::<Request<'_>>(&job.json) else {
            return counts.lose(PageSpanErrorType::Malformed, job.spans.into());
        };
        let within = SpanBounds::now(&job.source, &self.limits);
        let scopes = request
            .resource_spans
            .iter()
            .flat_map(|all| &all.scope_spans);
        let mut found = false;
        for ScopeSpans { scope, spans } in scopes {
            found |= !spans.is_empty();
            // The reader parses each scope once for the list, and clones it for its spans.
            let (scope, is_scope_repaired) = scope_of(scope.map(RawValue::get));
            for span in spans {
                // Whoever shuts down waits for this.
                if self.queue.is_late() {
                    self.give_up(1, counts);
                    continue;
                }
                match self.read_span(&job.source, span.get(), &within) {
                    Ok(BoundedSpan {
                        mut span,
                        is_repaired,
                    }) => {
                        // What was kept by a pause began before it.
                        let is_new = switch.recording() == Some(job.epoch);
                        if is_new && switch.admits(span.start_time).is_none() {
                            counts.lose(PageSpanErrorType::Off, 1);
                            continue;
                        }
                        span.instrumentation_scope = scope.clone();
                        self.batch.push_of(job.epoch, span);
                        counts.pass_on(is_repaired || is_scope_repaired);
                    }
                    Err(why) => counts.lose(why, 1),
                }
            }
        }
        if !found {
            // Whatever it is, it is not what the page says it is.
            counts.lose(PageSpanErrorType::Malformed, job.spans.into());
        }
    }

    fn read_span(
        &self,
        source: &PageSpanSource,
        text: &str,
        within: &SpanBounds<'_>,
    ) -> Result<BoundedSpan, PageSpanErrorType> {
        // First, since it is what bounds the work.
        if !source.admits() {
            return Err(PageSpanErrorType::OverRate);
        }
        if text.len() > SPAN_BYTES_MAX {
            return Err(PageSpanErrorType::TooLarge);
        }
        // The error of serde quotes the page's text, so it goes no further.
        let read = read_span(text).map_err(|_| PageSpanErrorType::Malformed)?;
        let mut bounded = within.convert(read.value)?;
        bounded.is_repaired |= read.is_repaired;
        Ok(bounded)
    }

    /// There is no time left: the report of the shutdown says so.
    fn give_up(&self, spans: u64, counts: &mut ReadCounts) {
        self.batch.drop_unseen(spans);
        counts.lose(PageSpanErrorType::Shutdown, spans);
    }
}

/// What became of a request's spans.
#[derive(Default)]
pub(super) struct ReadCounts {
    pub(super) passed_on: u64,
    /// Of these, the ones that are not as the page wrote them.
    pub(super) repaired: u64,
    pub(super) lost: [u64; PageSpanErrorType::ALL.len()],
}

impl ReadCounts {
    fn pass_on(&mut self, is_repaired: bool) {
        self.passed_on += 1;
        self.repaired += u64::from(is_repaired);
    }

    fn lose(&mut self, why: PageSpanErrorType, spans: u64) {
        self.lost[why.index()] += spans;
    }

    fn tell(&self, source: &PageSpanSource) {
        if self.passed_on > self.repaired {
            source.passed_on(self.passed_on - self.repaired);
        }
        if self.repaired > 0 {
            source.lost(PageSpanErrorType::Repaired, self.repaired);
        }
        for (why, spans) in PageSpanErrorType::ALL.iter().zip(self.lost) {
            if spans > 0 {
                source.lost(*why, spans);
            }
        }
    }
}
