//! A message to the page: how it is made, how it ends, and its spans.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::call::{Rejection, Reply};
use super::caller::{Caller, Credit};
use super::delivery::{Delivery, DeliveryTiming, OutboundKind, PageExecution};
use super::open_call::OpenCall;
use super::protocol::code::code_of;
use super::protocol::script::{Item, ReplyItem};
use super::recorder::Recorder;
use super::series::{EventSeries, Outcome};
use super::spans::parent::TraceParent;
use super::spans::timed::{TimedSpan, count};
use super::waker::Waker;
use super::withdrawal::Withdrawal;
use crate::clock::Stamp;
use crate::instrument::call_site::CallSite;
use crate::instrument::record_sink::{CallDetails, Stages};
use crate::semconv::{self, ErrorType};

/// A message to the page.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) body: Body,
    pub(super) series: Arc<EventSeries>,
    /// Its span, where it has one.
    // In a box: in a flood most messages have no span, and the queue holds thousands of these.
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
        /// When the page made the call.
        began: Stamp,
        /// How long the call was on its way, and then at its handlers, as far as that is known.
        transit: Option<Duration>,
        handler: Option<Duration>,
    },
}

/// Whether a message is sent again to the next page when its page goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    No,
    Yes,
}

/// What of the wire every message to the page is made with.
// Not the wire itself: `wire.rs` imports this file, and no file may import one that imports it.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) recorder: &'a Recorder,
    pub(super) waker: &'a Waker,
}

impl Sender<'_> {
    /// A call's reply.
    pub(super) fn reply(
        self,
        caller: Caller,
        call: u64,
        result: Reply,
        handler: Option<Duration>,
        series: Arc<EventSeries>,
        parent: &TraceParent,
    ) -> Outbound {
        let body = Body::Reply {
            call,
            result,
            credit: caller.credit,
            began: caller.began,
            transit: caller.transit,
            handler,
        };
        // The page asked for it.
        self.message(body, series, parent, None)
    }

    /// A message, sent here and now, by the app's code at `site`.
    pub(super) fn message(
        self,
        body: Body,
        series: Arc<EventSeries>,
        parent: &TraceParent,
        site: Option<CallSite>,
    ) -> Outbound {
        let kind = match body {
            Body::Reply { .. } => OutboundKind::Reply,
            Body::Event { .. } | Body::Eval { .. } => OutboundKind::Event,
        };
        let (enqueued_at, span) = self.recorder.send(kind, &series, body.size(), parent, site);
        Outbound {
            body,
            series,
            span,
            enqueued_at,
            // What the same sum has grown by when the message leaves is its own part of the delay.
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

    /// The id of the page's call whose reply it is; that of a transport's call is none of these.
    pub(super) fn call_of_page(&self) -> Option<u64> {
        match self.body {
            Body::Reply {
                call,
                credit: Credit::Spent,
                ..
            } => Some(call),
            _ => None,
        }
    }

    /// Replaces what a reply says.
    pub(super) fn replace_result(&mut self, with: Reply) {
        if let Body::Reply { result, .. } = &mut self.body {
            *result = with;
        }
        if let Some(span) = &mut self.span {
            // The span was made with the size of the reply that did not fit.
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
            // Not reached: the outbox writes a raw script with its `begin` and `end` itself.
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
    pub(super) withdrawal: Option<Withdrawal>,
    /// It was sent before its page was loaded.
    pub(super) is_startup: bool,
}

/// A message that never left, as it ended.
pub(super) fn undelivered(message: Outbound, error: ErrorType) -> EndedMessage {
    EndedMessage {
        // Ids on the wire begin at 1.
        id: 0,
        message,
        outcome: Err(error),
        timing: DeliveryTiming::default(),
        execution: None,
        call: None,
        withdrawal: None,
        is_startup: false,
    }
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
    /// The calls that a page had open when it went away, and why it did.
    pub(super) open_calls: Vec<(OpenCall, ErrorType)>,
    /// The spans that a page had open when it went away, and why it did.
    pub(super) open_spans: Vec<(Box<TimedSpan>, ErrorType)>,
}

impl EndedMessage {
    /// What is recorded of it.
    pub(super) fn delivery(&mut self) -> Delivery<'_> {
        Delivery {
            kind: match self.message.is_reply() {
                true => OutboundKind::Reply,
                false => OutboundKind::Event,
            },
            series: &self.message.series,
            span: self.message.span.take(),
            size: self.message.body.size(),
            enqueued_at: self.message.enqueued_at,
            timing: self.timing,
            // Of a raw script it is not known when it ran.
            execution: self.execution.filter(|_| !self.message.is_eval()),
            outcome: self.outcome,
            is_acknowledged: self.outcome.is_ok(),
            is_startup: self.is_startup,
        }
    }

    /// How the page saw the call whose reply this was, and after what time.
    pub(super) fn settled_call(&self, now: Stamp) -> Option<(Outcome, Duration)> {
        let Body::Reply { began, .. } = self.message.body else {
            return None;
        };
        let (outcome, settled) = match self.withdrawal {
            Some(Withdrawal { at, error }) => (Err(error), at),
            None => (self.call_outcome(), self.settled_at(now)),
        };
        Some((outcome, settled.since(began)))
    }

    /// What else is known of the call whose reply this was.
    pub(super) fn call_details(&self, now: Stamp) -> CallDetails {
        let Body::Reply {
            began,
            transit,
            handler,
            ..
        } = self.message.body
        else {
            return CallDetails::default();
        };
        let enqueued = self.message.enqueued_at;
        let known = transit.unwrap_or_default() + handler.unwrap_or_default();
        let sent = self.timing.dispatched.map(|(at, _)| at);
        let stages = Stages {
            // What is left of the time until the reply.
            // Saturating, since `began` comes from an estimate of the page's clock.
            page_wait: Some(enqueued.since(began).saturating_sub(known)),
            transit,
            queue_wait: self.timing.dequeued.map(|(_, wait)| wait),
            handler,
            response: sent.map(|sent| self.settled_at(now).since(sent)),
        };
        let call = self.call.as_ref();
        CallDetails {
            stages,
            trace_id: call.map(|span| span.as_parent().trace_id()),
        }
    }

    /// What the page's promise was settled with, or why it never will be.
    fn call_outcome(&self) -> Outcome {
        match (&self.message.body, self.outcome) {
            // A rejection that arrived is a delivered message and a failed call.
            (Body::Reply { result, .. }, Ok(())) => result
                .as_ref()
                .map(|_| ())
                .map_err(|rejection| rejection.error),
            (_, outcome) => outcome,
        }
    }

    fn settled_at(&self, now: Stamp) -> Stamp {
        self.execution.map_or(now, |execution| execution.begin)
    }

    /// When a call of the page's had its answer, if this was one that reached the page.
    pub(super) fn answered(&self, now: Stamp) -> Option<Stamp> {
        // The page does nothing with the reply to a call that it withdrew.
        let reached = self.message.is_reply() && self.outcome.is_ok() && self.withdrawal.is_none();
        reached.then(|| self.settled_at(now))
    }

    /// Ends the span of the call whose reply this was: the page settled its promise, or never will.
    pub(super) fn end_call_span(&mut self, now: Stamp) {
        let Some(mut span) = self.call.take() else {
            return;
        };
        let error = self.call_outcome().err();
        let settled = self.settled_at(now);
        if self.outcome.is_ok() {
            // A reply that did not arrive settled no promise.
            span.add_event("settled", settled);
        }
        span.finish(error.map(ErrorType::as_str), settled);
    }
}
