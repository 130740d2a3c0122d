//! One trace from page to page: what becomes of the page's stamps.
//!
//! The spans that begin on the page are made here, from page times translated to the host's clock.
//! None is made, ended or dropped while the page's lock is held, since that is the app's code.

use std::sync::Arc;

use opentelemetry::trace::{SpanBuilder, SpanKind};
use opentelemetry::{Context, KeyValue};
use serde_json::value::RawValue;

use super::inbound::Caller;
use super::live_span::{LiveSpan, Place};
use super::message::{CancelCause, OpenSpan, PageTime};
use super::outbox::{Body, Credit, Ended, Outbound, Parent};
use super::series::{Direction, EventSeries};
use super::spans::{attributes, count};
use super::wire::Inner;
use crate::clock::Stamp;
use crate::names::is_event_name;
use crate::semconv::{self, ErrorType};

/// When a batch was posted, by the page's clock, and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) sent: Option<PageTime>,
    pub(super) received: Stamp,
    /// Calls and events in it.
    pub(super) posted: usize,
}

/// What a message from the page says of its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps<'a> {
    pub(super) traceparent: Option<&'a str>,
    /// When the page called `invoke` or `emit`.
    pub(super) at: Option<PageTime>,
    /// The page's span that it did so in.
    pub(super) span: Option<u64>,
    /// Bytes of its payload.
    pub(super) size: usize,
    pub(super) arrival: Option<Arrival>,
}

impl Stamps<'_> {
    /// Of a message that says nothing of its trace.
    pub(super) fn none(data: &RawValue) -> Self {
        Self {
            traceparent: None,
            at: None,
            span: None,
            size: data.get().len(),
            arrival: None,
        }
    }
}

impl Inner {
    /// Learns from a batch of that page.
    pub(super) fn heard(&self, page: &str, arrival: Arrival) {
        let transit = {
            let mut page_now = self.page();
            page_now.heard(page, arrival.received);
            let Some(sent) = arrival.sent else { return };
            let Some(generation) = page_now.current(page) else {
                return;
            };
            let Some(trace) = page_now.trace(generation) else {
                return;
            };
            trace.clock.heard(sent, arrival.received);
            trace.clock.transit(sent, arrival.received)
        };
        if arrival.posted > 0
            && let Some(transit) = transit
        {
            self.series.transit(Direction::Inbound, transit);
        }
    }

    /// A message to the page, sent here and now.
    pub(super) fn outbound(
        &self,
        body: Body,
        series: Arc<EventSeries>,
        context: Option<Context>,
    ) -> Outbound {
        let (enqueued_at, parent) = match context {
            Some(context) => {
                let (stamp, wall) = self.clock.now_and_wall();
                (stamp, Some(Box::new(Parent { context, wall })))
            }
            None => (self.clock.now(), None),
        };
        Outbound {
            body,
            series,
            parent,
            enqueued_at,
            waited_for_ui: self.waited_for_ui(enqueued_at),
        }
    }

    /// The parent of a handler's span: the span of the page's call, which begins here if the page
    /// says when it did; otherwise what the call was made in.
    pub(super) fn parent_on_page(
        &self,
        series: &EventSeries,
        caller: Caller,
        stamps: Stamps<'_>,
    ) -> Option<Context> {
        let remote = self.remote_parent(stamps.traceparent);
        let Some(arrival) = stamps.arrival else {
            return remote;
        };
        let begins_here = caller.call.is_some() && stamps.at.is_some();
        if !begins_here && stamps.span.is_none() {
            return remote;
        }
        let (place, start, posted) = {
            let mut page = self.page();
            let Some(trace) = page.trace(caller.generation) else {
                return remote;
            };
            let host = |time| trace.clock.to_host(time, arrival.received);
            let place = stamps.span.and_then(|span| trace.place(span)).cloned();
            (place, stamps.at.and_then(host), arrival.sent.and_then(host))
        };
        let parent = place.as_ref().map(Place::as_parent).or(remote);
        let (Some(call), Some(start)) = (caller.call, start) else {
            return parent;
        };
        let mut attributes = attributes(series.label(), &self.config.name);
        attributes.push(count(semconv::MESSAGE_SIZE_BY, stamps.size));
        attributes.push(count(semconv::BATCH_SIZE, arrival.posted));
        let span = SpanBuilder::from_name(series.label().to_string())
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let Some(mut span) = self.begin(span, start, place.as_ref(), parent.as_ref()) else {
            return parent;
        };
        let start = span.place().start;
        span.event(
            "posted",
            posted.unwrap_or(start).max(start).min(arrival.received),
        );
        span.event("received", arrival.received.max(start));
        let parent = span.place().as_parent();
        let refused = match self.page().trace(caller.generation) {
            Some(trace) => {
                trace.call_began(call, span);
                None
            }
            None => Some(span),
        };
        if let Some(span) = refused {
            // Another thread saw the page go away meanwhile.
            span.fail(ErrorType::PageGone.as_str(), self.clock.now());
        }
        Some(parent)
    }

