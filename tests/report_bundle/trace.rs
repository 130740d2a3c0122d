//! `trace.json` keeps the written rules of Chrome's trace event format.

use std::collections::HashMap;

use serde_json::Value;
use spanwire::history::report::ReportOptions;

use crate::synthetic::{Row, Synthetic, text_in};

fn trace(history: &Synthetic) -> Vec<Value> {
    let out = history.file("report.zip");
    ReportOptions::new().write(history.history(), &out).unwrap();
    let trace: Value = serde_json::from_str(&text_in(&out, "trace.json")).unwrap();
    assert_eq!(trace["displayTimeUnit"], "ms");
    trace["traceEvents"].as_array().unwrap().clone()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {event}"))
}

fn number(event: &Value, field: &str) -> f64 {
    event[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field} of {event}"))
}

/// `trace.schema.json` beside this file says what the format asks for, to any validator.
#[test]
fn trace_is_valid_by_its_json_schema_and_a_broken_one_is_not() {
    let history = history();
    let out = history.file("report.zip");
    ReportOptions::new().write(history.history(), &out).unwrap();
    let trace = text_in(&out, "trace.json");
    assert_eq!(violations(&history, &trace), "");
    for (whole, broken) in [
        ("\"ph\":\"b\"", "\"ph\":\"x\""),
        ("\"dur\":", "\"dauer\":"),
        ("\"displayTimeUnit\":\"ms\"", "\"displayTimeUnit\":\"s\""),
        ("\"ts\":", "\"ts\":-1"),
        ("\"MiB\":", "\"MiB\":\"much\",\"x\":"),
    ] {
        let broken_trace = trace.replacen(whole, broken, 1);
        assert_ne!(broken_trace, trace, "{whole} is in the trace");
        assert_ne!(violations(&history, &broken_trace), "", "{broken}");
    }
}

/// What a validator finds, a line each.
fn violations(history: &Synthetic, trace: &str) -> String {
    const SCRIPT: &str = "import json, sys\n\
                          from jsonschema import Draft202012Validator as V\n\
                          schema, trace = (json.load(open(path)) for path in sys.argv[1:])\n\
                          V.check_schema(schema)\n\
                          for error in V(schema).iter_errors(trace): print(error.message[:300])";
    let file = history.file("trace.json");
    std::fs::write(&file, trace).unwrap();
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/report_bundle/trace.schema.json"
    );
    let run = |python: &str| {
        let mut command = std::process::Command::new(python);
        command.args(["-c", SCRIPT, schema]).arg(&file);
        command
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    // The system's Python has what the package brings; another may come first in PATH.
    let output = run("python3").or_else(|| run("/usr/bin/python3"));
    let output = output.expect("python3-jsonschema is there: scripts/install-packages test");
    String::from_utf8(output.stdout).unwrap()
}

fn history() -> Synthetic {
    let history = Synthetic::new("trace");
    history.healthy();
    // Calls at the same time, and one within another.
    history.write(&[
        Row::call("overlapping", 10_000, 50),
        Row::call("overlapping", 10_020, 50),
        Row::call("overlapping", 10_030, 5),
        Row {
            stages: [None, None, None, Some(9), None],
            ..Row::new("event_in", "moved", 10_000, 9)
        },
        Row::new("page_error", "uncaught", 10_001, 0),
    ]);
    history
}

#[test]
fn every_event_has_what_its_phase_needs_and_times_are_ordered() {
    let mut before = f64::MIN;
    for event in trace(&history()) {
        let phase = text(&event, "ph");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        text(&event, "name");
        let at = number(&event, "ts");
        assert!(at >= 0.0, "{event}");
        match phase {
            "M" => assert!(event["args"]["name"].is_string(), "{event}"),
            "X" => assert!(number(&event, "dur") > 0.0, "{event}"),
            "b" | "e" | "s" | "t" | "f" => {
                text(&event, "id");
                text(&event, "cat");
            }
            "C" => {
                let values = event["args"].as_object().unwrap();
                assert!(values.values().all(Value::is_number), "{event}");
            }
            "i" => assert_eq!(event["s"], "p"),
            phase => panic!("phase {phase} is not in the format: {event}"),
        }
        if phase != "M" {
            assert!(at >= before, "{event} comes after {before}");
            before = at;
        }
    }
}

