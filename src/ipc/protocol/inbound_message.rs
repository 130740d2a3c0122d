//! The messages that the page sends, parsed without copying payloads.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::code::error_of_cancel;
use crate::semconv::{ErrorType, PageSpanErrorType};

/// A message from the page.
#[derive(Debug)]
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
    fn of(name: &str) -> Option<Self> {
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
    fn of(name: &str) -> Option<Self> {
        match name {
            "call" => Some(Self::Call),
            "event" => Some(Self::Event),
            "record" => Some(Self::Record),
            "span" => Some(Self::Span),
            _ => None,
        }
    }
}

/// Why the page script refuses something.
const REFUSALS: [ErrorType; 6] = [
    ErrorType::InvalidName,
    ErrorType::TooLarge,
    ErrorType::TooDeep,
    ErrorType::Malformed,
    ErrorType::PageShed,
    ErrorType::TooManySpans,
];

/// Why a page's spans do not leave it.
const PAGE_LOSSES: [PageSpanErrorType; 3] = [
    PageSpanErrorType::Malformed,
    PageSpanErrorType::TooLarge,
    PageSpanErrorType::PageShed,
];

/// The most calls or runs in one message of an observed page, whose script sends half as many.
const RUNS_MAX: usize = 1_000;

/// A call or an event from the page.
#[derive(Debug)]
pub(crate) struct PostedMessage<'a> {
    pub(crate) id: u64,
    pub(crate) wants_reply: bool,
    pub(crate) event: Cow<'a, str>,
    pub(crate) data: &'a RawValue,
    pub(crate) traceparent: Option<Cow<'a, str>>,
    /// When the page called `invoke` or `emit`.
    pub(crate) at: Option<PageTime>,
    /// The page's span that it was called within.
    pub(crate) span: Option<u64>,
}

/// An error on the page, by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Reads the messages of a batch whose sender proved who it is, at most `len_max` of them.
///
/// A message that is not of the form costs that message alone, and is `None`: the batch is read
/// once more, message by message.
///
/// # Errors
///
/// [`ErrorType::Malformed`] when it is no list, and [`ErrorType::TooLarge`] when it is longer.
pub(in crate::ipc) fn parse_messages(
    list: &str,
    len_max: usize,
) -> Result<Vec<Option<InboundMessage<'_>>>, ErrorType> {
    match parse_list::<Message<'_>>(list, len_max) {
        Err(ErrorType::Malformed) => {}
        read => return Ok(read?.into_iter().map(|message| message.0).collect()),
    }
    let read = parse_list::<&RawValue>(list, len_max)?;
    Ok(read.into_iter().map(parse_message).collect())
}

fn parse_message(text: &RawValue) -> Option<InboundMessage<'_>> {
    serde_json::from_str::<Message<'_>>(text.get()).ok()?.0
}

/// Reads the list of messages, and stops at the first one too many.
fn parse_list<'a, M: Deserialize<'a>>(text: &'a str, len_max: usize) -> Result<Vec<M>, ErrorType> {
    let mut is_too_long = false;
    let list = BoundedList {
        len_max,
        is_too_long: &mut is_too_long,
        of: PhantomData,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = list
        .deserialize(&mut deserializer)
        .and_then(|messages| deserializer.end().map(|()| messages));
    read.map_err(|_| {
        if is_too_long {
            ErrorType::TooLarge
        } else {
            ErrorType::Malformed
        }
    })
}

/// A list whose length the host bounds, whatever the sender puts in.
struct BoundedList<'b, M> {
    len_max: usize,
    is_too_long: &'b mut bool,
    of: PhantomData<M>,
}

