//! What a page with a script measured, as it comes from the message layer's transport.
//!
//! Everything in it is hostile. It has the form of the wire's own batches, and is read by the same
//! functions: the nonce at its fixed place before anything else, then size, depth and number of what
//! is in it.

use std::time::Duration;

use super::awaited::Settlement;
use super::observer::Observer;
use super::open_message::{Acknowledged, OpenMessage};
use super::shared::Shared;
use crate::clock::Stamp;
use crate::ipc::acknowledgement::AckTimes;
use crate::ipc::protocol::direction::Direction;
use crate::ipc::protocol::envelope::{Envelope, check_nonce};
use crate::ipc::protocol::inbound_message::{
    Ack, InboundMessage, ListenersRan, PageTime, Refused, RefusedKind, Settled, SpanStart,
};
use crate::ipc::protocol::limits::is_deeper_than;
use crate::ipc::protocol::message_list::parse_messages;
use crate::semconv::{self, ErrorType};
use crate::startup::Phase;

/// The largest report, in bytes.
pub(super) const REPORT_BYTES_MAX: usize = 256 << 10;
/// The most messages in a report.
pub(super) const REPORT_LEN_MAX: usize = 250;
/// The deepest nesting of a report: the batch, its messages, a message, a list, an element.
const REPORT_DEPTH_MAX: usize = 8;

/// Why a report of a page was not taken. Each is also counted in `spanwire.page.errors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageReportError {
    /// The observer takes no reports: it was built without a [`PageScript`](super::PageScript).
    #[error("this observer takes no reports of pages: build it with ObserverBuilder::page_script")]
    NotAccepted,
    /// It is larger than any that the script sends, or says more.
    #[error("the report is larger than 256 KiB, or has more than 250 messages")]
    TooLarge,
    /// It does not prove that the script sent it.
    #[error("the report does not carry this page script's nonce")]
    Forbidden,
    /// It is not of the form that the script writes.
    #[error("the report does not have the form that the page script sends")]
    Malformed,
    /// Its page was replaced by another.
    #[error("the report is from a page that another has replaced")]
    StalePage,
}

impl PageReportError {
    fn of(error: ErrorType) -> Self {
        match error {
            ErrorType::TooLarge => Self::TooLarge,
            ErrorType::StaleGeneration => Self::StalePage,
            ErrorType::Forbidden => Self::Forbidden,
            _ => Self::Malformed,
        }
    }
}

impl Observer {
    /// Takes what the page's script handed to the adapter's `send`.
    ///
    /// It is recorded as [`Ipc`](crate::ipc::Ipc) records what its own page says: vitals, errors and
    /// values, the page's spans, how long its listeners ran, when calls were settled
    /// ([`Inbound::page_call`](super::Inbound::page_call)) and messages acknowledged
    /// ([`Delivery::number`](super::Delivery::number)). What is wrong in it costs itself alone.
    ///
    /// # Errors
    ///
    /// [`PageReportError`]: nothing of it was taken. There is nothing to do about it but to answer
    /// the transport's request.
    pub fn page_report(&self, report: &str) -> Result<(), PageReportError> {
        let shared = &*self.0;
        let Some(nonce) = shared.page_nonce.as_deref() else {
            shared.recorder.series.protocol_error(ErrorType::Forbidden);
            return Err(PageReportError::NotAccepted);
        };
        shared.report(report, nonce).map_err(|error| {
            shared.recorder.series.protocol_error(error);
            PageReportError::of(error)
        })
    }
}

impl Shared {
    fn report(&self, text: &str, nonce: &str) -> Result<(), ErrorType> {
        // Size and nonce first: both cost the same whatever the text holds.
        if text.len() > REPORT_BYTES_MAX {
            return Err(ErrorType::TooLarge);
        }
        check_nonce(text.as_bytes(), nonce)?;
        let received = self.recorder.clock.now();
        let envelope = Envelope::open(text, nonce).ok_or(ErrorType::Malformed)?;
        if is_deeper_than(text, REPORT_DEPTH_MAX) {
            return Err(ErrorType::TooDeep);
        }
        let Envelope { page, sent, .. } = envelope;
        let messages = parse_messages(envelope.messages, REPORT_LEN_MAX)?;
        let is_ready = matches!(messages.first(), Some(Some(InboundMessage::Ready(_))));
        let change = self.page().report_began(page, is_ready, received)?;
        self.apply(change, ErrorType::PageGone);
        if let Some(sent) = sent {
            // This call follows `report_began`, which begins the clock of a new page.
            self.page().clock.heard(sent, received);
        }
        if is_ready {
            let posted = sent.map(PageTime::since_document);
            self.recorder.startup.script_ran(received, posted);
        }
        for message in messages {
            self.reported(message, received);
        }
        Ok(())
    }

