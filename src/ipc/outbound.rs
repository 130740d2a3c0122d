//! A message to the page: how it is made, how it ends, and its spans.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Tracer};
use serde_json::value::RawValue;

use super::call::{Rejection, Reply};
use super::caller::{Caller, Credit};
use super::protocol::code::code_of;
use super::protocol::direction::Direction;
use super::protocol::script::{Item, ReplyItem};
use super::series::{EventSeries, Outcome, WebviewSeries};
use super::spans::names::Verb;
use super::spans::parent::TraceParent;
use super::spans::timed::{ParentSpan, TimedSpan, attributes, count};
use super::spans::tracer::WireTracer;
use super::waker::Waker;
use crate::clock::{Clock, Stamp};
use crate::semconv::{self, ErrorType};

/// A message to the page.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) body: Body,
    pub(super) series: Arc<EventSeries>,
    /// Its span, where it has one.
    pub(super) span: Option<Box<TimedSpan>>,
    pub(super) enqueued_at: Stamp,
    /// How long the main thread had kept the wire waiting in all by then.
    pub(super) main_thread_delay_before: Duration,
}

#[derive(Debug)]
pub(super) enum Body {
    Event {
        name: Arc<str>,
        data: Box<RawValue>,
        replay: Replay,
    },
    Eval {
        script: Box<str>,
    },
    Reply {
        call: u64,
        result: Reply,
        credit: Credit,
    },
}

/// Whether a message is sent again to the next page when its page goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    No,
    Yes,
}

/// What of the wire every message to the page is made with.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) webview: &'a Arc<str>,
    pub(super) series: &'a WebviewSeries,
    pub(super) tracer: &'a WireTracer,
    pub(super) clock: &'a Clock,
    pub(super) waker: &'a Waker,
}

impl Sender<'_> {
    /// A call's reply.
    pub(super) fn reply(
        self,
        caller: Caller,
        call: u64,
        result: Reply,
        series: Arc<EventSeries>,
        parent: &TraceParent,
    ) -> Outbound {
        let body = Body::Reply {
            call,
            result,
            credit: caller.credit,
        };
        self.message(body, series, parent)
    }

    /// A message, sent here and now.
    pub(super) fn message(
        self,
        body: Body,
        series: Arc<EventSeries>,
        parent: &TraceParent,
    ) -> Outbound {
        let tracer = match parent {
            TraceParent::Suppressed => None,
            TraceParent::Root | TraceParent::Within(_) => self.tracer.tracer(self.clock),
        };
        let Some(tracer) = tracer else {
            let enqueued_at = self.clock.now();
            return Outbound {
                body,
                series,
                span: None,
                enqueued_at,
                main_thread_delay_before: self.waker.total_delay(enqueued_at),
            };
        };
        let (enqueued_at, wall) = self.clock.now_and_wall();
        let (verb, kind) = match body {
            Body::Reply { .. } => (Verb::Reply, SpanKind::Internal),
            Body::Event { .. } | Body::Eval { .. } => (Verb::Send, SpanKind::Producer),
        };
        // Calls are bounded by the page's window, and each has its reply.
        let is_bounded = matches!(body, Body::Reply { .. });
        let span = if is_bounded || self.tracer.admits(Direction::Outbound, enqueued_at) {
            let names = series.names();
            let span = SpanBuilder::from_name(names.span(verb))
                .with_kind(kind)
                .with_start_time(wall);
            tracer
                .start(parent.context(), span)
                .filter(|span| span.is_recording())
                .map(|span| {
                    let mut span = TimedSpan::new(span, enqueued_at, wall);
                    span.describe(names, self.webview);
                    span.set_attribute(semconv::MESSAGE_SIZE_BY, count(body.size()));
                    Box::new(span)
                })
        } else {
            self.series.span_skipped(Direction::Outbound);
            None
        };
        Outbound {
            body,
            series,
            span,
            enqueued_at,
            main_thread_delay_before: self.waker.total_delay(enqueued_at),
        }
    }
}

impl Body {
    /// Payload bytes on the wire.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Event { data, .. }
            | Self::Reply {
                result: Ok(data), ..
            } => data.get().len(),
            Self::Reply {
                result: Err(rejection),
                ..
            } => rejection.message.len(),
            Self::Eval { script } => script.len(),
        }
    }
}

impl Outbound {
    /// Payload bytes on the wire.
    pub(super) fn size(&self) -> usize {
        self.body.size()
    }

    pub(super) fn is_eval(&self) -> bool {
        matches!(self.body, Body::Eval { .. })
    }

    pub(super) fn is_reply(&self) -> bool {
        matches!(self.body, Body::Reply { .. })
    }

    /// Replaces what a reply says.
    pub(super) fn replace_result(&mut self, with: Reply) {
        if let Body::Reply { result, .. } = &mut self.body {
            *result = with;
        }
        if let Some(span) = &mut self.span {
            span.set_attribute(semconv::MESSAGE_SIZE_BY, count(self.body.size()));
        }
    }

