//! What the page sends: the batch envelope and the compatible form, parsed without copying payloads.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

/// How a batch of ours begins. The app's own messages begin otherwise.
const PREFIX: &str = r#"{"spanwire":"#;
/// How the compatible form begins. Both spellings of its key are accepted.
const PLAIN_PREFIXES: [&str; 2] = [r#"{"type":"event""#, r#"{"type": "event""#];
/// The longest id that a page may give itself.
const PAGE_ID_LEN_MAX: usize = 32;
const VERSION: u64 = 1;

/// What a text from the page is, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Batch,
    Plain,
    NotOurs,
}

pub(crate) fn form_of(text: &str) -> Form {
    if text.starts_with(PREFIX) {
        Form::Batch
    } else if PLAIN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        Form::Plain
    } else {
        Form::NotOurs
    }
}

/// A batch, with its messages still unread.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) nonce: Cow<'a, str>,
    pub(crate) page: Cow<'a, str>,
    /// `None` is a message that is not of the wire's form.
    pub(crate) messages: Vec<Option<Inbound<'a>>>,
}

/// A message from the page.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    Ready,
    Leave,
    Posted(Posted<'a>),
    Cancel {
        id: u64,
    },
    Ack {
        ids: Vec<(u64, u64)>,
        failed: Vec<u64>,
    },
    Shed {
        count: u32,
    },
    PageError(PageError),
}

/// A call or an event from the page.
#[derive(Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) id: u64,
    pub(crate) wants_reply: bool,
    pub(crate) event: Cow<'a, str>,
    pub(crate) data: &'a RawValue,
    pub(crate) traceparent: Option<Cow<'a, str>>,
}

/// An error on the page, by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageError {
    Listener,
    Uncaught,
    UnhandledRejection,
}

impl PageError {
    pub(crate) const ALL: [Self; 3] = [Self::Listener, Self::Uncaught, Self::UnhandledRejection];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener_error",
            Self::Uncaught => "uncaught",
            Self::UnhandledRejection => "unhandled_rejection",
        }
    }
}

/// Reads a batch. `None` when it is not of the wire's form.
///
/// A message that is not of the form costs that message alone: the batch is read once more,
/// message by message.
pub(crate) fn parse_batch(text: &str) -> Option<Batch<'_>> {
    if let Ok(envelope) = serde_json::from_str::<Envelope<'_, Message<'_>>>(text) {
        return envelope.read(|message| message.0);
    }
    serde_json::from_str::<Envelope<'_, &RawValue>>(text)
        .ok()?
        .read(|message| serde_json::from_str::<Message<'_>>(message.get()).ok()?.0)
}

/// Reads the compatible form: an event with its detail, `{}` when absent.
pub(crate) fn parse_plain(text: &str) -> Option<(Cow<'_, str>, &RawValue)> {
    #[derive(Deserialize)]
    struct Plain<'a> {
        #[serde(borrow)]
        event: Text<'a>,
        #[serde(borrow)]
        detail: Option<&'a RawValue>,
    }
    let plain: Plain<'_> = serde_json::from_str(text).ok()?;
    let detail = match plain.detail {
        Some(detail) => detail,
        None => serde_json::from_str("{}").expect("{} is JSON"),
    };
    Some((plain.event.0, detail))
}

#[derive(Deserialize)]
struct Envelope<'a, M> {
    spanwire: u64,
    #[serde(borrow)]
    nonce: Text<'a>,
    #[serde(borrow)]
    page: Text<'a>,
    messages: Vec<M>,
}

impl<'a, M> Envelope<'a, M> {
    fn read(self, read: impl FnMut(M) -> Option<Inbound<'a>>) -> Option<Batch<'a>> {
        let sound = self.spanwire == VERSION && is_page_id(&self.page.0);
        sound.then(|| Batch {
            nonce: self.nonce.0,
            page: self.page.0,
            messages: self.messages.into_iter().map(read).collect(),
        })
    }
}

pub(crate) fn is_page_id(id: &str) -> bool {
    (1..=PAGE_ID_LEN_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// A message, or `None` when it is JSON but not of the form.
struct Message<'a>(Option<Inbound<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read at once: what waits in a list is the small result and not all possible fields.
        RawMessage::deserialize(deserializer).map(|raw| Self(raw.read()))
    }
}

/// All fields of all kinds. A tagged enum would copy every payload while it looks for its tag.
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
    error: Option<Text<'a>>,
}

