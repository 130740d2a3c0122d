//! The end of a message from the page: counted, and answered where its sender waits.

use std::sync::Arc;
use std::time::Duration;

use tracing::Span;

use super::caller::{Caller, Credit, record_end};
use super::handler_outcome::HandlerOutcome;
use super::outbox::{RefusedReply, ReplyBound};
use super::series::EventSeries;
use super::spans::parent::TraceParent;
use super::wire::Inner;

impl Inner {
    /// Ends a message whose listeners are done.
    pub(super) fn finish(
        &self,
        series: &Arc<EventSeries>,
        caller: Caller,
        handled: HandlerOutcome,
        took: Option<Duration>,
        span: &Span,
        parent: &TraceParent,
    ) {
        // The handler ran all the same, so the message ends as `too_large`, too.
        let handled = if handled.reply_size() > self.config.limits.outbound_bytes_max {
            HandlerOutcome::too_large()
        } else {
            handled
        };
        let Some(call) = caller.call else {
            record_end(series, caller.kind(), handled.outcome, took, span);
            return self.refund(caller);
        };
        self.recorder.stats.accepted();
        let HandlerOutcome { reply, mut outcome } = handled;
        let message = self
            .sender()
            .reply(caller, call, reply, took, Arc::clone(series), parent);
        let sent = self
            .page()
            .reply(caller.generation, message, ReplyBound::Enforced);
        let sent = match sent {
            // The same message with a small refusal in it: its span and its times stay.
            Err(RefusedReply::NoRoom(mut message)) => {
                let refusal = HandlerOutcome::unacknowledged();
                outcome = refusal.outcome;
                message.replace_result(refusal.reply);
                self.page()
                    .reply(caller.generation, *message, ReplyBound::Exempt)
            }
            sent => sent,
        };
        record_end(series, caller.kind(), outcome, took, span);
        match sent {
            // The guard of the page's lock is gone by here; the wake closure is the app's.
            Ok(()) => self.wake(),
            Err(RefusedReply::Ended(message, error)) => self.undelivered(*message, error),
            Err(RefusedReply::NoRoom(_)) => unreachable!("a refusal has room"),
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
}
