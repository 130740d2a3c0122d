//! How a text from the page begins: what is looked at before its sender has proved who it is.
//!
//! Everything here stands at a fixed place among the first bytes, so a text costs the same short
//! look whatever else it holds. Nothing is parsed, searched for or copied for a sender that may be
//! any frame on any page; what follows is read by [`inbound_message`](super::inbound_message).

use std::borrow::Cow;

use super::inbound_message::PageTime;
use crate::instrument::event_name::EVENT_NAME_LEN_MAX;
use crate::semconv::ErrorType;

/// How a batch of ours begins. The app's own messages begin otherwise.
// Without the version: a batch of another version is ours, and malformed.
const PREFIX: &str = r#"{"spanwire":"#;
/// What stands before the nonce in a batch of this version, and between it and the page's id.
const BEFORE_NONCE: &str = r#"{"spanwire":1,"nonce":""#;
const BEFORE_PAGE: &str = r#"","page":""#;
/// The longest id that a page may give itself.
const PAGE_ID_LEN_MAX: usize = 32;
/// How the compatible form begins. A space after each colon and comma is accepted, as some
/// serialisers write it.
const PLAIN_PREFIXES: [&str; 2] = [r#"{"type":"event""#, r#"{"type": "event""#];
/// Beyond, a name in the compatible form is not looked for: no event's is longer, all of it escaped.
const PLAIN_NAME_LEN_MAX: usize = 6 * EVENT_NAME_LEN_MAX;

/// What a text from the page is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) enum TextForm {
    Batch,
    Plain,
    NotOurs,
}

impl TextForm {
    pub(in crate::ipc) fn of(text: &[u8]) -> Self {
        let starts = |prefix: &str| text.starts_with(prefix.as_bytes());
        if starts(PREFIX) {
            Self::Batch
        } else if PLAIN_PREFIXES.into_iter().any(starts) {
            Self::Plain
        } else {
            Self::NotOurs
        }
    }
}

/// Whether a batch carries this nonce.
///
/// # Errors
///
/// [`ErrorType::Malformed`] when there is no nonce where this version has it, and
/// [`ErrorType::Forbidden`] when it is another one.
pub(in crate::ipc) fn check_nonce(text: &[u8], nonce: &str) -> Result<(), ErrorType> {
    let (sent, rest) = text
        .strip_prefix(BEFORE_NONCE.as_bytes())
        .and_then(|rest| rest.split_at_checked(nonce.len()))
        // A text that ends with or within the nonce is cut short, which is no wrong nonce.
        .filter(|(_, rest)| !rest.is_empty())
        .ok_or(ErrorType::Malformed)?;
    if constant_time_eq(sent, nonce.as_bytes()) && rest.starts_with(b"\"") {
        Ok(())
    } else {
        Err(ErrorType::Forbidden)
    }
}

/// A batch of a sender that proved who it is, with its messages unread.
#[derive(Debug, PartialEq)]
pub(in crate::ipc) struct Envelope<'a> {
    pub(in crate::ipc) page: &'a str,
    /// When the page posted it.
    pub(in crate::ipc) sent: Option<PageTime>,
    /// The list of its messages, as JSON.
    pub(in crate::ipc) messages: &'a str,
}

