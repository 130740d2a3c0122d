//! A message from the page while Tauri runs its command.
//!
//! Tauri may answer while the command is still being dispatched, later from any thread, or never.
//! The record of the message ends exactly once, whichever comes first.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use spanwire::ipc::observe::Handling;
use spanwire::semconv::ErrorType;

use crate::page::Document;

/// How a command was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) outcome: Result<(), ErrorType>,
    /// Bytes of the response's body.
    pub(crate) bytes: usize,
}

/// What the end of a message is recorded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The page waits for the response: it is a message of its own.
    Recorded,
    /// The response says no more to the page than that its event was taken.
    Unrecorded,
}

/// Ends the record when Tauri answers; without an answer when it is dropped.
///
/// It travels in the responder that Tauri keeps for the command.
#[derive(Debug)]
pub(crate) struct Answer {
    call: Arc<Call>,
    // Tells `Drop` that the record has its end: `answered` takes the value by `self`, so it is
    // dropped there as well.
    has_answered: bool,
}

#[derive(Debug)]
struct Call {
    reply: Reply,
    document: Document,
    state: Mutex<State>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a call is running for most of its life, and a box would cost each an allocation"
)]
enum State {
    /// The thread that dispatches has the record.
    Dispatching,
    /// Answered while it was being dispatched.
    AnsweredEarly(Answered),
    /// The responder was dropped while it was being dispatched, by an async command that panicked if
    /// there is an error.
    DroppedEarly(Option<ErrorType>),
    /// The command runs on, and its answer ends the record.
    Running(Handling),
    Ended,
}

/// Dispatches a command within its record, which ends when `run`'s answer does.
///
/// `refusal` is what a command counts as whose answer this thread drops while it dispatches.
pub(crate) fn dispatch(
    mut handling: Handling,
    reply: Reply,
    document: Document,
    refusal: ErrorType,
    run: impl FnOnce(Answer),
) {
    let call = Arc::new(Call {
        reply,
        document,
        state: Mutex::new(State::Dispatching),
    });
    let answer = Answer {
        call: Arc::clone(&call),
        has_answered: false,
    };
    // A command that panics here drops the record, which then ends as `panic`.
    handling.in_scope(|| run(answer));
    let mut state = call.lock();
    match mem::replace(&mut *state, State::Ended) {
        // The end of a record may call the app's subscriber, so the lock goes first.
        State::AnsweredEarly(answered) => {
            drop(state);
            call.end(handling, answered);
        }
        State::DroppedEarly(error) => {
            drop(state);
            handling.end(Err(error.unwrap_or(refusal)));
        }
        // Only `Dispatching` gets here. This function alone makes a call `Running`, and an answer
        // that comes before leaves one of the two states above.
        State::Dispatching | State::Running(_) | State::Ended => {
            *state = State::Running(handling);
        }
    }
}

impl Answer {
    /// Tauri answered.
    pub(crate) fn answered(mut self, answered: Answered) {
        self.has_answered = true;
        let running = self.call.take_running(State::AnsweredEarly(answered));
        if let Some(handling) = running {
            self.call.end(handling, answered);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.has_answered {
            return;
        }
        // Tauri drops the responder of an async command that panics while its task unwinds. The
        // thread that dispatches cannot see that panic, so it is noted here.
        let error = thread::panicking().then_some(ErrorType::Panic);
        let running = self.call.take_running(State::DroppedEarly(error));
        // It ends as `panic` while this thread panics, and as `cancelled` otherwise.
        drop(running);
    }
}

impl Call {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A state is sound after each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, if the command runs on. The thread that still dispatches it ends it by `early`.
    fn take_running(&self, early: State) -> Option<Handling> {
        let mut state = self.lock();
        match mem::replace(&mut *state, State::Ended) {
            State::Dispatching => {
                // The dispatching thread owns the record until `run` returns, so it ends the
                // record.
                *state = early;
                None
            }
            State::Running(handling) => Some(handling),
            State::AnsweredEarly(_) | State::DroppedEarly(_) | State::Ended => None,
        }
    }

    fn end(&self, handling: Handling, Answered { outcome, bytes }: Answered) {
        if self.reply == Reply::Unrecorded {
            handling.end(outcome);
            return;
        }
        // The engine discards a response to a document that is gone, and does not say so.
        let delivery = handling.reply(outcome, bytes);
        if self.document.is_there() {
            delivery.handed_over();
        } else {
            delivery.failed(ErrorType::PageGone);
        }
    }
}

#[cfg(test)]
mod tests {
    use spanwire::ipc::observe::Observer;
    use spanwire::testing::Capture;

    use super::*;
    use crate::page::Page;

    const OK: Answered = Answered {
        outcome: Ok(()),
        bytes: 4,
    };

    fn dispatch_with(observer: &Observer, page: &Page, run: impl FnOnce(Answer)) {
        let handling = observer.call("save").begin();
        let refusal = ErrorType::Forbidden;
        dispatch(handling, Reply::Recorded, page.document(), refusal, run);
    }

    fn ended(observer: &Observer) -> (u64, u64) {
        let metrics = observer.metrics();
        (metrics.messages_received, metrics.messages_sent)
    }

    #[test]
    fn an_answer_while_dispatching_ends_the_call_once() {
        let (observer, page) = (Observer::builder("early").build(), Page::default());
        dispatch_with(&observer, &page, |answer| answer.answered(OK));
        assert_eq!(ended(&observer), (1, 1));
    }

    #[test]
    fn an_answer_from_another_thread_ends_the_call_once() {
        let (observer, page) = (Observer::builder("late").build(), Page::default());
        let mut kept = None;
        dispatch_with(&observer, &page, |answer| kept = Some(answer));
        assert_eq!(ended(&observer), (1, 0));
        let answer = kept.unwrap();
        std::thread::spawn(|| answer.answered(OK)).join().unwrap();
        assert_eq!(ended(&observer), (1, 1));
    }

    #[test]
    fn a_dropped_responder_ends_the_call_without_a_reply() {
        let (observer, page) = (Observer::builder("dropped").build(), Page::default());
        dispatch_with(&observer, &page, drop);
        assert_eq!(ended(&observer), (1, 0));
        let mut kept = None;
        dispatch_with(&observer, &page, |answer| kept = Some(answer));
        drop(kept);
        assert_eq!(ended(&observer), (2, 0));
    }

    #[test]
    fn an_async_command_that_panics_at_once_ends_as_panic() {
        let capture = Capture::new();
        capture.run(|| {
            let (observer, page) = (Observer::builder("panics").build(), Page::default());
            dispatch_with(&observer, &page, |answer| {
                let panics = move || {
                    let _answer = answer;
                    panic!("at once");
                };
                assert!(thread::spawn(panics).join().is_err());
            });
        });
        let panics = [
            ("error.type", "panic"),
            ("spanwire.ipc.direction", "inbound"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &panics), 1);
    }

    #[test]
    fn an_answer_for_a_page_that_was_replaced_fails() {
        let (observer, page) = (Observer::builder("replaced").build(), Page::default());
        let mut kept = None;
        dispatch_with(&observer, &page, |answer| kept = Some(answer));
        page.replaced();
        kept.unwrap().answered(OK);
        let metrics = observer.metrics();
        assert_eq!((metrics.messages_sent, metrics.messages_failed), (0, 1));
    }
}
