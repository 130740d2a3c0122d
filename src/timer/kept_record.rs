//! What of a run is handed over to be kept one by one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::fields::{FieldValue, Fields};
use super::operation::Operation;
use crate::clock::Stamp;
use crate::instrument::record_sink::{Name, Record, RecordKind, RecordOutcome};
use crate::semconv;

impl Operation {
    /// The record of a run that ended now and on this thread.
    pub(super) fn kept_record(
        &self,
        elapsed: Duration,
        outcome: RecordOutcome,
        slow: bool,
    ) -> Record {
        let mut record = Record::new(RecordKind::Operation, self.shared_name(), elapsed);
        record.outcome = outcome;
        record.is_slow = slow;
        record
    }

    /// The record of the time in which it was the one that the app named.
    pub(super) fn current_record(&self, since: Stamp, until: Stamp) -> Record {
        let kind = RecordKind::CurrentOperation;
        let mut record = Record::new(kind, self.shared_name(), until.since(since));
        record.ended = until;
        record
    }
}

/// The error's type, without a copy where it is kept already.
#[cold]
pub(super) fn error_name(error_type: &str, failure: Option<&Failure>) -> Name {
    match failure {
        Some(failure) => Name::from(&failure.error_type),
        None => Name::Shared(Arc::from(error_type)),
    }
}

/// What the app noted of the run, and how it failed, as a JSON object; `None` where there is
/// neither.
#[inline]
pub(super) fn context(fields: &Fields, failure: Option<&Failure>) -> Option<Box<str>> {
    if fields.is_empty() && failure.is_none() {
        return None;
    }
    Some(object(fields, failure))
}

#[cold]
fn object(fields: &Fields, failure: Option<&Failure>) -> Box<str> {
    let mut object = Map::new();
    if let Some(failure) = failure {
        let texts = [
            (semconv::EXCEPTION_TYPE, Some(&failure.exception_type)),
            (semconv::EXCEPTION_MESSAGE, Some(&failure.message)),
            (semconv::EXCEPTION_STACKTRACE, failure.backtrace.as_ref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                object.insert(name.to_owned(), text.as_str().into());
            }
        }
    }
    // The fields follow the failure's texts: a field of the same name replaces one.
    for (key, value) in fields.iter() {
        let value = match value {
            FieldValue::Int(value) => Value::from(*value),
            // JSON has neither infinity nor NaN: both become `null`.
            FieldValue::Float(value) => Value::from(*value),
            FieldValue::Bool(value) => Value::from(*value),
            FieldValue::Text(value) => Value::from(value.as_str()),
        };
        object.insert(key.to_owned(), value);
    }
    Value::Object(object).to_string().into()
}
