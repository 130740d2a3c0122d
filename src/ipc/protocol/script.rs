//! What the host sends: batches, written as scripts that are safe for any name and payload.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Serialize;
use serde_json::value::RawValue;

use super::limits::is_deeper_than;
use crate::clock::Stamp;
use crate::ipc::bytes::BYTES_KEY;

/// A script to be evaluated in the page, or its batch for a transport that is not a webview.
///
/// Hand it back to [`Ipc::evaluation_failed`](crate::ipc::Ipc::evaluation_failed) when the page could
/// not take it.
#[derive(Debug)]
#[must_use = "its messages stay in flight until the page acknowledges them"]
pub struct Script {
    pub(in crate::ipc) content: Content,
    /// The page that it was written for.
    pub(in crate::ipc) generation: u64,
    /// The messages that it holds, or whose end it asks for.
    pub(in crate::ipc) ids: Vec<u64>,
    pub(in crate::ipc) settles: bool,
    pub(in crate::ipc) credits: u64,
    /// The ping that it asks for.
    pub(in crate::ipc) ping: Option<u64>,
    /// When it was written.
    pub(in crate::ipc) at: Stamp,
}

pub(in crate::ipc) enum Content {
    Batch {
        json: String,
        /// Whether a payload nests so deep that it cannot be a literal.
        is_deep: bool,
    },
    Eval {
        before: String,
        script: Box<str>,
        after: String,
    },
}

/// Payloads are not shown: a script that could not be evaluated is easily logged.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (form, bytes) = match self {
            Self::Batch { json, .. } => ("Batch", json.len()),
            Self::Eval { script, .. } => ("Eval", script.len()),
        };
        f.debug_struct(form)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

impl Script {
    /// For a page that is none of the wire's: nothing is waited for.
    pub(in crate::ipc) fn of_no_generation(content: Content, at: Stamp) -> Self {
        Self {
            content,
            generation: NO_GENERATION,
            ids: Vec::new(),
            settles: false,
            credits: 0,
            ping: None,
            at,
        }
    }

    /// Whether the page has to answer to it.
    pub(in crate::ipc) fn is_answered(&self) -> bool {
        !self.ids.is_empty() || self.ping.is_some()
    }

    /// The text to evaluate.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.content {
            Content::Batch { json, is_deep } => call(json, *is_deep),
            // A line of its own, so that a comment at the script's end swallows nothing of ours.
            Content::Eval {
                before,
                script,
                after,
            } => {
                format!(
                    "{};\n{script}\n;{};",
                    call(before, false),
                    call(after, false)
                )
            }
        }
    }

    /// The batch as JSON, for a transport that is not a webview; `None` for a raw script.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.content {
            Content::Batch { json, .. } => Some(json),
            // Its text would not run outside of a page.
            Content::Eval { .. } => None,
        }
    }
}

/// No page has it: they count from 1.
const NO_GENERATION: u64 = u64::MAX;

/// A call of the page's receiving function with this batch.
fn call(json: &str, is_deep: bool) -> String {
    if is_deep || sets_prototype(json) {
        // The page script parses it, since code of the page could have replaced `JSON.parse`.
        let quoted = serde_json::to_string(json).expect("a string is JSON");
        return format!("{RECEIVE}({})", escape(&quoted));
    }
    format!("{RECEIVE}({})", escape(json))
}

/// The deepest nesting of a literal. An engine parses a script by recursion: WebKit runs out of
/// stack below 5,000 levels, and then nothing of the batch arrives, without an error. It parses
/// JSON without.
const LITERAL_DEPTH_MAX: usize = 1_000;

/// The function that the page script defines.
const RECEIVE: &str = "__spanwire__";

