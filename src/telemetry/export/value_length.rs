//! The limit on the length of attribute values, for which the SDK has none.
//!
//! As the specification has it: texts by their characters, bytes by their number, and what an array
//! or a map holds one by one. A log's body is no attribute.

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;

use super::log_records::LogRecords;

/// Cuts the values of a span.
pub(super) fn shorten_span(span: &mut SpanData, len_max: usize) {
    shorten_all(&mut span.attributes, len_max);
    for event in &mut span.events.events {
        shorten_all(&mut event.attributes, len_max);
    }
    for link in &mut span.links.links {
        shorten_all(&mut link.attributes, len_max);
    }
}

/// Cuts the values of a log record, which is made anew only when one is too long.
pub(super) fn shorten_log(record: &mut SdkLogRecord, len_max: usize, records: &LogRecords) {
    let mut is_cut = false;
    let mut attributes = Vec::new();
    // The SDK lends attributes read-only, so the copies are cut.
    for (key, value) in record.attributes_iter() {
        let mut value = value.clone();
        is_cut |= shorten_any(&mut value, len_max);
        attributes.push((key.clone(), value));
    }
    if is_cut {
        *record = records.like(record, record.body().cloned(), attributes);
    }
}

fn shorten_all(attributes: &mut [KeyValue], len_max: usize) {
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => {
                shorten_text(text, len_max);
            }
            Value::Array(Array::String(texts)) => {
                for text in texts {
                    shorten_text(text, len_max);
                }
            }
            _ => {}
        }
    }
}

/// Whether something was cut.
fn shorten_any(value: &mut AnyValue, len_max: usize) -> bool {
    match value {
        AnyValue::String(text) => shorten_text(text, len_max),
        AnyValue::Bytes(bytes) => {
            let is_long = bytes.len() > len_max;
            bytes.truncate(len_max);
            is_long
        }
        // `|` and not `||`: the values behind one that was cut are to be cut as well.
        AnyValue::ListAny(values) => values
            .iter_mut()
            .fold(false, |is_cut, value| shorten_any(value, len_max) | is_cut),
        AnyValue::Map(values) => values
            .values_mut()
            .fold(false, |is_cut, value| shorten_any(value, len_max) | is_cut),
        _ => false,
    }
}

fn shorten_text(text: &mut StringValue, len_max: usize) -> bool {
    // `nth` stops at the limit, so a long text is not counted to its end.
    let cut = text.as_str().char_indices().nth(len_max);
    let Some(short) = cut.and_then(|(end, _)| text.as_str().get(..end)) else {
        return false;
    };
    *text = StringValue::from(short.to_owned());
    true
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;
    use opentelemetry::logs::{LogRecord as _, Severity};

    use super::*;

    #[test]
    fn each_text_of_an_array_is_cut_and_nothing_else() {
        let texts = |texts: &[&'static str]| {
            let texts = texts.iter().map(|text| StringValue::from(*text));
            Value::Array(Array::String(texts.collect()))
        };
        let mut attributes = [
            KeyValue::new("texts", texts(&["äöüß", "abc", "", "abcdefg"])),
            KeyValue::new("numbers", Value::Array(Array::I64(vec![12_345, 6]))),
            KeyValue::new("number", 12_345),
        ];
        shorten_all(&mut attributes, 3);
        assert_eq!(attributes[0].value, texts(&["äöü", "abc", "", "abc"]));
        let numbers = Value::Array(Array::I64(vec![12_345, 6]));
        assert_eq!(attributes[1].value, numbers);
        assert_eq!(attributes[2].value, Value::I64(12_345));
    }

    #[test]
    fn what_a_log_attribute_holds_is_cut_and_the_rest_of_the_record_stays() {
        let records = LogRecords::new();
        let made = |attributes: Vec<(Key, AnyValue)>| {
            let mut record = records.empty();
            record.set_severity_number(Severity::Warn);
            record.set_target("target");
            records.like(&record, Some("a long body".into()), attributes)
        };
        let list = |texts: &[&'static str]| {
            let texts = texts.iter().map(|text| AnyValue::from(*text));
            AnyValue::ListAny(Box::new(texts.collect()))
        };
        let map = |value: AnyValue| {
            let entry = (Key::from_static_str("key"), value);
            AnyValue::Map(Box::new([entry].into_iter().collect()))
        };
        let bytes = |bytes: &[u8]| AnyValue::Bytes(Box::new(bytes.to_vec()));
        let attributes = |cut: bool| {
            let either = |long: AnyValue, short: AnyValue| if cut { short } else { long };
            vec![
                ("text".into(), either("äöüß".into(), "äöü".into())),
                (
                    "list".into(),
                    either(list(&["a", "bcde"]), list(&["a", "bcd"])),
                ),
                ("map".into(), map(either(list(&["abcd"]), list(&["abc"])))),
                ("bytes".into(), either(bytes(b"abcd"), bytes(b"abc"))),
                ("number".into(), 12_345.into()),
            ]
        };
        let mut record = made(attributes(false));
        shorten_log(&mut record, 3, &records);
        assert_eq!(record, made(attributes(true)));
    }
}