    /// Starts a span of the page's, not before the one that it is in.
    fn begin(
        &self,
        span: SpanBuilder,
        start: Stamp,
        place: Option<&Place>,
        parent: Option<&Context>,
    ) -> Option<Box<LiveSpan>> {
        let tracer = self.spans.tracer(self.clock.now())?;
        let start = place.map_or(start, |place| start.max(place.start));
        let wall = self.clock.wall(start);
        let wall = place.map_or(wall, |place| wall.max(place.wall));
        let span = tracer.start(parent, span.with_start_time(wall))?;
        Some(Box::new(LiveSpan::new(span, start, wall)))
    }

    /// A call's reply ended, and with it the call: the page settled its promise, or never will.
    pub(super) fn call_settled(&self, mut span: LiveSpan, ended: &Ended, now: Stamp) {
        let error = match (&ended.message.body, ended.end) {
            (_, Err(error)) => Some(error),
            (Body::Reply { result, .. }, Ok(())) => result
                .as_ref()
                .err()
                .map(|rejection| rejection.code.error_type()),
            _ => None,
        };
        let settled = ended.ran.map_or(now, |ran| ran.begin);
        if ended.end.is_ok() {
            span.event("settled", settled);
        }
        span.finish(error.map(ErrorType::as_str), settled);
    }

    /// The page withdrew a call.
    pub(super) fn call_withdrawn(
        &self,
        generation: u64,
        call: u64,
        at: Option<PageTime>,
        why: CancelCause,
    ) {
        let now = self.clock.now();
        let (span, at) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            let at = at.and_then(|at| trace.clock.to_host(at, now));
            (trace.call_ended(call), at.unwrap_or(now))
        };
        let error = match why {
            CancelCause::Cancelled => ErrorType::Cancelled,
            CancelCause::Timeout => ErrorType::Timeout,
        };
        if let Some(span) = span {
            let start = span.place().start;
            span.fail(error.as_str(), at.max(start));
        }
    }

    /// A call ended that nobody answers.
    pub(super) fn call_unanswered(&self, caller: Caller, error: ErrorType) {
        let (Some(call), Credit::Spent) = (caller.call, caller.credit) else {
            return;
        };
        let span = self
            .page()
            .trace(caller.generation)
            .and_then(|trace| trace.call_ended(call));
        if let Some(span) = span {
            span.fail(error.as_str(), self.clock.now());
        }
    }

    /// The page opens a span of its own.
    pub(super) fn open_span(&self, generation: u64, open: &OpenSpan<'_>, received: Stamp) {
        let refuse = |error| self.series.protocol_error(error);
        if !is_event_name(&open.name) {
            return refuse(ErrorType::InvalidName);
        }
        let (place, start) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            if let Err(error) = trace.reserve(open.span) {
                drop(page);
                return refuse(error);
            }
            let at = open.at.and_then(|at| trace.clock.to_host(at, received));
            let place = open.parent.and_then(|parent| trace.place(parent)).cloned();
            (place, at)
        };
        // Without a time of the page's there is nothing to measure, only an id to remember.
        let Some(start) = start else { return };
        let parent = place.as_ref().map(Place::as_parent);
        let webview = KeyValue::new(semconv::WEBVIEW_NAME, self.config.name.clone());
        let span = SpanBuilder::from_name(open.name.as_ref().to_owned())
            .with_kind(SpanKind::Internal)
            .with_attributes([webview]);
        let Some(span) = self.begin(span, start, place.as_ref(), parent.as_ref()) else {
            return;
        };
        let refused = match self.page().trace(generation) {
            Some(trace) => trace.opened(open.span, span).err(),
            None => Some(span),
        };
        if let Some(span) = refused {
            span.fail(ErrorType::PageGone.as_str(), self.clock.now());
        }
    }

    /// The page closes a span of its own.
    pub(super) fn close_span(
        &self,
        generation: u64,
        id: u64,
        at: Option<PageTime>,
        error: Option<&'static str>,
    ) {
        let now = self.clock.now();
        let (span, at) = {
            let mut page = self.page();
            let Some(trace) = page.trace(generation) else {
                return;
            };
            let at = at.and_then(|at| trace.clock.to_host(at, now));
            (trace.close(id), at.unwrap_or(now))
        };
        match span {
            Err(error) => self.series.protocol_error(error),
            Ok(None) => {}
            Ok(Some(span)) => {
                let start = span.place().start;
                span.finish(error, at.max(start));
            }
        }
    }
}