/// JSON as it may stand in a script: without `<`, which could end a script element, and without
/// the two line separators that older engines do not accept in a string.
///
/// All three can only stand inside strings, where an escape means the same.
fn escape(json: &str) -> Cow<'_, str> {
    // Nearly every batch has none of them, and this runs on the UI thread: look before copying.
    // 0xE2 is the first byte of both separators.
    if memchr::memchr2(b'<', 0xE2, json.as_bytes()).is_none() {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// Whether a key may be `__proto__`, spelled out or with escaped underscores. In a literal that sets
/// the prototype; parsed it is a plain key.
fn sets_prototype(json: &str) -> bool {
    let bytes = json.as_bytes();
    memchr::memmem::find(bytes, b"__proto__").is_some()
        || memchr::memmem::find(bytes, br"\u005f").is_some()
        || memchr::memmem::find(bytes, br"\u005F").is_some()
}

/// A message to the page, as docs/reference/wire.md describes it.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(in crate::ipc) enum Item<'a> {
    Event {
        id: u64,
        event: &'a str,
        data: &'a RawValue,
    },
    Reply {
        id: u64,
        call: u64,
        // The wire has `data` or `error` beside the other fields.
        #[serde(flatten)]
        result: ReplyItem<'a>,
    },
    Credit {
        count: u64,
    },
    Begin {
        id: u64,
    },
    End {
        id: u64,
    },
    Settle {
        id: u64,
    },
    Ping {
        id: u64,
    },
    Bye {
        code: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::ipc) enum ReplyItem<'a> {
    Data(&'a RawValue),
    Error {
        name: &'a str,
        message: &'a str,
        code: &'a str,
    },
}

/// Finds the key that bytes have: a page looks for them in a batch that says so, and in no other.
static BYTES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BYTES_KEY));

/// Writes a batch item by item.
#[derive(Debug)]
pub(in crate::ipc) struct BatchWriter {
    json: String,
    len: usize,
    is_deep: bool,
}

