//! What a handler gets, and what it may give back.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::{RawValue, to_raw_value};

use super::data_error::DataError;
use crate::instrument::cardinality::short_type_name;
use crate::instrument::surrogates::mend_surrogates;
use crate::semconv::ErrorType;

/// A call or an event from the page, as its handler sees it.
///
/// Its `Debug` shows the payload's size and not the payload: `#[tracing::instrument]` records the
/// arguments of what it is put on.
#[derive(Clone)]
pub struct Call<'a> {
    pub(super) event: Cow<'a, str>,
    pub(super) data: Cow<'a, RawValue>,
    pub(super) wants_reply: bool,
    /// The payload without halves of surrogate pairs, where a handler could not read it before and
    /// there are some.
    mended: OnceLock<Option<Box<str>>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(event: &'a str, data: &'a RawValue, wants_reply: bool) -> Self {
        Self {
            event: Cow::Borrowed(event),
            data: Cow::Borrowed(data),
            wants_reply,
            mended: OnceLock::new(),
        }
    }

    /// The event's name.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The payload, read as a `T`.
    ///
    /// Half of a surrogate pair, which a page's text may hold and Rust's cannot, is read as U+FFFD.
    ///
    /// # Errors
    ///
    /// The page sent something else than a `T`. Return the error: the page's promise is rejected
    /// with it. It says where the payload differs and quotes nothing of it.
    pub fn data<'b, T: Deserialize<'b>>(&'b self) -> Result<T, DataError> {
        serde_json::from_str(self.data.get())
            // Only after a failure: nearly no payload has half a pair, and the search costs a pass.
            .or_else(|error| match self.mended(&error) {
                Some(mended) => serde_json::from_str(mended),
                None => Err(error),
            })
            .map_err(|error| DataError::of(&error))
    }

    /// What can be read in place of a payload that could not.
    fn mended(&self, error: &serde_json::Error) -> Option<&str> {
        // `serde_json` reports half a pair as a syntax error. A payload of another type needs no
        // mending.
        if error.classify() != Category::Syntax {
            return None;
        }
        // The call keeps the mended text, since each listener of the event may read the payload.
        let mend = || mend_surrogates(self.json()).map(String::into_boxed_str);
        self.mended.get_or_init(mend).as_deref()
    }

    /// Whether a handler read another text than the page sent.
    pub(super) fn was_mended(&self) -> bool {
        self.mended.get().is_some_and(Option::is_some)
    }

    /// The payload as JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        self.data.get()
    }

    /// Whether the page waits for a reply: it called `invoke`, not `emit`.
    #[must_use]
    pub fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    pub(super) fn into_owned(self) -> Call<'static> {
        Call {
            event: Cow::Owned(self.event.into_owned()),
            data: Cow::Owned(self.data.into_owned()),
            wants_reply: self.wants_reply,
            mended: self.mended,
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("event", &self.event)
            .field("bytes", &self.data.get().len())
            .field("wants_reply", &self.wants_reply)
            .finish()
    }
}

/// What the page's promise is rejected with.
#[derive(Clone, Debug)]
pub(super) struct Rejection {
    pub(super) name: Cow<'static, str>,
    pub(super) message: String,
    /// What the call's span says; the page reads its code.
    pub(super) error: ErrorType,
}

/// What a handler gives back: a value for the page, or why its promise is rejected.
pub(super) type Reply = Result<Box<RawValue>, Rejection>;

/// What a handler may return: nothing, or a `Result` whose value the page's promise gets.
///
/// An error rejects the promise with the error's text and the name of its type. The app decides
/// what its error says: the page is shown all of it, and the text is exported too, as
/// `exception.message` of the log record `handler failed`. So is the text of a panic, which the page
/// does not see. Let neither quote what must not leave, or take it out with
/// `TelemetryBuilder::redact`. An error of Spanwire's
/// own never quotes a payload.
#[diagnostic::on_unimplemented(
    message = "a handler returns nothing or a `Result`, and not `{Self}`",
    note = "the value needs `serde::Serialize`, the error `Display`, and both `Send + 'static`"
)]
pub trait HandlerResult: Send + 'static {
    #[doc(hidden)]
    // No app implements this trait: the types here cannot be named outside this crate.
    fn into_reply(self, wanted: ReplyWanted) -> HandlerReply;
}

/// Whether the caller waits for the value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    unnameable_types,
    reason = "hidden: only this crate makes and reads it"
)]
pub enum ReplyWanted {
    No,
    Yes,
}

/// Keeps the reply's form to this crate.
#[doc(hidden)]
#[derive(Debug)]
#[expect(
    unnameable_types,
    reason = "hidden: only this crate makes and reads it"
)]
pub struct HandlerReply(pub(super) Reply);

impl HandlerResult for () {
    fn into_reply(self, _: ReplyWanted) -> HandlerReply {
        HandlerReply(Ok(null()))
    }
}

impl<T, E> HandlerResult for Result<T, E>
where
    T: Serialize + Send + 'static,
    E: Display + Send + 'static,
{
    fn into_reply(self, wanted: ReplyWanted) -> HandlerReply {
        HandlerReply(match (self, wanted) {
            // An event has no reply, so the handler's value is not serialised.
            (Ok(_), ReplyWanted::No) => Ok(null()),
            (Ok(value), ReplyWanted::Yes) => to_raw_value(&value).map_err(|error| Rejection {
                name: "serde_json::Error".into(),
                message: format!("the reply cannot be written as JSON: {error}"),
                error: ErrorType::HandlerError,
            }),
            (Err(error), _) => Err(Rejection {
                // `E` need not be an `Error`, so its type is the only name that there is.
                name: short_type_name(std::any::type_name::<E>()).into(),
                message: error.to_string(),
                error: ErrorType::HandlerError,
            }),
        })
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}
