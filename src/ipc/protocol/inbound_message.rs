//! The messages that the page sends. Their payloads are the text's own.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::semconv::{ErrorType, PageSpanErrorType};

/// A message from the page.
#[derive(Debug)]
// One enum for the wire and for observed pages, so that both read with the same checked code.
pub(crate) enum InboundMessage<'a> {
    Ready(Ready),
    Leave,
    /// What the page reports of itself whenever it changes.
    State {
        /// Whether anything listens to what the host emits.
        listens: bool,
        visible: bool,
        /// Whether its document's scripts have yet to run.
        loading: bool,
    },
    Posted(PostedMessage<'a>),
    Cancel {
        id: u64,
        at: Option<PageTime>,
        /// Why: `cancelled` or `timeout`.
        error: ErrorType,
    },
    Ack(Ack),
    Pong {
        id: u64,
        at: Option<PageTime>,
    },
    Shed {
        count: u32,
    },
    /// The page script did not send so many of what the page's code asked it to.
    Refused(Refused<'a>),
    /// So many events of that name found no listener on the page.
    Unheard {
        event: Cow<'a, str>,
        count: u32,
    },
    PageError(PageErrorKind),
    /// A listener of that event threw.
    // Scripts from before it had a name for its event say `PageErrorKind::Listener`.
    ListenerError {
        event: Cow<'a, str>,
    },
    /// The document is parsed: `DOMContentLoaded`.
    DomReady {
        at: PageTime,
    },
    /// A span that the page opens with `trace`.
    Open(SpanStart<'a>),
    Close {
        span: u64,
        at: Option<PageTime>,
        failed: bool,
    },
    WebVital(WebVital),
    /// The page's thread did one thing for so long.
    LongTask(PageTime),
    Measurement(PageMeasurement<'a>),
    /// Spans of an OpenTelemetry SDK in the page.
    SpanExport(SpanExport<'a>),
    /// Calls that another layer carries were settled; only from a page that is observed.
    Settled(Settled),
    /// Listeners of another layer's events ran; only from a page that is observed.
    ListenersRan(ListenersRan<'a>),
}

/// What a page says of itself with its first message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) navigation: Option<Navigation>,
    /// Whether its document's scripts have yet to run.
    pub(crate) loading: bool,
}

/// How a page came to be loaded, as its engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Navigation {
    Navigate,
    Reload,
    /// Through the history, or from the page cache.
    BackForward,
}

impl Navigation {
    /// `None` for what the engine calls otherwise: a page that is there is worth more than the reason.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "navigate" => Some(Self::Navigate),
            "reload" => Some(Self::Reload),
            "back_forward" => Some(Self::BackForward),
            _ => None,
        }
    }
}

/// A time on the page's clock: milliseconds since its document began.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct PageTime(f64);

impl PageTime {
    /// About thirty years: what is beyond is no time, and what is below stays exact in nanoseconds.
    const MS_MAX: f64 = 1e12;

    /// `None` when it can be no time.
    pub(crate) fn from_ms(ms: f64) -> Option<Self> {
        // NaN is in no range, so it is no time either.
        (0.0..=Self::MS_MAX).contains(&ms).then_some(Self(ms))
    }

    pub(crate) fn as_ms(self) -> f64 {
        self.0
    }

    /// How old the document is by then, as the page says.
    pub(crate) fn since_document(self) -> Duration {
        Duration::from_secs_f64(self.0 / 1_000.0)
    }
}

/// What the page ran.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) ids: Vec<(u64, u64)>,
    pub(crate) failed: Vec<u64>,
    /// When the first of them began to run.
    pub(crate) at: Option<PageTime>,
    /// When everything that the page did at once for them was done.
    pub(crate) done: Option<PageTime>,
    /// Begin and end of those that began later than `at`, or took longer than a step of the clock.
    // Plain numbers: each is checked to be a page time where it is used.
    pub(crate) ran: Vec<(u64, f64, f64)>,
}

/// A span that begins on the page.
#[derive(Debug)]
pub(crate) struct SpanStart<'a> {
    pub(crate) span: u64,
    /// The page's span that it is within.
    pub(crate) parent: Option<u64>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) at: Option<PageTime>,
}

