//! Every field of a span, a log record and a resource that holds the secret.

use std::time::SystemTime;

use opentelemetry::logs::Severity;
use opentelemetry::trace::{Event, Link, SpanId, SpanKind, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::*;

const SECRET: &str = "s3cr3t";

fn attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::new("secret", SECRET),
        KeyValue::new(
            "list",
            opentelemetry::Value::Array(vec![opentelemetry::StringValue::from(SECRET)].into()),
        ),
        KeyValue::new("number", 7),
    ]
}

fn context() -> SpanContext {
    SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        false,
        TraceState::from_key_value([("vendor", SECRET)]).unwrap(),
    )
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(format!("scope {SECRET}"))
        .with_version(SECRET)
        .with_attributes(attributes())
        .build()
}

fn span() -> SpanData {
    let mut events = SpanEvents::default();
    events.events.push(Event::new(
        format!("event {SECRET}"),
        SystemTime::UNIX_EPOCH,
        attributes(),
        3,
    ));
    let mut links = SpanLinks::default();
    links.links.push(Link::new(context(), attributes(), 4));
    SpanData {
        span_context: context(),
        parent_span_id: SpanId::from(9),
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: format!("span {SECRET}").into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: attributes(),
        dropped_attributes_count: 5,
        events,
        links,
        status: Status::error(format!("failed {SECRET}")),
        instrumentation_scope: scope(),
    }
}

fn log(redactor: &Redactor) -> Log {
    let mut record = redactor.0.records.empty();
    record.set_body(format!("body {SECRET}").into());
    record.set_target(format!("target {SECRET}"));
    record.set_event_name("event name");
    record.set_timestamp(SystemTime::UNIX_EPOCH);
    record.set_observed_timestamp(SystemTime::UNIX_EPOCH);
    record.set_severity_text("WARN");
    record.set_severity_number(Severity::Warn);
    record.set_trace_context(TraceId::from(1), SpanId::from(2), Some(TraceFlags::SAMPLED));
    record.add_attribute("secret", SECRET);
    record.add_attribute("number", 7);
    for n in 0..10 {
        record.add_attribute(format!("more.{n}"), SECRET);
    }
    Box::new((record, scope()))
}

/// Removes what holds the secret.
fn removing() -> Redactor {
    Redactor::new(|field| {
        if field.text().contains(SECRET) {
            field.remove();
        }
    })
}

fn masking() -> Redactor {
    Redactor::new(|field| {
        let masked = field.text().replace(SECRET, "***");
        if field.text() != masked {
            field.replace(masked);
        }
    })
}

#[test]
fn every_text_of_a_span_is_offered_and_the_rest_stays() {
    let mut masked = span();
    masking().span(&mut masked);
    let shown = format!("{masked:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(masked.name, "span ***");
    assert_eq!(masked.events.events[0].name, "event ***");
    assert_eq!(masked.status, Status::error("failed ***"));
    assert_eq!(masked.attributes[2], KeyValue::new("number", 7));
    assert_eq!(masked.instrumentation_scope.name(), "scope ***");
    assert_eq!(masked.span_context.span_id(), SpanId::from(2));
    assert!(masked.span_context.is_sampled());
    let counts = (
        masked.dropped_attributes_count,
        masked.events.events[0].dropped_attributes_count,
        masked.links.links[0].dropped_attributes_count,
    );
    assert_eq!(counts, (5, 3, 4));
}

#[test]
fn what_is_removed_is_gone_and_a_name_says_that_it_was() {
    let mut removed = span();
    removing().span(&mut removed);
    let shown = format!("{removed:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(removed.name, REDACTED);
    assert_eq!(removed.attributes, [KeyValue::new("number", 7)]);
    assert_eq!(removed.status, Status::error(""));
    assert_eq!(removed.span_context.trace_state(), &TraceState::default());
    assert_eq!(removed.instrumentation_scope.version(), None);
}

#[test]
fn every_text_of_a_log_record_is_offered_and_the_rest_stays() {
    let redactor = masking();
    let before = log(&redactor);
    let mut after = before.clone();
    redactor.log(&mut after);
    assert!(!format!("{after:?}").contains(SECRET), "{after:?}");
    // Texts may be held in another way than before.
    let shown = |log: &Log| format!("{:?}", log.0).replace("Static(", "Owned(");
    assert_eq!(
        shown(&after),
        shown(&before).replace(SECRET, "***"),
        "nothing else may change"
    );

    let mut removed = before.clone();
    removing().log(&mut removed);
    assert!(!format!("{removed:?}").contains(SECRET));
    assert_eq!(removed.0.body(), None);
    let keys: Vec<_> = removed
        .0
        .attributes_iter()
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(keys, ["number"]);
}

#[test]
fn what_the_hook_leaves_alone_is_the_same() {
    let redactor = Redactor::new(|_| {});
    let (before, mut after) = (span(), span());
    redactor.span(&mut after);
    assert_eq!(after, before);
    let (before, mut after) = (log(&redactor), log(&redactor));
    redactor.log(&mut after);
    assert_eq!(after, before);
}

#[test]
fn a_hook_that_panics_lets_nothing_out_and_is_counted() {
    // After it has changed its mind.
    let redactor = Redactor::new(|field| {
        let text = field.text().into_owned();
        field.replace(text.clone());
        assert!(!text.contains(SECRET), "cannot redact");
    });
    let mut after = span();
    redactor.span(&mut after);
    assert!(!format!("{after:?}").contains(SECRET));
    assert_eq!(after.name, REDACTED);
    assert_eq!(after.attributes[0].value.as_str(), REDACTED);
    assert!(redactor.take_panics() > 5);
    assert_eq!(redactor.take_panics(), 0);
    let mut after = log(&redactor);
    redactor.log(&mut after);
    assert!(!format!("{after:?}").contains(SECRET));
}

#[test]
fn a_resource_is_offered_too() {
    let resource = Resource::builder_empty()
        .with_attributes(attributes())
        .build();
    let after = masking().resource(&resource);
    assert!(!format!("{after:?}").contains(SECRET));
    assert_eq!(after.len(), 3);
    assert_eq!(removing().resource(&resource).len(), 1);
}
