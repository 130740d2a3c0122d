//! One text or value that is about to leave, as the app's hook sees it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use opentelemetry::Value;
use opentelemetry::logs::AnyValue;

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldKind {
    /// A span's name.
    SpanName,
    /// An attribute of a span.
    SpanAttribute,
    /// What a failed span says about its failure.
    StatusDescription,
    /// The name of an event within a span.
    EventName,
    /// An attribute of an event within a span.
    EventAttribute,
    /// An attribute of a link from a span to another.
    LinkAttribute,
    /// The `tracestate` of a span or of what it is linked to, as in W3C's header.
    TraceState,
    /// A log record's text.
    LogBody,
    /// An attribute of a log record.
    LogAttribute,
    /// The name of the library or module that made a span or a log record: the `tracing` target of
    /// the latter.
    ScopeName,
    /// The version that it gave.
    ScopeVersion,
    /// An attribute of it.
    ScopeAttribute,
    /// An attribute of the resource: who sends. It is offered once, when telemetry starts.
    ResourceAttribute,
}

/// A text or a value that is about to leave the process, for
/// [`TelemetryBuilder::redact`](crate::telemetry::TelemetryBuilder::redact).
///
/// It stays as it is unless it is replaced or removed.
pub struct ExportedField<'a> {
    kind: FieldKind,
    key: Option<&'a str>,
    shown: FieldValue<'a>,
    change: Change,
}

/// What a field holds, in the forms that spans and log records have.
#[derive(Clone, Copy)]
pub(super) enum FieldValue<'a> {
    Text(&'a str),
    Value(&'a Value),
    Any(&'a AnyValue),
}

/// What is to become of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Keep,
    Replace(String),
    Remove,
}

impl<'a> ExportedField<'a> {
    pub(super) fn new(kind: FieldKind, key: Option<&'a str>, shown: FieldValue<'a>) -> Self {
        Self {
            kind,
            key,
            shown,
            change: Change::Keep,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// An attribute's key; `None` for what is no attribute.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key
    }

    /// What would leave now, as text: the value, or what it was replaced with; empty once it was
    /// removed.
    ///
    /// A list or a map is one text with all that is in it.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.change {
            Change::Keep => self.shown.text(),
            Change::Replace(text) => Cow::Borrowed(text),
            Change::Remove => Cow::Borrowed(""),
        }
    }

    /// Sends `text` instead, whatever type the value had.
    pub fn replace(&mut self, text: impl Into<String>) {
        self.change = Change::Replace(text.into());
    }

    /// Sends nothing instead. A name cannot be left out: it becomes `[redacted]`.
    pub fn remove(&mut self) {
        self.change = Change::Remove;
    }

    pub(super) fn into_change(self) -> Change {
        self.change
    }
}

/// The value is not shown: what is redacted must not be logged either.
impl fmt::Debug for ExportedField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedField")
            .field("kind", &self.kind)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<'a> FieldValue<'a> {
    fn text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Value(value) => value.as_str(),
            Self::Any(AnyValue::String(text)) => Cow::Borrowed(text.as_str()),
            Self::Any(value) => {
                let mut text = String::new();
                write_any(&mut text, value);
                Cow::Owned(text)
            }
        }
    }
}

fn write_any(text: &mut String, value: &AnyValue) {
    // Writing to a string does not fail.
    let _ = match value {
        AnyValue::Int(value) => write!(text, "{value}"),
        AnyValue::Double(value) => write!(text, "{value}"),
        AnyValue::Boolean(value) => write!(text, "{value}"),
        AnyValue::String(value) => write!(text, "{}", value.as_str()),
        // The hook looks for text, and finds it in bytes that hold some.
        AnyValue::Bytes(bytes) => write!(text, "{}", String::from_utf8_lossy(bytes)),
        AnyValue::ListAny(values) => {
            text.push('[');
            for (n, value) in values.iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                write_any(text, value);
            }
            write!(text, "]")
        }
        AnyValue::Map(values) => {
            text.push('{');
            // Keys within a map are the app's text as well, so the hook sees them.
            for (n, (key, value)) in values.iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                text.push_str(key.as_str());
                text.push_str(": ");
                write_any(text, value);
            }
            write!(text, "}}")
        }
        // A form that is not known yet is not text that anything could be found in.
        _ => write!(text, "?"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_would_leave_now() {
        let value = Value::from("before");
        let mut field = ExportedField::new(
            FieldKind::SpanAttribute,
            Some("k"),
            FieldValue::Value(&value),
        );
        assert_eq!(field.text(), "before");
        let after = field.text().replace("be", "there");
        field.replace(after);
        assert_eq!(field.text(), "therefore");
        field.remove();
        assert_eq!(field.text(), "");
        assert!(!format!("{field:?}").contains("before"));
    }

    #[test]
    fn every_form_of_value_has_a_text() {
        let list = AnyValue::ListAny(Box::new(vec![
            AnyValue::Int(1),
            AnyValue::Double(0.5),
            AnyValue::Boolean(true),
            AnyValue::Bytes(Box::new(b"bytes".to_vec())),
            AnyValue::Map(Box::new(
                [("key".into(), AnyValue::from("value"))]
                    .into_iter()
                    .collect(),
            )),
        ]));
        assert_eq!(
            FieldValue::Any(&list).text(),
            "[1, 0.5, true, bytes, {key: value}]"
        );
        let value = Value::from(7);
        assert_eq!(FieldValue::Value(&value).text(), "7");
    }
}
