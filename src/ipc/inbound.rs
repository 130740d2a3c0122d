//! Texts from the page: checked, read, and handed on message by message.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::builder::PageEvents;
use super::caller::{Caller, Credit};
use super::page::{Admitted, Refused};
use super::page_state::PagePhase;
use super::protocol::direction::Direction;
use super::protocol::envelope::{Envelope, TextForm, check_nonce, split_plain};
use super::protocol::inbound_message::{InboundMessage, PageTime, PostedMessage, Ready};
use super::protocol::message_list::parse_messages;
use super::spans::page::{Arrival, MessageTrace};
use super::wire::{Inner, Ipc};
use crate::instrument::record_sink::RecordKind;
use crate::semconv::ErrorType;

/// Whether a text from the page was Spanwire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is not Spanwire's is for the app's own handler"]
pub enum Received {
    /// It was, and it was handled or counted as refused.
    Ours,
    /// It was not: it is the app's own.
    NotOurs,
}

/// What became of a message of a transport that has its own form.
///
/// The message is counted and its caller answered in any case, so this may be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// Its listeners were called. What came of it is in the reply and in the metrics, perhaps later.
    Dispatched,
    /// Nothing listens to its event: it may be for another part of the app.
    UnknownEvent,
    /// It was refused, and no listener was called.
    Refused(ErrorType),
}

/// A message for a transport that has its own form.
///
/// Its `Debug` shows the payload's size and not the payload.
#[derive(Clone)]
#[non_exhaustive]
pub struct IpcMessage {
    /// The event's name.
    pub event: String,
    /// The payload.
    pub data: Box<RawValue>,
    /// The call's id when the sender waits for a reply; unique among its open calls. Where the page
    /// makes calls with Spanwire's page script too, their ids count up from 1: the page script gets
    /// both replies, and takes each for that of its own call with that id.
    pub id: Option<u64>,
}

impl fmt::Debug for IpcMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpcMessage")
            .field("event", &self.event)
            .field("bytes", &self.data.get().len())
            .field("id", &self.id)
            .finish()
    }
}

impl IpcMessage {
    /// An event: it has no reply.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn event(event: &str, data: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event: event.to_owned(),
            data: to_raw_value(data)?,
            id: None,
        })
    }

    /// A call, whose reply carries `id` as its `call`.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn call(
        event: &str,
        data: &(impl Serialize + ?Sized),
        id: u64,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: Some(id),
            ..Self::event(event, data)?
        })
    }
}

/// A batch, read.
struct InboundBatch<'a> {
    page: &'a str,
    /// When the page posted it.
    sent: Option<PageTime>,
    /// `None` is a message that is not of the wire's form.
    messages: Vec<Option<InboundMessage<'a>>>,
}

impl Ipc {
    /// Takes a text that the page posted, from the main frame's `origin` if the transport knows it.
    ///
    /// Handlers run before it returns. It never fails and never panics: what is wrong with a text
    /// is counted, and answered where the page waits for a reply.
    pub fn receive(&self, text: &str, origin: Option<&str>) -> Received {
        self.0.receive_text(text.as_bytes(), || Some(text), origin)
    }

    /// As [`receive`](Self::receive), for a transport that hands over bytes.
    pub fn receive_bytes(&self, bytes: &[u8], origin: Option<&str>) -> Received {
        self.0
            .receive_text(bytes, || str::from_utf8(bytes).ok(), origin)
    }

    /// Takes a message from a transport that has its own form. The sender is trusted: it needs no
    /// nonce and no credits, but the name is checked all the same.
    ///
    /// A call's reply comes out of [`next_script`](Self::next_script), once a page was announced
    /// by [`page_ready`](Self::page_ready): without one the reply has no receiver, and ends as
    /// `page_gone`.
    ///
    /// Returns what became of the message, for a transport that offers it to others as well.
    pub fn handle_message(&self, message: &IpcMessage) -> Disposition {
        let inner = &self.0;
        inner.recorder.stats.received(1);
        let now = inner.recorder.clock.now();
        let caller = Caller {
            generation: inner.page().heard_trusted(now),
            call: message.id,
            credit: Credit::None,
            began: now,
            transit: None,
        };
        let trace = MessageTrace::none(&message.data);
        inner.dispatch(caller, &message.event, &message.data, trace)
    }
}

