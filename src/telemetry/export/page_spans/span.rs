//! A page's span as one of the SDK's, with nothing in it that is not bounded.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as OtlpKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::repair::{Read, read_texts};
use crate::instrument::page_spans::PageSpanSource;
use crate::semconv::{PageSpanErrorType, SCOPE, WEBVIEW_NAME};
use crate::telemetry::export::limits::PageSpanLimits;

/// Bytes of a name: a span's, an event's, a scope's, an attribute's.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a text that is an attribute's value, or a status' message.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Elements of an array.
const ELEMENTS_MAX: usize = 256;
/// Bytes of a `tracestate`, as much as W3C has everybody pass on.
const TRACE_STATE_BYTES_MAX: usize = 512;
/// Bytes of everything that varies in a span: what waits for its export is bounded in number alone.
const SPAN_BYTES_MAX: usize = 16 << 10;
/// What an attribute, an event or a link takes beside its texts.
const ITEM_BYTES: usize = 96;
/// How long ago a span may have begun: longer than a laptop sleeps over a holiday weekend.
const PAST_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How far ahead a page's clock may be.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// What spans of one request are held against.
pub(super) struct SpanBounds<'a> {
    webview: &'a Arc<str>,
    limits: &'a PageSpanLimits,
    earliest: SystemTime,
    latest: SystemTime,
}

impl<'a> SpanBounds<'a> {
    pub(super) fn now(source: &'a PageSpanSource, limits: &'a PageSpanLimits) -> Self {
        let now = source.wall();
        Self {
            webview: source.webview(),
            limits,
            earliest: now.checked_sub(PAST_MAX).unwrap_or(SystemTime::UNIX_EPOCH),
            latest: now.checked_add(AHEAD_MAX).unwrap_or(now),
        }
    }

    /// # Errors
    ///
    /// What is no span, or of no trace that was sampled. What is too much of a good one is left out
    /// of it, and counted in it as the SDK does.
    pub(super) fn convert(&self, span: otlp::Span) -> Result<BoundedSpan, PageSpanErrorType> {
        let (start, end) = (
            time(span.start_time_unix_nano),
            time(span.end_time_unix_nano),
        );
        if start > end || start < self.earliest || end > self.latest {
            return Err(PageSpanErrorType::InvalidTime);
        }
        // Without any flag the sender is older than these, and sends what it sampled.
        if span.flags != 0 && span.flags & SAMPLED == 0 {
            return Err(PageSpanErrorType::NotSampled);
        }
        let parent_span_id = match span.parent_span_id.as_slice() {
            [] => SpanId::INVALID,
            id => SpanId::from_bytes(id.try_into().map_err(|_| PageSpanErrorType::InvalidId)?),
        };
        let mut room = Room::new(SPAN_BYTES_MAX);
        let span_context = context(
            &span.trace_id,
            &span.span_id,
            // A sender without flags has sampled too, and its span says so from here on.
            span.flags | SAMPLED,
            &span.trace_state,
            &mut room,
        )
        .ok_or(PageSpanErrorType::InvalidId)?;
        let name = name(span.name);
        // The name stays in every case. It is 256 bytes at most, and beside it only the
        // `tracestate` has taken room so far.
        room.take(name.len());
        let status = status(span.status, &mut room);
        let mut attributes = Attributes::new(self.limits.attributes);
        // The name is put first and unconditionally: neither the limit nor the page's own
        // attributes can push it out.
        attributes.put(KeyValue::new(WEBVIEW_NAME, Arc::clone(self.webview)));
        attributes.put_all(span.attributes, &mut room);
        let dropped = span.dropped_attributes_count;
        let dropped_attributes_count = dropped.saturating_add(attributes.left_out);
        let span = SpanData {
            span_context,
            parent_span_id,
            parent_span_is_remote: span.flags & IS_REMOTE == IS_REMOTE,
            span_kind: kind(span.kind),
            name,
            start_time: start,
            end_time: end,
            attributes: attributes.kept,
            dropped_attributes_count,
            events: self.events(span.events, span.dropped_events_count, &mut room),
            links: self.links(span.links, span.dropped_links_count, &mut room),
            status,
            // The reader puts in the scope, which all spans of a list share.
            instrumentation_scope: InstrumentationScope::default(),
        };
        Ok(BoundedSpan {
            span,
            is_repaired: room.is_repaired,
        })
    }

