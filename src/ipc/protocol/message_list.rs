//! The list of messages in a batch, parsed without copying payloads.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::inbound_message::InboundMessage;
use super::message_fields::Message;
use crate::semconv::ErrorType;

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
        // `TooLarge` too is final: a second look would find the list no shorter.
        read => return Ok(read?.into_iter().map(|message| message.0).collect()),
    }
    // Raw values are only searched for their ends, so one bad message leaves the others whole.
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
    // The parser's own error is dropped: it may quote the text.
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

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
               {"kind":"event","id":1e400,"event":"c"},{"kind":"teapot"},7,["event",1,"d"],
               {"kind":"event","id":1,"id":2,"event":"e"},{"kind":"ready"}]"#;
        let read: Vec<bool> = read(text).iter().map(Option::is_some).collect();
        assert_eq!(read, [true, false, false, false, false, false, false, true]);
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
            (
                r#"{"kind":"error","type":"listener_error","event":"progress"}"#,
                true,
            ),
            (
                r#"{"kind":"error","type":"listener_error","event":7}"#,
                false,
            ),
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
