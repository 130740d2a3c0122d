//! Messages from the page: checked, run through their listeners, answered and counted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::around::{Ahead, Around};
use super::background::Background;
use super::builder::{PageEvents, PageTraces};
use super::call::{Answer, Call};
use super::envelope::{Envelope, Form, check_nonce, split_plain};
use super::handler::{Running, Verdict};
use super::main_thread::Thread;
use super::message::{Inbound, PageTime, Posted, Record, parse_messages};
use super::outbox::{Body, Credit, Facts, Phase, died};
use super::page::{Admitted, Refused};
use super::propagation::parse_traceparent;
use super::series::{Direction, End, EventSeries};
use super::spans::Spans;
use super::trace::{Arrival, Stamps};
use super::wire::{Inner, Ipc};
use crate::clock::Stamp;
use crate::instrument::cardinality::{Origin, is_event_name};
use crate::measurement::record_from_page;
use crate::semconv::{self, ErrorType};

/// Whether a text from the page was Spanwire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is not Spanwire's is for the app's own handler"]
pub enum Received {
    /// It was, and it was handled or counted as refused.
    Ours,
    /// It was not: it is the app's own.
    NotOurs,
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
    /// The call's id when the sender waits for a reply; unique among its open calls.
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
    /// An event: nobody waits for a reply.
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
struct Batch<'a> {
    page: &'a str,
    /// When the page posted it.
    sent: Option<PageTime>,
    /// `None` is a message that is not of the wire's form.
    messages: Vec<Option<Inbound<'a>>>,
}

/// Where a message came from and who waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) generation: u64,
    /// The call's id; `None` for an event.
    pub(super) call: Option<u64>,
    pub(super) credit: Credit,
}

impl Ipc {
    /// Takes a text that the page posted, from the main frame's `origin` if the transport knows it.
    ///
    /// Handlers run before it returns. It never fails and never panics: what is wrong with a text
    /// is counted, and answered where somebody waits.
    pub fn receive(&self, text: &str, origin: Option<&str>) -> Received {
        self.receive_text(text.as_bytes(), || Some(text), origin)
    }

    /// As [`receive`](Self::receive), for a transport that hands over bytes.
    pub fn receive_bytes(&self, bytes: &[u8], origin: Option<&str>) -> Received {
        self.receive_text(bytes, || str::from_utf8(bytes).ok(), origin)
    }

