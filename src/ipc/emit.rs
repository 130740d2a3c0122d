//! Messages to the page: from the app's hand into the queue.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::outbound::{Body, Outbound, Replay, undelivered};
use super::series::EventSeries;
use super::spans::parent::TraceParent;
use super::wire::{Inner, Ipc};
use crate::instrument::call_site::CallSite;
use crate::instrument::cardinality::NameSource;
use crate::instrument::event_name::{NameError, check_event_name};
use crate::instrument::record_sink::RecordKind;
use crate::queue::{PushError, Pushed};
use crate::semconv::ErrorType;

/// The `spanwire.ipc.event` of raw scripts.
// An event of the app's with this name shares the series.
const EVAL: &str = "eval";

/// A message to the page was refused; it comes back whole.
///
/// Neither its `Display` nor its `Debug` shows the payload, nor a name that is not allowed.
#[non_exhaustive]
pub struct EmitError {
    /// Why.
    pub reason: EmitErrorReason,
    /// The event's name; `eval` for a raw script.
    pub event: String,
    /// The payload as JSON, or the raw script; `None` when it could not be written as JSON.
    pub data: Option<String>,
}

impl fmt::Debug for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("EmitError");
        shown.field("reason", &self.reason);
        // A name that is not allowed can be any text, part of a payload among it.
        if !matches!(self.reason, EmitErrorReason::InvalidName(_)) {
            shown.field("event", &self.event);
        }
        let bytes = self.data.as_ref().map(String::len);
        shown.field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// Why a message to the page was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitErrorReason {
    /// The event's name has a character or a length that is not allowed.
    InvalidName(NameError),
    /// The payload cannot be written as JSON.
    NotJson(serde_json::Error),
    /// The payload is larger than [`Limits::outbound_bytes_max`](super::Limits).
    TooLarge,
    /// The queue is full: the page takes messages more slowly than they come.
    QueueFull,
    /// The wire is closed.
    Closed,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.event;
        match &self.reason {
            EmitErrorReason::InvalidName(error) => write!(f, "event name {error}"),
            // serde's own text may quote the payload, so it is the error's source and not in this
            // line.
            EmitErrorReason::NotJson(_) => {
                write!(f, "payload of {event} cannot be written as JSON")
            }
            EmitErrorReason::TooLarge => {
                write!(
                    f,
                    "payload of {event} is larger than Limits::outbound_bytes_max"
                )
            }
            EmitErrorReason::QueueFull => write!(f, "queue is full, {event} was not sent"),
            EmitErrorReason::Closed => write!(f, "wire is closed, {event} was not sent"),
        }
    }
}

impl std::error::Error for EmitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            EmitErrorReason::NotJson(error) => Some(error),
            _ => None,
        }
    }
}

/// Where a message is put in the queue.
#[derive(Clone, Copy)]
enum QueuePosition {
    Last,
    /// That of an older one with the same name, if one is still queued.
    OfOlderSameName,
}

impl Ipc {
    /// Sends an event to the page. It is queued until the page takes it.
    ///
    /// Never waits, unless the builder asked for [`Overflow::Block`](crate::queue::Overflow).
    ///
    /// # Errors
    ///
    /// [`EmitError`] gives the message back and says why it was refused.
    #[track_caller]
    pub fn emit(&self, event: &str, data: &(impl Serialize + ?Sized)) -> Result<(), EmitError> {
        self.0.emit(event, data, Replay::No, QueuePosition::Last)
    }

    /// Sends an event that replaces one of the same name that is still queued, taking its place.
    ///
    /// For progress and the like, where only the latest counts.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    #[track_caller]
    pub fn emit_latest(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), EmitError> {
        self.0
            .emit(event, data, Replay::No, QueuePosition::OfOlderSameName)
    }

    /// Sends an event that outlives its page: when the page goes away before it has acknowledged,
    /// the next one gets it.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    #[track_caller]
    pub fn emit_replay(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), EmitError> {
        self.0.emit(event, data, Replay::Yes, QueuePosition::Last)
    }

    /// Runs a raw script in the page: the same queue, order and accounting as events.
    ///
    /// The script is the app's own: never build it from input. One that does not parse or throws is
    /// counted as failed with `error.type` `script_error`.
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    #[track_caller]
    pub fn eval(&self, script: &str) -> Result<(), EmitError> {
        let series = self.0.recorder.series.event(EVAL, NameSource::Registered);
        self.0.push(
            series,
            Body::Eval {
                script: script.into(),
            },
            None,
        )
    }
}

