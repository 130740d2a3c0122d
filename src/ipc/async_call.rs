//! A message whose listeners go on in the background.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use tracing::{Instrument, Span};

use super::handler::Verdict;
use super::inbound::{Caller, ended};
use super::series::EventSeries;
use super::spans::parent::Around;
use super::wire::Inner;
use crate::clock::Stamp;
use crate::semconv;

/// Ends its message once, however its listeners end: done, withdrawn by the page, or dropped with
/// their runtime.
pub(super) struct Background {
    inner: Arc<Inner>,
    series: Arc<EventSeries>,
    caller: Caller,
    /// Of the message's payload, which its handlers hold.
    bytes: usize,
    started: Stamp,
    span: Span,
    /// What the reply's span is made in.
    around: Around,
    ended: bool,
}

impl Background {
    pub(super) fn new(
        inner: &Arc<Inner>,
        series: Arc<EventSeries>,
        caller: Caller,
        bytes: usize,
        started: Stamp,
        span: Span,
        around: Around,
    ) -> Self {
        // Relaxed: the counts order nothing.
        inner.background.fetch_add(1, Ordering::Relaxed);
        inner.background_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self {
            inner: Arc::clone(inner),
            series,
            caller,
            bytes,
            started,
            span,
            around,
            ended: false,
        }
    }

    /// Hands the listeners to the runtime. Called inside the message's span.
    pub(super) fn spawn(mut self, running: BoxFuture<'static, Verdict>) {
        let Some(runtime) = self.inner.config.runtime.clone() else {
            unreachable!("on_async refuses without a runtime")
        };
        if self.inner.is_background_full() {
            self.ended = true;
            let verdict = Verdict::over_credit();
            return self.conclude(verdict, None);
        }
        let (abort, registration) = AbortHandle::new_pair();
        if let Some(call) = self.caller.call {
            let opened = self
                .inner
                .page()
                .open_call(self.caller.generation, call, abort);
            if let Err(error) = opened {
                // Another call with this id is open: this one is not answered, or two would be.
                self.ended = true;
                ended(&self.series, Err(error), None, &self.span);
                self.inner.call_unanswered(self.caller, error);
                self.inner.refund(self.caller);
                return;
            }
        }
        let span = self.span.clone();
        let background = async move {
            if let Some(thread) = self.inner.main_thread.this() {
                self.span.record(semconv::THREAD, thread.as_str());
            }
            let verdict = running.await;
            self.finish(verdict);
        };
        runtime.spawn(Abortable::new(background.instrument(span), registration));
    }

    fn finish(mut self, verdict: Verdict) {
        self.end(verdict);
    }

    fn end(&mut self, verdict: Verdict) {
        self.ended = true;
        let took = self.took();
        if self.still_awaited() {
            self.conclude(verdict, Some(took));
        } else {
            ended(&self.series, verdict.end, Some(took), &self.span);
            self.inner.refund(self.caller);
        }
    }

    fn conclude(&self, verdict: Verdict, took: Option<Duration>) {
        let (inner, series) = (&self.inner, &self.series);
        inner.finish(series, self.caller, verdict, took, &self.span, &self.around);
    }

    /// Takes the call off the books; false when its page withdrew it or is gone.
    fn still_awaited(&self) -> bool {
        let Caller {
            generation, call, ..
        } = self.caller;
        call.is_none_or(|call| self.inner.page().close_call(generation, call))
    }

    fn took(&self) -> Duration {
        self.inner.clock.now().since(self.started)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.inner.background.fetch_sub(1, Ordering::Relaxed);
        self.inner
            .background_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        // Nobody withdrew a call that is still awaited: its runtime ended, and the page is told.
        if !self.ended {
            self.end(Verdict::cancelled());
        }
    }
}