    /// `text` reads all of `bytes`, so it is called for senders that proved who they are.
    fn receive_text<'a>(
        &self,
        bytes: &'a [u8],
        text: impl FnOnce() -> Option<&'a str>,
        origin: Option<&str>,
    ) -> Received {
        let inner = &self.0;
        let form = inner.form(bytes);
        if form == Form::NotOurs {
            return Received::NotOurs;
        }
        let is_allowed = inner.origins.allows(origin);
        let taken = inner.check_sender(form, bytes, is_allowed).and_then(|()| {
            let text = text().ok_or(ErrorType::Malformed)?;
            match form {
                Form::Batch if is_allowed => self.receive_batch(text, origin),
                Form::Batch => inner.turn_away(text),
                Form::Plain | Form::NotOurs => self.receive_plain(text),
            }
        });
        if let Err(error) = taken {
            inner.refuse_text(if is_allowed {
                error
            } else {
                ErrorType::ForbiddenOrigin
            });
        }
        Received::Ours
    }

    /// Takes a message from a transport that has its own form. The sender is trusted: it needs no
    /// nonce and no credits, but the name is checked all the same.
    ///
    /// A call's reply comes out of [`next_script`](Self::next_script), once a page was announced
    /// by [`page_ready`](Self::page_ready): without one there is nobody to answer, and the reply
    /// ends as `page_gone`.
    pub fn handle_message(&self, message: &IpcMessage) {
        let inner = &self.0;
        inner.stats.received(1);
        let caller = Caller {
            generation: inner.page().heard_trusted(inner.clock.now()),
            call: message.id,
            credit: Credit::None,
        };
        let stamps = Stamps::none(&message.data);
        self.handle(caller, &message.event, &message.data, stamps);
    }

    fn receive_batch(&self, text: &str, origin: Option<&str>) -> Result<(), ErrorType> {
        let inner = &self.0;
        let received = inner.clock.now();
        let Batch {
            page,
            sent,
            messages,
        } = inner.open(text)?;
        // Acknowledgements and the like are not messages.
        let is_posted =
            |message: &&Option<Inbound<'_>>| matches!(message, Some(Inbound::Posted(_)));
        let posted = messages.iter().filter(is_posted).count();
        if posted > 0 {
            inner.series.batch_size(Direction::Inbound, posted);
        }
        let arrival = Arrival {
            sent,
            received,
            posted,
        };
        inner.heard(page, arrival);
        for message in messages {
            match message {
                None => inner.refuse_text(ErrorType::Malformed),
                Some(Inbound::Ready) => {
                    match inner.ready(page) {
                        Ok(()) => {
                            inner.origins.trust(origin);
                            // From a page that was not there when the batch came.
                            let arrival = Arrival {
                                posted: 0,
                                ..arrival
                            };
                            inner.heard(page, arrival);
                        }
                        Err(error) => {
                            inner.series.protocol_error(error);
                            // Loaded anew, or come back from the page cache: what it calls would
                            // wait for ever.
                            let is_late = inner.page().came_late(page);
                            if is_late {
                                inner.wake();
                            }
                        }
                    }
                }
                Some(Inbound::Posted(posted)) => self.posted(page, &posted, arrival),
                Some(message) => {
                    let current = inner.page().current(page);
                    match current {
                        Some(generation) => inner.control(generation, message, received),
                        None => inner.series.protocol_error(ErrorType::StaleGeneration),
                    }
                }
            }
        }
        Ok(())
    }

    fn receive_plain(&self, text: &str) -> Result<(), ErrorType> {
        let inner = &self.0;
        let (event, detail) = split_plain(text).ok_or(ErrorType::Malformed)?;
        // Checking that it is JSON needs no stack, and what is none must cost one pass alone.
        let detail = serde_json::from_str(detail).map_err(|_| ErrorType::Malformed)?;
        inner.config.limits.check_depth(text)?;
        inner.received();
        let generation = inner.page().generation();
        let caller = Caller {
            generation,
            call: None,
            credit: Credit::None,
        };
        self.handle(caller, event, detail, Stamps::none(detail));
        Ok(())
    }

    fn posted(&self, page: &str, posted: &Posted<'_>, arrival: Arrival) {
        let inner = &self.0;
        inner.received();
        let admitted = inner.page().admit(page, posted.id);
        let generation = match admitted {
            Ok(Admitted {
                generation,
                credits_due,
            }) => {
                if credits_due {
                    inner.wake();
                }
                generation
            }
            Err(Refused { error, credits_due }) => {
                // Not answered: the id belongs to another call, the page broke its window, or it
                // is there no more.
                inner
                    .posted_series(&posted.event)
                    .lost(Direction::Inbound, error, 1);
                if credits_due {
                    inner.wake();
                }
                return;
            }
        };
        let call = posted.wants_reply.then_some(posted.id);
        let caller = Caller {
            generation,
            call,
            credit: Credit::Spent,
        };
        let stamps = Stamps {
            traceparent: posted.traceparent.as_deref(),
            at: posted.at,
            span: posted.span,
            size: posted.data.get().len(),
            arrival: Some(arrival),
        };
        self.handle(caller, &posted.event, posted.data, stamps);
    }

    /// Runs a message through its listeners.
    fn handle(&self, caller: Caller, name: &str, data: &RawValue, stamps: Stamps<'_>) {
        let inner = &self.0;
        inner.series.message_size(Direction::Inbound, stamps.size);
        let started = inner.clock.now();
        // Kept while the listeners run: it is no lock, and whoever adds one does not wait for it.
        let events = inner.handler.events();
        let found = events.get(name);
        let series = match found {
            Some(event) => &event.series,
            None => &inner.unheard_series(name),
        };
        let ahead = inner.handled_in(series, caller, stamps, started);
        let (span, around, _untraced) = match ahead {
            Ahead::Untraced(context) => (Span::none(), Around::Untraced, Some(context.attach())),
            Ahead::Traced(around) => {
                // What goes on elsewhere says so itself.
                let runs_here = found.is_some_and(|event| !event.is_async());
                let thread = inner.main_thread.this().filter(|_| runs_here);
                let span = inner.span(series, caller, stamps.size, thread, &around);
                (span, around, None)
            }
        };
        let _entered = span.enter();
        let around = match around {
            Around::Untraced => around,
            Around::Nothing | Around::Within(_) => inner.within(around, started),
        };
        let Some(event) = found else {
            let verdict = if is_event_name(name) {
                Verdict::unknown_event(name)
            } else {
                Verdict::invalid_name()
            };
            return inner.finish(series, caller, verdict, None, &span, &around);
        };
        let call = Call {
            event: Cow::Borrowed(&event.name),
            data: Cow::Borrowed(data),
            wants_reply: caller.call.is_some(),
        };
        let running = event.run(&call);
        let took = inner.clock.now().since(started);
        if inner.main_thread.was_blocked(took) {
            series.blocked();
            span.record(semconv::MAIN_THREAD_BLOCKED_S, took.as_secs_f64());
        }
        match running {
            Running::Done(verdict) => {
                inner.finish(series, caller, verdict, Some(took), &span, &around);
            }
            Running::Pending(running) => {
                let series = Arc::clone(series);
                let running = match &around {
                    Around::Untraced => running.with_context(Context::current()).boxed(),
                    Around::Nothing | Around::Within(_) => running,
                };
                Background::new(
                    inner,
                    series,
                    caller,
                    stamps.size,
                    started,
                    span.clone(),
                    around,
                )
                .spawn(running);
            }
        }
    }
}

