//! The reply that a handler leaves for later, and for any thread.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tracing::Span;

use super::call::{HandlerResult, Rejection, ReplyWanted};
use super::handler_outcome::HandlerOutcome;
use super::handler_slot::HandlerSlot;
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::thread_end::is_ending;
use crate::semconv::ErrorType;

/// Replies to a message whose handler has returned: once, from any thread, with or without a
/// runtime. [`Ipc::on_deferred`](super::Ipc::on_deferred) hands it to the handler.
///
/// The message ends when this responds or is dropped, which rejects the page's promise with
/// `CANCELLED`, or when the page gives the call up. Until this is dropped it counts as one of the
/// handlers that [`Limits::unanswered_max`](super::Limits::unanswered_max) bounds.
#[must_use = "a responder dropped at once rejects the page's promise"]
pub struct Responder {
    answer: Arc<Answer>,
    wanted: ReplyWanted,
    reply_bytes_max: usize,
    span: Span,
    /// Where the message has no spans, neither has what is done for it.
    suppressed: Option<opentelemetry::Context>,
    /// The app holds the payload as long as this, whatever became of the page.
    _slot: Arc<HandlerSlot>,
}

/// A response did not reach the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// Nothing waits for it any more: the page gave the call up or went away, or the wire is
    /// closed. The message was counted then, and this changes nothing.
    #[error("the page no longer waits for the reply")]
    Cancelled,
    /// It is larger than [`Limits::outbound_bytes_max`](super::Limits::outbound_bytes_max), so the
    /// page's promise is rejected with `TOO_LARGE`.
    #[error("the reply is larger than Limits::outbound_bytes_max")]
    TooLarge,
}

impl Responder {
    /// Ends the message as a handler that returned `result` would: the page's promise gets the
    /// value, or is rejected with the error.
    ///
    /// The reply is on its way when this returns `Ok`; what became of it is counted as of any other.
    ///
    /// # Errors
    ///
    /// [`RespondError`] says why the page does not get it. Ignore it where that changes nothing.
    pub fn respond(self, result: impl HandlerResult) -> Result<(), RespondError> {
        // The check comes first, so that nothing is serialised for a page that does not wait.
        if self.is_cancelled() {
            return Err(RespondError::Cancelled);
        }
        let respond = || match catch_panic(|| result.into_reply(self.wanted).0) {
            Ok(reply) => HandlerOutcome::of(reply),
            Err(panic) => HandlerOutcome::panicked(&panic),
        };
        let outcome = self.in_scope(respond);
        // The size is read before the outcome is given away. `Inner::finish` makes the refusal;
        // this only tells the caller.
        let is_too_large =
            self.wanted == ReplyWanted::Yes && outcome.reply_size() > self.reply_bytes_max;
        if !self.answer.give(outcome) {
            return Err(RespondError::Cancelled);
        }
        if is_too_large {
            return Err(RespondError::TooLarge);
        }
        Ok(())
    }

    /// Ends the message as a handler that returned an error would, whose name is given: for handlers
    /// of another language, whose errors are not types of Rust's.
    ///
    /// # Errors
    ///
    /// [`RespondError::Cancelled`]: nothing waits for it any more.
    pub fn reject(self, name: &str, message: &str) -> Result<(), RespondError> {
        if self.is_cancelled() {
            return Err(RespondError::Cancelled);
        }
        let rejection = Rejection {
            name: name.to_owned().into(),
            message: message.to_owned(),
            error: ErrorType::HandlerError,
        };
        let outcome = self.in_scope(|| HandlerOutcome::of(Err(rejection)));
        if self.answer.give(outcome) {
            Ok(())
        } else {
            Err(RespondError::Cancelled)
        }
    }

