//! The fields of a message from the page, and the message that they make.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::code::error_of_cancel;
use super::inbound_message::{
    Ack, InboundMessage, ListenersRan, Navigation, PageErrorKind, PageMeasurement, PageTime,
    PostedMessage, Ready, Refused, RefusedKind, Settled, SpanExport, SpanStart, WebVital,
    WebVitalName, WebVitalRating,
};
use crate::semconv::{ErrorType, PageSpanErrorType};

/// Why the page script refuses something.
// A closed set: each becomes an `error.type`, and no text of the page's may.
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

/// A message, or `None` when it is JSON but not of the form.
pub(super) struct Message<'a>(pub(super) Option<InboundMessage<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor;
        impl<'de> Visitor<'de> for MessageVisitor {
            type Value = Message<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Fields::default();
                while let Some(field) = map.next_key()? {
                    // The kind may stand behind the other fields, so the message is made when all
                    // are read.
                    fields.take(field, &mut map)?;
                }
                Ok(Message(fields.read()))
            }
        }
        // A derived struct would also take an array of the fields' values.
        deserializer.deserialize_map(MessageVisitor)
    }
}

/// All fields of all kinds. A tagged enum would copy every payload while it looks for its tag.
///
/// They are filled and read in place: to hand so many about costs more than to parse a small message.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Text<'a>>,
    id: Option<u64>,
    event: Option<Text<'a>>,
    data: Option<&'a RawValue>,
    traceparent: Option<Text<'a>>,
    ids: Option<Vec<(u64, u64)>>,
    failed: Option<Vec<u64>>,
    /// Small enough that no page can make a counter overflow.
    count: Option<u32>,
    error: Option<Text<'a>>,
    at: Option<f64>,
    done: Option<f64>,
    ran: Option<Vec<(u64, f64, f64)>>,
    took: Option<Box<[f64]>>,
    span: Option<u64>,
    parent: Option<u64>,
    name: Option<Text<'a>>,
    value: Option<f64>,
    unit: Option<Text<'a>>,
    category: Option<Text<'a>>,
    rating: Option<Text<'a>>,
    outcome: Option<Text<'a>>,
    code: Option<Text<'a>>,
    of: Option<Text<'a>>,
    listens: Option<bool>,
    visible: Option<bool>,
    loading: Option<bool>,
}

/// The names of the fields.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Kind,
    Id,
    Event,
    Data,
    Traceparent,
    Ids,
    Failed,
    Count,
    Type,
    At,
    Done,
    Ran,
    Took,
    Span,
    Parent,
    Name,
    Value,
    Unit,
    Category,
    Rating,
    Outcome,
    Code,
    Of,
    Listens,
    Visible,
    Loading,
    /// A field of a later version.
    #[serde(other)]
    Unknown,
}

