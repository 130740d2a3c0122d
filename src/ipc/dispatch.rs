//! A message from the page on its way through its listeners.

use std::sync::Arc;

use futures_util::FutureExt;
use opentelemetry::context::FutureExt as _;
use opentelemetry::{Context, KeyValue};
use serde_json::value::RawValue;

use super::async_call::AsyncCall;
use super::call::Call;
use super::caller::Caller;
use super::listeners::{HandlerOutcome, HandlerRun};
use super::protocol::direction::Direction;
use super::series::EventSeries;
use super::spans::handler;
use super::spans::page::MessageTrace;
use super::spans::parent::TraceParent;
use super::spans::timed::TimedSpan;
use super::wire::Inner;
use crate::instrument::cardinality::{NameSource, is_event_name};
use crate::instrument::surrogates::mend_surrogates;
use crate::semconv::{self, ErrorType};

impl Inner {
    /// Runs a message through its listeners.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        data: &RawValue,
        trace: MessageTrace<'_>,
    ) {
        let size = trace.size;
        self.recorder.series.message_size(Direction::Inbound, size);
        let started = self.recorder.clock.now();
        // Kept while the listeners run: it is no lock, and adding a listener does not wait for it.
        let events = self.listeners.events();
        let found = events.get(name);
        let series = match found {
            Some(event) => &event.series,
            None => &self.unlistened_series(name),
        };
        // An async handler names its own thread.
        let runs_here = found.is_some_and(|event| !event.is_async());
        let thread = self.recorder.main_thread.current().filter(|_| runs_here);
        let mut handling = self
            .recorder
            .begin(series, caller.kind(), trace, thread, started);
        if let (Some(call), Some(span)) = (caller.call, handling.call.take()) {
            self.keep_call_span(caller.generation, call, span);
        }
        let (entered, parent) = handling.enter(&self.recorder, started);
        let span = entered.span;
        let Some(event) = found else {
            let outcome = if is_event_name(name) {
                HandlerOutcome::unknown_event(name)
            } else {
                HandlerOutcome::invalid_name()
            };
            return self.finish(series, caller, outcome, None, span, &parent);
        };
        let call = Call::new(&event.name, data, caller.call.is_some());
        let run = event.run(&call);
        // An async handler reads a copy, later.
        let is_mended =
            call.was_mended() || event.is_async() && mend_surrogates(data.get()).is_some();
        if is_mended {
            self.recorder
                .series
                .protocol_error(ErrorType::LoneSurrogate);
        }
        let took = self.recorder.clock.now().since(started);
        if self.recorder.main_thread.was_blocked(took) {
            series.blocked();
            let took = KeyValue::new(semconv::MAIN_THREAD_BLOCKED_S, took.as_secs_f64());
            handler::set_attribute(span, took);
        }
        match run {
            HandlerRun::Done(outcome) => {
                self.finish(series, caller, outcome, Some(took), span, &parent);
            }
            HandlerRun::Pending(future) => {
                let series = Arc::clone(series);
                let future = match &parent {
                    TraceParent::Suppressed => future.with_context(Context::current()).boxed(),
                    TraceParent::Root | TraceParent::Within(_) => future,
                };
                AsyncCall::new(self, series, caller, size, started, span.clone(), parent)
                    .spawn(self, future);
            }
        }
    }

    /// Keeps the span of a call with its page until the reply has ended.
    fn keep_call_span(&self, generation: u64, call: u64, span: Box<TimedSpan>) {
        let refused = match self.page().spans(generation) {
            Some(spans) => {
                spans.open_call(call, span);
                None
            }
            None => Some(span),
        };
        if let Some(span) = refused {
            // Another thread saw the page go away meanwhile.
            let why = self.page().why_gone();
            span.fail(why.as_str(), self.recorder.clock.now());
        }
    }

    /// The series of a name that the page gave, which may be hostile.
    pub(super) fn series_of(&self, name: &str) -> Arc<EventSeries> {
        match self.listeners.events().get(name) {
            Some(event) => Arc::clone(&event.series),
            None => self.unlistened_series(name),
        }
    }

    /// The series of a name without listeners.
    fn unlistened_series(&self, name: &str) -> Arc<EventSeries> {
        if is_event_name(name) {
            self.recorder.series.event(name, NameSource::External)
        } else {
            Arc::clone(self.recorder.series.nameless())
        }
    }
}