#[test]
fn each_begin_has_its_end_within_its_parent() {
    let mut open: HashMap<(String, String), Vec<String>> = HashMap::new();
    let mut pairs = 0;
    for event in trace(&history()) {
        let key = || {
            (
                text(&event, "cat").to_owned(),
                text(&event, "id").to_owned(),
            )
        };
        match text(&event, "ph") {
            "b" => open
                .entry(key())
                .or_default()
                .push(text(&event, "name").to_owned()),
            "e" => {
                let last = open.get_mut(&key()).and_then(Vec::pop);
                assert_eq!(last.as_deref(), Some(text(&event, "name")), "{event}");
                pairs += 1;
            }
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty), "{open:?}");
    assert!(pairs > 1_000, "{pairs}");
}

#[test]
fn slices_of_a_thread_do_not_overlap_and_flows_begin_within_one() {
    let events = trace(&history());
    let mut slices: HashMap<(u64, u64), Vec<(i64, i64)>> = HashMap::new();
    let nanos = |event: &Value, field: &str| (number(event, field) * 1e3).round() as i64;
    let thread = |event: &Value| {
        (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        )
    };
    for event in events.iter().filter(|event| text(event, "ph") == "X") {
        let (from, took) = (nanos(event, "ts"), nanos(event, "dur"));
        let of = slices.entry(thread(event)).or_default();
        assert!(of.last().is_none_or(|(_, end)| *end <= from), "{event}");
        of.push((from, from + took));
    }
    let mut flows: HashMap<&str, Vec<(&str, i64)>> = HashMap::new();
    for event in events
        .iter()
        .filter(|event| ["s", "t", "f"].contains(&text(event, "ph")))
    {
        let at = nanos(event, "ts");
        let within = slices[&thread(event)]
            .iter()
            .any(|(from, to)| *from <= at && at < *to);
        assert!(within, "{event} is bound to no slice");
        if text(event, "ph") == "f" {
            assert_eq!(event["bp"], "e");
        }
        flows
            .entry(text(event, "id"))
            .or_default()
            .push((text(event, "ph"), at));
    }
    assert!(flows.len() > 100);
    for (id, mut steps) in flows {
        steps.sort_by_key(|(_, at)| *at);
        let phases: Vec<&str> = steps.iter().map(|(phase, _)| *phase).collect();
        assert!(
            phases == ["s", "t", "f"] || phases == ["s", "f"],
            "{id}: {phases:?}"
        );
    }
}

#[test]
fn a_current_operation_has_a_track_of_its_own_and_is_not_among_the_slowest() {
    let history = Synthetic::new("current");
    history.healthy();
    history.write(&[Row::new("current_operation", "import", 10_000, 60_000)]);
    let events = trace(&history);
    let import = events.iter().find(|is| is["name"] == "import").unwrap();
    assert_eq!(import["ph"], "X");
    assert_eq!(number(import, "dur"), 60_000_000.0);
    let track = events.iter().find(|is| {
        is["args"]["name"] == "current operation"
            && (&is["pid"], &is["tid"]) == (&import["pid"], &import["tid"])
    });
    assert!(track.is_some(), "{import}");
    // It is as long as the app leaves it in place, which says nothing of what is slow.
    let html = text_in(&history.file("report.zip"), "report.html");
    assert!(
        html.contains("current_operation import"),
        "among the numbers"
    );
    assert!(!html.contains("<b>current_operation import</b>"));
}

#[test]
fn times_are_microseconds_and_counters_have_units() {
    let events = trace(&history());
    let call = events
        .iter()
        .find(|is| is["name"] == "save" && is["ph"] == "b")
        .unwrap();
    // The first record is the start, at 0 s; the first call comes 100 ms later.
    assert_eq!(number(call, "ts"), 100_000.0);
    assert_eq!(call["args"]["outcome"], "ok");
    assert_eq!(text(&call["args"], "trace_id").len(), 32);
    let counters: Vec<&Value> = events.iter().filter(|is| is["ph"] == "C").collect();
    let memory = counters
        .iter()
        .find(|is| is["name"] == "process.memory.usage (MiB)")
        .unwrap();
    assert!((memory["args"]["MiB"].as_f64().unwrap() - 2e8 / 1_048_576.0).abs() < 0.1);
    assert!(
        counters
            .iter()
            .any(|is| is["name"] == "queue: messages that wait")
    );
    let names: Vec<&str> = events
        .iter()
        .filter_map(|is| is["args"]["name"].as_str())
        .collect();
    assert!(
        names.contains(&"paint-tool 1.2.0 (process 4242)"),
        "{names:?}"
    );
    assert!(
        names.contains(&"page main") && names.contains(&"app"),
        "{names:?}"
    );
}
