//! How a message's listeners ended it.

use tracing::Level;

use super::call::{Rejection, Reply};
use super::series::Outcome;
use crate::instrument::caught_panic::CaughtPanic;
use crate::instrument::event_name::NameError;
use crate::semconv::{self, ErrorType};

/// How a message's listeners ended it: the reply to its caller, and the outcome that is counted.
#[derive(Debug)]
pub(super) struct HandlerOutcome {
    pub(super) reply: Reply,
    pub(super) outcome: Outcome,
}

impl HandlerOutcome {
    pub(super) fn of(reply: Reply) -> Self {
        // Within the handler's span, so the record belongs to the message's trace.
        if let Err(Rejection { name, message, .. }) = &reply {
            tracing::event!(
                name: semconv::EVENT_HANDLER_FAILED,
                target: "spanwire",
                // The target is fixed, so that a filter of the app's need not know the files of
                // this crate.
                Level::ERROR,
                {
                    { semconv::EXCEPTION_TYPE } = name.as_ref(),
                    { semconv::EXCEPTION_MESSAGE } = cut(message),
                },
                "handler failed"
            );
        }
        // The error's own type stays in the log: as an attribute of metrics it would have no bound.
        let outcome = if reply.is_ok() {
            Ok(())
        } else {
            Err(ErrorType::HandlerError)
        };
        Self { reply, outcome }
    }

    pub(super) fn of_all(outcomes: impl Iterator<Item = Self>) -> Self {
        let join = |mut all: Self, next: Self| {
            // `all` keeps the first one's reply; the outcome is the first error of any.
            all.outcome = all.outcome.and(next.outcome);
            all
        };
        outcomes
            .reduce(join)
            .expect("an event whose last listener goes is taken off")
    }

    /// The name was checked, so it is short and plain.
    pub(super) fn unknown_event(name: &str) -> Self {
        let message = format!("no handler is registered for {name:?}");
        Self::refusal(ErrorType::UnknownEvent, &message)
    }

    pub(super) fn invalid_name(error: NameError) -> Self {
        let message = format!("the event's name {error}");
        Self::refusal(ErrorType::InvalidName, &message)
    }

    /// Payload bytes of the reply.
    pub(super) fn reply_size(&self) -> usize {
        match &self.reply {
            Ok(data) => data.get().len(),
            Err(rejection) => rejection.message.len(),
        }
    }

    pub(super) fn too_large() -> Self {
        Self::refusal(
            ErrorType::TooLarge,
            "the reply is larger than Limits::outbound_bytes_max",
        )
    }

    pub(super) fn dropped() -> Self {
        Self::refusal(
            ErrorType::HandlerDropped,
            "the handler was dropped before it was done",
        )
    }

    pub(super) fn unanswered() -> Self {
        Self::refusal(
            ErrorType::HandlerDropped,
            "the handler dropped its responder before it responded",
        )
    }

    pub(super) fn unacknowledged() -> Self {
        Self::refusal(ErrorType::OverCredit, Self::UNACKNOWLEDGED)
    }

    /// The text of [`unacknowledged`](Self::unacknowledged), which is its size.
    pub(super) const UNACKNOWLEDGED: &str = "too many bytes of replies wait for the page";

    pub(super) fn over_credit() -> Self {
        Self::refusal(ErrorType::OverCredit, "too many handlers are running")
    }

    // No log record: its `error.type` says all there is.
    fn refusal(error: ErrorType, message: &str) -> Self {
        let rejection = Rejection {
            name: "SpanwireError".into(),
            message: message.to_owned(),
            error,
        };
        Self {
            reply: Err(rejection),
            outcome: Err(error),
        }
    }

    /// The panic's text goes to the app's log and not to the page.
    pub(super) fn panicked(panic: &CaughtPanic) -> Self {
        let text = panic.text().unwrap_or("a panic without a text");
        tracing::event!(
            name: semconv::EVENT_HANDLER_PANICKED,
            target: "spanwire",
            Level::ERROR,
            {
                { semconv::EXCEPTION_TYPE } = "panic",
                { semconv::EXCEPTION_MESSAGE } = cut(text),
            },
            "handler panicked"
        );
        let message = "the handler panicked".to_owned();
        let rejection = Rejection {
            // Its code on the wire is that of a handler's error.
            name: "Panic".into(),
            message,
            error: ErrorType::Panic,
        };
        Self {
            reply: Err(rejection),
            outcome: Err(ErrorType::Panic),
        }
    }
}

/// The part of an error's text that is logged. Errors like to quote what the page sent, and log
/// records wait in a queue that is bounded in number alone.
fn cut(text: &str) -> &str {
    // Not `&text[..]`: a cut within a character would panic.
    text.get(..text.floor_char_boundary(LOGGED_LEN_MAX))
        .unwrap_or(text)
}

/// As much as a failed operation logs.
const LOGGED_LEN_MAX: usize = 4 * 1024;