impl<'a> Fields<'a> {
    #[inline]
    fn take<M: MapAccess<'a>>(&mut self, field: Field, map: &mut M) -> Result<(), M::Error> {
        match field {
            Field::Kind => put(&mut self.kind, map),
            Field::Id => put(&mut self.id, map),
            Field::Event => put(&mut self.event, map),
            Field::Data => put(&mut self.data, map),
            Field::Traceparent => put(&mut self.traceparent, map),
            Field::Ids => put(&mut self.ids, map),
            Field::Failed => put(&mut self.failed, map),
            Field::Count => put(&mut self.count, map),
            // One field of the wire, which `ready` uses for the reason of the load.
            Field::Type => put(&mut self.error, map),
            Field::At => put(&mut self.at, map),
            Field::Done => put(&mut self.done, map),
            Field::Ran => put(&mut self.ran, map),
            Field::Took => put(&mut self.took, map),
            Field::Span => put(&mut self.span, map),
            Field::Parent => put(&mut self.parent, map),
            Field::Name => put(&mut self.name, map),
            Field::Value => put(&mut self.value, map),
            Field::Unit => put(&mut self.unit, map),
            Field::Category => put(&mut self.category, map),
            Field::Rating => put(&mut self.rating, map),
            Field::Outcome => put(&mut self.outcome, map),
            Field::Code => put(&mut self.code, map),
            Field::Of => put(&mut self.of, map),
            Field::Listens => put(&mut self.listens, map),
            Field::Visible => put(&mut self.visible, map),
            Field::Loading => put(&mut self.loading, map),
            // The value has to be read past, or the parser stands before it.
            Field::Unknown => map.next_value::<IgnoredAny>().map(drop),
        }
    }

    /// The message of its kind, if it has the fields of one.
    fn read(&mut self) -> Option<InboundMessage<'a>> {
        Some(match self.kind.as_ref()?.0.as_ref() {
            "event" => self.posted(false)?,
            "call" => self.posted(true)?,
            "ack" => InboundMessage::Ack(Ack {
                at: time(self.at),
                done: time(self.done),
                ids: self.ids.take()?,
                failed: self.failed.take().unwrap_or_default(),
                ran: self.ran.take().unwrap_or_default(),
            }),
            "cancel" => InboundMessage::Cancel {
                id: self.id?,
                at: time(self.at),
                error: match &self.code {
                    None => ErrorType::Cancelled,
                    // Any other code would become an `error.type` that the page chose.
                    Some(code) => error_of_cancel(&code.0)?,
                },
            },
            "pong" => InboundMessage::Pong {
                id: self.id?,
                at: time(self.at),
            },
            // No value in it makes it malformed: without a `ready` the page would get no messages
            // at all.
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
                what: RefusedKind::of(&self.of.take()?.0)?,
                error: {
                    let why = self.error.take()?.0;
                    REFUSALS
                        .into_iter()
                        .find(|refusal| refusal.as_str() == why)?
                },
                count: self.count?,
                event: self.event.take().map(|event| event.0),
            }),
            "unheard" => InboundMessage::Unheard {
                event: self.event.take()?.0,
                count: self.count?,
            },
            "error" => {
                let name = self.error.take()?.0;
                let error = PageErrorKind::ALL
                    .into_iter()
                    .find(|error| error.as_str() == name)?;
                match self.event.take() {
                    Some(event) if error == PageErrorKind::Listener => {
                        InboundMessage::ListenerError { event: event.0 }
                    }
                    // No other error is of an event.
                    _ => InboundMessage::PageError(error),
                }
            }
            "dom_ready" => InboundMessage::DomReady { at: time(self.at)? },
            // The name is checked where the span is opened, which counts it as `invalid_name`.
            "open" => InboundMessage::Open(SpanStart {
                span: self.span?,
                parent: self.parent,
                at: time(self.at),
                name: self.name.take()?.0,
            }),
            "close" => InboundMessage::Close {
                span: self.span?,
                at: time(self.at),
                failed: match self.outcome.as_ref().map(|outcome| outcome.0.as_ref()) {
                    None | Some("ok") => false,
                    Some("failed") => true,
                    // A closed set: another outcome makes the message malformed, not the span
                    // failed.
                    Some(_) => return None,
                },
            },
            "vital" => {
                let (name, rating) = (self.name.take()?.0, self.rating.take()?.0);
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
                name: self.name.take()?.0,
                value: self.value.filter(|value| value.is_finite())?,
                unit: self.unit.take().map(|unit| unit.0),
                category: self.category.take().map(|category| category.0),
            }),
            "spans" => InboundMessage::SpanExport(SpanExport {
                count: self.count?,
                // Not read here: this is the UI thread, and a thread of the exporter's reads it.
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
            // This kind and the next come from observed pages alone; a wire counts them as
            // malformed.
            "settled" => InboundMessage::Settled(Settled {
                ran: self.ran.take().filter(|ran| ran.len() <= RUNS_MAX)?,
                failed: self.failed.take().unwrap_or_default(),
            }),
            "ran" => InboundMessage::ListenersRan(ListenersRan {
                event: self.event.take()?.0,
                took: self.took.take().filter(|took| took.len() <= RUNS_MAX)?,
            }),
            _ => return None,
        })
    }

    #[inline]
    fn posted(&mut self, wants_reply: bool) -> Option<InboundMessage<'a>> {
        Some(InboundMessage::Posted(PostedMessage {
            id: self.id?,
            wants_reply,
            event: self.event.take()?.0,
            // An absent payload and `null` are the same on the wire.
            data: self.data.unwrap_or(RawValue::NULL),
            traceparent: self.traceparent.take().map(|text| text.0),
            at: time(self.at),
            span: self.span,
        }))
    }
}

/// Reads the value of a field that has none yet. `null` is none.
fn put<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
    field: &mut Option<T>,
    map: &mut M,
) -> Result<(), M::Error> {
    if field.is_some() {
        return Err(de::Error::custom("a field twice"));
    }
    // `T` is behind an `Option`, so a `null` leaves the field empty.
    *field = map.next_value()?;
    Ok(())
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
