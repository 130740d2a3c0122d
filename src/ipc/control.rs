//! What the page sends beside calls and events: acknowledgements, spans, measurements and the like.

use std::sync::Arc;

use crate::instrument::caught_panic::catch_panic;

use super::outbound::Effects;
use super::page::{HeldCall, Page};
use super::page_state::PagePhase;
use super::protocol::inbound_message::{
    Ack, InboundMessage, PageTime, Refused, RefusedKind, SpanExport, SpanStart,
};
use super::wire::{Inner, abort_all};
use crate::clock::Stamp;
use crate::instrument::page_spans::{PageSpanRequest, PageSpansRefused};
use crate::instrument::record_sink::{CallDetails, RecordKind};
use crate::semconv::{self, ErrorType, PageSpanErrorType};
use crate::startup::Phase;

impl Inner {
    /// Takes in a message of the page with that id, which is stale when another took its place.
    pub(super) fn control(&self, page: &str, message: InboundMessage<'_>, received: Stamp) {
        match message {
            InboundMessage::Ack(ack) => self.acknowledged(page, ack),
            InboundMessage::Cancel { id, at, error } => self.call_withdrawn(page, id, at, error),
            InboundMessage::Leave => self.leave(page),
            InboundMessage::Pong { id, at } => self.pong(page, id, at),
            InboundMessage::State {
                listens,
                visible,
                loading,
            } => {
                let now = self.recorder.clock.now();
                self.with_current(page, |page, _| page.told(listens, visible, loading, now));
            }
            InboundMessage::Open(open) => self.open_span(page, &open, received),
            InboundMessage::Close { span, at, failed } => {
                // The page does not say what went wrong.
                let error = failed.then_some(semconv::OTHER);
                self.close_span(page, span, at, error);
            }
            // The kinds above look at the page themselves, under one lock. For all below this one
            // look counts a stale message.
            message if self.is_stale(page, &message) => {}
            InboundMessage::Shed { count } => {
                let series = self.recorder.series.nameless();
                series.refused(RecordKind::EventIn, ErrorType::PageShed, count);
            }
            InboundMessage::Refused(refused) => self.refused_by_page(&refused),
            InboundMessage::Unheard { event, count } => self.series_of(&event).unheard(count),
            InboundMessage::PageError(error) => self.recorder.series.page_error(error),
            InboundMessage::ListenerError { event } => self.series_of(&event).listener_failed(),
            InboundMessage::WebVital(vital) => {
                self.recorder.series.vital(vital);
                if let Some(at) = vital.first_paint() {
                    self.page_reached(page, Phase::FirstPaint, at);
                }
            }
            InboundMessage::LongTask(took) => self.recorder.series.long_task(took),
            InboundMessage::DomReady { at } => self.page_reached(page, Phase::DomReady, at),
            InboundMessage::Measurement(measurement) => self.recorder.measured(&measurement),
            InboundMessage::SpanExport(export) => self.span_export(&export),
            // Of a page whose messages another layer carries.
            InboundMessage::Settled(_) | InboundMessage::ListenersRan(_) => {
                self.refuse_text(ErrorType::Malformed);
            }
            InboundMessage::Ready(_) | InboundMessage::Posted(_) => {
                unreachable!("told apart by the caller")
            }
        }
    }

    /// Runs `f` under the page's lock, with the page's generation, if the page with that id is still
    /// the one that messages go to; counts a stale message if not.
    fn with_current<R>(&self, id: &str, f: impl FnOnce(&mut Page, u64) -> R) -> Option<R> {
        let mut page = self.page();
        let result = page.current(id).map(|generation| f(&mut page, generation));
        // The recorder is the app's.
        drop(page);
        if result.is_none() {
            self.recorder
                .series
                .protocol_error(ErrorType::StaleGeneration);
        }
        result
    }

    /// Whether the message is of a page that another took the place of; notes on the one that is there
    /// what its own script did.
    fn is_stale(&self, page: &str, message: &InboundMessage<'_>) -> bool {
        let is_act = matches!(
            message,
            InboundMessage::Measurement(_) | InboundMessage::SpanExport(_)
        );
        let noted = self.with_current(page, |page, _| {
            if is_act {
                page.acted();
            }
        });
        noted.is_none()
    }

    fn acknowledged(&self, page: &str, ack: Ack) {
        let mut effects = Effects::default();
        let now = self.recorder.clock.now();
        let due = self.with_current(page, |page, _| page.acknowledged(ack, now, &mut effects));
        let Some(due) = due else { return };
        self.apply(effects);
        // What waited for room among the messages in flight may have it now, and nothing else would
        // say so.
        if due || !self.queue.is_empty() {
            self.wake();
        }
    }

    /// The page says itself that it goes away.
    fn leave(&self, page: &str) {
        let mut effects = Effects::default();
        let aborts = self.with_current(page, |page, _| page.left(PagePhase::Loading, &mut effects));
        self.apply(effects);
        abort_all(aborts.unwrap_or_default());
    }

