//! Spans of the OpenTelemetry SDKs in pages, sent on with the app's own.

#[cfg(fuzzing)]
pub(in crate::telemetry) mod fuzzing;
mod queue;
mod reader;
mod repair;
mod span;

use std::fmt;
use std::sync::{Arc, Once};

use opentelemetry_sdk::trace::SpanData;

use self::queue::Queue;
use self::reader::Reader;
use super::batch_processor::Batch;
use super::limits::PageSpanLimits;
use crate::clock::{self, Stamp};
use crate::instrument::page_spans::{PageSpanRequest, PageSpanSink, PageSpansRefused};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;

/// Takes the spans that an OpenTelemetry SDK in a page made, for
/// [`IpcBuilder::page_spans`](crate::ipc::IpcBuilder::page_spans). Made by
/// [`Telemetry::page_spans`](crate::telemetry::Telemetry::page_spans).
///
/// Each is checked, cut to the limits that hold for all spans, given the app's resource and the
/// webview's name, and exported with the app's own. No sampler is asked: the page's SDK had one, and
/// what it did not sample is dropped. Clones are handles to one queue of 256 requests and 8 MiB,
/// which a thread of its own reads. When no traces are sent, while telemetry is paused, and after the
/// shutdown, it takes nothing.
#[derive(Clone)]
pub struct PageSpans(Option<Arc<ReaderThread>>);

struct ReaderThread {
    queue: Arc<Queue>,
    /// What the thread runs.
    reader: Reader,
    start: Once,
}

impl PageSpans {
    /// Takes nothing.
    pub(in crate::telemetry) fn off() -> Self {
        Self(None)
    }

    /// The thread starts with the first [`started`](Self::started).
    pub(in crate::telemetry) fn new(
        limits: PageSpanLimits,
        batch: Batch<SpanData>,
        local_recorder: LocalRecorder,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let reader = Reader {
            queue: Arc::clone(&queue),
            limits,
            batch,
            local_recorder,
        };
        Self(Some(Arc::new(ReaderThread {
            queue,
            reader,
            start: Once::new(),
        })))
    }

    /// Has the reader look whether telemetry is paused.
    pub(in crate::telemetry) fn look_at_switch(&self) {
        if let Some(shared) = &self.0 {
            shared.queue.look_at_switch();
        }
    }

    /// Deletes what is not read yet, for a pause, and says how many spans that is.
    pub(in crate::telemetry) fn discard(&self) -> u64 {
        let Some(shared) = &self.0 else { return 0 };
        let spans = shared.queue.discard();
        shared.reader.batch.discard_unseen(spans);
        spans
    }

    /// A handle to the queue, with somebody who reads it.
    pub(in crate::telemetry) fn started(&self) -> Self {
        if let Some(shared) = &self.0 {
            // A second caller waits here until the thread is started, so `running` is right
            // afterwards.
            shared.start.call_once(|| {
                // The thread keeps all this alive until the queue is closed.
                let reads = Arc::clone(shared);
                let started = std::thread::Builder::new()
                    .name("spanwire-page-spans".into())
                    .spawn(move || reads.reader.run());
                if started.is_err() {
                    // Nothing must wait for a thread that the system did not give.
                    shared.queue.close(clock::now());
                    shared.queue.ended();
                }
            });
        }
        self.clone()
    }

    /// Reads what was taken so far; `false` when that was not done by `until`.
    pub(in crate::telemetry) fn flush(&self, until: Stamp) -> bool {
        self.running()
            .is_none_or(|shared| shared.queue.wait_read(until))
    }

    /// Takes no more. What is not read by `read_until` is lost, and counted as dropped in the batch.
    /// Returns when all that is done, or at `until`.
    pub(in crate::telemetry) fn close(&self, read_until: Stamp, until: Stamp) {
        if let Some(shared) = &self.0 {
            // The queue is closed even without a thread: it is to refuse a page that sends spans
            // later.
            shared.queue.close(read_until);
        }
        if let Some(shared) = self.running() {
            shared.queue.wait_ended(until);
        }
    }

    fn running(&self) -> Option<&ReaderThread> {
        self.0
            .as_deref()
            // A reader that was never started never ends, so nothing may wait for its end.
            .filter(|shared| shared.start.is_completed())
    }
}

impl PageSpanSink for PageSpans {
    fn take(&self, request: PageSpanRequest<'_>) -> Result<(), PageSpansRefused> {
        match &self.0 {
            // Refused at once in a pause, before the text is copied.
            Some(shared) => match shared.reader.batch.switch().recording() {
                Some(epoch) => shared.queue.push(request, epoch),
                None => Err(PageSpansRefused::Off),
            },
            None => Err(PageSpansRefused::Off),
        }
    }
}

impl fmt::Debug for PageSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "PageSpans(on)"
        } else {
            "PageSpans(off)"
        })
    }
}

#[cfg(test)]
mod tests;