impl<'a> Envelope<'a> {
    /// Opens a batch that [`check_nonce`] let in; `None` when it is not of the wire's form.
    pub(in crate::ipc) fn open(text: &'a str, nonce: &str) -> Option<Self> {
        let rest = text.get(BEFORE_NONCE.len() + nonce.len()..)?;
        let rest = rest.strip_prefix(BEFORE_PAGE)?;
        let (page, rest) = split_at_quote(rest, PAGE_ID_LEN_MAX)?;
        let rest = rest.strip_prefix(',')?;
        // By hand as far as the messages: a JSON parser would first look through all of them.
        let (sent, rest) = match rest.strip_prefix(r#""sent":"#) {
            Some(rest) => rest.split_once(',')?,
            None => ("null", rest),
        };
        let sent = serde_json::from_str::<Option<f64>>(sent).ok()?;
        // What follows the list's end, if anything, the parser of the list refuses.
        let messages = rest.strip_prefix(r#""messages":"#)?.strip_suffix('}')?;
        is_page_id(page).then_some(Self {
            page,
            sent: sent.and_then(PageTime::from_ms),
            messages,
        })
    }
}

/// The compatible form: an event, and the text of its detail, `{}` when absent.
///
/// Its sender proves nothing, so the name is looked for at its place alone.
pub(in crate::ipc) fn split_plain(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let rest = PLAIN_PREFIXES
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    // At its place or not at all: a search would cost what the text's sender likes.
    let rest = after_key(rest, r#""event""#)?.strip_prefix('"')?;
    let (event, rest) = split_at_end(rest, PLAIN_NAME_LEN_MAX)?;
    let event = if event.contains('\\') {
        Cow::Owned(serde_json::from_str(&format!("\"{event}\"")).ok()?)
    } else {
        Cow::Borrowed(event)
    };
    let detail = match rest {
        "}" => "{}",
        _ => after_key(rest, r#""detail""#)?.strip_suffix('}')?,
    };
    Some((event, detail))
}

/// What follows a comma, `key` and a colon.
fn after_key<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let spaced = |text: &'a str| text.strip_prefix(' ').unwrap_or(text);
    let rest = spaced(text.strip_prefix(',')?).strip_prefix(key)?;
    rest.strip_prefix(':').map(spaced)
}

/// What stands before a quote that is at most `len_max` bytes away, and behind it.
fn split_at_quote(text: &str, len_max: usize) -> Option<(&str, &str)> {
    let mut near = text.bytes().take(len_max + 1);
    let quote = near.position(|byte| byte == b'"')?;
    let (before, rest) = text.split_at_checked(quote)?;
    Some((before, rest.strip_prefix('"')?))
}

/// As [`split_at_quote`], but for a quote that an escape hides.
fn split_at_end(text: &str, len_max: usize) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let mut near = text.bytes().take(len_max + 1);
    let quote = near.position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    let (before, rest) = text.split_at_checked(quote)?;
    Some((before, rest.strip_prefix('"')?))
}

/// Whether both are the same, without telling by its time how much of a guess is right.
pub(in crate::ipc) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // No early return. The lengths are public: the wire's description gives them.
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Whether a page may have this id.
pub(in crate::ipc) fn is_page_id(id: &str) -> bool {
    // Letters and digits alone, so `BatchWriter` can write it without an escape.
    (1..=PAGE_ID_LEN_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn the_form_is_told_by_the_first_bytes() {
        for (text, form) in [
            (r#"{"spanwire":1,"nonce":"n"}"#, TextForm::Batch),
            (r#"{"spanwire":"#, TextForm::Batch),
            (r#"{"type":"event","event":"x"}"#, TextForm::Plain),
            ("", TextForm::NotOurs),
            ("hello", TextForm::NotOurs),
            (r#"{"type":"other"}"#, TextForm::NotOurs),
            ("[1]", TextForm::NotOurs),
        ] {
            assert_eq!(TextForm::of(text.as_bytes()), form, "{text}");
        }
    }

    #[test]
    fn a_nonce_elsewhere_is_malformed_and_another_one_is_forbidden() {
        use ErrorType::{Forbidden, Malformed};
        for (text, expected) in [
            (r#"{"spanwire":1,"nonce":"abcd","page":"p""#, Ok(())),
            (r#"{"spanwire":1,"nonce":"abcd""#, Ok(())),
            (r#"{"spanwire":1,"nonce":"abcde","#, Err(Forbidden)),
            (r#"{"spanwire":1,"nonce":"abcx","#, Err(Forbidden)),
            (r#"{"spanwire":1,"nonce":"","page""#, Err(Forbidden)),
            (r#"{"spanwire":1,"nonce":"abc\u0064","#, Err(Forbidden)),
            (r#"{"spanwire":1,"nonce":"abcd"#, Err(Malformed)),
            (r#"{"spanwire":1,"nonce":"ab"#, Err(Malformed)),
            (r#"{"spanwire":1,"nonce": "abcd","#, Err(Malformed)),
            (
                r#"{"spanwire":1,"page":"p","nonce":"abcd","#,
                Err(Malformed),
            ),
            (r#"{"spanwire":2,"nonce":"abcd","#, Err(Malformed)),
            (r#"{"spanwire":1,"messages":[{},{},{}]"#, Err(Malformed)),
        ] {
            assert_eq!(check_nonce(text.as_bytes(), "abcd"), expected, "{text}");
        }
    }

    #[test]
    fn an_envelope_has_its_fields_in_one_order() {
        let open = |rest: &str| {
            let text = format!(r#"{{"spanwire":1,"nonce":"abcd{rest}"#);
            Envelope::open(&text, "abcd").map(|it| (it.page.to_owned(), it.messages.to_owned()))
        };
        for (rest, messages) in [
            (
                r#"","page":"p1","messages":[{"kind":"ready"}]}"#,
                r#"[{"kind":"ready"}]"#,
            ),
            (r#"","page":"p1","sent":12.5,"messages":[]}"#, "[]"),
            (r#"","page":"p1","sent":null,"messages":[]}"#, "[]"),
        ] {
            let expected = Some(("p1".to_owned(), messages.to_owned()));
            assert_eq!(open(rest), expected, "{rest}");
        }
        for rest in [
            r#"","page":"P!","messages":[]}"#,
            r#"","page":"","messages":[]}"#,
            r#"","page":"123456789012345678901234567890123","messages":[]}"#,
            r#"","messages":[]}"#,
            r#"","page":"p1","messages":[]"#,
            r#"","page":"p1","messages":[]} x"#,
            r#"","page":"p1","sent":"now","messages":[]}"#,
            r#"","page":"p1","messages":[],"sent":1}"#,
            r#"","page":"p1", "messages":[]}"#,
            "",
        ] {
            let opened = open(rest);
            let is_list = opened.as_ref().is_some_and(|(_, list)| {
                serde_json::from_str::<Vec<serde_json::Value>>(list).is_ok()
            });
            assert!(!is_list, "{rest}: {opened:?}");
        }
    }

    #[test]
    fn the_plain_form_has_an_empty_detail_by_default() {
        for (text, expected) in [
            (r#"{"type":"event","event":"save"}"#, Some(("save", "{}"))),
            (
                r#"{"type":"event","event":"s","detail":[1]}"#,
                Some(("s", "[1]")),
            ),
            (
                r#"{"type": "event", "event": "s", "detail": {"a": 1}}"#,
                Some(("s", r#"{"a": 1}"#)),
            ),
            (r#"{"type":"event","event":"a\"b"}"#, Some(("a\"b", "{}"))),
            (
                r#"{"type":"event","event":"\u4fdd\u5b58\\","detail":1}"#,
                Some(("保存\\", "1")),
            ),
            (r#"{"type":"event","event":"\ud800"}"#, None),
            (r#"{"type":"event","event":"a\"}"#, None),
            (r#"{"type":"event","event":"a\x"}"#, None),
            (r#"{"type":"event","event":7}"#, None),
            (r#"{"type":"event","detail":{},"event":"s"}"#, None),
            (r#"{"type":"event","event":"s","detail":}"#, None),
            (r#"{"type":"event","event":"s","detail":{}},"#, None),
            (r#"{"type":"event","event":"s","detail":{},"x":1}"#, None),
            (r#"{"type":"event","event":"s""#, None),
        ] {
            let split = split_plain(text)
                .filter(|(_, detail)| serde_json::from_str::<&RawValue>(detail).is_ok());
            let split = split.as_ref().map(|(event, detail)| (&**event, *detail));
            assert_eq!(split, expected, "{text}");
        }
    }

    #[test]
    fn a_plain_name_may_be_escaped_at_any_length_that_it_may_have() {
        let named = |len| format!(r#"{{"type":"event","event":"{}"}}"#, r"\u0061".repeat(len));
        let longest = named(EVENT_NAME_LEN_MAX);
        assert_eq!(split_plain(&longest).unwrap().0, "a".repeat(128));
        assert_eq!(split_plain(&named(EVENT_NAME_LEN_MAX + 1)), None);
    }
}