    fn reported(&self, message: Option<InboundMessage<'_>>, received: Stamp) {
        let series = &self.recorder.series;
        match message {
            // A page that is not sure says it again.
            Some(InboundMessage::Ready(_)) => {}
            Some(InboundMessage::State { visible, .. }) => self.page().set_visible(visible),
            Some(InboundMessage::Leave) => {
                let change = self.page().page_left(received);
                self.apply(change, ErrorType::PageGone);
            }
            Some(InboundMessage::PageError(error)) => series.page_error(error),
            Some(InboundMessage::ListenerError { event }) => {
                self.series_of(&event).listener_failed();
            }
            Some(InboundMessage::WebVital(vital)) => {
                series.vital(vital);
                if let Some(at) = vital.first_paint() {
                    self.page_reached(Phase::FirstPaint, at);
                }
            }
            Some(InboundMessage::LongTask(took)) => series.long_task(took),
            Some(InboundMessage::DomReady { at }) => self.page_reached(Phase::DomReady, at),
            Some(InboundMessage::Measurement(measurement)) => self.recorder.measured(&measurement),
            Some(InboundMessage::Open(open)) => self.open_span(&open, received),
            Some(InboundMessage::Close { span, at, failed }) => {
                // The page does not say what went wrong.
                self.close_span(span, at, failed.then_some(semconv::OTHER));
            }
            Some(InboundMessage::ListenersRan(ran)) => self.listeners_ran(&ran),
            Some(InboundMessage::Settled(settled)) => self.calls_settled(settled),
            Some(InboundMessage::Cancel { id, at, error }) => {
                self.call_settled(id, at, at, Some(error.as_str()), true);
            }
            Some(InboundMessage::Ack(ack)) => self.acknowledged(ack),
            Some(InboundMessage::Shed { count }) => {
                series.protocol_errors(ErrorType::PageShed, count.into());
            }
            Some(InboundMessage::Refused(Refused {
                what: RefusedKind::Record | RefusedKind::Span,
                error,
                count,
                ..
            })) => series.protocol_errors(error, count.into()),
            // What the wire's own page says, and an observed one does not.
            Some(
                InboundMessage::Posted(_)
                | InboundMessage::Refused(_)
                | InboundMessage::Unheard { .. }
                | InboundMessage::Pong { .. }
                | InboundMessage::SpanExport(_),
            )
            | None => series.protocol_error(ErrorType::Malformed),
        }
    }

    /// The page says when it reached a phase of the app's start.
    fn page_reached(&self, phase: Phase, at: PageTime) {
        let startup = &self.recorder.startup;
        if startup.awaits(phase) {
            let now = self.recorder.clock.now();
            let at = self.page().clock.to_host(at, now);
            if let Some(at) = at {
                startup.reached(phase, at);
            }
        }
    }

    /// The page opens a span of its own.
    fn open_span(&self, open: &SpanStart<'_>, received: Stamp) {
        let reserved = {
            // The id is taken under the lock, and the span is made without it: a tracer is the
            // app's code.
            let page = &mut *self.page();
            let reserved = page.spans.reserve_at(open, &page.clock, received);
            reserved.map(|reserved| (page.generation(), reserved))
        };
        let (generation, (parent, start)) = match reserved {
            Ok(reserved) => reserved,
            Err(error) => return self.recorder.series.protocol_error(error),
        };
        // Without a time of the page's there is nothing to measure, only an id to remember.
        let Some(start) = start else { return };
        let parent = parent.as_ref();
        let Some(span) = self.recorder.open_page_span(&open.name, start, parent) else {
            return;
        };
        let refused = {
            let page = &mut *self.page();
            if page.generation() == generation {
                page.spans.opened(open.span, span).err()
            } else {
                Some(span)
            }
        };
        if let Some(span) = refused {
            span.fail(ErrorType::PageGone.as_str(), self.recorder.clock.now());
        }
    }

    /// The page closes a span of its own.
    fn close_span(&self, id: u64, at: Option<PageTime>, error: Option<&'static str>) {
        let now = self.recorder.clock.now();
        let closed = {
            let page = &mut *self.page();
            page.spans.close_at(id, at, &page.clock, now)
        };
        match closed {
            Err(error) => self.recorder.series.protocol_error(error),
            Ok(None) => {}
            Ok(Some((span, at))) => span.finish_on_page(error, at),
        }
    }

