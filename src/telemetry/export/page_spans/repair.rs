//! OTLP's JSON as a page writes it: what Rust's types cannot hold is replaced or left out, and costs no
//! more than itself.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::instrument::surrogates::mend_surrogates;

/// What was read, and whether that is not what the page wrote.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) is_repaired: bool,
}

/// Reads a span. Nearly every one is as it should be, and what it takes to repair one comes after that.
///
/// # Errors
///
/// It is no span, whatever is repaired.
pub(super) fn read_span(text: &str) -> Result<Read<Span>, serde_json::Error> {
    read(text, |mut json| {
        repair_attributes(&mut json);
        for list in ["events", "links"] {
            let all = json.get_mut(list).and_then(Value::as_array_mut);
            all.into_iter().flatten().for_each(repair_attributes);
        }
        serde_json::from_value(json)
    })
}

/// Reads what holds texts alone.
pub(super) fn read_texts<T: DeserializeOwned>(text: &str) -> Result<Read<T>, serde_json::Error> {
    read(text, serde_json::from_value)
}

fn read<T: DeserializeOwned>(
    text: &str,
    repair: impl FnOnce(Value) -> Result<T, serde_json::Error>,
) -> Result<Read<T>, serde_json::Error> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(Read {
            value,
            is_repaired: false,
        });
    }
    // `JSON.stringify` writes half of a surrogate pair as an escape, which serde_json refuses.
    let mended = mend_surrogates(text);
    let text = mended.as_deref().unwrap_or(text);
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => repair(serde_json::from_str(text)?)?,
    };
    Ok(Read {
        value,
        is_repaired: true,
    })
}

/// Repairs the values of what has attributes; one that stays unreadable becomes nothing, which is left
/// out and counted with the others that are.
fn repair_attributes(of: &mut Value) {
    let attributes = of.get_mut("attributes").and_then(Value::as_array_mut);
    for attribute in attributes.into_iter().flatten() {
        let Some(value) = attribute.get_mut("value") else {
            continue;
        };
        repair_value(value);
        // Tried here for each value, so that one bad value does not cost the span.
        if serde_json::from_value::<AnyValue>(value.clone()).is_err() {
            *value = Value::Null;
        }
    }
}

fn repair_value(any: &mut Value) {
    let Some(fields) = any.as_object_mut() else {
        // An element that is `null` keeps its place, as the empty value that it means.
        *any = json!({});
        return;
    };
    // A page's integers are doubles, and some of them are larger than 64 bits.
    if let Some(number) = fields.get("intValue").and_then(beyond_64_bits) {
        fields.remove("intValue");
        fields.insert("doubleValue".to_owned(), json!(number));
    }
    // `NaN` and the infinities are no JSON, and become `null`.
    if let Some(Value::String(text)) = fields.get("doubleValue") {
        let number = text.parse::<f64>().ok();
        fields.insert("doubleValue".to_owned(), json!(number));
    }
    let list = fields
        .get_mut("arrayValue")
        .and_then(|array| array.get_mut("values"))
        .and_then(Value::as_array_mut);
    list.into_iter().flatten().for_each(repair_value);
}

fn beyond_64_bits(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) if number.as_i64().is_none() => number.as_f64(),
        Value::String(text) if text.parse::<i64>().is_err() => text.parse().ok(),
        _ => None,
    }
}