impl BatchWriter {
    pub(in crate::ipc) fn new(page: &str, floor: u64) -> Self {
        // The page's id was checked to be letters and digits.
        let json = format!(r#"{{"page":"{page}","floor":{floor},"messages":["#);
        Self {
            json,
            len: 0,
            is_deep: false,
        }
    }

    pub(in crate::ipc) fn push(&mut self, item: &Item<'_>) {
        if self.len > 0 {
            self.json.push(',');
        }
        self.len += 1;
        if let Item::Event { data, .. }
        | Item::Reply {
            result: ReplyItem::Data(data),
            ..
        } = item
        {
            let data = data.get();
            // Only what is long can be deep, and nearly nothing is long.
            self.is_deep |=
                data.len() > LITERAL_DEPTH_MAX && is_deeper_than(data, LITERAL_DEPTH_MAX);
        }
        if let Item::Event { id, event, data } = item {
            // Most of what is sent, on the UI thread. An event's name was checked: it has no control
            // characters.
            if memchr::memchr2(b'"', b'\\', event.as_bytes()).is_none() {
                let written = write!(
                    self.json,
                    r#"{{"kind":"event","id":{id},"event":"{event}","data":{data}}}"#
                );
                debug_assert!(written.is_ok(), "a string takes everything");
                return;
            }
        }
        let text = serde_json::to_string(item).expect("keys are strings and no writer can fail");
        self.json.push_str(&text);
    }

    pub(in crate::ipc) fn bytes(&self) -> usize {
        self.json.len()
    }

    pub(in crate::ipc) fn into_content(self) -> Content {
        let is_deep = self.is_deep;
        let json = self.finish();
        Content::Batch { json, is_deep }
    }

    pub(in crate::ipc) fn finish(mut self) -> String {
        // The key inside a string matches, too: the page then looks for bytes and finds none.
        let has_bytes = self.len > 0 && BYTES.find(self.json.as_bytes()).is_some();
        self.json.push_str(if has_bytes {
            r#"],"bytes":true}"#
        } else {
            "]}"
        });
        self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(content: Content) -> Script {
        Script {
            content,
            generation: 1,
            ids: Vec::new(),
            settles: false,
            credits: 0,
            ping: None,
            at: Stamp::NONE,
        }
    }

    fn event_script(data: &str) -> String {
        let data: &RawValue = serde_json::from_str(data).unwrap();
        let mut batch = BatchWriter::new("p1", 4);
        batch.push(&Item::Event {
            id: 4,
            event: "e",
            data,
        });
        script(batch.into_content()).text()
    }

    #[test]
    fn a_batch_is_one_call_with_a_literal() {
        assert_eq!(
            event_script(r#"{"a":1}"#),
            r#"__spanwire__({"page":"p1","floor":4,"messages":[{"kind":"event","id":4,"event":"e","data":{"a":1}}]})"#
        );
    }

    #[test]
    fn a_payload_cannot_end_the_script_or_its_element() {
        let script = event_script("\"</script><!-- \u{2028}\u{2029} \\\" ' `${x}`\"");
        for breaking in ["<", "\u{2028}", "\u{2029}"] {
            assert!(!script.contains(breaking), "{script}");
        }
        assert!(
            script.contains(r#"\u003c/script>\u003c!-- \u2028\u2029 \" ' `${x}`"#),
            "{script}"
        );
    }

    #[test]
    fn a_prototype_key_goes_as_text_and_comes_out_whole() {
        for key in ["__proto__", r"\u005f_proto__", r"\u005F\u005Fproto__"] {
            let script = event_script(&format!(r#"{{"{key}":{{"admin":"<"}}}}"#));
            let quoted = script
                .strip_prefix("__spanwire__(")
                .and_then(|rest| rest.strip_suffix(')'))
                .unwrap_or_else(|| panic!("{script}"));
            let json: String = serde_json::from_str(quoted).unwrap();
            let batch: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(batch["messages"][0]["data"]["__proto__"]["admin"], "<");
        }
    }

    #[test]
    fn an_events_name_cannot_end_its_text_the_script_or_its_element() {
        for name in [
            "a\"b",
            "a\\",
            r#"\"});x=1;//"#,
            "</script>",
            "größe",
            "保存",
        ] {
            let mut batch = BatchWriter::new("p1", 4);
            batch.push(&Item::Event {
                id: 4,
                event: name,
                data: RawValue::NULL,
            });
            let script = script(batch.into_content()).text();
            assert!(!script.contains('<'), "{script}");
            let json = script
                .strip_prefix("__spanwire__(")
                .and_then(|rest| rest.strip_suffix(')'));
            let batch: serde_json::Value = serde_json::from_str(json.unwrap()).unwrap();
            assert_eq!(batch["messages"][0]["event"], name);
        }
    }

    #[test]
    fn what_is_nested_so_deep_that_no_engine_parses_it_goes_as_text() {
        let nested = |levels| ["[".repeat(levels), "]".repeat(levels)].concat();
        assert!(event_script(&nested(5_000)).starts_with("__spanwire__(\""));
        assert!(event_script(&nested(500)).starts_with("__spanwire__({"));
        let flat = format!("[{}[]]", "[],".repeat(5_000));
        assert!(event_script(&flat).starts_with("__spanwire__({"));
    }

    #[test]
    fn a_batch_with_bytes_says_so_and_no_other() {
        let bytes = serde_json::to_string(&crate::ipc::Bytes::from([1, 2, 3])).unwrap();
        let with = event_script(&format!("[{bytes}]"));
        assert!(
            with.ends_with(r#""data":[{"$spanwire.bytes":"AQID"}]}],"bytes":true})"#),
            "{with}"
        );
        assert!(!event_script(r#"{"bytes":true}"#).contains("],"));
    }

    #[test]
    fn a_reply_carries_data_or_an_error() {
        let mut batch = BatchWriter::new("p", 1);
        batch.push(&Item::Reply {
            id: 1,
            call: 7,
            result: ReplyItem::Data(RawValue::NULL),
        });
        let error = ReplyItem::Error {
            name: "E",
            message: "m",
            code: "HANDLER_ERROR",
        };
        batch.push(&Item::Reply {
            id: 2,
            call: 8,
            result: error,
        });
        batch.push(&Item::Credit { count: 5 });
        assert_eq!(
            batch.finish(),
            concat!(
                r#"{"page":"p","floor":1,"messages":[{"kind":"reply","id":1,"call":7,"data":null},"#,
                r#"{"kind":"reply","id":2,"call":8,"error":{"name":"E","message":"m","code":"HANDLER_ERROR"}},"#,
                r#"{"kind":"credit","count":5}]}"#
            )
        );
    }

    #[test]
    fn a_raw_script_stands_on_lines_of_its_own() {
        let content = Content::Eval {
            before: "{}".into(),
            script: "x() // no".into(),
            after: "[]".into(),
        };
        let script = script(content);
        assert_eq!(
            script.text(),
            "__spanwire__({});\nx() // no\n;__spanwire__([]);"
        );
        assert_eq!(script.json(), None);
    }
}