    fn events(&self, all: Vec<otlp::span::Event>, dropped: u32, room: &mut Room) -> SpanEvents {
        let mut events = SpanEvents::default();
        events.dropped_count = dropped;
        for event in all {
            let at = time(event.time_unix_nano);
            let name = name(event.name);
            // The room is asked for last, since that takes the bytes.
            if events.events.len() >= self.limits.events
                || !(self.earliest..=self.latest).contains(&at)
                || !room.take(name.len() + ITEM_BYTES)
            {
                events.dropped_count = events.dropped_count.saturating_add(1);
                continue;
            }
            let mut attributes = Attributes::new(self.limits.attributes_of_event);
            attributes.put_all(event.attributes, room);
            let dropped = event.dropped_attributes_count;
            let dropped = dropped.saturating_add(attributes.left_out);
            events
                .events
                .push(Event::new(name, at, attributes.kept, dropped));
        }
        // Spare room of a list would count as well: what waits in the batch is bounded in number
        // alone.
        events.events.shrink_to_fit();
        events
    }

    fn links(&self, all: Vec<otlp::span::Link>, dropped: u32, room: &mut Room) -> SpanLinks {
        let mut links = SpanLinks::default();
        links.dropped_count = dropped;
        for link in all {
            let to = (links.links.len() < self.limits.links && room.take(ITEM_BYTES))
                .then(|| {
                    let (trace, span) = (&link.trace_id, &link.span_id);
                    context(trace, span, link.flags, &link.trace_state, room)
                })
                .flatten();
            let Some(to) = to else {
                links.dropped_count = links.dropped_count.saturating_add(1);
                continue;
            };
            let mut attributes = Attributes::new(self.limits.attributes_of_link);
            attributes.put_all(link.attributes, room);
            let dropped = link.dropped_attributes_count;
            let dropped = dropped.saturating_add(attributes.left_out);
            links.links.push(Link::new(to, attributes.kept, dropped));
        }
        links.links.shrink_to_fit();
        links
    }
}

/// A span within its bounds, and whether there is something else in it than the page wrote.
pub(super) struct BoundedSpan {
    pub(super) span: SpanData,
    pub(super) is_repaired: bool,
}

/// The scope, or none: a broken one costs no span. And whether it was repaired.
pub(super) fn scope_of(json: Option<&str>) -> (InstrumentationScope, bool) {
    let read: Option<Read<common::InstrumentationScope>> = json
        // A scope is text of the page too, and is parsed whatever spans it has.
        .filter(|json| json.len() <= SCOPE_BYTES_MAX)
        .and_then(|json| read_texts(json).ok());
    // Ours is how exemplars tell the host's own spans.
    let Some(Read {
        value: scope,
        is_repaired,
    }) = read.filter(|read| read.value.name != SCOPE)
    else {
        return (InstrumentationScope::default(), false);
    };
    let builder = InstrumentationScope::builder(name(scope.name));
    let scope = if scope.version.is_empty() {
        builder.build()
    } else {
        builder.with_version(name(scope.version)).build()
    };
    (scope, is_repaired)
}

const SCOPE_BYTES_MAX: usize = 64 << 10;

/// OTLP's flags: the lowest eight bits are W3C's.
const SAMPLED: u32 = 1;
/// It is known whether the parent is of another process, and it is.
const IS_REMOTE: u32 = 0x300;

/// What is left of a span's bytes, and whether something in it was replaced.
struct Room {
    bytes: usize,
    is_repaired: bool,
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            is_repaired: false,
        }
    }

    fn take(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }
}

/// Attributes as far as there is room.
struct Attributes {
    kept: Vec<KeyValue>,
    len_max: usize,
    left_out: u32,
}

impl Attributes {
    fn new(len_max: usize) -> Self {
        Self {
            kept: Vec::new(),
            len_max,
            left_out: 0,
        }
    }

    fn put(&mut self, attribute: KeyValue) {
        self.kept.push(attribute);
    }

    fn put_all(&mut self, all: Vec<common::KeyValue>, room: &mut Room) {
        for common::KeyValue { key, value, .. } in all {
            // A key that is too long is left out and not cut: two keys could become one. And no
            // page may name another webview.
            let is_key = (1..=NAME_BYTES_MAX).contains(&key.len()) && key != WEBVIEW_NAME;
            let value = (is_key && self.kept.len() < self.len_max)
                .then(|| value_of(value?.value?, room))
                .flatten();
            match value {
                Some((value, bytes)) if room.take(key.len() + bytes + ITEM_BYTES) => {
                    self.kept.push(KeyValue::new(key, value));
                }
                _ => self.left_out = self.left_out.saturating_add(1),
            }
        }
        self.kept.shrink_to_fit();
    }
}

/// A value, and its bytes. None for what an attribute of a span cannot be: a map, bytes, nothing, or
/// an array of different things.
fn value_of(value: AnyValue, room: &mut Room) -> Option<(Value, usize)> {
    Some(match value {
        AnyValue::StringValue(text) => {
            let text = text_of(text);
            let bytes = text.as_str().len();
            (Value::String(text), bytes)
        }
        AnyValue::BoolValue(truth) => (Value::Bool(truth), 0),
        AnyValue::IntValue(number) => (Value::I64(number), 0),
        AnyValue::DoubleValue(number) => (Value::F64(number), 0),
        AnyValue::ArrayValue(array) => array_of(array.values, room)?,
        _ => return None,
    })
}