    /// Whether nothing waits for the response any more: work that is still to be done for it may be
    /// left out.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.answer.lock(), AnswerState::Closed)
    }

    /// Calls `run` once, when nothing waits for the response any more: the page gave the call up or
    /// went away, or the wire is closed. At once where that is so already; never after a response.
    ///
    /// It runs on the thread that learns of it, which may be the webview's: let it wake what works on
    /// the response, and no more. A later call replaces an earlier one's `run`.
    pub fn on_cancelled(&self, run: impl FnOnce() + Send + 'static) {
        let mut run: Option<CancelNotice> = Some(Box::new(run));
        let is_closed = match &mut *self.answer.lock() {
            AnswerState::Open { cancelled, .. } => {
                std::mem::swap(cancelled, &mut run);
                false
            }
            AnswerState::Given(_) => false,
            AnswerState::Closed => true,
        };
        // Without the lock, as what it replaces is dropped: both are the app's.
        if is_closed {
            notify(run);
        }
    }

    /// The message's span, which lasts until the message has ended and this is dropped: the parent
    /// for what is done elsewhere.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Runs `f` as part of the message: its spans and log records become children of the message's
    /// span, and there are none where that has none.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        if is_ending() {
            return f();
        }
        // Attached before the span is entered, so it is left after it.
        let _suppressed = self.suppressed.clone().map(opentelemetry::Context::attach);
        self.span.in_scope(f)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Does nothing where it has responded.
        self.answer.give(HandlerOutcome::unanswered());
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// What a responder and its message share.
struct Answer(Mutex<AnswerState>);

type CancelNotice = Box<dyn FnOnce() + Send>;

/// Runs it. A panic in there is the app's, and must not end what ends the message.
fn notify(cancelled: Option<CancelNotice>) {
    if let Some(run) = cancelled {
        let _ = catch_panic(run);
    }
}

enum AnswerState {
    Open {
        waker: Option<Waker>,
        cancelled: Option<CancelNotice>,
    },
    Given(HandlerOutcome),
    /// The message took it, or ended without.
    Closed,
}

impl Answer {
    fn lock(&self) -> MutexGuard<'_, AnswerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the first, and the message had not ended.
    fn give(&self, outcome: HandlerOutcome) -> bool {
        let mut state = self.lock();
        if !matches!(*state, AnswerState::Open { .. }) {
            return false;
        }
        let before = std::mem::replace(&mut *state, AnswerState::Given(outcome));
        drop(state);
        // The wake comes without the lock: it may poll the task on this thread, which takes it.
        if let AnswerState::Open {
            waker: Some(waker), ..
        } = before
        {
            waker.wake();
        }
        true
    }
}

/// What a responder is made of, for a message whose listeners are about to run.
#[derive(Clone)]
pub(super) struct Deferral {
    pub(super) slot: Arc<HandlerSlot>,
    pub(super) reply_bytes_max: usize,
    pub(super) span: Span,
    pub(super) suppressed: Option<opentelemetry::Context>,
}

impl Deferral {
    pub(super) fn responder(&self, wanted: ReplyWanted) -> (Responder, DeferredOutcome) {
        let answer = Arc::new(Answer(Mutex::new(AnswerState::Open {
            waker: None,
            cancelled: None,
        })));
        let responder = Responder {
            answer: Arc::clone(&answer),
            wanted,
            reply_bytes_max: self.reply_bytes_max,
            span: self.span.clone(),
            suppressed: self.suppressed.clone(),
            _slot: Arc::clone(&self.slot),
        };
        (responder, DeferredOutcome(answer))
    }
}

/// How a responder ends its message. When this is dropped, the responder is cancelled.
pub(super) struct DeferredOutcome(Arc<Answer>);

impl Future for DeferredOutcome {
    type Output = HandlerOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<HandlerOutcome> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, AnswerState::Closed) {
            AnswerState::Given(outcome) => Poll::Ready(outcome),
            AnswerState::Open {
                waker: before,
                cancelled,
            } => {
                // Polled again by the same task, it needs no new clone.
                let waker = before.filter(|waker| waker.will_wake(context.waker()));
                let waker = waker.unwrap_or_else(|| context.waker().clone());
                *state = AnswerState::Open {
                    waker: Some(waker),
                    cancelled,
                };
                Poll::Pending
            }
            // It gave its outcome before, and an executor polls no future that is done.
            AnswerState::Closed => Poll::Pending,
        }
    }
}

impl Drop for DeferredOutcome {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.0.lock(), AnswerState::Closed);
        // Without the lock: the waker may be the last one to keep its task.
        if let AnswerState::Open { cancelled, .. } = before {
            notify(cancelled);
        }
    }
}