    /// The message as it is written under `id`.
    pub(super) fn item(&self, id: u64) -> Item<'_> {
        match &self.body {
            Body::Event { name, data, .. } => Item::Event {
                id,
                event: name,
                data,
            },
            Body::Eval { .. } => Item::Begin { id },
            Body::Reply { call, result, .. } => Item::Reply {
                id,
                call: *call,
                result: match result {
                    Ok(data) => ReplyItem::Data(data),
                    Err(Rejection {
                        name,
                        message,
                        error,
                    }) => ReplyItem::Error {
                        name,
                        message,
                        code: code_of(*error),
                    },
                },
            },
        }
    }
}

/// A message that ended, and how it got there.
#[derive(Debug)]
pub(super) struct EndedMessage {
    /// What it was called on the wire; 0 when it did not get that far.
    pub(super) id: u64,
    pub(super) message: Outbound,
    pub(super) outcome: Outcome,
    pub(super) timing: DeliveryTiming,
    /// When the page ran it, if that is known.
    pub(super) execution: Option<PageExecution>,
    /// The span of the page's call, when this was its reply.
    pub(super) call: Option<Box<TimedSpan>>,
    /// It was the reply to a call that the page had withdrawn.
    pub(super) is_ignored: bool,
}

/// A message that never left, as it ended.
pub(super) fn undelivered(message: Outbound, error: ErrorType) -> EndedMessage {
    EndedMessage {
        id: 0,
        message,
        outcome: Err(error),
        timing: DeliveryTiming::default(),
        execution: None,
        call: None,
        is_ignored: false,
    }
}

/// The stages that a message to the page went through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeliveryTiming {
    /// When it left the queue, and after what wait.
    pub(super) dequeued: Option<(Stamp, Duration)>,
    /// How long of that wait the main thread was woken and did not come.
    pub(super) main_thread_delay: Duration,
    /// When it was last sent, and with how many others.
    pub(super) dispatched: Option<(Stamp, usize)>,
    pub(super) attempts: u32,
}

/// When the page ran a message, in host time: not before it was sent, and not after now.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageExecution {
    pub(super) begin: Stamp,
    pub(super) end: Stamp,
}

/// What an input leads to, to be recorded without the page's lock.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) ended: Vec<EndedMessage>,
    pub(super) retries: u64,
    /// Acknowledgements of messages that were not in flight.
    pub(super) unknown_acks: u64,
    /// How long what was acknowledged had been on its way to the page.
    pub(super) transit: Option<Duration>,
    /// The spans that a page had open when it went away, and why it did.
    pub(super) open_spans: Vec<(Box<TimedSpan>, ErrorType)>,
}

impl EndedMessage {
    /// Ends the message's span, and makes that of the page's work on it.
    pub(super) fn end_span(&mut self, tracer: &WireTracer, webview: &Arc<str>, now: Stamp) {
        let Some(mut span) = self.message.span.take() else {
            return;
        };
        let timing = self.timing;
        if let Some((at, wait)) = timing.dequeued {
            span.add_event("dequeued", at);
            span.set_attribute(semconv::WAIT_S, wait.as_secs_f64());
        }
        if !timing.main_thread_delay.is_zero() {
            let delay = timing.main_thread_delay.as_secs_f64();
            span.set_attribute(semconv::MAIN_THREAD_DELAY_S, delay);
        }
        if let Some((at, batch)) = timing.dispatched {
            span.add_event("dispatched", at);
            span.set_attribute(semconv::BATCH_SIZE, count(batch));
        }
        if timing.attempts > 1 {
            span.set_attribute(semconv::RETRIES, i64::from(timing.attempts - 1));
        }
        if self.outcome.is_ok() {
            span.add_event("acknowledged", now);
        }
        if let Some(execution) = self.execution
            && !self.message.is_eval()
        {
            self.add_process_span(tracer, webview, span.as_parent(), execution);
        }
        span.finish(self.outcome.err().map(ErrorType::as_str), now);
    }

    /// Makes the span of the page's listeners at work, or of its promise's continuations.
    fn add_process_span(
        &self,
        tracer: &WireTracer,
        webview: &Arc<str>,
        parent: &ParentSpan,
        execution: PageExecution,
    ) {
        let Some(tracer) = tracer.kept() else {
            return;
        };
        let names = self.message.series.names();
        let span = SpanBuilder::from_name(names.span(Verb::Process))
            .with_kind(SpanKind::Consumer)
            .with_start_time(parent.wall_at(execution.begin))
            .with_attributes(attributes(names, webview));
        let mut span = tracer.build_with_context(span, &parent.context());
        span.end_with_timestamp(parent.wall_at(execution.end));
    }

    /// Ends the span of the call whose reply this was: the page settled its promise, or never will.
    pub(super) fn end_call_span(&mut self, now: Stamp) {
        let Some(mut span) = self.call.take() else {
            return;
        };
        let error = match (&self.message.body, self.outcome) {
            (_, Err(error)) => Some(error),
            (Body::Reply { result, .. }, Ok(())) => {
                result.as_ref().err().map(|rejection| rejection.error)
            }
            _ => None,
        };
        let settled = self.execution.map_or(now, |execution| execution.begin);
        if self.outcome.is_ok() {
            span.add_event("settled", settled);
        }
        span.finish(error.map(ErrorType::as_str), settled);
    }
}
