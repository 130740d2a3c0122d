//! A message to the page, while the message layer carries it.

use std::fmt;
use std::sync::Arc;

use super::open_message::{Acknowledged, OpenMessage};
use super::outstanding::Place;
use super::shared::{AwaitedCall, Shared};
use crate::clock::Stamp;
use crate::instrument::call_site::CallSite;
use crate::instrument::record_sink::CallDetails;
use crate::ipc::delivery::{DeliveryTiming, OutboundKind};
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
    /// None once it ended, or the page has it to end.
    message: Option<OpenMessage>,
    /// The call that it answers, and how that went.
    answers: Option<(Box<TimedSpan>, Outcome)>,
    /// The same for a call that the page settles.
    page_call: Option<(AwaitedCall, Outcome)>,
    /// The call that it answers among those that are not settled.
    call: Option<Answered>,
    /// Its number, and the page that acknowledges it if one does.
    number: Option<(u64, Option<u64>)>,
}

/// A call that is settled by its reply.
struct Answered {
    call: Place,
    /// How its handlers ended it.
    handled: Outcome,
    /// What is known of it besides its reply.
    details: CallDetails,
}

impl Answered {
    /// What is known of the call once `reply` has settled it.
    fn details(&self, reply: &OpenMessage, settled: Stamp) -> CallDetails {
        let mut details = self.details;
        details.stages.queue_wait = reply.timing.dequeued.map(|(_, wait)| wait);
        details.stages.response = reply.dispatched().map(|sent| settled.since(sent));
        details
    }
}

impl Delivery {
    pub(super) fn new(
        shared: Arc<Shared>,
        kind: OutboundKind,
        series: Arc<EventSeries>,
        size: usize,
        parent: &TraceParent,
        site: Option<CallSite>,
    ) -> Self {
        let (enqueued_at, span) = shared.recorder.send(kind, &series, size, parent, site);
        // From here on it is open; every way out of this type ends it.
        shared.opened();
        Self {
            shared,
            message: Some(OpenMessage {
                kind,
                series,
                span,
                size,
                enqueued_at,
                timing: DeliveryTiming::default(),
                in_flight: None,
            }),
            answers: None,
            page_call: None,
            call: None,
            number: None,
        }
    }

    /// It is the reply to that call, which is not settled.
    pub(super) fn settles(&mut self, call: Place, handled: Outcome, details: CallDetails) {
        self.call = Some(Answered {
            call,
            handled,
            details,
        });
    }

    /// It is the reply to that call, whose span this is.
    pub(super) fn answers(&mut self, call: Box<TimedSpan>, outcome: Outcome) {
        self.answers = Some((call, outcome));
    }

    /// It is the reply to a call that the page settles.
    pub(super) fn settled_by_page(&mut self, call: AwaitedCall, outcome: Outcome) {
        self.page_call = Some((call, outcome));
    }

    /// The number of this message, which the page's script acknowledges it with: the message layer
    /// carries it along, and its adapter gives it to `delivered`.
    ///
    /// [`handed_over`](Self::handed_over) then leaves the message to the page. Where too many wait
    /// for it already, 4,096, or the observer takes no reports, it ends there as without a number.
    pub fn number(&mut self) -> u64 {
        let shared = &self.shared;
        let take = || shared.page().number(shared.page_nonce.is_some());
        // One number for a message, however often the layer asks for it.
        self.number.get_or_insert_with(take).0
    }

    /// The message layer hands it to the webview, with `batch` messages in all. Each further time
    /// counts as a retry.
    pub fn sent(&mut self, batch: usize) {
        if let Some(message) = &mut self.message {
            message.sent(&self.shared.recorder, batch);
            // The first hand-over counts: its age is that of the message, however often it is sent
            // again.
            if let (None, Some(at)) = (&message.in_flight, message.dispatched()) {
                message.in_flight = Some(self.shared.in_flight.add(at));
            }
        }
    }

    /// The page took it, as it said itself.
    pub fn acknowledged(mut self) {
        self.finish(Ok(()), Acknowledged::Now);
    }

