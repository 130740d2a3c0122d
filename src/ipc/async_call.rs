//! A message whose async handlers run on the app's runtime.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use opentelemetry::KeyValue;
use tracing::{Instrument, Span};

use super::caller::{Caller, record_end};
use super::listeners::HandlerOutcome;
use super::series::EventSeries;
use super::spans::handler;
use super::spans::parent::TraceParent;
use super::wire::Inner;
use crate::clock::{Clock, Stamp};
use crate::semconv;

/// Ends its message once, however its listeners end: done, withdrawn by the page, or dropped with
/// their runtime.
pub(super) struct AsyncCall {
    /// The app's handles alone keep a wire: the last one ends it, whatever its handlers do.
    inner: Weak<Inner>,
    clock: Clock,
    series: Arc<EventSeries>,
    caller: Caller,
    /// Of the message's payload, which its handlers hold.
    bytes: usize,
    started: Stamp,
    span: Span,
    /// What the reply's span is made below.
    parent: TraceParent,
    ended: bool,
}

impl AsyncCall {
    pub(super) fn new(
        inner: &Arc<Inner>,
        series: Arc<EventSeries>,
        caller: Caller,
        bytes: usize,
        started: Stamp,
        span: Span,
        parent: TraceParent,
    ) -> Self {
        // Relaxed: the counts order nothing.
        inner.async_handlers.fetch_add(1, Ordering::Relaxed);
        inner
            .async_handler_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        Self {
            inner: Arc::downgrade(inner),
            clock: inner.recorder.clock.clone(),
            series,
            caller,
            bytes,
            started,
            span,
            parent,
            ended: false,
        }
    }

    /// Hands the listeners to the runtime. Called inside the message's span.
    pub(super) fn spawn(mut self, inner: &Inner, future: BoxFuture<'static, HandlerOutcome>) {
        let Some(runtime) = inner.config.runtime.clone() else {
            unreachable!("on_async refuses without a runtime")
        };
        if inner.has_too_many_async_handlers() {
            self.ended = true;
            let outcome = HandlerOutcome::over_credit();
            return self.conclude(inner, outcome, None);
        }
        let (abort, registration) = AbortHandle::new_pair();
        if let Some(call) = self.caller.call {
            let opened = inner.page().open_call(self.caller.generation, call, abort);
            if let Err(error) = opened {
                // Another call with this id is open: this one gets no reply, or both would.
                self.ended = true;
                record_end(&self.series, Err(error), None, &self.span);
                inner.end_call_span(self.caller, error);
                inner.refund(self.caller);
                return;
            }
        }
        let span = self.span.clone();
        let handlers = async move {
            let thread = self
                .inner
                .upgrade()
                .and_then(|inner| inner.recorder.main_thread.current());
            if let Some(thread) = thread {
                let thread = KeyValue::new(semconv::THREAD, thread.as_str());
                handler::set_attribute(&self.span, thread);
            }
            let outcome = future.await;
            self.finish(outcome);
        };
        runtime.spawn(Abortable::new(handlers.instrument(span), registration));
    }

    fn finish(mut self, outcome: HandlerOutcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: HandlerOutcome) {
        self.ended = true;
        let took = self.took();
        match self.inner.upgrade() {
            Some(inner) if self.still_awaited(&inner) => {
                self.conclude(&inner, outcome, Some(took));
            }
            inner => {
                record_end(&self.series, outcome.outcome, Some(took), &self.span);
                if let Some(inner) = inner {
                    inner.refund(self.caller);
                }
            }
        }
    }

    fn conclude(&self, inner: &Inner, outcome: HandlerOutcome, took: Option<Duration>) {
        inner.finish(
            &self.series,
            self.caller,
            outcome,
            took,
            &self.span,
            &self.parent,
        );
    }

    /// Closes the call; false when its page withdrew it or is gone.
    fn still_awaited(&self, inner: &Inner) -> bool {
        let Caller {
            generation, call, ..
        } = self.caller;
        call.is_none_or(|call| inner.page().close_call(generation, call))
    }

    fn took(&self) -> Duration {
        self.clock.now().since(self.started)
    }
}

impl Drop for AsyncCall {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.async_handlers.fetch_sub(1, Ordering::Relaxed);
            inner
                .async_handler_bytes
                .fetch_sub(self.bytes, Ordering::Relaxed);
        }
        // The page withdrew it or went, or its runtime ended; only then is there a page to reply to.
        if !self.ended {
            self.end(HandlerOutcome::cancelled());
        }
    }
}
