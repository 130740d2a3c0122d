//! A message whose handlers are not done when they return: async ones run on the app's runtime,
//! and responders are anywhere.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, AbortRegistration, Abortable, BoxFuture};
use opentelemetry::KeyValue;
use tracing::{Instrument, Span};

use super::caller::{Caller, record_end};
use super::handler_outcome::HandlerOutcome;
use super::handler_slot::HandlerSlot;
use super::inline_task::InlineTask;
use super::listeners::EventListeners;
use super::open_call::OpenCall;
use super::page::HeldCall;
use super::responder::Deferral;
use super::series::EventSeries;
use super::spans::handler;
use super::spans::parent::TraceParent;
use super::wire::Inner;
use crate::clock::{Clock, Stamp};
use crate::instrument::record_sink::CallDetails;
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

/// Ends its message once, however its listeners end: done, withdrawn by the page, or dropped with
/// their runtime.
pub(super) struct AsyncCall {
    /// The app's handles alone keep a wire: the last one ends it, whatever its handlers do.
    inner: Weak<Inner>,
    clock: Clock,
    series: Arc<EventSeries>,
    caller: Caller,
    slot: Arc<HandlerSlot>,
    started: Stamp,
    span: Span,
    /// What the reply's span is made below.
    parent: TraceParent,
    ended: bool,
}

impl AsyncCall {
    /// Takes the message in before its listeners run, with what withdraws it.
    ///
    /// # Errors
    ///
    /// Why the message was refused. It has ended then.
    pub(super) fn open(
        inner: &Arc<Inner>,
        event: &EventListeners,
        caller: Caller,
        bytes: usize,
        started: Stamp,
        span: Span,
        parent: TraceParent,
    ) -> Result<(Self, AbortRegistration), ErrorType> {
        let mut opened = Self {
            inner: Arc::downgrade(inner),
            clock: inner.recorder.clock.clone(),
            series: Arc::clone(&event.series),
            caller,
            // The slot is counted before the bound is checked: of two threads at the bound at least
            // one sees both.
            slot: Arc::new(inner.held_messages.hold(bytes)),
            started,
            span,
            parent,
            ended: false,
        };
        if inner.has_too_many_held_messages() {
            // The flag keeps the drop from ending the message a second time.
            opened.ended = true;
            opened.conclude(inner, HandlerOutcome::over_credit(), None);
            return Err(ErrorType::OverCredit);
        }
        let (abort, registration) = AbortHandle::new_pair();
        // An event has nothing to withdraw: its handler goes on when the page is gone.
        if let Some(call) = caller.call_key() {
            let held = HeldCall {
                abort,
                call: opened.open_call(),
                slot: Arc::clone(&opened.slot),
            };
            // The guard ends with this statement: what follows records metrics and ends spans.
            let called = inner.page().open_call(caller.generation, call, held);
            if let Err(error) = called {
                // Another call of the transport's with this id is open, and this one gets no reply,
                // or both would; or another thread saw the page go away meanwhile.
                opened.ended = true;
                record_end(
                    &opened.series,
                    caller.kind(),
                    Err(error),
                    None,
                    &opened.span,
                );
                opened
                    .series
                    .call_settled(Err(error), opened.took(), CallDetails::default());
                // Nothing else is left to end: a transport's call has no span of the page's and no
                // credit, and those of a page that is gone ended with it.
                return Err(error);
            }
        }
        Ok((opened, registration))
    }

    /// What the message's responders are made of. Called inside the message's span.
    pub(super) fn deferral(&self, inner: &Inner) -> Deferral {
        Deferral {
            slot: Arc::clone(&self.slot),
            reply_bytes_max: inner.config.limits.outbound_bytes_max,
            span: self.span.clone(),
            suppressed: match &self.parent {
                // In a thread-local's destructor there is none to run in.
                TraceParent::Suppressed => (!is_ending()).then(opentelemetry::Context::current),
                TraceParent::Root | TraceParent::Within(_) => None,
            },
        }
    }

    /// Waits for the listeners, on the runtime if one of them is async. Called inside the message's
    /// span.
    pub(super) fn spawn(
        self,
        inner: &Inner,
        event: &EventListeners,
        future: BoxFuture<'static, HandlerOutcome>,
        registration: AbortRegistration,
    ) {
        // The task enters the span at each poll; `self` keeps one for the message's end.
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
        let task = Abortable::new(handlers.instrument(span), registration);
        // Responders wait for other threads alone, so no runtime is needed: the thread that
        // responds runs the rest.
        if !event.is_async() {
            return InlineTask::start(task.map(drop).boxed());
        }
        let Some(runtime) = inner.config.runtime.clone() else {
            unreachable!("on_async refuses without a runtime")
        };
        runtime.spawn(task);
    }

    fn finish(mut self, outcome: HandlerOutcome) {
        self.end(Some(outcome));
    }

    /// `None`: its listeners were dropped before they were done.
    fn end(&mut self, outcome: Option<HandlerOutcome>) {
        self.ended = true;
        let took = self.took();
        match self.inner.upgrade() {
            Some(inner) if self.still_awaited(&inner) => {
                let outcome = outcome.unwrap_or_else(HandlerOutcome::dropped);
                self.conclude(&inner, outcome, Some(took));
            }
            // No reply goes out, but the handler's end and its time count.
            inner => {
                let outcome =
                    outcome.map_or(Err(self.slot.withdrawn_as()), |outcome| outcome.outcome);
                let kind = self.caller.kind();
                record_end(&self.series, kind, outcome, Some(took), &self.span);
                if let Some(inner) = inner {
                    // The credit comes back here, since no end of a reply will bring it.
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
        let generation = self.caller.generation;
        // An event has no page that waits; whether its page is there does not change its end.
        self.caller
            .call_key()
            .is_none_or(|call| inner.page().close_call(generation, call))
    }

    fn open_call(&self) -> OpenCall {
        OpenCall {
            series: Arc::clone(&self.series),
            began: self.caller.began,
        }
    }

    fn took(&self) -> Duration {
        self.clock.now().since(self.started)
    }
}

impl Drop for AsyncCall {
    fn drop(&mut self) {
        // The page withdrew it or went, or its runtime ended; only then is there a page to reply to.
        if !self.ended {
            self.end(None);
        }
    }
}
