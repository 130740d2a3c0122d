//! Who sent a message from the page, and how it ended.

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::handling::InboundKind;
use super::series::{EventSeries, Outcome};
use super::spans::handler;
use crate::clock::Stamp;
use crate::instrument::record_sink::{self, RecordKind, Stages};
use crate::instrument::thread_end::is_ending;

/// Where a message came from, and whether its sender waits for a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) generation: u64,
    /// The call's id; `None` for an event.
    pub(super) call: Option<u64>,
    pub(super) credit: Credit,
    /// When the page made it, as far as that is known.
    pub(super) began: Stamp,
    /// How long the batch was on its way that it came in, if that is known.
    pub(super) transit: Option<Duration>,
}

impl Caller {
    /// Tells the call apart from all others of its wire.
    pub(super) fn call_key(self) -> Option<CallKey> {
        self.call.map(|id| match self.credit {
            Credit::Spent => CallKey::OfPage(id),
            Credit::None => CallKey::OfTransport(id),
        })
    }

    pub(super) fn kind(self) -> InboundKind {
        match self.call {
            Some(_) => InboundKind::Call,
            None => InboundKind::Event,
        }
    }
}

/// Whose call it is, and its id: a transport may give a call of its own the id of one of the page's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CallKey {
    OfPage(u64),
    /// It came through [`Ipc::handle_message`](super::Ipc::handle_message).
    OfTransport(u64),
}

/// Whether the message's end gives the page a credit back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credit {
    /// The message came through a transport without credits.
    None,
    /// The page spent one for it.
    Spent,
}

/// Counts the end of a message from the page, and sets it on the handler's span.
///
/// Not on the span that is current: a message without one may be handled within another's.
pub(super) fn record_end(
    series: &EventSeries,
    kind: InboundKind,
    outcome: Outcome,
    took: Option<Duration>,
    span: &Span,
) {
    series.handled(outcome, took);
    // A call is kept when it is settled, with its handler as one of its stages.
    if kind == InboundKind::Event && record_sink::is_on() {
        // Only while records are kept: `trace_of` asks the subscriber, which is not free.
        keep_event(series, outcome, took, span);
    }
    if let Err(error) = outcome {
        handler::fail(span, error.as_str());
    }
}

fn keep_event(series: &EventSeries, outcome: Outcome, took: Option<Duration>, span: &Span) {
    let stages = Stages {
        handler: took,
        ..Stages::default()
    };
    let took = took.unwrap_or_default();
    let mut record = series.kept_record(RecordKind::EventIn, outcome, took);
    record.stages = stages;
    record.trace_id = trace_of(span);
    record_sink::record(|| record);
}

/// The trace that a handler's span is of, if it is of any.
pub(super) fn trace_of(span: &Span) -> TraceId {
    // At a thread's end OpenTelemetry's thread-locals may be gone, and a look at them panics.
    if span.is_disabled() || is_ending() {
        return TraceId::INVALID;
    }
    span.context().span().span_context().trace_id()
}