    /// The page took it, and its code ran from `begin` to `end` by the page's clock:
    /// `performance.now()` in milliseconds, as [`PageTimes`](super::PageTimes).
    pub fn acknowledged_at(mut self, begin: f64, end: f64) {
        let now = self.shared.recorder.clock.now();
        let sent = self.message.as_ref().and_then(OpenMessage::dispatched);
        let ran = sent.and_then(|sent| self.shared.page().ran(sent, begin, end, now));
        self.finish(Ok(()), ran.map_or(Acknowledged::Now, Acknowledged::Ran));
    }

    /// The webview took it, and nothing will say whether the page did: it counts as ok, and has no
    /// delivery time.
    ///
    /// A reply to a call that [the page's script](super::Inbound::page_call) observes, and a message
    /// with a [`number`](Self::number), are left to the page: they end when it says so, and as
    /// `page_gone` when it goes away before.
    pub fn handed_over(mut self) {
        if let Some(message) = &self.message
            && message.dispatched().is_none()
        {
            // A layer without batches need not call `sent`.
            self.sent(1);
        }
        let now = self.shared.recorder.clock.now();
        let Some(message) = self.message.take() else {
            return;
        };
        if let Some(answered) = self.call.take() {
            let details = answered.details(&message, now);
            let Answered { call, handled, .. } = answered;
            // For the host the call is over with the hand-over; its span may still wait for the
            // page.
            self.shared.settled(call, handled, now, details);
        }
        let ended = {
            // In a block, since `finish` below takes this lock again and ends spans.
            let page = &mut *self.shared.page();
            if let Some((AwaitedCall { id, generation }, _)) = self.page_call.take() {
                match page.awaited_of(generation) {
                    Some(awaited) => awaited.hand_over_reply(id, message, now),
                    None => Some((message, None)),
                }
            } else if let Some((number, Some(generation))) = self.number.take() {
                match page.awaited_of(generation) {
                    Some(awaited) => awaited.hand_over(number, message, now),
                    None => Some((message, None)),
                }
            } else {
                Some((message, Some(Acknowledged::Never)))
            }
        };
        if let Some((message, page)) = ended {
            self.message = Some(message);
            match page {
                Some(page) => self.finish(Ok(()), page),
                None => self.finish(Err(ErrorType::PageGone), Acknowledged::Never),
            }
        }
    }

    /// It did not reach the page.
    pub fn failed(mut self, error: ErrorType) {
        self.finish(Err(error), Acknowledged::Never);
    }

    // After an end the delivery has no message, so its drop does nothing. The same holds if the
    // page has the message to end.
    fn finish(&mut self, outcome: Outcome, page: Acknowledged) {
        let Some(message) = self.message.take() else {
            return;
        };
        let now = self.shared.recorder.clock.now();
        let settled = page.execution().map_or(now, |execution| execution.begin);
        // The call's details are read before the message is given away.
        let answered = self.call.take().map(|answered| {
            let details = answered.details(&message, settled);
            (answered, details)
        });
        self.shared.end_message(message, outcome, page);
        if let Some((Answered { call, handled, .. }, details)) = answered {
            // A reply that arrived may carry a failure: the call then failed, and the message did
            // not.
            let outcome = outcome.and(handled);
            self.shared.settled(call, outcome, settled, details);
        }
        if let Some((call, handled)) = self.answers.take() {
            end_call(*call, outcome.and(handled), settled);
        }
        if let Some((call, handled)) = self.page_call.take() {
            let span = {
                let page = &mut *self.shared.page();
                let awaited = page.awaited_of(call.generation);
                awaited.and_then(|awaited| awaited.take_call(call.id))
            };
            if let Some(span) = span {
                end_call(*span, outcome.and(handled), settled);
            }
        }
        if let Some((number, Some(generation))) = self.number.take()
            && let Some(awaited) = self.shared.page().awaited_of(generation)
        {
            // What the page still says of this number counts as unknown.
            awaited.forget(number);
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
        self.finish(Err(ErrorType::Cancelled), Acknowledged::Never);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_ref();
        f.debug_struct("Delivery")
            .field("event", &message.map(|message| message.series.label()))
            .field("bytes", &message.map(|message| message.size))
            .finish_non_exhaustive()
    }
}