impl Inner {
    /// `text` reads all of `bytes`, so it is called for senders that proved who they are.
    fn receive_text<'a>(
        self: &Arc<Self>,
        bytes: &'a [u8],
        text: impl FnOnce() -> Option<&'a str>,
        origin: Option<&str>,
    ) -> Received {
        // By the first bytes alone, so that the app's own messages pass at the cost of this look.
        let form = self.form(bytes);
        if form == TextForm::NotOurs {
            return Received::NotOurs;
        }
        let is_allowed = self.origins.allows(origin);
        let taken = self.check_sender(form, bytes, is_allowed).and_then(|()| {
            let text = text().ok_or(ErrorType::Malformed)?;
            match form {
                TextForm::Batch if is_allowed => self.receive_batch(text, origin),
                TextForm::Batch => self.reject_page(text),
                TextForm::Plain | TextForm::NotOurs => self.receive_plain(text),
            }
        });
        if let Err(error) = taken {
            // At a forbidden origin the origin is the reason, whatever else is wrong with the text.
            self.refuse_text(if is_allowed {
                error
            } else {
                ErrorType::ForbiddenOrigin
            });
        }
        Received::Ours
    }

    fn receive_batch(self: &Arc<Self>, text: &str, origin: Option<&str>) -> Result<(), ErrorType> {
        // The clock is read before the parsing, so that the time on the way does not include it.
        let received = self.recorder.clock.now();
        let InboundBatch {
            page,
            sent,
            messages,
        } = self.open(text)?;
        // Acknowledgements and the like are not messages.
        let is_posted = |message: &&Option<InboundMessage<'_>>| {
            matches!(message, Some(InboundMessage::Posted(_)))
        };
        let posted = messages.iter().filter(is_posted).count();
        if posted > 0 {
            self.recorder.series.batch_size(Direction::Inbound, posted);
        }
        let arrival = Arrival {
            sent,
            received,
            posted,
        };
        // Only when it is the batch's first: a control message ahead of it, such as `ready`,
        // changes what the page admits.
        let first = match messages.first() {
            Some(Some(InboundMessage::Posted(first))) => Some(first),
            _ => None,
        };
        let (transit, mut admitted) = self.batch_arrived(page, arrival, first);
        for message in messages {
            match message {
                None => self.refuse_text(ErrorType::Malformed),
                Some(InboundMessage::Ready(ready)) => {
                    self.page_ready(page, ready, arrival, origin);
                }
                Some(InboundMessage::Posted(posted)) => {
                    // A lock for each further message: handlers run in between, and none runs under
                    // the lock.
                    let admitted = admitted
                        .take()
                        .unwrap_or_else(|| self.page().admit(page, &posted, arrival));
                    self.posted(&posted, &admitted, &arrival, transit);
                }
                Some(message) => self.control(page, message, received),
            }
        }
        Ok(())
    }

    /// Learns from a batch of that page, and admits its first message if that is a call or an event:
    /// most batches are one of them, and take the lock once. Also returns how long it was on its way.
    fn batch_arrived(
        &self,
        page: &str,
        arrival: Arrival,
        first: Option<&PostedMessage<'_>>,
    ) -> (Option<Duration>, Option<Result<Admitted, Refused>>) {
        let mut locked = self.page();
        let transit = locked.batch_arrived(page, arrival);
        let admitted = first.map(|first| locked.admit(page, first, arrival));
        drop(locked);
        if let Some(transit) = transit.filter(|_| arrival.posted > 0) {
            self.recorder.series.transit(Direction::Inbound, transit);
        }
        (transit, admitted)
    }

    fn page_ready(&self, page: &str, ready: Ready, arrival: Arrival, origin: Option<&str>) {
        match self.ready(page, ready) {
            Ok(()) => {
                // It says so when something listens, and when it is hidden.
                self.page().listens_to_nothing();
                // Only now: a page that is refused must not make its origin the app's.
                self.origins.trust(origin);
                // From a page that was not there when the batch came.
                let arrival = Arrival {
                    posted: 0,
                    ..arrival
                };
                self.batch_arrived(page, arrival, None);
                let posted = arrival.sent.map(PageTime::since_document);
                self.recorder.startup.script_ran(arrival.received, posted);
            }
            Err(error) => {
                self.recorder.series.protocol_error(error);
                // Loaded anew, or come back from the page cache: its calls would never end.
                let gets_notice = self.page().page_after_close(page);
                if gets_notice {
                    self.wake();
                }
            }
        }
    }

    fn receive_plain(self: &Arc<Self>, text: &str) -> Result<(), ErrorType> {
        let (event, detail) = split_plain(text).ok_or(ErrorType::Malformed)?;
        // Checking that it is JSON needs no stack, and what is none must cost one pass alone.
        let detail = serde_json::from_str(detail).map_err(|_| ErrorType::Malformed)?;
        self.config.limits.check_depth(text)?;
        self.recorder.stats.received(1);
        let generation = self.page().generation();
        let caller = Caller {
            generation,
            call: None,
            credit: Credit::None,
            began: self.recorder.clock.now(),
            transit: None,
        };
        self.dispatch(caller, &event, detail, MessageTrace::none(detail));
        Ok(())
    }

    fn posted(
        self: &Arc<Self>,
        posted: &PostedMessage<'_>,
        admitted: &Result<Admitted, Refused>,
        arrival: &Arrival,
        transit: Option<Duration>,
    ) {
        self.recorder.stats.received(1);
        let (Ok(Admitted { credits_due, .. }) | Err(Refused { credits_due, .. })) = admitted;
        if *credits_due {
            self.wake();
        }
        match admitted {
            Ok(admitted) => {
                let caller = Caller {
                    generation: admitted.generation,
                    call: posted.wants_reply.then_some(posted.id),
                    credit: Credit::Spent,
                    // A page that gives no time made it at the latest when the batch came.
                    began: admitted
                        .start
                        .as_ref()
                        .and_then(|start| start.began)
                        .unwrap_or(arrival.received),
                    transit,
                };
                let trace = MessageTrace::of(posted, admitted.start.as_ref(), arrival, transit);
                self.dispatch(caller, &posted.event, posted.data, trace);
            }
            // It gets no reply: the id belongs to another call, the page broke its window, or it is
            // there no more.
            Err(Refused { error, .. }) => {
                let kind = match posted.wants_reply {
                    true => RecordKind::Call,
                    false => RecordKind::EventIn,
                };
                self.series_of(&posted.event).refused(kind, *error, 1);
            }
        }
    }

    /// What a text is to this wire, by its first bytes.
    fn form(&self, text: &[u8]) -> TextForm {
        // Without the opt-in the compatible form is a text of the app's like any other.
        match TextForm::of(text) {
            TextForm::Plain if self.config.page_events == PageEvents::SpanwireOnly => {
                TextForm::NotOurs
            }
            form => form,
        }
    }

    /// Counts a text, or a message, that cannot be read.
    pub(super) fn refuse_text(&self, error: ErrorType) {
        self.recorder.stats.received(1);
        let series = self.recorder.series.nameless();
        series.refused(RecordKind::EventIn, error, 1);
    }

    /// Whether a text is worth reading: by its origin, its size and its nonce, which cost the same
    /// whatever the text holds.
    ///
    /// A batch of the page script's at a forbidden origin is: it may say that its page is there.
    fn check_sender(&self, form: TextForm, text: &[u8], is_allowed: bool) -> Result<(), ErrorType> {
        if form == TextForm::Plain && !is_allowed {
            return Err(ErrorType::ForbiddenOrigin);
        }
        if text.len() > self.config.limits.inbound_bytes_max {
            return Err(ErrorType::TooLarge);
        }
        match form {
            TextForm::Batch => check_nonce(text, &self.nonce),
            TextForm::Plain | TextForm::NotOurs => Ok(()),
        }
    }

    /// Reads a batch whose sender proved who it is.
    fn open<'a>(&self, text: &'a str) -> Result<InboundBatch<'a>, ErrorType> {
        let Envelope {
            page,
            sent,
            messages,
        } = Envelope::open(text, &self.nonce).ok_or(ErrorType::Malformed)?;
        self.config.limits.check_depth(text)?;
        Ok(InboundBatch {
            page,
            sent,
            messages: parse_messages(messages, self.config.limits.inbound_len_max)?,
        })
    }

    /// Refuses a batch from a forbidden origin. A page that says in it that it is there gets a notice
    /// that there is no wire for it: its nonce proves that it is the webview's page.
    fn reject_page(&self, text: &str) -> Result<(), ErrorType> {
        let batch = self.open(text)?;
        // Nothing else in the batch counts: its other messages are neither run nor counted one by
        // one.
        let is_ready = |message: &Option<InboundMessage<'_>>| {
            matches!(message, Some(InboundMessage::Ready(_)))
        };
        if batch.messages.iter().any(is_ready) {
            // It took the place of the page before, whose last messages came under its address.
            self.page_left(PagePhase::Gone);
            if self.page().reject_page(batch.page) {
                self.wake();
            }
        }
        Err(ErrorType::ForbiddenOrigin)
    }
}