impl<'de, M: Deserialize<'de>> DeserializeSeed<'de> for BoundedList<'_, M> {
    type Value = Vec<M>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<M>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, M: Deserialize<'de>> Visitor<'de> for BoundedList<'_, M> {
    type Value = Vec<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} messages", self.len_max)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Vec<M>, S::Error> {
        let mut messages = Vec::new();
        while messages.len() < self.len_max {
            match list.next_element()? {
                Some(message) => messages.push(message),
                None => return Ok(messages),
            }
        }
        // Whatever follows is one too many: it is asked for as raw text, which any JSON is.
        match list.next_element::<&RawValue>()? {
            Some(_) => {
                *self.is_too_long = true;
                Err(de::Error::invalid_length(self.len_max + 1, &self))
            }
            None => Ok(messages),
        }
    }
}

/// A message, or `None` when it is JSON but not of the form.
struct Message<'a>(Option<InboundMessage<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read at once: what waits in a list is the small result and not all possible fields.
        RawMessage::deserialize(deserializer).map(|raw| Self(raw.read()))
    }
}

/// All fields of all kinds. A tagged enum would copy every payload while it looks for its tag.
///
/// What is rare is boxed: this is moved about for each message.
#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    id: Option<u64>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<Text<'a>>,
    ids: Option<Vec<(u64, u64)>>,
    failed: Option<Vec<u64>>,
    /// Small enough that no page can make a counter overflow.
    count: Option<u32>,
    #[serde(borrow, rename = "type")]
    error: Option<Box<Text<'a>>>,
    at: Option<f64>,
    done: Option<f64>,
    ran: Option<Vec<(u64, f64, f64)>>,
    took: Option<Box<[f64]>>,
    span: Option<u64>,
    parent: Option<u64>,
    #[serde(borrow)]
    name: Option<Box<Text<'a>>>,
    value: Option<f64>,
    #[serde(borrow)]
    unit: Option<Box<Text<'a>>>,
    #[serde(borrow)]
    category: Option<Box<Text<'a>>>,
    #[serde(borrow)]
    rating: Option<Box<Text<'a>>>,
    #[serde(borrow)]
    outcome: Option<Box<Text<'a>>>,
    #[serde(borrow)]
    code: Option<Box<Text<'a>>>,
    #[serde(borrow)]
    of: Option<Box<Text<'a>>>,
    listens: Option<bool>,
    visible: Option<bool>,
    loading: Option<bool>,
}

