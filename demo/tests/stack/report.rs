//! A report's `otlp.jsonl`, replayed into the Collector.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use spanwire::history::report::ReportOptions;

use crate::http::{post, wait};
use crate::jaeger;

const COLLECTOR: &str = "http://127.0.0.1:4318/v1/traces";

/// Writes the report of a history, posts each line of it, and finds its spans in Jaeger.
pub fn is_replayed(history: &Path) {
    let folder = history.with_extension("report");
    let zip = history.with_extension("zip");
    let report = ReportOptions::new().write(history, &zip);
    let report = report.expect("the report is written");
    assert_eq!(report.missing, [""; 0]);
    let unpacked = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .args([&zip, &folder])
        .status();
    assert!(unpacked.expect("python3 is there").success());
    let lines = fs::read_to_string(folder.join("otlp.jsonl")).expect("it is in the report");
    let mut asked = None;
    for line in lines.lines() {
        let answer = post(COLLECTOR, line).expect("the Collector takes it");
        // It may be there and empty.
        assert!(
            answer["partialSuccess"]["rejectedSpans"].is_null(),
            "{answer}"
        );
        asked = asked.or_else(|| with_a_stage(line));
    }
    let (trace, event, stage) = asked.expect("an event has a stage");
    // The app's own spans of it have other names.
    wait("the replayed trace", Duration::from_secs(60), || {
        let found = jaeger::by_id(&trace)?;
        let replayed = found.find(&event.0, &event.1);
        let within = replayed.and_then(|of| found.child(of, &stage, "internal"));
        within
            .map(drop)
            .ok_or(format!("not {event:?} in {found:#?}"))
    });
}

/// A trace's id, its event's name and kind, and the name of one of its stages.
fn with_a_stage(line: &str) -> Option<(String, (String, String), String)> {
    let request: Value = serde_json::from_str(line).ok()?;
    let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let stage = spans.iter().find(|span| span["parentSpanId"].is_string())?;
    let event = spans
        .iter()
        .find(|span| span["spanId"] == stage["parentSpanId"])?;
    let kind = match event["kind"].as_i64()? {
        2 => "server",
        4 => "producer",
        5 => "consumer",
        _ => "internal",
    };
    Some((
        text(&event["traceId"])?,
        (text(&event["name"])?, kind.to_owned()),
        text(&stage["name"])?,
    ))
}
