//! Context fields: what the app wants to know about one run of an operation.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use opentelemetry::{KeyValue, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::text::cut;
use crate::semconv;

// Few enough for a linear search, and for one line of a log record.
const FIELDS_MAX: usize = 16;
const TEXT_MAX: usize = 256;

/// The value of a context field.
///
/// Text is kept up to 256 bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldValue {
    /// A whole number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(String),
}

macro_rules! from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl From<$from> for FieldValue {
            fn from($value: $from) -> Self {
                $to
            }
        })*
    };
}

from! {
    bool => |value| Self::Bool(value);
    i8 => |value| Self::Int(value.into());
    i16 => |value| Self::Int(value.into());
    i32 => |value| Self::Int(value.into());
    i64 => |value| Self::Int(value);
    u8 => |value| Self::Int(value.into());
    u16 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    // OpenTelemetry knows no larger integers; text keeps every digit.
    u64 => |value| i64::try_from(value).map_or_else(|_| Self::Text(value.to_string()), Self::Int);
    usize => |value| Self::from(value as u64);
    // The exact binary value: `0.1_f32` becomes 0.10000000149011612.
    f32 => |value| Self::Float(value.into());
    f64 => |value| Self::Float(value);
    &str => |value| Self::Text(text(value));
    &String => |value| Self::Text(text(value));
    String => |value| Self::Text(if value.len() > TEXT_MAX { text(&value) } else { value });
}

fn text(value: &str) -> String {
    if value.len() <= TEXT_MAX {
        return value.to_owned();
    }
    format!("{}…", cut(value, TEXT_MAX))
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            // In quotes, so that no text can pass for another field.
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Int(value) => Value::I64(value),
            FieldValue::Float(value) => Value::F64(value),
            FieldValue::Bool(value) => Value::Bool(value),
            FieldValue::Text(value) => Value::String(value.into()),
        }
    }
}

/// The fields of one run. Most have none, so they are small when empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Option<Box<Context>>);

#[derive(Clone, Debug, Default)]
struct Context {
    kept: Vec<(Cow<'static, str>, FieldValue)>,
    left_out: u32,
}

impl Fields {
    /// Sets a field; one of the same name is replaced, one beyond the limit is only counted.
    pub(super) fn set(&mut self, key: impl Into<Cow<'static, str>>, value: FieldValue) {
        let key = key.into();
        // In a box that most runs never have: a run is moved around, and its size is part of its
        // cost.
        let context = self.0.get_or_insert_default();
        if let Some((_, old)) = context.kept.iter_mut().find(|(known, _)| *known == key) {
            *old = value;
        } else if context.kept.len() < FIELDS_MAX {
            context.kept.push((key, value));
        } else {
            // The span gets the count of fields that were left out, so that a missing field is not
            // taken for one that was never set.
            context.left_out = context.left_out.saturating_add(1);
        }
    }

    /// Puts each field on the span as an attribute of its own.
    ///
    /// A `tracing` span knows its fields when it is compiled, so this goes past `tracing` to the
    /// OpenTelemetry span behind it; a subscriber without one does not see them.
    #[inline]
    pub(super) fn write_to(&self, span: &Span) {
        let Some(context) = &self.0 else { return };
        for (key, value) in &context.kept {
            // Cloned, since the log record and the history read the fields after this.
            span.set_attribute(key.clone(), value.clone());
        }
        if context.left_out > 0 {
            span.set_attribute(semconv::CONTEXT_LEFT_OUT, i64::from(context.left_out));
        }
    }

    /// The same as attributes, for a span that is not one of `tracing`'s.
    #[inline]
    pub(super) fn each_attribute(&self, mut f: impl FnMut(KeyValue)) {
        let Some(context) = &self.0 else { return };
        for (key, value) in &context.kept {
            f(KeyValue::new(key.clone(), value.clone()));
        }
        if context.left_out > 0 {
            f(KeyValue::new(
                semconv::CONTEXT_LEFT_OUT,
                i64::from(context.left_out),
            ));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Those that are kept.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        let kept = self.0.iter().flat_map(|context| &context.kept);
        kept.map(|(key, value)| (&**key, value))
    }

    /// All in one line, for log records; `None` when there are none.
    pub(super) fn line(&self) -> Option<String> {
        let context = self.0.as_deref()?;
        let mut line = String::new();
        for (key, value) in &context.kept {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{key}={value}");
        }
        if context.left_out > 0 {
            let _ = write!(line, " (+{} left out)", context.left_out);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_bounded_in_number_and_length() {
        const NAMES: [&str; 18] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r",
        ];
        let mut fields = Fields::default();
        for name in NAMES {
            fields.set(name, "é".repeat(1_000).into());
        }
        assert_eq!(fields.0.as_ref().unwrap().kept.len(), FIELDS_MAX);
        let line = fields.line().unwrap();
        assert!(line.len() < FIELDS_MAX * (TEXT_MAX + 16), "{}", line.len());
        assert!(line.ends_with("(+2 left out)"), "{line}");
    }

    #[test]
    fn a_field_set_again_has_its_last_value() {
        let mut fields = Fields::default();
        fields.set("a", 1.into());
        fields.set("a", "x b=2".into());
        fields.set("c", u64::MAX.into());
        assert_eq!(
            fields.line().unwrap(),
            r#"a="x b=2" c="18446744073709551615""#
        );
    }
}
