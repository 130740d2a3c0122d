//! Spans of OpenTelemetry's Python SDK, on their way through our pipeline.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyString};
use spanwire::telemetry::{ForeignParent, ForeignSpan};

use crate::argument::Text;
use crate::telemetry::active;

/// The spans that are open, by their ids: what is within one follows it.
// Only threads that hold the interpreter's lock take it, and none gives that up meanwhile. A thread
// that forks holds the interpreter's lock too, so this one is free in the child.
static OPEN: Mutex<Option<HashMap<u64, ForeignSpan>>> = Mutex::new(None);

/// More are not followed: an SDK that ends none must not fill the memory.
const OPEN_MAX: usize = 10_000;

/// A span begins: `parent` is the id of the one around it, 0 for none. Returns whether it is wanted;
/// [`_sdk_span_ended`] may be called in either case.
#[pyfunction]
#[pyo3(signature = (trace, span, name, parent, remote, flags))]
fn _sdk_span_started(
    trace: u128,
    span: u64,
    name: Text,
    parent: u64,
    remote: bool,
    flags: u8,
) -> bool {
    let Some(telemetry) = active() else {
        return false;
    };
    let trace = TraceId::from_bytes(trace.to_be_bytes());
    // Declared here, since `ForeignParent::Remote` borrows it beyond the match.
    let context;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    // These checks precede the telemetry's count of open spans: once counted, the span's trace
    // waits for an end that only an entry here can bring.
    if open.contains_key(&span) {
        // A second processor tells it. Its first end is its only one.
        return true;
    }
    if open.len() >= OPEN_MAX {
        return false;
    }
    let parent = match (parent, remote, open.get(&parent)) {
        (0, ..) => ForeignParent::None,
        (_, false, Some(parent)) => ForeignParent::Foreign(*parent),
        // A local parent that this table does not have is the span of a `Run`, unless the table was
        // full.
        (_, false, None) => ForeignParent::Ours,
        (parent, true, _) => {
            let parent = SpanId::from_bytes(parent.to_be_bytes());
            let flags = TraceFlags::new(flags);
            context = SpanContext::new(trace, parent, flags, true, TraceState::NONE);
            ForeignParent::Remote(&context)
        }
    };
    let Some(started) = telemetry.foreign_spans().started(trace, &name, parent) else {
        return false;
    };
    open.insert(span, started);
    true
}

/// Whether it is open and its trace is not decided yet.
pub(crate) fn is_undecided(span: u64) -> bool {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let span = open.as_ref().and_then(|open| open.get(&span));
    span.is_some_and(|span| !span.is_kept())
}

/// Attributes, as Python hands them over.
type Attributes<'py> = Vec<(Text, Bound<'py, PyAny>)>;

/// What a span was when it ended.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Ended<'py> {
    name: Text,
    parent: u64,
    remote: bool,
    kind: u8,
    start: u64,
    end: u64,
    status: u8,
    description: Text,
    attributes: Attributes<'py>,
    events: Vec<(Text, u64, Attributes<'py>)>,
    links: Vec<(u128, u64, Attributes<'py>)>,
    scope: Text,
}

/// A span has ended. `describe` says what it was, and is called only for a span that was wanted.
#[pyfunction]
fn _sdk_span_ended(trace: u128, span: u64, describe: &Bound<'_, PyAny>) -> PyResult<()> {
    let started = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_mut().and_then(|open| open.remove(&span))
    };
    let (Some(started), Some(telemetry)) = (started, active()) else {
        return Ok(());
    };
    let spans = telemetry.foreign_spans();
    let context = context(trace, span);
    match describe
        .call0()
        .and_then(|ended| ended.extract::<Ended<'_>>())
    {
        Ok(ended) => spans.ended(started, ended.into_data(context)),
        Err(error) => {
            // Without this call the span's trace would wait for it.
            spans.left_out(started, context.trace_id());
            return Err(error);
        }
    }
    Ok(())
}

impl Ended<'_> {
    fn into_data(self, span_context: SpanContext) -> SpanData {
        let mut events = SpanEvents::default();
        for (name, at, attributes) in self.events {
            events
                .events
                .push(Event::new(name.0, time(at), key_values(attributes), 0));
        }
        let mut links = SpanLinks::default();
        for (trace, span, attributes) in self.links {
            let context = context(trace, span);
            links
                .links
                .push(Link::new(context, key_values(attributes), 0));
        }
        SpanData {
            span_context,
            parent_span_id: SpanId::from_bytes(self.parent.to_be_bytes()),
            parent_span_is_remote: self.remote,
            span_kind: match self.kind {
                // The numbers are the values of `SpanKind` in Python's API, which are not those of
                // OTLP.
                1 => SpanKind::Server,
                2 => SpanKind::Client,
                3 => SpanKind::Producer,
                4 => SpanKind::Consumer,
                _ => SpanKind::Internal,
            },
            name: self.name.0.into(),
            start_time: time(self.start),
            end_time: time(self.end),
            attributes: key_values(self.attributes),
            dropped_attributes_count: 0,
            events,
            links,
            status: match self.status {
                // As in Python's `StatusCode`: 0 is unset.
                1 => Status::Ok,
                2 => Status::error(self.description.0),
                _ => Status::Unset,
            },
            instrumentation_scope: InstrumentationScope::builder(self.scope.0).build(),
        }
    }
}

fn context(trace: u128, span: u64) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace.to_be_bytes()),
        SpanId::from_bytes(span.to_be_bytes()),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

fn time(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn key_values(attributes: Attributes<'_>) -> Vec<KeyValue> {
    attributes
        .into_iter()
        .filter_map(|(key, value)| Some(KeyValue::new(Key::from(key.0), value_of(&value)?)))
        .collect()
}

fn value_of(value: &Bound<'_, PyAny>) -> Option<Value> {
    // The bool comes before the int, since a bool is an int in Python.
    if let Ok(value) = value.cast::<PyBool>() {
        return Some(Value::Bool(value.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        // OTLP has 64 bits for an int. A larger one is left out, not cut.
        return value.extract().ok().map(Value::I64);
    }
    if let Ok(value) = value.cast::<PyFloat>() {
        return Some(Value::F64(value.value()));
    }
    if let Ok(value) = value.cast::<PyString>() {
        return Some(Value::String(value.to_string_lossy().into_owned().into()));
    }
    let list = value.cast::<PyList>().ok()?;
    // OpenTelemetry allows lists of one type alone, so the first item decides. An empty list has no
    // type, and is left out.
    let first = list.get_item(0).ok()?;
    if first.is_instance_of::<PyBool>() {
        return list.extract().ok().map(|it| Value::Array(Array::Bool(it)));
    }
    if first.is_instance_of::<PyInt>() {
        return list.extract().ok().map(|it| Value::Array(Array::I64(it)));
    }
    if first.is_instance_of::<PyFloat>() {
        return list.extract().ok().map(|it| Value::Array(Array::F64(it)));
    }
    let texts: Vec<Text> = list.extract().ok()?;
    let texts = texts.into_iter().map(|text| StringValue::from(text.0));
    Some(Value::Array(Array::String(texts.collect())))
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_sdk_span_started, module)?)?;
    module.add_function(wrap_pyfunction!(_sdk_span_ended, module)?)
}
