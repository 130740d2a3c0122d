//! Spans of a page's own SDK, in OTLP's JSON: what comes out is bounded and sound.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use spanwire::fuzzing::PageSpanReader;

static READER: LazyLock<PageSpanReader> = LazyLock::new(PageSpanReader::new);

/// Where a span of a request may begin and end.
const PAST_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
const AHEAD_MAX: Duration = Duration::from_secs(3_600);
/// What a span's texts may come to: 16 KiB, and the webview's name.
const TEXTS_MAX: usize = 17 << 10;

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(texts)) => texts.iter().map(|text| text.as_str().len()).sum(),
        _ => 0,
    }
}

fn attributes_bytes(attributes: &[KeyValue]) -> usize {
    let mut bytes = 0;
    for attribute in attributes {
        let (key, value) = (attribute.key.as_str(), &attribute.value);
        assert!((1..=256).contains(&key.len()), "{key}");
        match value {
            Value::String(text) => assert!(text.as_str().len() <= 4 << 10),
            Value::Array(array) => assert!(array_len(array) <= 256),
            _ => {}
        }
        bytes += key.len() + value_bytes(value);
    }
    bytes
}

fn array_len(array: &Array) -> usize {
    match array {
        Array::Bool(values) => values.len(),
        Array::I64(values) => values.len(),
        Array::F64(values) => values.len(),
        Array::String(values) => {
            assert!(values.iter().all(|text| text.as_str().len() <= 4 << 10));
            values.len()
        }
        _ => 0,
    }
}

fn check(span: &SpanData) {
    let now = READER.now();
    assert!(span.span_context.is_valid(), "{span:?}");
    assert!(span.span_context.is_sampled(), "{span:?}");
    assert!(span.start_time <= span.end_time, "{span:?}");
    assert!(span.start_time >= now - PAST_MAX, "{span:?}");
    assert!(span.end_time <= now + AHEAD_MAX, "{span:?}");

    let webviews = span.attributes.iter();
    let webviews: Vec<_> = webviews
        .filter(|attribute| attribute.key.as_str() == "spanwire.webview.name")
        .collect();
    assert_eq!(webviews.len(), 1, "{span:?}");
    assert_eq!(webviews[0].value, Value::from("main"));

    assert!(span.name.len() <= 256);
    assert!(span.instrumentation_scope.name().len() <= 256);
    assert!(span.attributes.len() <= 128, "{span:?}");
    assert!(
        span.events.len() <= 128 && span.links.len() <= 128,
        "{span:?}"
    );
    let mut bytes = span.name.len() + attributes_bytes(&span.attributes);
    for event in span.events.iter() {
        assert!(event.name.len() <= 256 && event.attributes.len() <= 128);
        assert!(event.timestamp >= now - PAST_MAX && event.timestamp <= now + AHEAD_MAX);
        bytes += event.name.len() + attributes_bytes(&event.attributes);
    }
    for link in span.links.iter() {
        assert!(link.span_context.is_valid() && link.attributes.len() <= 128);
        bytes += attributes_bytes(&link.attributes);
        bytes += link.span_context.trace_state().header().len();
    }
    if let Status::Error { description } = &span.status {
        assert!(description.len() <= 4 << 10);
        bytes += description.len();
    }
    bytes += span.span_context.trace_state().header().len();
    assert!(bytes <= TEXTS_MAX, "{bytes} in {span:?}");

    // No page makes exemplars of the host's metrics.
    assert_ne!(span.instrumentation_scope.name(), "spanwire");
    assert!(!PageSpanReader::is_measured(span), "{span:?}");
}

fuzz_target!(|json: &str| {
    let told = 3;
    // Made before what is measured.
    LazyLock::force(&READER);
    let mut read = None;
    let used = allocation_counter::measure(|| read = Some(READER.read(json, told)));
    let read = read.expect("it was read");
    // A few tens of times the text, as the reader's limit for one span says.
    let allowed = 64 * json.len() as u64 + (64 << 10);
    assert!(
        used.bytes_max <= allowed,
        "{} for {}",
        used.bytes_max,
        json.len()
    );

    assert_eq!(read.spans.len() as u64, read.passed_on);
    assert!(
        read.passed_on <= json.len() as u64 / 64,
        "more spans than fit"
    );
    if read.passed_on == 0 {
        assert!(read.lost > 0, "what is not read is counted");
    }
    read.spans.iter().for_each(check);
});