impl<'a> RawMessage<'a> {
    fn read(self) -> Option<Inbound<'a>> {
        Some(match self.kind.0.as_ref() {
            "event" => self.posted(false)?,
            "call" => self.posted(true)?,
            "ack" => Inbound::Ack {
                ids: self.ids?,
                failed: self.failed.unwrap_or_default(),
            },
            "cancel" => Inbound::Cancel { id: self.id? },
            "ready" => Inbound::Ready,
            "leave" => Inbound::Leave,
            "shed" => Inbound::Shed { count: self.count? },
            "error" => {
                let name = self.error?.0;
                let error = PageError::ALL
                    .into_iter()
                    .find(|error| error.as_str() == name)?;
                Inbound::PageError(error)
            }
            _ => return None,
        })
    }

    fn posted(self, wants_reply: bool) -> Option<Inbound<'a>> {
        Some(Inbound::Posted(Posted {
            id: self.id?,
            wants_reply,
            event: self.event?.0,
            data: self.data.unwrap_or(RawValue::NULL),
            traceparent: self.traceparent.map(|text| text.0),
        }))
    }
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

    fn batch(messages: &str) -> String {
        format!(r#"{{"spanwire":1,"nonce":"n","page":"p1","messages":[{messages}]}}"#)
    }

    #[test]
    fn payload_and_names_are_borrowed_from_the_text() {
        let text = batch(r#"{"kind":"call","id":1,"event":"save","data":{"a":[1,2]}}"#);
        let batch = parse_batch(&text).unwrap();
        let Some(Some(Inbound::Posted(posted))) = batch.messages.first() else {
            panic!("{batch:?}")
        };
        assert!(matches!(posted.event, Cow::Borrowed("save")));
        assert_eq!(posted.data.get(), r#"{"a":[1,2]}"#);
        assert!(posted.wants_reply);
    }

    #[test]
    fn absent_and_null_data_are_null() {
        for data in ["", r#","data":null"#] {
            let text = batch(&format!(r#"{{"kind":"event","id":1,"event":"e"{data}}}"#));
            let batch = parse_batch(&text).unwrap();
            let Some(Some(Inbound::Posted(posted))) = batch.messages.first() else {
                panic!()
            };
            assert_eq!(posted.data.get(), "null");
        }
    }

    #[test]
    fn a_bad_message_costs_itself_alone() {
        let text = batch(
            r#"{"kind":"event","id":1,"event":"a"},{"kind":"event","id":-1,"event":"b"},
               {"kind":"event","id":1e400,"event":"c"},{"kind":"teapot"},7,{"kind":"ready"}"#,
        );
        let read: Vec<bool> = parse_batch(&text)
            .unwrap()
            .messages
            .iter()
            .map(Option::is_some)
            .collect();
        assert_eq!(read, [true, false, false, false, false, true]);
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for text in [
            "{\"spanwire\":",
            "{\"spanwire\":2,\"nonce\":\"n\",\"page\":\"p\",\"messages\":[]}",
            "{\"spanwire\":1,\"nonce\":\"n\",\"page\":\"P!\",\"messages\":[]}",
            "{\"spanwire\":1,\"nonce\":\"n\",\"messages\":[]}",
            "{\"spanwire\":1,\"nonce\":\"n\",\"page\":\"p\",\"messages\":{}}",
            "{\"spanwire\":1,\"nonce\":\"\\ud800\",\"page\":\"p\",\"messages\":[]}",
            "{\"spanwire\":1,\"nonce\":\"n\",\"page\":\"p\",\"messages\":[]} x",
        ] {
            assert!(parse_batch(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_plain_form_has_an_empty_detail_by_default() {
        let (event, detail) = parse_plain(r#"{"type":"event","event":"save"}"#).unwrap();
        assert_eq!((event.as_ref(), detail.get()), ("save", "{}"));
        let (_, detail) = parse_plain(r#"{"type":"event","event":"s","detail":[1]}"#).unwrap();
        assert_eq!(detail.get(), "[1]");
    }

    #[test]
    fn the_form_is_told_by_the_first_bytes() {
        assert_eq!(form_of(&batch("")), Form::Batch);
        assert_eq!(form_of(r#"{"type":"event","event":"x"}"#), Form::Plain);
        for text in ["", "hello", "{\"type\":\"other\"}", "[1]"] {
            assert_eq!(form_of(text), Form::NotOurs);
        }
    }
}
