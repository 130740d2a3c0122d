//! Who sent a message from the page, and how it ended.

use std::time::Duration;

use tracing::Span;

use super::handling::InboundKind;
use super::series::{EventSeries, Outcome};
use super::spans::handler;
use crate::clock::Stamp;

/// Where a message came from, and whether its sender waits for a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) generation: u64,
    /// The call's id; `None` for an event.
    pub(super) call: Option<u64>,
    pub(super) credit: Credit,
    /// When the page made it, as far as that is known.
    pub(super) began: Stamp,
}

impl Caller {
    pub(super) fn kind(self) -> InboundKind {
        match self.call {
            Some(_) => InboundKind::Call,
            None => InboundKind::Event,
        }
    }
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
    outcome: Outcome,
    took: Option<Duration>,
    span: &Span,
) {
    series.handled(outcome, took);
    if let Err(error) = outcome {
        handler::fail(span, error.as_str());
    }
}
