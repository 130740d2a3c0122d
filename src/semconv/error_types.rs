//! The closed sets of `error.type`.

macro_rules! error_types {
    ($name:ident, $about:literal; $($variant:ident = $value:literal, $doc:literal;)*) => {
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $(#[doc = $doc] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The attribute's value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $value,)* }
            }
        }
    };
}

error_types! {
    ErrorType,
    "Why a message failed or was dropped: the closed set of `error.type` on the wire's metrics.";
    HandlerError = "handler_error", "A handler returned an error.";
    Panic = "panic", "A handler panicked.";
    UnknownEvent = "unknown_event", "No handler is registered for the event.";
    Malformed = "malformed", "The message is not of the wire's form.";
    TooLarge = "too_large", "The message is larger than the limit.";
    TooDeep = "too_deep", "The message's JSON is nested deeper than the limit.";
    InvalidName = "invalid_name", "The event's name has a character or a length that is not allowed.";
    Forbidden = "forbidden", "The message does not carry the page's nonce.";
    ForbiddenOrigin = "forbidden_origin", "The page's origin is not on the allow-list.";
    StaleGeneration = "stale_generation", "The message comes from a page that was since replaced.";
    Duplicate = "duplicate", "The message's id was seen before.";
    OverCredit = "over_credit",
        "The page has more unanswered messages, or more bytes on the host, than its window allows.";
    UnknownAck = "unknown_ack", "The page acknowledged a message or a ping that is not open.";
    UnknownSpan = "unknown_span", "The page closed a span that is not open.";
    TooManySpans = "too_many_spans", "The page has as many spans open as it may.";
    InvalidTraceparent = "invalid_traceparent", "The page's traceparent is not of the W3C form.";
    LoneSurrogate = "lone_surrogate",
        "A text of the page held half of a surrogate pair, and was read with U+FFFD in its place.";
    PageShed = "page_shed", "The page's outbox was full, so the page dropped it.";
    Timeout = "timeout", "Its time ran out.";
    Cancelled = "cancelled", "The page withdrew the call, or was replaced.";
    HandlerDropped = "handler_dropped", "The handler was dropped, or dropped its responder, before it responded.";
    QueueFull = "queue_full", "The queue was full.";
    Superseded = "superseded", "A newer message with the same key took its place.";
    Shutdown = "shutdown", "The wire was closed.";
    ScriptError = "script_error", "The page could not run the script.";
    PageGone = "page_gone", "The page went away before it acknowledged.";
    PageCrashed = "page_crashed", "The page's process ended by itself.";
    UnsupportedAddress = "unsupported_address",
        "The page is at an address from which the webview hands no message over.";
}

impl ErrorType {
    /// Its place in [`ErrorType::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

error_types! {
    PageSpanErrorType,
    "Why a span of the page's own SDK was not passed on as it came: the closed set of `error.type` on
`spanwire.page.spans`.";
    Repaired = "repaired", "It was passed on, with U+FFFD for half of a surrogate pair, or another value in place of one that cannot be.";
    NotAccepted = "not_accepted", "The app takes no spans from its page.";
    Malformed = "malformed", "It, or the request that it came in, is not OTLP JSON.";
    TooLarge = "too_large", "It is larger than the limit.";
    InvalidId = "invalid_id", "Its trace id, its own or its parent's is not one.";
    InvalidTime = "invalid_time", "It ends before it begins, began too long ago or ends in the future.";
    NotSampled = "not_sampled", "The page's SDK did not sample it.";
    OverRate = "over_rate", "The page sent more than it may in a second.";
    PageShed = "page_shed", "The page had more to send in one turn than it may.";
    QueueFull = "queue_full", "Too many requests, or bytes of them, waited to be read.";
    Shutdown = "shutdown", "Telemetry was shut down.";
    Off = "off", "Telemetry sends no traces.";
}

impl PageSpanErrorType {
    /// Its place in [`PageSpanErrorType::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
error_types! {
    ExportErrorType,
    "Why telemetry did not reach its collector: the closed set of `error.type` on `otel.sdk.*`.";
    QueueFull = "queue_full", "The processor's queue was full.";
    Timeout = "timeout", "The collector did not answer in time, or answered 408.";
    Connection = "connection", "The collector could not be reached, or the connection broke.";
    Tls = "tls", "The connection is not trusted, or not on both sides.";
    Throttled = "throttled", "The collector answered 429.";
    Unavailable = "unavailable", "The collector answered 401, 403, 407, 502, 503, 504 or a redirect, or what answered is none.";
    TooLarge = "too_large", "The collector answered 413, and the request could not be split further.";
    Refused = "refused", "The collector answered with another status that is no success.";
    Rejected = "rejected", "The collector took the request but not all of its items.";
    Internal = "internal", "The batch could not be made into a request.";
}
error_types! {
    SpoolErrorType,
    "Why what waited on disk did not reach its collector: the closed set of `error.type` on
`spanwire.spool.items`.";
    SpoolFull = "spool_full", "It was the oldest, and something newer needed the room.";
    Corrupt = "corrupt", "It is not on disk as it was written, or lies behind a header that is not.";
    Deleted = "deleted", "Its file was deleted by something else than Spanwire.";
    Refused = "refused", "The collector answered with a status that does not pass, or failed at this request alone five times.";
    Rejected = "rejected", "The collector took the request but not all of its items.";
}

impl SpoolErrorType {
    /// Its place in [`SpoolErrorType::ALL`].
    #[cfg(feature = "otlp")]
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