impl Inner {
    /// What a message's handler goes on in: calls have spans, and events up to so many a second.
    fn handled_in(
        &self,
        series: &EventSeries,
        caller: Caller,
        stamps: Stamps<'_>,
        now: Stamp,
    ) -> Ahead {
        if caller.call.is_some() || self.spans.admits_handler(now) {
            return self.around_handler(series, caller, stamps, now);
        }
        self.series.span_skipped(Direction::Inbound);
        Spans::untraced()
    }

    /// What goes on within the handler's span, which is entered; `around` it when there is none.
    fn within(&self, around: Around, started: Stamp) -> Around {
        let within = match Around::here() {
            Around::Nothing => around,
            here => here,
        };
        if matches!(within, Around::Within(_)) {
            self.spans.has_reached(started);
        }
        within
    }

    /// What a text is to this wire, told by its first bytes.
    fn form(&self, text: &[u8]) -> Form {
        match Form::of(text) {
            Form::Plain if self.config.page_events == PageEvents::OwnOnly => Form::NotOurs,
            form => form,
        }
    }

    fn received(&self) {
        self.stats.received(1);
    }

    /// Counts a text, or a message, that cannot be read.
    fn refuse_text(&self, error: ErrorType) {
        self.received();
        self.series.nameless().lost(Direction::Inbound, error, 1);
    }

    /// Whether a text is worth reading: by its origin, its size and its nonce, which cost the same
    /// whatever the text holds.
    ///
    /// A batch of the page script's at a forbidden origin is: it may say that its page is there.
    fn check_sender(&self, form: Form, text: &[u8], is_allowed: bool) -> Result<(), ErrorType> {
        if form == Form::Plain && !is_allowed {
            return Err(ErrorType::ForbiddenOrigin);
        }
        if text.len() > self.config.limits.inbound_bytes_max {
            return Err(ErrorType::TooLarge);
        }
        match form {
            Form::Batch => check_nonce(text, &self.nonce),
            Form::Plain | Form::NotOurs => Ok(()),
        }
    }