impl<'a> RawMessage<'a> {
    fn read(self) -> Option<InboundMessage<'a>> {
        Some(match self.kind.0.as_ref() {
            "event" => self.posted(false)?,
            "call" => self.posted(true)?,
            "ack" => InboundMessage::Ack(Ack {
                at: time(self.at),
                done: time(self.done),
                ids: self.ids?,
                failed: self.failed.unwrap_or_default(),
                ran: self.ran.unwrap_or_default(),
            }),
            "cancel" => InboundMessage::Cancel {
                id: self.id?,
                at: time(self.at),
                error: match &self.code {
                    None => ErrorType::Cancelled,
                    Some(code) => error_of_cancel(&code.0)?,
                },
            },
            "pong" => InboundMessage::Pong {
                id: self.id?,
                at: time(self.at),
            },
            "ready" => InboundMessage::Ready(Ready {
                navigation: self.error.as_ref().and_then(|of| Navigation::of(&of.0)),
                loading: self.loading == Some(true),
            }),
            "state" => InboundMessage::State {
                listens: self.listens?,
                visible: self.visible?,
                loading: self.loading == Some(true),
            },
            "leave" => InboundMessage::Leave,
            "shed" => InboundMessage::Shed { count: self.count? },
            "refused" => InboundMessage::Refused(Refused {
                what: RefusedKind::of(&self.of?.0)?,
                error: {
                    let why = self.error?.0;
                    REFUSALS
                        .into_iter()
                        .find(|refusal| refusal.as_str() == why)?
                },
                count: self.count?,
                event: self.event.map(|event| event.0),
            }),
            "unheard" => InboundMessage::Unheard {
                event: self.event?.0,
                count: self.count?,
            },
            "error" => {
                let name = self.error?.0;
                let error = PageErrorKind::ALL
                    .into_iter()
                    .find(|error| error.as_str() == name)?;
                InboundMessage::PageError(error)
            }
            "dom_ready" => InboundMessage::DomReady { at: time(self.at)? },
            "open" => InboundMessage::Open(SpanStart {
                span: self.span?,
                parent: self.parent,
                at: time(self.at),
                name: self.name?.0,
            }),
            "close" => InboundMessage::Close {
                span: self.span?,
                at: time(self.at),
                failed: match self.outcome.as_ref().map(|outcome| outcome.0.as_ref()) {
                    None | Some("ok") => false,
                    Some("failed") => true,
                    Some(_) => return None,
                },
            },
            "vital" => {
                let (name, rating) = (self.name?.0, self.rating?.0);
                InboundMessage::WebVital(WebVital {
                    name: WebVitalName::ALL
                        .into_iter()
                        .find(|vital| vital.as_str() == name)?,
                    rating: WebVitalRating::ALL
                        .into_iter()
                        .find(|known| known.as_str() == rating)?,
                    value: time(self.value)?,
                })
            }
            "long_task" => InboundMessage::LongTask(time(self.value)?),
            "record" => InboundMessage::Measurement(PageMeasurement {
                name: self.name?.0,
                value: self.value.filter(|value| value.is_finite())?,
                unit: self.unit.map(|unit| unit.0),
                category: self.category.map(|category| category.0),
            }),
            "spans" => InboundMessage::SpanExport(SpanExport {
                count: self.count?,
                request: self.data,
                lost: match &self.error {
                    None => None,
                    Some(why) => Some(
                        PAGE_LOSSES
                            .into_iter()
                            .find(|loss| loss.as_str() == why.0)?,
                    ),
                },
            }),
            "settled" => InboundMessage::Settled(Settled {
                ran: self.ran.filter(|ran| ran.len() <= RUNS_MAX)?,
                failed: self.failed.unwrap_or_default(),
            }),
            "ran" => InboundMessage::ListenersRan(ListenersRan {
                event: self.event?.0,
                took: self.took.filter(|took| took.len() <= RUNS_MAX)?,
            }),
            _ => return None,
        })
    }

    fn posted(self, wants_reply: bool) -> Option<InboundMessage<'a>> {
        Some(InboundMessage::Posted(PostedMessage {
            id: self.id?,
            wants_reply,
            event: self.event?.0,
            data: self.data.unwrap_or(RawValue::NULL),
            traceparent: self.traceparent.map(|text| text.0),
            at: time(self.at),
            span: self.span,
        }))
    }
}

fn time(ms: Option<f64>) -> Option<PageTime> {
    ms.and_then(PageTime::from_ms)
}