    /// Listeners of an event ran: none for longer than the page is there.
    fn listeners_ran(&self, ran: &ListenersRan<'_>) {
        let now = self.recorder.clock.now();
        let Some(longest) = self.page().clock.age(now) else {
            return;
        };
        let series = self.series_of(&ran.event);
        for took in ran.took.iter().copied().filter_map(PageTime::from_ms) {
            let took = Duration::from_secs_f64(took.as_ms() / 1_000.0);
            // The bound keeps a hostile page from spoiling the sum with one value.
            series.processed(took.min(longest));
        }
    }

    fn calls_settled(&self, mut settled: Settled) {
        // Looked up for each call, and a hostile page names a great many.
        settled.failed.sort_unstable();
        for (id, at, done) in settled.ran {
            let failed = settled.failed.binary_search(&id).is_ok();
            // The page does not say what went wrong.
            let error = failed.then_some(semconv::OTHER);
            let (at, done) = (PageTime::from_ms(at), PageTime::from_ms(done));
            self.call_settled(id, at, done, error, false);
        }
    }

    /// The page's code got the outcome of a call, or gave the call up.
    fn call_settled(
        &self,
        id: u64,
        at: Option<PageTime>,
        done: Option<PageTime>,
        error: Option<&'static str>,
        is_withdrawn: bool,
    ) {
        let now = self.recorder.clock.now();
        let (ended, transit, settled_at) = {
            let page = &mut *self.page();
            // A page that gives a call up says nothing about when the reply came.
            let sent = page.awaited.reply_dispatched(id).filter(|_| !is_withdrawn);
            if let (Some(at), Some(sent)) = (at, sent) {
                page.clock.ran(sent, at);
            }
            let clock = &page.clock;
            let host = |time: Option<PageTime>| time.and_then(|at| clock.to_host(at, now));
            let settled = host(at);
            let transit = settled.zip(sent).map(|(at, sent)| at.since(sent));
            let at = settled.unwrap_or(now);
            let settlement = Settlement {
                at,
                done: host(done).unwrap_or(at),
                error,
                is_withdrawn,
            };
            (page.awaited.settled(id, settlement, now), transit, settled)
        };
        let series = &self.recorder.series;
        if !is_withdrawn && let Some(at) = settled_at {
            self.recorder.startup.reached(Phase::FirstCall, at);
        }
        if let Some(transit) = transit {
            series.transit(Direction::Outbound, transit);
        }
        match ended {
            Some(ended) => self.end(ended),
            // It was settled before.
            None => series.protocol_error(ErrorType::UnknownAck),
        }
    }

    /// The page acknowledges messages by their numbers.
    fn acknowledged(&self, mut ack: Ack) {
        let now = self.recorder.clock.now();
        let (mut ended, mut taken, mut unknown) = (Vec::new(), Vec::new(), 0_u64);
        // In a block: metrics are recorded and spans are ended after the page's lock is gone.
        let transit = {
            let page = &mut *self.page();
            for &(first, last) in &ack.ids {
                let before = taken.len();
                page.awaited.take_numbered(first, last, &mut taken);
                unknown += u64::from(taken.len() == before);
            }
            // One that was sent twice may have run after the first time.
            let sent = taken.iter().filter_map(|(_, message)| message.as_ref());
            // `None` is the least of them, so one that was sent twice leaves no bound at all.
            let first = sent.map(OpenMessage::dispatched_once).min().flatten();
            if let (Some(first), Some(at)) = (first, ack.at) {
                page.clock.ran(first, at);
            }
            let times = AckTimes::new(&page.clock, &mut ack, now);
            let ran = |number, sent: Option<Stamp>| match &times {
                Some(times) => {
                    // Without a hand-over yet nothing bounds it from below; `hand_over` does so
                    // later.
                    Acknowledged::Reported(times.of(number, sent.unwrap_or(Stamp::NONE)))
                }
                None => Acknowledged::Now,
            };
            for (number, message) in taken {
                match message {
                    Some(message) => {
                        let page = ran(number, message.dispatched());
                        ended.push((message, page));
                    }
                    None => page.awaited.acknowledged_early(number, ran(number, None)),
                }
            }
            let at = times.map(|times| times.at());
            at.zip(first).map(|(at, first)| at.since(first))
        };
        let series = &self.recorder.series;
        if let Some(transit) = transit {
            series.transit(Direction::Outbound, transit);
        }
        if unknown > 0 {
            series.protocol_errors(ErrorType::UnknownAck, unknown);
        }
        for (message, page) in ended {
            self.end_message(message, Ok(()), page);
        }
    }
}