    /// Reads a batch whose sender proved who it is.
    fn open<'a>(&self, text: &'a str) -> Result<Batch<'a>, ErrorType> {
        let Envelope {
            page,
            sent,
            messages,
        } = Envelope::open(text, &self.nonce).ok_or(ErrorType::Malformed)?;
        self.config.limits.check_depth(text)?;
        Ok(Batch {
            page,
            sent,
            messages: parse_messages(messages, self.config.limits.inbound_len_max)?,
        })
    }

    /// Tells a page of another origin that there is no wire for it, when it says that it is there:
    /// it proved that it is the webview's page. The batch is refused all the same.
    fn turn_away(&self, text: &str) -> Result<(), ErrorType> {
        let batch = self.open(text)?;
        let is_ready = |message: &Option<Inbound<'_>>| matches!(message, Some(Inbound::Ready));
        if batch.messages.iter().any(is_ready) {
            // It took the place of the page before, whose last words came under its address.
            self.left(Phase::Gone);
            if self.page().turn_away(batch.page) {
                self.wake();
            }
        }
        Err(ErrorType::ForbiddenOrigin)
    }

    /// The series of a name that the page gave, which may be hostile.
    fn posted_series(&self, name: &str) -> Arc<EventSeries> {
        match self.handler.events().get(name) {
            Some(event) => Arc::clone(&event.series),
            None => self.unheard_series(name),
        }
    }

    /// The series of a name that nobody listens to.
    fn unheard_series(&self, name: &str) -> Arc<EventSeries> {
        if is_event_name(name) {
            self.series.event(name, Origin::Other)
        } else {
            Arc::clone(self.series.nameless())
        }
    }

    fn control(&self, generation: u64, message: Inbound<'_>, received: Stamp) {
        match message {
            Inbound::Ack(ack) => {
                let mut facts = Facts::default();
                let now = self.clock.now();
                let due = self.page().acknowledged(generation, ack, now, &mut facts);
                self.apply(facts);
                // What waited for room among the messages in flight may have it now, and nothing
                // else would say so.
                if due || !self.queue.is_empty() {
                    self.wake();
                }
            }
            Inbound::Cancel { id, at, why } => {
                self.call_withdrawn(generation, id, at, why);
                // Bound first, so that the lock is free when the future is dropped.
                let abort = self.page().cancel(generation, id);
                if let Some(abort) = abort {
                    abort.abort();
                }
            }
            Inbound::Shed { count } => {
                self.series
                    .nameless()
                    .lost(Direction::Inbound, ErrorType::PageShed, count.into());
            }
            Inbound::PageError(error) => self.series.page_error(error),
            Inbound::Leave => self.leave(generation),
            Inbound::Pong { id, at } => {
                let again = self.page().pong(generation, id, at);
                match again {
                    Ok(true) => self.wake(),
                    Ok(false) => {}
                    Err(error) => self.series.protocol_error(error),
                }
            }
            Inbound::Vital(vital) => self.series.vital(vital),
            Inbound::Record(record) => self.record(&record),
            Inbound::Spans(spans) => self.sdk_spans(&spans),
            Inbound::Open(open) => self.open_span(generation, &open, received),
            Inbound::Close { span, at, failed } => {
                // The page does not say what went wrong.
                self.close_span(generation, span, at, failed.then_some(semconv::OTHER));
            }
            Inbound::Ready | Inbound::Posted(_) => unreachable!("told apart by the caller"),
        }
    }

    fn record(&self, record: &Record<'_>) {
        let Record {
            name,
            value,
            unit,
            category,
        } = record;
        let recorded = record_from_page(name, category.as_deref(), unit.as_deref(), *value);
        if recorded.is_err() {
            self.series.protocol_error(ErrorType::InvalidName);
        }
    }

    pub(super) fn remote_parent(&self, traceparent: Option<&str>) -> Option<Context> {
        if self.config.page_traces == PageTraces::OwnOnly {
            return None;
        }
        let parent = parse_traceparent(traceparent?);
        if parent.is_none() {
            // The message is as good as any, only its trace begins here.
            self.series.protocol_error(ErrorType::InvalidTraceparent);
        }
        Some(Context::new().with_remote_span_context(parent?))
    }

    /// The span of a message's handler.
    fn span(
        &self,
        series: &EventSeries,
        caller: Caller,
        size: usize,
        thread: Option<Thread>,
        around: &Around,
    ) -> Span {
        let name = &**series.label();
        let span = tracing::info_span!(
            target: "spanwire",
            parent: None,
            "handle",
            otel.name = name,
            otel.kind = if caller.call.is_some() { "server" } else { "consumer" },
            otel.status_code = tracing::field::Empty,
            { semconv::RPC_SYSTEM_NAME } = semconv::RPC_SYSTEM,
            { semconv::RPC_METHOD } = name,
            { semconv::WEBVIEW_NAME } = &*self.config.name,
            { semconv::MESSAGE_SIZE_BY } = i64::try_from(size).unwrap_or(i64::MAX),
            { semconv::THREAD } = thread.map(Thread::as_str),
            { semconv::MAIN_THREAD_BLOCKED_S } = tracing::field::Empty,
            { semconv::ERROR_TYPE } = tracing::field::Empty,
        );
        if let Some(parent) = around.context() {
            // Fails only when no layer of OpenTelemetry's is there, and then there is no trace.
            let _ = span.set_parent(parent.clone());
        }
        span
    }

    /// Ends a message whose listeners are done: counts it, and answers where somebody waits.
    pub(super) fn finish(
        &self,
        series: &Arc<EventSeries>,
        caller: Caller,
        verdict: Verdict,
        took: Option<Duration>,
        span: &Span,
        around: &Around,
    ) {
        let verdict = if verdict.reply_size() > self.config.limits.outbound_bytes_max {
            Verdict::too_large()
        } else {
            verdict
        };
        let verdict = self.within_budget(caller, verdict);
        ended(series, verdict.end, took, span);
        match caller.call {
            Some(call) => self.reply(caller, call, series, verdict.answer, around),
            None => self.refund(caller),
        }
    }

    /// The verdict whose reply may be kept until the page acknowledges it.
    fn within_budget(&self, caller: Caller, verdict: Verdict) -> Verdict {
        if caller.call.is_none() {
            return verdict;
        }
        let (bytes, instead) = (verdict.reply_size(), Verdict::UNACKNOWLEDGED.len());
        if self.page().reserve_reply(caller.generation, bytes, instead) {
            verdict
        } else {
            Verdict::unacknowledged()
        }
    }

    /// Gives the page its credit back. A reply's comes with the reply's end instead.
    pub(super) fn refund(&self, caller: Caller) {
        if caller.credit == Credit::Spent {
            let due = self.page().refund(caller.generation);
            if due {
                self.wake();
            }
        }
    }

    /// Sends a call's reply, or counts it as gone with its page.
    fn reply(
        &self,
        caller: Caller,
        call: u64,
        series: &Arc<EventSeries>,
        answer: Answer,
        around: &Around,
    ) {
        self.stats.accepted();
        let body = Body::Reply {
            call,
            result: answer,
            credit: caller.credit,
        };
        let reply = self.outbound(body, Arc::clone(series), around);
        let refused = self.page().reply(caller.generation, reply);
        match refused {
            Ok(()) => self.wake(),
            Err((reply, error)) => self.ended(died(reply, Err(error))),
        }
    }
}

/// Counts the end of a message from the page, and marks its span.
///
/// Not the span that is current: a message without one may be handled within another's.
pub(super) fn ended(series: &EventSeries, end: End, took: Option<Duration>, span: &Span) {
    series.handled(end, took);
    if let Err(error) = end {
        span.record(semconv::ERROR_TYPE, error.as_str());
        span.record("otel.status_code", "ERROR");
    }
}
