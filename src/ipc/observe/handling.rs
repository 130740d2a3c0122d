//! A message that came in, while the message layer's handlers run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::thread;

use futures_util::future::Either;
use opentelemetry::KeyValue;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::TraceContextExt as _;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::delivery::{Delivery, end_call};
use super::outstanding::Place;
use super::shared::{AwaitedCall, Shared};
use crate::clock::Stamp;
use crate::instrument::record_sink::{self, CallDetails};
use crate::instrument::task_spans;
use crate::instrument::thread_end::is_ending;
use crate::ipc::caller::{record_end, trace_of};
use crate::ipc::delivery::OutboundKind;
use crate::ipc::handling::{self, InboundKind};
use crate::ipc::series::{EventSeries, Outcome};
use crate::ipc::spans::handler;
use crate::ipc::spans::parent::TraceParent;
use crate::semconv::{self, ErrorType};

/// A message that came in and has not ended; made by [`Inbound::begin`](super::Inbound::begin).
///
/// One that is dropped ends as `cancelled`, or as `panic` while its thread panics.
#[must_use = "a message that is dropped ends as cancelled"]
pub struct Handling {
    shared: Arc<Shared>,
    series: Arc<EventSeries>,
    kind: InboundKind,
    started: Stamp,
    handling: handling::Handling,
    /// Where the page ends its call's span.
    page_call: Option<AwaitedCall>,
    /// The call among those that are not settled, and what else is known of it.
    call: Option<(Place, CallDetails)>,
    /// Links to what its task begins, if the message layer asks for them.
    task: Option<task_spans::Waiting>,
    has_ended: bool,
}

impl Handling {
    pub(super) fn new(
        shared: Arc<Shared>,
        series: Arc<EventSeries>,
        kind: InboundKind,
        mut handling: handling::Handling,
        started: Stamp,
        page_call: Option<AwaitedCall>,
        mut call: Option<(Place, CallDetails)>,
    ) -> Self {
        // A future may enter it first, which knows nothing of its attributes.
        handling.start_span();
        if let Some((_, details)) = &mut call
            && record_sink::is_on()
        {
            // A call that did not say when it began has its handler's span alone.
            let trace_id = || trace_of(&handling.span);
            details.trace_id = Some(details.trace_id.unwrap_or_else(trace_id));
        }
        Self {
            shared,
            series,
            kind,
            started,
            handling,
            page_call,
            call,
            task: None,
            has_ended: false,
        }
    }

    /// Runs `handler` on this thread, within the message's span.
    ///
    /// What takes longer than the budget on the main thread is counted as blocking it.
    pub fn in_scope<R>(&mut self, handler: impl FnOnce() -> R) -> R {
        let Shared { recorder, .. } = &*self.shared;
        let began = recorder.clock.now();
        let (entered, parent) = self.handling.enter(recorder, self.started);
        if let Some(thread) = recorder.main_thread.current() {
            let thread = KeyValue::new(semconv::THREAD, thread.as_str());
            handler::set_attribute(entered.span, thread);
        }
        let result = {
            // Until it lets go of this thread, the history knows of it, also when it panics.
            let _open = self.series.handler_began(began);
            let _held = recorder.main_thread.hold(began);
            handler()
        };
        let took = recorder.clock.now().since(began);
        if recorder.main_thread.was_blocked(took) {
            self.series.blocked();
            let took = KeyValue::new(semconv::MAIN_THREAD_BLOCKED_S, took.as_secs_f64());
            handler::set_attribute(entered.span, took);
        }
        drop(entered);
        // For the reply, and for the next part of the handler that enters.
        self.handling.parent = parent;
        result
    }

    /// `handler` within the message's span, whenever it is polled.
    ///
    /// The future does not end the message: call [`end`](Self::end) or [`reply`](Self::reply) with
    /// what it gives, or drop this with it.
    pub fn instrument<F: Future>(&self, handler: F) -> impl Future<Output = F::Output> + use<F> {
        let span = self.handling.span.clone();
        // A message whose spans are suppressed has none: then the context carries the suppression.
        if span.is_none()
            && let Some(context) = self.handling.suppressed_context()
        {
            return Either::Left(handler.with_context(context));
        }
        Either::Right(handler.instrument(span))
    }