impl Inner {
    #[track_caller]
    fn emit(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
        replay: Replay,
        position: QueuePosition,
    ) -> Result<(), EmitError> {
        if let Err(error) = check_event_name(event) {
            // The payload is written all the same, since the error gives it back.
            let reason = EmitErrorReason::InvalidName(error);
            return Err(self.refuse(event, reason, to_raw_value(data).ok()));
        }
        let data = match to_raw_value(data) {
            Ok(data) => data,
            Err(error) => return Err(self.refuse(event, EmitErrorReason::NotJson(error), None)),
        };
        // The app names its events in its code: as good as registered.
        let series = self.recorder.series.event(event, NameSource::Registered);
        // Shares the label's allocation, except for events beyond the cap, whose label is another.
        let name = if **series.label() == *event {
            Arc::clone(series.label())
        } else {
            Arc::from(event)
        };
        // The count precedes the push: it says how often the app emits, and includes what the queue
        // refuses.
        series.sending().count();
        let key = match position {
            // A message to replay is never replaced: each of them counts.
            QueuePosition::Last if replay == Replay::No && series.sending().is_coalesced() => {
                Some(event)
            }
            QueuePosition::Last => None,
            QueuePosition::OfOlderSameName => Some(event),
        };
        self.push(series, Body::Event { name, data, replay }, key)
    }

    #[track_caller]
    fn push(
        &self,
        series: Arc<EventSeries>,
        body: Body,
        key: Option<&str>,
    ) -> Result<(), EmitError> {
        let parent = TraceParent::current();
        let site = Some(CallSite::of_caller());
        let message = self.sender().message(body, series, &parent, site);
        self.recorder.stats.accepted();
        // The check follows the making of the span, so that the trace shows the refusal.
        if message.size() > self.config.limits.outbound_bytes_max {
            return Err(self.refused(message, ErrorType::TooLarge));
        }
        let pushed = match key {
            None => self.queue.push(message),
            Some(key) => self.queue.push_latest(key, message),
        };
        if self.queue.is_closed() {
            // It was closed after this message had its place, and perhaps emptied before the
            // message was in it.
            self.drop_queued();
        }
        match pushed {
            Ok(Pushed::Queued) => Ok(()),
            Ok(Pushed::Superseded(older)) => {
                self.undelivered(older, ErrorType::Superseded);
                Ok(())
            }
            Ok(Pushed::Evicted(oldest)) => {
                self.undelivered(oldest, ErrorType::QueueFull);
                Ok(())
            }
            Err(error) => {
                let reason = error.error_type();
                let PushError { message, .. } = error;
                Err(self.refused(message, reason))
            }
        }
    }

    /// Ends a message that was not taken, and gives it back.
    fn refused(&self, message: Outbound, error: ErrorType) -> EmitError {
        let reason = match error {
            ErrorType::TooLarge => EmitErrorReason::TooLarge,
            ErrorType::Shutdown => EmitErrorReason::Closed,
            _ => EmitErrorReason::QueueFull,
        };
        let mut ended = undelivered(message, error);
        self.record_end(&mut ended, self.recorder.clock.now());
        let (event, data) = match ended.message.body {
            Body::Event { name, data, .. } => {
                // `RawValue` is a boxed `str`, so the payload is moved and not copied.
                (name.to_string(), String::from(Box::<str>::from(data)))
            }
            Body::Eval { script } => (EVAL.to_owned(), script.into()),
            Body::Reply { .. } => unreachable!("replies are not pushed"),
        };
        EmitError {
            reason,
            event,
            data: Some(data),
        }
    }

    /// Refuses what cannot become a message.
    fn refuse(
        &self,
        event: &str,
        reason: EmitErrorReason,
        data: Option<Box<RawValue>>,
    ) -> EmitError {
        let error = match reason {
            EmitErrorReason::InvalidName(_) => ErrorType::InvalidName,
            _ => ErrorType::Malformed,
        };
        self.recorder.stats.accepted();
        // Both sides of the ledger count it: a body that cannot become a message is accepted and
        // ended at once.
        self.recorder.stats.sent(Err(error), None);
        let series = self.recorder.series.nameless();
        series.refused(RecordKind::EventOut, error, 1);
        let data = data.map(|data| String::from(Box::<str>::from(data)));
        EmitError {
            reason,
            event: event.to_owned(),
            data,
        }
    }
}
