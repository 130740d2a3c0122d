//! A message to the page, while the message layer carries it.

use std::fmt;
use std::sync::Arc;

use super::outstanding::Place;
use super::shared::Shared;
use crate::clock::Stamp;
use crate::ipc::delivery::{self, DeliveryTiming, OutboundKind, PageExecution};
use crate::ipc::protocol::direction::Direction;
use crate::ipc::series::{EventSeries, Outcome};
use crate::ipc::spans::parent::TraceParent;
use crate::ipc::spans::timed::TimedSpan;
use crate::semconv::ErrorType;

/// A message to the page that has not ended; made by [`Observer::send`](super::Observer::send) and
/// [`Handling::reply`](super::Handling::reply).
///
/// One that is dropped ends as `cancelled`.
#[must_use = "a message that is dropped ends as cancelled"]
pub struct Delivery {
    shared: Arc<Shared>,
    series: Arc<EventSeries>,
    span: Option<Box<TimedSpan>>,
    /// The call that it answers.
    answers: Option<Answered>,
    /// Among those that the page was handed.
    in_flight: Option<Place>,
    size: usize,
    enqueued_at: Stamp,
    timing: DeliveryTiming,
    has_ended: bool,
}

/// A call whose reply is on its way.
#[derive(Debug)]
struct Answered {
    call: Place,
    span: Option<Box<TimedSpan>>,
    /// How its handlers ended it.
    outcome: Outcome,
}

impl Delivery {
    pub(super) fn new(
        shared: Arc<Shared>,
        kind: OutboundKind,
        series: Arc<EventSeries>,
        size: usize,
        parent: &TraceParent,
    ) -> Self {
        let (enqueued_at, span) = shared.recorder.send(kind, &series, size, parent);
        shared.opened();
        Self {
            shared,
            series,
            span,
            answers: None,
            in_flight: None,
            size,
            enqueued_at,
            timing: DeliveryTiming::default(),
            has_ended: false,
        }
    }

    /// It is the reply to that call.
    pub(super) fn answers(&mut self, call: Place, span: Option<Box<TimedSpan>>, outcome: Outcome) {
        self.answers = Some(Answered {
            call,
            span,
            outcome,
        });
    }

    /// The message layer hands it to the webview, with `batch` messages in all. Each further time
    /// counts as a retry.
    pub fn sent(&mut self, batch: usize) {
        let recorder = &self.shared.recorder;
        let now = recorder.clock.now();
        match self.timing.dispatched {
            None => {
                self.in_flight = Some(self.shared.in_flight.add(now));
                self.timing.dequeued = Some((now, now.since(self.enqueued_at)));
                if batch > 1 {
                    recorder.series.batch_size(Direction::Outbound, batch);
                }
            }
            Some(_) => {
                recorder.series.retried(1);
                recorder.stats.retried(1);
            }
        }
        self.timing.dispatched = Some((now, batch));
        self.timing.attempts += 1;
    }

    /// The page took it, as it said itself.
    pub fn acknowledged(mut self) {
        self.finish(Ok(()), None, true);
    }

    /// The page took it, and its code ran from `begin` to `end` by the page's clock:
    /// `performance.now()` in milliseconds, as [`PageTimes`](super::PageTimes).
    pub fn acknowledged_at(mut self, begin: f64, end: f64) {
        let now = self.shared.recorder.clock.now();
        let execution = self.timing.dispatched.and_then(|(sent, _)| {
            let ran = self.shared.page().ran(sent, begin, end, now);
            ran.map(|(begin, end)| PageExecution { begin, end })
        });
        self.finish(Ok(()), execution, true);
    }

    /// The webview took it, and nothing will say whether the page did: it counts as ok, and has no
    /// delivery time.
    pub fn handed_over(mut self) {
        if self.timing.dispatched.is_none() {
            self.sent(1);
        }
        self.finish(Ok(()), None, false);
    }

    /// It did not reach the page.
    pub fn failed(mut self, error: ErrorType) {
        self.finish(Err(error), None, false);
    }

    fn finish(
        &mut self,
        outcome: Outcome,
        execution: Option<PageExecution>,
        is_acknowledged: bool,
    ) {
        self.has_ended = true;
        let recorder = &self.shared.recorder;
        let now = recorder.clock.now();
        let is_startup = self.shared.page().is_startup(self.enqueued_at);
        let delivery = delivery::Delivery {
            series: &self.series,
            span: self.span.take(),
            size: self.size,
            enqueued_at: self.enqueued_at,
            timing: self.timing,
            execution,
            outcome,
            is_acknowledged,
            is_startup,
        };
        recorder.delivered(delivery, now);
        self.shared.closed();
        if let Some(place) = self.in_flight.take() {
            self.shared.in_flight.remove(place);
        }
        if let Some(answered) = self.answers.take() {
            let settled = execution.map_or(now, |execution| execution.begin);
            let outcome = outcome.and(answered.outcome);
            self.shared.settled(answered.call, outcome, settled);
            if let Some(span) = answered.span {
                end_call(*span, outcome, settled);
            }
        }
    }
}

/// Ends the span of a call whose promise the page settles now.
pub(super) fn end_call(mut call: TimedSpan, outcome: Outcome, settled: Stamp) {
    call.add_event("settled", settled);
    call.finish(outcome.err().map(ErrorType::as_str), settled);
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.has_ended {
            self.finish(Err(ErrorType::Cancelled), None, false);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", self.series.label())
            .field("bytes", &self.size)
            .finish_non_exhaustive()
    }
}