    /// Links the message's span to what begins without a parent in the task of tokio that ends it.
    ///
    /// For a message layer that spawns each async handler as a task of its own, where
    /// [`instrument`](Self::instrument) cannot be used. Call this before the handler runs. Spanwire's
    /// own layer must see the spans. It keeps 16 spans of a task, and 1,024 tasks;
    /// `spanwire.ipc.task_spans.dropped` counts the spans beyond. A message costs an atomic increment;
    /// each root span costs an entry in a table until its message ends.
    pub fn link_spans_of_task(&mut self) {
        if !self.handling.span.is_disabled() {
            self.task = Some(task_spans::Waiting::begin());
        }
    }

    /// The message ended, and so did its reply as far as anybody sees: a call's client span ends
    /// here too, unless the page's script will [say](super::Inbound::page_call) when it was settled.
    pub fn end(mut self, outcome: Result<(), ErrorType>) {
        self.finish(outcome);
    }

    /// The message ended, and its reply of `bytes` is sent here and now.
    ///
    /// The reply's end ends the call's client span. For an event this is as [`end`](Self::end) and
    /// then [`Observer::send`](super::Observer::send) within the event's trace.
    pub fn reply(mut self, outcome: Result<(), ErrorType>, bytes: usize) -> Delivery {
        let parent = self.reply_parent();
        let kind = match self.kind {
            InboundKind::Call => OutboundKind::Reply,
            InboundKind::Event => OutboundKind::Event,
        };
        let series = Arc::clone(&self.series);
        let mut delivery =
            Delivery::new(Arc::clone(&self.shared), kind, series, bytes, &parent, None);
        if let Some((call, mut details)) = self.call.take() {
            // The delivery takes both calls, here and below, so that `finish` does not settle the
            // call: its reply will.
            details.stages.handler = Some(self.shared.recorder.clock.now().since(self.started));
            delivery.settles(call, outcome, details);
        }
        if let Some(call) = self.handling.call.take() {
            delivery.answers(call, outcome);
        }
        if let Some(call) = self.page_call.take() {
            if let Some(awaited) = self.shared.page().awaited_of(call.generation) {
                awaited.replying(call.id, outcome);
            }
            delivery.settled_by_page(call, outcome);
        }
        self.finish(outcome);
        delivery
    }

    fn reply_parent(&mut self) -> TraceParent {
        // For a moment: the span's context is current only while the span is entered.
        let (_entered, parent) = self.handling.enter(&self.shared.recorder, self.started);
        parent
    }

    fn link(&mut self) {
        let Some(task) = self.task.take() else { return };
        let spans = task.take();
        if spans.is_empty() || is_ending() {
            return;
        }
        let context = self.handling.span.context();
        for span in spans {
            context.span().add_link(span, Vec::new());
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        // The flag comes first, since `self` is dropped when its caller returns.
        self.has_ended = true;
        self.link();
        let now = self.shared.recorder.clock.now();
        // From `begin` on: between its parts an async handler waits, and that is its time, too.
        let took = now.since(self.started);
        record_end(
            &self.series,
            self.kind,
            outcome,
            Some(took),
            &self.handling.span,
        );
        if let Some((call, mut details)) = self.call.take() {
            details.stages.handler = Some(took);
            self.shared.settled(call, outcome, now, details);
        }
        if let Some(call) = self.handling.call.take() {
            end_call(*call, outcome, now);
        }
        if let Some(call) = self.page_call.take()
            && let Some(awaited) = self.shared.page().awaited_of(call.generation)
        {
            awaited.handled(call.id, outcome);
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if !self.has_ended {
            self.finish(Err(if thread::panicking() {
                ErrorType::Panic
            } else {
                ErrorType::Cancelled
            }));
        }
    }
}

impl fmt::Debug for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handling")
            .field("event", self.series.label())
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
