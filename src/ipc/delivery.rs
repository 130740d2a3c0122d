//! A message to the page on its way: its span, and what is recorded when it ends.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Tracer};

use super::protocol::direction::Direction;
use super::recorder::Recorder;
use super::series::{EventSeries, Outcome};
use super::spans::names::Verb;
use super::spans::parent::TraceParent;
use super::spans::timed::{ParentSpan, TimedSpan, attributes, count};
use super::spans::tracer::TracerRef;
use crate::clock::Stamp;
use crate::instrument::call_site::CallSite;
use crate::instrument::record_sink::{self, Record, RecordKind, Stages};
use crate::semconv::{self, ErrorType};

/// What a message to the page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutboundKind {
    Event,
    Reply,
}

/// A message to the page that is about to have a span.
struct Leaving<'a> {
    kind: OutboundKind,
    series: &'a EventSeries,
    size: usize,
    parent: &'a TraceParent,
    site: Option<CallSite>,
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

impl PageExecution {
    /// From `begin` to `end` as the page says, of what was sent at `sent`.
    pub(super) fn clamped(begin: Stamp, end: Stamp, sent: Stamp, now: Stamp) -> Self {
        // A page can say any time. The host knows that its message ran between these two.
        let begin = begin.max(sent).min(now);
        let end = end.max(begin).min(now);
        Self { begin, end }
    }
}

/// A message to the page that ended, as far as it is recorded.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    pub(super) kind: OutboundKind,
    pub(super) series: &'a EventSeries,
    /// Its span, where it has one.
    pub(super) span: Option<Box<TimedSpan>>,
    /// Payload bytes.
    pub(super) size: usize,
    pub(super) enqueued_at: Stamp,
    pub(super) timing: DeliveryTiming,
    /// When the page ran it, if that is known.
    pub(super) execution: Option<PageExecution>,
    pub(super) outcome: Outcome,
    /// The page said that it took it. Without that, how long it took is not known.
    pub(super) is_acknowledged: bool,
    /// It was sent before its page was loaded, so that its time says nothing about the wire.
    pub(super) is_startup: bool,
}

impl Delivery<'_> {
    /// What is kept of it.
    fn kept_record(&self, now: Stamp) -> Record {
        let kind = match self.kind {
            OutboundKind::Event => RecordKind::EventOut,
            OutboundKind::Reply => RecordKind::Reply,
        };
        let took = now.since(self.enqueued_at);
        let mut record = self.series.kept_record(kind, self.outcome, took);
        let sent = self.timing.dispatched.map(|(at, _)| at);
        let ran = self.execution;
        record.stages = Stages {
            page_wait: None,
            transit: sent.zip(ran).map(|(sent, ran)| ran.begin.since(sent)),
            queue_wait: self.timing.dequeued.map(|(_, wait)| wait),
            handler: ran.map(|ran| ran.end.since(ran.begin)),
            response: ran.map(|ran| now.since(ran.end)),
        };
        record.size = Some(self.size as u64);
        if let Some(span) = &self.span {
            record.trace_id = span.as_parent().trace_id();
        }
        record
    }
}

impl Recorder {
    /// A message is sent, here and now, by the app's code at `site`: when, and its span where it has
    /// one.
    pub(super) fn send(
        &self,
        kind: OutboundKind,
        series: &EventSeries,
        size: usize,
        parent: &TraceParent,
        site: Option<CallSite>,
    ) -> (Stamp, Option<Box<TimedSpan>>) {
        let tracer = match parent {
            // Not even the global tracer is looked for, which can cost more than the message.
            TraceParent::Suppressed => None,
            TraceParent::Root | TraceParent::Within(_) => self.tracer.tracer(&self.clock),
        };
        let Some(tracer) = tracer else {
            return (self.clock.now(), None);
        };
        // The delivery reads both clocks once, and counts all later times of the span from this
        // pair.
        let (now, wall) = self.clock.now_and_wall();
        let message = Leaving {
            kind,
            series,
            size,
            parent,
            site,
        };
        (now, self.start_span(tracer, &message, now, wall))
    }

    /// The span of an event that was handed over at `at`, which is past; none where it has none.
    pub(super) fn event_span(
        &self,
        series: &EventSeries,
        size: usize,
        parent: &TraceParent,
        at: Stamp,
    ) -> Option<Box<TimedSpan>> {
        if matches!(parent, TraceParent::Suppressed) {
            return None;
        }
        let tracer = self.tracer.tracer(&self.clock)?;
        let message = Leaving {
            kind: OutboundKind::Event,
            series,
            size,
            parent,
            site: None,
        };
        self.start_span(tracer, &message, at, self.clock.wall(at))
    }

