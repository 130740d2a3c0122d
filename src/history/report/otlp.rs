//! `otlp.jsonl`: the records as spans, an `ExportTraceServiceRequest` in OTLP's JSON on each line.
//!
//! Each line can be posted to a Collector's `/v1/traces` as it is. A record without a trace of its
//! own gets one that is the same in each report.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::facts::{Event, Facts, STAGES, Session};
use crate::semconv;

pub(super) fn write(facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    let mut by_session: BTreeMap<i64, Vec<&Event>> = BTreeMap::new();
    // A resource describes one process, so each line is of one session.
    for event in facts.events() {
        by_session.entry(event.session).or_default().push(event);
    }
    for (session, events) in by_session {
        let known = facts.sessions.iter().find(|is| is.id == session);
        let resource = resource(known);
        for events in events.chunks(LINE_MAX) {
            let spans: Vec<Value> = events.iter().flat_map(|event| spans(event)).collect();
            let line = json!({"resourceSpans": [{
                "resource": {"attributes": resource},
                "scopeSpans": [{
                    "scope": {"name": "spanwire.report", "version": env!("CARGO_PKG_VERSION")},
                    "spans": spans,
                }],
            }]});
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn resource(session: Option<&Session>) -> Vec<Value> {
    let Some(session) = session else {
        return vec![text("service.name", "unknown_service")];
    };
    let mut attributes = vec![
        text("service.name", &session.service),
        text("service.instance.id", &session.instance),
        number("process.pid", session.process_id),
    ];
    let version = session.version.as_deref();
    attributes.extend(version.map(|version| text("service.version", version)));
    attributes
}

/// The event's span, and one within it for each stage.
fn spans(event: &Event) -> Vec<Value> {
    let trace_id = event.trace_id.clone().unwrap_or_else(|| {
        // Not zero, which would be none.
        // A session's id has 62 bits, so this bit does not make two of them alike.
        format!("{:016x}{:016x}", event.session | 1 << 62, event.id)
    });
    // OTLP's numbers: 1 internal, 2 server, 4 producer, 5 consumer.
    let kind = match event.series.kind.as_str() {
        "call" => 2,
        "event_out" => 4,
        "event_in" => 5,
        _ => 1,
    };
    let mut attributes = Vec::new();
    if event.is_message() {
        attributes.push(text(semconv::IPC_EVENT, &event.series.name));
    } else if matches!(&*event.series.kind, "operation" | "current_operation") {
        attributes.push(text(semconv::OPERATION_NAME, &event.series.name));
    }
    if !event.series.webview.is_empty() {
        attributes.push(text(semconv::WEBVIEW_NAME, &event.series.webview));
    }
    if let Some(error) = &event.error_type {
        attributes.push(text(semconv::ERROR_TYPE, error));
    }
    if let Some(thread) = &event.thread {
        attributes.push(text("thread.name", thread));
    }
    if let Some(context) = event.context.as_deref().and_then(context) {
        attributes.extend(context);
    }
    // OTLP's number for an error.
    let status = match event.failed() {
        true => json!({"code": 2}),
        false => json!({}),
    };
    let name = format!("{} {}", event.series.kind, event.series.name);
    let mut spans = vec![json!({
        "traceId": trace_id,
        "spanId": span_id(event, 0),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": unix(event.start),
        "endTimeUnixNano": unix(event.end()),
        "attributes": attributes,
        "status": status,
    })];
    for (stage, after, took) in event.laid_out() {
        let start = event.start.saturating_add(after as i64);
        spans.push(json!({
            "traceId": trace_id,
            "spanId": span_id(event, stage as i64 + 1),
            "parentSpanId": span_id(event, 0),
            "name": STAGES.get(stage),
            "kind": 1,
            "startTimeUnixNano": unix(start),
            "endTimeUnixNano": unix(start.saturating_add(took as i64)),
            "attributes": [],
            "status": {},
        }));
    }
    spans
}

/// What the app added, as attributes.
fn context(text_of: &str) -> Option<Vec<Value>> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(text_of).ok()?;
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    Some(
        object
            .iter()
            .map(|(key, value)| text(key, &shown(value)))
            .collect(),
    )
}

/// Different for each record of a file, each stage of it, and most files; never zero.
fn span_id(event: &Event, part: i64) -> String {
    // Eight ids for each record are enough for it and its five stages.
    let mixed = event.session.rotate_left(40) ^ event.id.wrapping_mul(8).wrapping_add(part);
    format!("{:016x}", if mixed == 0 { 1 } else { mixed })
}

fn unix(nanos: i64) -> String {
    // OTLP's JSON has 64-bit integers as strings.
    nanos.max(0).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: i64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Events on one line, each of which has up to six spans: below a Collector's limit for a request.
const LINE_MAX: usize = 200;