/// A web vital that is a duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebVital {
    pub(crate) name: WebVitalName,
    pub(crate) rating: WebVitalRating,
    pub(crate) value: PageTime,
}

impl WebVital {
    /// When the page was first painted, if that is what it says.
    pub(crate) fn first_paint(&self) -> Option<PageTime> {
        (self.name == WebVitalName::Fcp).then_some(self.value)
    }
}

/// The web vitals that are durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebVitalName {
    Ttfb,
    Fcp,
    Lcp,
    Inp,
}

impl WebVitalName {
    pub(crate) const ALL: [Self; 4] = [Self::Ttfb, Self::Fcp, Self::Lcp, Self::Inp];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ttfb => "ttfb",
            Self::Fcp => "fcp",
            Self::Lcp => "lcp",
            Self::Inp => "inp",
        }
    }
}

/// What a web vital's value means to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebVitalRating {
    Good,
    NeedsImprovement,
    Poor,
}

impl WebVitalRating {
    pub(crate) const ALL: [Self; 3] = [Self::Good, Self::NeedsImprovement, Self::Poor];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NeedsImprovement => "needs_improvement",
            Self::Poor => "poor",
        }
    }
}

/// Calls whose outcome the page's code got.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Each call, when it was settled, and when everything that the page did at once for it was done.
    pub(crate) ran: Vec<(u64, f64, f64)>,
    /// Those of them that were rejected.
    pub(crate) failed: Vec<u64>,
}

/// How long listeners of an event ran.
#[derive(Debug)]
pub(crate) struct ListenersRan<'a> {
    pub(crate) event: Cow<'a, str>,
    /// Milliseconds of each run.
    pub(crate) took: Box<[f64]>,
}

/// A value that the page measured.
#[derive(Debug)]
pub(crate) struct PageMeasurement<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: f64,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) category: Option<Cow<'a, str>>,
}

/// Spans of an OpenTelemetry SDK in the page, or the word that some are lost.
#[derive(Debug)]
pub(crate) struct SpanExport<'a> {
    /// How many, as the page says.
    pub(crate) count: u32,
    /// OTLP's JSON, as the page says; what it lost, or did not send to a host that takes none, has
    /// none.
    // Any JSON: the thread that converts it finds out what is wrong with it.
    pub(crate) request: Option<&'a RawValue>,
    /// Why the page lost them.
    pub(crate) lost: Option<PageSpanErrorType>,
}

/// What the page script refused to send.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) what: RefusedKind,
    pub(crate) error: ErrorType,
    pub(crate) count: u32,
    /// Of a call and an event with a name that is one.
    pub(crate) event: Option<Cow<'a, str>>,
}

/// What the page's code asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedKind {
    Call,
    Event,
    /// A measurement.
    Record,
    /// A span of its own.
    Span,
}

impl RefusedKind {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "call" => Some(Self::Call),
            "event" => Some(Self::Event),
            "record" => Some(Self::Record),
            "span" => Some(Self::Span),
            _ => None,
        }
    }
}

/// A call or an event from the page.
#[derive(Debug)]
pub(crate) struct PostedMessage<'a> {
    pub(crate) id: u64,
    pub(crate) wants_reply: bool,
    pub(crate) event: Cow<'a, str>,
    // Checked to be JSON and not read further: only the handler knows its type.
    pub(crate) data: &'a RawValue,
    pub(crate) traceparent: Option<Cow<'a, str>>,
    /// When the page called `invoke` or `emit`.
    pub(crate) at: Option<PageTime>,
    /// The page's span that it was called within.
    // Believed only as far as the host made such a span.
    pub(crate) span: Option<u64>,
}

/// An error on the page, by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// By its source and not by its text, which would be no attribute for a metric.
pub(crate) enum PageErrorKind {
    Listener,
    Uncaught,
    UnhandledRejection,
}

impl PageErrorKind {
    pub(crate) const ALL: [Self; 3] = [Self::Listener, Self::Uncaught, Self::UnhandledRejection];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener_error",
            Self::Uncaught => "uncaught",
            Self::UnhandledRejection => "unhandled_rejection",
        }
    }
}
