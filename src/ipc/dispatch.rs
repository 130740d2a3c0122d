//! A message from the page on its way through its listeners.

use std::sync::Arc;

use futures_util::FutureExt;
use opentelemetry::context::FutureExt as _;
use opentelemetry::{Context, KeyValue};
use serde_json::value::RawValue;

use super::async_call::AsyncCall;
use super::call::Call;
use super::caller::Caller;
use super::handler_outcome::HandlerOutcome;
use super::inbound::Disposition;
use super::protocol::direction::Direction;
use super::series::EventSeries;
use super::spans::handler;
use super::spans::page::MessageTrace;
use super::spans::parent::TraceParent;
use super::spans::timed::TimedSpan;
use super::wire::Inner;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::{check_event_name, is_event_name};
use crate::instrument::surrogates::mend_surrogates;
use crate::instrument::thread_cpu::{ThreadCpu, set_cpu_time};
use crate::instrument::thread_end::is_ending;
use crate::semconv::{self, ErrorType};

impl Inner {
    /// Runs a message through its listeners.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        caller: Caller,
        name: &str,
        data: &RawValue,
        trace: MessageTrace<'_>,
    ) -> Disposition {
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
        let trace = MessageTrace {
            original: series.original_name(name),
            ..trace
        };
        series.size(Direction::Inbound, size);
        if let Some(transit) = trace.transit {
            series.transit(Direction::Inbound, transit);
        }
        // An async handler names its own thread.
        let runs_here = found.is_some_and(|event| !event.is_async());
        let thread = self.recorder.main_thread.current().filter(|_| runs_here);
        let mut handling = self
            .recorder
            .begin(series, caller.kind(), trace, thread, started);
        if let (Some(call), Some(span)) = (caller.call, handling.call.take()) {
            // The wire keeps the span before the handler runs, so that a withdrawal finds the span
            // at any stage of the call.
            self.keep_call_span(caller.generation, call, span);
        }
        let (entered, parent) = handling.enter(&self.recorder, started);
        let span = entered.span;
        let Some(event) = found else {
            // Checked only here: a name with listeners was checked when they were registered.
            let (outcome, disposition) = match check_event_name(name) {
                Ok(()) => {
                    let outcome = HandlerOutcome::unknown_event(name);
                    (outcome, Disposition::UnknownEvent)
                }
                Err(error) => {
                    let outcome = HandlerOutcome::invalid_name(error);
                    (outcome, Disposition::Refused(ErrorType::InvalidName))
                }
            };
            self.finish(series, caller, outcome, None, span, &parent);
            return disposition;
        };
        // Until they let go of this thread, the history knows of them.
        let _open = event.work.begin(started);
        let call = Call::new(&event.name, data, caller.call.is_some());
        let watch = || {
            let took = self.recorder.clock.now().since(started);
            if self.recorder.main_thread.was_blocked(took) {
                series.blocked();
                let blocked = KeyValue::new(semconv::MAIN_THREAD_BLOCKED_S, took.as_secs_f64());
                handler::set_attribute(span, blocked);
            }
            took
        };
        if event.is_sync() {
            // The CPU time is read next to the handler, so that none of our work counts as the
            // handler's.
            let cpu = ThreadCpu::begin(self.config.cpu_time, span);
            let outcome = event.run(&call);
            let used = cpu.and_then(ThreadCpu::used);
            self.count_mended(call.was_mended());
            let took = watch();
            if let Some(used) = used {
                set_cpu_time(span, used);
            }
            self.finish(series, caller, outcome, Some(took), span, &parent);
            return Disposition::Dispatched;
        }
        let is_suppressed = matches!(parent, TraceParent::Suppressed);
        let opened = AsyncCall::open(self, event, caller, size, started, span.clone(), parent);
        let (opened, registration) = match opened {
            Ok(opened) => opened,
            Err(error) => return Disposition::Refused(error),
        };
        // Sync and deferred listeners run in here, and of an async one what comes before its
        // future.
        let future = event.start(&call, &opened.deferral(self));
        // Some of its handlers read a copy, later.
        self.count_mended(call.was_mended() || mend_surrogates(data.get()).is_some());
        watch();
        // In a thread-local's destructor no context is entered that the future could run in.
        let future = if is_suppressed && !is_ending() {
            // It is polled on other threads, where only a context of its own suppresses spans.
            future.with_context(Context::current()).boxed()
        } else {
            future
        };
        opened.spawn(self, event, future, registration);
        Disposition::Dispatched
    }

    /// Counts a payload that was read without its halves of surrogate pairs.
    fn count_mended(&self, is_mended: bool) {
        if is_mended {
            let series = &self.recorder.series;
            series.protocol_error(ErrorType::LoneSurrogate);
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
        // An invalid name must not become an attribute, and must not take a place below the cap.
        if is_event_name(name) {
            self.recorder.series.event(name, NameSource::External)
        } else {
            Arc::clone(self.recorder.series.nameless())
        }
    }
}