    fn start_span(
        &self,
        tracer: TracerRef<'_>,
        message: &Leaving<'_>,
        now: Stamp,
        wall: SystemTime,
    ) -> Option<Box<TimedSpan>> {
        let &Leaving {
            kind,
            series,
            size,
            parent,
            site,
        } = message;
        let (verb, span_kind) = match kind {
            OutboundKind::Reply => (Verb::Reply, SpanKind::Internal),
            OutboundKind::Event => (Verb::Send, SpanKind::Producer),
        };
        // Calls are bounded by the page's window, and each has its reply.
        if kind == OutboundKind::Event && !self.tracer.admits(Direction::Outbound, now) {
            // Behind the look for a tracer, so that only spans that could have been made count as
            // skipped.
            self.series.span_skipped(Direction::Outbound);
            return None;
        }
        let names = series.names();
        let span = SpanBuilder::from_name(names.span(verb))
            .with_kind(span_kind)
            .with_start_time(wall);
        tracer
            .start(parent.context(), span)
            .filter(|span| span.is_recording())
            .map(|span| {
                // Attributes are set here and not by the builder: a span that the sampler refuses
                // needs none.
                let mut span = TimedSpan::new(span, now, wall);
                span.describe(names, &self.webview);
                span.set_attribute(semconv::MESSAGE_SIZE_BY, count(size));
                if let Some(site) = site.filter(|_| self.names_call_sites) {
                    span.set_attribute(semconv::CODE_FILE_PATH, site.file());
                    span.set_attribute(semconv::CODE_LINE_NUMBER, site.line());
                }
                Box::new(span)
            })
    }

    /// Records the end of a message that had been accepted.
    pub(super) fn delivered(&self, mut delivery: Delivery<'_>, now: Stamp) {
        let took = delivery
            .is_acknowledged
            .then(|| now.since(delivery.enqueued_at));
        // What waited for its page to load is in a metric of its own and not in the one of
        // deliveries. `IpcMetrics` has it all the same.
        let (usual, startup) = match took {
            Some(took) if delivery.is_startup => (None, Some(took)),
            took => (took, None),
        };
        delivery.series.sent(delivery.outcome, usual);
        if let Some(took) = startup {
            self.series.startup_delivery(took);
        }
        // What was never sent did not cross the wire, so its size is not recorded.
        if delivery.timing.dispatched.is_some() {
            self.series.message_size(Direction::Outbound, delivery.size);
            delivery.series.size(Direction::Outbound, delivery.size);
        }
        if let Some((_, wait)) = delivery.timing.dequeued.filter(|_| !delivery.is_startup) {
            delivery.series.waited(wait);
        }
        if let Some(execution) = delivery.execution {
            let took = execution.end.since(execution.begin);
            delivery.series.processed(took);
            // What was sent again may have run after the first time.
            if let Some((sent, _)) = delivery
                .timing
                .dispatched
                .filter(|_| delivery.timing.attempts == 1)
            {
                let transit = execution.begin.since(sent);
                delivery.series.transit(Direction::Outbound, transit);
            }
        }
        self.stats.sent(delivery.outcome, took);
        // The record is made before the span is taken, since the record has the span's trace id.
        record_sink::record(|| delivery.kept_record(now));
        if let Some(span) = delivery.span.take() {
            self.end_delivery_span(*span, &delivery, now);
        }
    }

    /// Ends the message's span, and makes that of the page's work on it.
    fn end_delivery_span(&self, mut span: TimedSpan, delivery: &Delivery<'_>, now: Stamp) {
        let timing = delivery.timing;
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
            // The first attempt is no retry.
            span.set_attribute(semconv::RETRIES, i64::from(timing.attempts - 1));
        }
        if delivery.is_startup {
            span.set_attribute(semconv::PAGE_LOADING, true);
        }
        if delivery.is_acknowledged {
            span.add_event("acknowledged", now);
        }
        if let Some(execution) = delivery.execution {
            self.add_process_span(delivery.series, span.as_parent(), execution);
        }
        span.finish(delivery.outcome.err().map(ErrorType::as_str), now);
    }

    /// Makes the span of the page's listeners at work, or of its promise's continuations.
    fn add_process_span(
        &self,
        series: &EventSeries,
        parent: &ParentSpan,
        execution: PageExecution,
    ) {
        // The parent was made with the tracer that is kept, so there is one.
        let Some(tracer) = self.tracer.kept() else {
            return;
        };
        let names = series.names();
        let span = SpanBuilder::from_name(names.span(Verb::Process))
            .with_kind(SpanKind::Consumer)
            // The start is counted from the parent's start, so a wall clock that is set meanwhile
            // does not shift the child.
            .with_start_time(parent.wall_at(execution.begin))
            .with_attributes(attributes(names, &self.webview));
        let mut span = tracer.build_with_context(span, &parent.context());
        span.end_with_timestamp(parent.wall_at(execution.end));
    }
}