/// A string borrowed from the text unless it has escapes. `Option<Cow<str>>` would always copy.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(messages: &str) -> Vec<Option<InboundMessage<'_>>> {
        parse_messages(messages, 10).unwrap()
    }

    #[test]
    fn payload_and_names_are_borrowed_from_the_text() {
        let text = r#"[{"kind":"call","id":1,"event":"save","data":{"a":[1,2]}}]"#;
        let messages = read(text);
        let Some(Some(InboundMessage::Posted(posted))) = messages.first() else {
            panic!("{messages:?}")
        };
        assert!(matches!(posted.event, Cow::Borrowed("save")));
        assert_eq!(posted.data.get(), r#"{"a":[1,2]}"#);
        assert!(posted.wants_reply);
    }

    #[test]
    fn absent_and_null_data_are_null() {
        for data in ["", r#","data":null"#] {
            let text = format!(r#"[{{"kind":"event","id":1,"event":"e"{data}}}]"#);
            let messages = read(&text);
            let Some(Some(InboundMessage::Posted(posted))) = messages.first() else {
                panic!()
            };
            assert_eq!(posted.data.get(), "null");
        }
    }

    #[test]
    fn a_bad_message_costs_itself_alone() {
        let text = r#"[{"kind":"event","id":1,"event":"a"},{"kind":"event","id":-1,"event":"b"},
               {"kind":"event","id":1e400,"event":"c"},{"kind":"teapot"},7,{"kind":"ready"}]"#;
        let read: Vec<bool> = read(text).iter().map(Option::is_some).collect();
        assert_eq!(read, [true, false, false, false, false, true]);
    }

    #[test]
    fn a_time_that_cannot_be_one_is_none() {
        for (ms, fine) in [("0", true), ("12.5", true), ("-1", false), ("1e13", false)] {
            let text = format!(r#"[{{"kind":"pong","id":1,"at":{ms}}}]"#);
            let messages = read(&text);
            let Some(Some(InboundMessage::Pong { at, .. })) = messages.first() else {
                panic!("{messages:?}")
            };
            assert_eq!(at.is_some(), fine, "{ms}");
        }
    }

    #[test]
    fn what_is_not_of_a_closed_set_is_no_message() {
        for (message, fine) in [
            (r#"{"kind":"cancel","id":1,"code":"TIMEOUT"}"#, true),
            (r#"{"kind":"cancel","id":1,"code":"BOREDOM"}"#, false),
            (r#"{"kind":"close","span":1,"outcome":"failed"}"#, true),
            (r#"{"kind":"close","span":1,"outcome":"meh"}"#, false),
            (r#"{"kind":"spans","count":2,"data":{}}"#, true),
            (r#"{"kind":"spans","count":2,"type":"page_shed"}"#, true),
            (r#"{"kind":"spans","count":2,"type":"queue_full"}"#, false),
            (r#"{"kind":"spans","count":4294967296,"data":{}}"#, false),
            (r#"{"kind":"spans","data":{}}"#, false),
            (
                r#"{"kind":"vital","name":"fcp","rating":"good","value":120}"#,
                true,
            ),
            (
                r#"{"kind":"vital","name":"cls","rating":"good","value":120}"#,
                false,
            ),
            (
                r#"{"kind":"vital","name":"fcp","rating":"bad","value":120}"#,
                false,
            ),
            (
                r#"{"kind":"vital","name":"fcp","rating":"good","value":-1}"#,
                false,
            ),
            (r#"{"kind":"long_task","value":120}"#, true),
            (r#"{"kind":"long_task","value":-1}"#, false),
            (r#"{"kind":"long_task"}"#, false),
            (
                r#"{"kind":"refused","of":"call","type":"too_large","count":2}"#,
                true,
            ),
            (
                r#"{"kind":"refused","of":"reply","type":"too_large","count":2}"#,
                false,
            ),
            (
                r#"{"kind":"refused","of":"call","type":"superseded","count":2}"#,
                false,
            ),
            (
                r#"{"kind":"refused","of":"call","type":"too_large"}"#,
                false,
            ),
            (r#"{"kind":"unheard","event":"progress","count":2}"#, true),
            (r#"{"kind":"unheard","count":2}"#, false),
        ] {
            let text = format!("[{message}]");
            assert_eq!(read(&text)[0].is_some(), fine, "{message}");
        }
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for text in ["", "{}", "7", "[{}", "[] x", "[]]", "[1,]"] {
            let read = parse_messages(text, 10).map(|messages| messages.len());
            assert_eq!(read, Err(ErrorType::Malformed), "{text}");
        }
    }

    #[test]
    fn a_list_beyond_its_bound_is_too_large_whatever_it_holds() {
        for element in [r#"{"kind":"ready"}"#, "0", "{}", "[[]]"] {
            let list = |len| format!("[{}]", vec![element; len].join(","));
            let len = |text: &str| parse_messages(text, 10).map(|messages| messages.len());
            assert_eq!(len(&list(10)), Ok(10), "{element}");
            assert_eq!(len(&list(11)), Err(ErrorType::TooLarge), "{element}");
            assert_eq!(len(&list(10_000)), Err(ErrorType::TooLarge), "{element}");
        }
    }
}