/// An element that is nothing keeps its place, since lists may belong together element by element: as
/// OpenTelemetry has it by a value of the list's type, and among numbers by `NaN`, which is what nearly
/// every such one was on the page. `null` is all that JSON has for it and for the infinities.
fn array_of(values: Vec<common::AnyValue>, room: &mut Room) -> Option<(Value, usize)> {
    // What is beyond is cut, as a long text is.
    let len = values.len().min(ELEMENTS_MAX);
    let values = || values.iter().take(len).map(|value| value.value.as_ref());
    let has_nothing = values().any(|value| value.is_none());
    let has_fraction =
        has_nothing || values().any(|value| matches!(value, Some(AnyValue::DoubleValue(_))));
    let mut bytes = len * size_of::<StringValue>();
    let array = match values().flatten().next() {
        Some(AnyValue::StringValue(_)) => Array::String(
            values()
                .map(|value| match value {
                    Some(AnyValue::StringValue(text)) => {
                        let text = text_of(text.clone());
                        bytes += text.as_str().len();
                        Some(text)
                    }
                    Some(_) => None,
                    None => Some(StringValue::from("")),
                })
                .collect::<Option<_>>()?,
        ),
        Some(AnyValue::BoolValue(_)) => Array::Bool(
            values()
                .map(|value| match value {
                    Some(AnyValue::BoolValue(truth)) => Some(*truth),
                    Some(_) => None,
                    None => Some(false),
                })
                .collect::<Option<_>>()?,
        ),
        Some(AnyValue::IntValue(_)) if !has_fraction => Array::I64(
            values()
                .map(|value| match value {
                    Some(AnyValue::IntValue(number)) => Some(*number),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        ),
        // An empty list shows no type, so any will do.
        None if !has_nothing => Array::String(Vec::new()),
        // A page's numbers are of one kind, and OTLP's of two.
        Some(AnyValue::IntValue(_) | AnyValue::DoubleValue(_)) | None => Array::F64(
            values()
                .map(|value| match value {
                    #[expect(clippy::cast_precision_loss, reason = "the page's are no more exact")]
                    Some(AnyValue::IntValue(number)) => Some(*number as f64),
                    Some(AnyValue::DoubleValue(number)) => Some(*number),
                    Some(_) => None,
                    None => Some(f64::NAN),
                })
                .collect::<Option<_>>()?,
        ),
        Some(_) => return None,
    };
    room.is_repaired |= has_nothing;
    Some((Value::Array(array), bytes))
}

fn text_of(text: String) -> StringValue {
    cut(text, TEXT_BYTES_MAX).into()
}

fn name(name: String) -> Cow<'static, str> {
    Cow::Owned(cut(name, NAME_BYTES_MAX))
}

/// The text's beginning, in no more memory than it takes.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
    text.shrink_to_fit();
    text
}

fn time(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

/// `None` when one of the ids is none.
fn context(
    trace: &[u8],
    span: &[u8],
    flags: u32,
    state: &str,
    room: &mut Room,
) -> Option<SpanContext> {
    let trace = TraceId::from_bytes(trace.try_into().ok()?);
    let span = SpanId::from_bytes(span.try_into().ok()?);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest eight bits are W3C's"
    )]
    let flags = TraceFlags::new(flags as u8);
    // One that is too long or malformed is dropped, as W3C has it; the span is not.
    let state = if state.len() <= TRACE_STATE_BYTES_MAX && room.take(2 * state.len()) {
        TraceState::from_str(state).unwrap_or_default()
    } else {
        TraceState::NONE
    };
    let context = SpanContext::new(trace, span, flags, false, state);
    context.is_valid().then_some(context)
}

fn kind(kind: i32) -> SpanKind {
    match OtlpKind::try_from(kind) {
        Ok(OtlpKind::Server) => SpanKind::Server,
        Ok(OtlpKind::Client) => SpanKind::Client,
        Ok(OtlpKind::Producer) => SpanKind::Producer,
        Ok(OtlpKind::Consumer) => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn status(status: Option<otlp::Status>, room: &mut Room) -> Status {
    let Some(otlp::Status { message, code }) = status else {
        return Status::Unset;
    };
    match StatusCode::try_from(code) {
        Ok(StatusCode::Ok) => Status::Ok,
        Ok(StatusCode::Error) => {
            let message = cut(message, TEXT_BYTES_MAX);
            // It always fits: only the `tracestate` and the name come before it.
            room.take(message.len());
            Status::error(message)
        }
        _ => Status::Unset,
    }
}