    /// The page says when it reached a phase of the app's start.
    fn page_reached(&self, page: &str, phase: Phase, at: PageTime) {
        // One relaxed load. Without it each vital would take the page's lock for the life of the
        // page.
        let startup = &self.recorder.startup;
        if startup.awaits(phase) {
            let now = self.recorder.clock.now();
            let at = self.with_current(page, |page, _| page.to_host(at, now));
            if let Some(Some(at)) = at {
                startup.reached(phase, at);
            }
        }
    }

    fn pong(&self, page: &str, id: u64, at: Option<PageTime>) {
        match self.with_current(page, |page, _| page.pong(id, at)) {
            Some(Ok(true)) => self.wake(),
            Some(Ok(false)) | None => {}
            Some(Err(error)) => self.recorder.series.protocol_error(error),
        }
    }

    /// The page withdrew a call.
    fn call_withdrawn(&self, page: &str, call: u64, at: Option<PageTime>, error: ErrorType) {
        let now = self.recorder.clock.now();
        let Some(withdrawn) =
            self.with_current(page, |page, _| page.withdraw(call, at, error, now))
        else {
            return;
        };
        if let Some(span) = withdrawn.span {
            span.finish_on_page(Some(error.as_str()), withdrawn.at);
        }
        if let Some(HeldCall { abort, call, slot }) = withdrawn.held {
            let took = withdrawn.at.since(call.began);
            // The page's call is over now, however long its handler takes to stop.
            call.series
                .call_settled(Err(error), took, CallDetails::default());
            // The withdrawal precedes the abort: the handler's end, which the abort may run at
            // once, reads the reason.
            slot.withdraw(error);
            abort.abort();
        }
    }

    /// The page opens a span of its own.
    fn open_span(&self, page: &str, open: &SpanStart<'_>, received: Stamp) {
        let refuse = |error| self.recorder.series.protocol_error(error);
        let reserved = self.with_current(page, |page, generation| {
            let reserved = page.reserve_span(open, received)?;
            Ok((generation, reserved))
        });
        let (generation, (parent, start)) = match reserved {
            None => return,
            Some(Err(error)) => return refuse(error),
            Some(Ok(reserved)) => reserved,
        };
        // Without a time of the page's there is nothing to measure, only an id to remember.
        let Some(start) = start else { return };
        // No lock is held here: a tracer is the app's code.
        let span = self
            .recorder
            .open_page_span(&open.name, start, parent.as_ref());
        let Some(span) = span else { return };
        // The span was made without the lock, so the page may be gone or have closed it by now.
        let refused = match self.page().spans(generation) {
            Some(spans) => spans.opened(open.span, span).err(),
            None => Some(span),
        };
        if let Some(span) = refused {
            let why = self.page().why_gone();
            span.fail(why.as_str(), self.recorder.clock.now());
        }
    }

    /// The page closes a span of its own.
    fn close_span(&self, page: &str, id: u64, at: Option<PageTime>, error: Option<&'static str>) {
        let now = self.recorder.clock.now();
        match self.with_current(page, |page, _| page.close_span(id, at, now)) {
            Some(Err(error)) => self.recorder.series.protocol_error(error),
            None | Some(Ok(None)) => {}
            Some(Ok(Some((span, at)))) => span.finish_on_page(error, at),
        }
    }

    /// The page script did not send what the page's code asked it to.
    fn refused_by_page(&self, refused: &Refused<'_>) {
        let Refused { error, count, .. } = *refused;
        let kind = match refused.what {
            RefusedKind::Call => RecordKind::Call,
            RefusedKind::Event => RecordKind::EventIn,
            RefusedKind::Record | RefusedKind::Span => {
                let series = &self.recorder.series;
                return series.protocol_errors(error, count.into());
            }
        };
        let series = match &refused.event {
            Some(event) => self.series_of(event),
            None => Arc::clone(self.recorder.series.nameless()),
        };
        // As when the host had refused them; what the page shed is counted for it alone.
        if error != ErrorType::PageShed {
            self.recorder.stats.received(count.into());
        }
        series.refused(kind, error, count);
    }

    /// Passes spans of the page's own SDK on unread: the sink has a thread for that.
    fn span_export(&self, export: &SpanExport<'_>) {
        let source = &self.page_spans;
        let taken = match (&self.config.page_spans, export.lost, export.request) {
            (None, ..) => Err(PageSpanErrorType::NotAccepted),
            (_, Some(error), _) => Err(error),
            (_, None, None) => Err(PageSpanErrorType::Malformed),
            (Some(sink), None, Some(request)) => {
                let request = PageSpanRequest {
                    source,
                    spans: export.count,
                    json: request.get(),
                };
                // A sink may be the app's, and its panic costs this request alone.
                catch_panic(|| sink.take(request))
                    .unwrap_or(Err(PageSpansRefused::Off))
                    .map_err(PageSpanErrorType::from)
            }
        };
        if let Err(error) = taken {
            source.lost(error, export.count.into());
        }
    }
}
