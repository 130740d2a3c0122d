//! Spans of an OpenTelemetry SDK in a page, from the wire to a receiver on a real socket.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use spanwire::clock::Clock;
use spanwire::ipc::{Ipc, Limits};
use spanwire::telemetry::{Exporter, Sampler, ShutdownReport, Telemetry, TelemetryParts};
use spanwire_testkit::environment::{environment, variables};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::{Answer, Payload, Receiver, text};
use spanwire_testkit::scrape::scrape;

const SECOND: Duration = Duration::from_secs(1);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A page with an SDK, and the app around it.
struct Fixture {
    receiver: Receiver,
    telemetry: Telemetry,
    parts: TelemetryParts,
    ipc: Ipc,
    page: ModelPage,
}

impl Fixture {
    fn start() -> Self {
        Self::with(&[], Limits::default())
    }

    fn with(pairs: &[(&str, &str)], limits: Limits) -> Self {
        let receiver = Receiver::start();
        let (telemetry, parts) = Telemetry::builder("paint-tool")
            .environment(environment(variables(pairs)))
            .otlp_endpoint(receiver.url())
            .traces(Exporter::Otlp)
            // It is not asked.
            .sampler(Sampler::AlwaysOff)
            .prometheus_port(0)
            .without_system()
            .build()
            .unwrap();
        let spans = telemetry.page_spans();
        let (ipc, page) = with_recorder_of(&parts, || {
            let ipc = Ipc::builder("main")
                .limits(limits)
                .page_spans(spans)
                .build();
            let page = ModelPage::load(&ipc, "p1");
            (ipc, page)
        });
        Self {
            receiver,
            telemetry,
            parts,
            ipc,
            page,
        }
    }

    fn send(&self, count: usize, request: &Value) {
        let message = json!({"kind": "spans", "count": count, "data": request});
        with_recorder_of(&self.parts, || self.page.send(&self.ipc, &[message]));
    }

    fn send_spans(&self, spans: &[Value]) {
        self.send(spans.len(), &request(spans));
    }

    /// What became of the spans: how many by `error.type`, `ok` for those that were passed on.
    fn counted(&self) -> BTreeMap<String, u64> {
        self.telemetry.flush(30 * SECOND).unwrap();
        scrape(self.telemetry.prometheus_addr().unwrap())
            .iter()
            .filter(|sample| sample.name == "spanwire_page_spans_total")
            .map(|sample| {
                assert_eq!(sample.label("spanwire_webview_name"), "main");
                let error = sample.label("error_type");
                let key = if error.is_empty() {
                    sample.label("spanwire_outcome")
                } else {
                    error
                };
                (key.to_owned(), sample.value as u64)
            })
            .collect()
    }

    /// The only span, once it has arrived.
    fn one(&self) -> Span {
        self.telemetry.flush(30 * SECOND).unwrap();
        let spans = self.receiver.spans();
        assert_eq!(spans.len(), 1, "{:?}", self.counted());
        spans[0].clone()
    }

    fn shutdown(&self) -> ShutdownReport {
        self.telemetry.shutdown(30 * SECOND)
    }
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let pair = |&(key, value): &(&str, u64)| (key.to_owned(), value);
    expected.iter().map(pair).collect()
}

fn request(spans: &[Value]) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "the page"}}]},
        "scopeSpans": [{"scope": {"name": "page.tracer", "version": "1.2.3"}, "spans": spans}],
    }]})
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A second ago.
fn began() -> u64 {
    let clock = Clock::system();
    nanos(clock.wall(clock.now())) - 1_000_000_000
}

/// What an SDK makes of `startSpan`, `end`.
fn span(id: u64, changes: &Value) -> Value {
    let began = began();
    let mut span = json!({
        "traceId": TRACE,
        "spanId": format!("{:016x}", id + 1),
        "name": "click",
        "kind": 1,
        "startTimeUnixNano": began.to_string(),
        "endTimeUnixNano": (began + 5_000_000).to_string(),
        "attributes": [],
        "droppedAttributesCount": 0,
        "events": [],
        "droppedEventsCount": 0,
        "links": [],
        "droppedLinksCount": 0,
        "status": {"code": 0},
        "flags": 0x101,
    });
    for (key, value) in changes.as_object().unwrap() {
        span[key] = value.clone();
    }
    span
}

#[test]
fn a_span_arrives_as_it_was_made_with_the_apps_resource_and_the_webviews_name() {
    let fixture = Fixture::start();
    let at = began();
    let attributes = json!([
        {"key": "text", "value": {"stringValue": "ä"}},
        {"key": "truth", "value": {"boolValue": true}},
        {"key": "whole", "value": {"intValue": 7}},
        {"key": "whole as text", "value": {"intValue": "8"}},
        {"key": "half", "value": {"doubleValue": 0.5}},
        {"key": "texts", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {}, {"stringValue": "b"}]}}},
        {"key": "numbers", "value": {"arrayValue": {"values": [{"intValue": 1}, {"doubleValue": 1.5}]}}},
        {"key": "spanwire.webview.name", "value": {"stringValue": "another"}},
    ]);
    fixture.send_spans(&[span(
        1,
        &json!({
            "parentSpanId": "b7ad6b7169203331",
            "flags": 0x301,
            "kind": 3,
            "traceState": "vendor=1",
            "startTimeUnixNano": at.to_string(),
            "endTimeUnixNano": at + 1,
            "attributes": attributes,
            "events": [{"name": "seen", "timeUnixNano": at.to_string(), "attributes": [
                {"key": "n", "value": {"intValue": 1}}]}],
            "links": [{"traceId": TRACE, "spanId": "00000000000000ff", "attributes": []}],
            "status": {"code": 2, "message": "no"},
        }),
    )]);
    let span = fixture.one();
    assert_eq!((span.name.as_str(), span.kind), ("click", 3));
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.span_id), "0000000000000002");
    assert_eq!(hex(&span.parent_span_id), "b7ad6b7169203331");
    assert_eq!((span.flags, span.trace_state.as_str()), (0x301, "vendor=1"));
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (at, at + 1)
    );
    for (key, value) in [
        ("spanwire.webview.name", "main"),
        ("text", "ä"),
        ("truth", "true"),
        ("whole", "7"),
        ("whole as text", "8"),
        ("half", "0.5"),
    ] {
        assert_eq!(text(&span.attributes, key).as_deref(), Some(value), "{key}");
    }
    let array = |key| text(&span.attributes, key).unwrap();
    assert_eq!(array("texts").matches("StringValue").count(), 3);
    assert!(array("numbers").contains("1.0") && array("numbers").contains("1.5"));
    // The one that was not its own.
    assert_eq!(
        (span.attributes.len(), span.dropped_attributes_count),
        (8, 1)
    );
    assert_eq!((span.events.len(), span.events[0].attributes.len()), (1, 1));
    assert_eq!(
        (span.events[0].name.as_str(), span.events[0].time_unix_nano),
        ("seen", at)
    );
    assert_eq!(hex(&span.links[0].span_id), "00000000000000ff");
    let status = span.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "no"));

    let received = fixture.receiver.received();
    let resource = received[0].resource().attributes;
    assert_eq!(text(&resource, "service.name").unwrap(), "paint-tool");
    let Payload::Traces(request) = &received[0].payload else {
        panic!()
    };
    let scope = request.resource_spans[0].scope_spans[0]
        .scope
        .clone()
        .unwrap();
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("page.tracer", "1.2.3")
    );
    // For what is nothing in a list.
    assert_eq!(fixture.counted(), counts(&[("repaired", 1)]));
}

#[test]
fn what_rust_cannot_hold_of_a_span_is_repaired_or_left_out_and_the_span_arrives() {
    let fixture = Fixture::start();
    let name = "half an emoji";
    let numbers = json!([{"doubleValue": 1}, {"doubleValue": null}, {"intValue": 3}]);
    let broken = span(
        1,
        &json!({"name": name, "attributes": [
            {"key": "large", "value": {"intValue": 1e20}},
            {"key": "none", "value": {"doubleValue": null}},
            {"key": "numbers", "value": {"arrayValue": {"values": numbers}}},
        ]}),
    );
    // A `Value` holds no half of a pair, so the text of the batch does.
    let message =
        json!({"kind": "spans", "count": 2, "data": request(&[broken, span(2, &json!({}))])});
    let batch = fixture.page.batch(&[message]);
    let batch = batch.replace(name, r"half \ud83d");
    with_recorder_of(&fixture.parts, || _ = fixture.ipc.receive(&batch, None));
    fixture.telemetry.flush(30 * SECOND).unwrap();
    let spans = fixture.receiver.spans();
    assert_eq!(spans.len(), 2);
    let repaired = &spans[0];
    assert_eq!(repaired.name, "half \u{fffd}");
    let shown = |key| text(&repaired.attributes, key).unwrap();
    assert_eq!(shown("large").parse(), Ok(1e20));
    let numbers = shown("numbers");
    assert!(
        numbers
            .find("NaN")
            .is_some_and(|at| at > numbers.find("1.0").unwrap()),
        "{numbers}"
    );
    assert_eq!(repaired.dropped_attributes_count, 1);
    assert_eq!(fixture.counted(), counts(&[("ok", 1), ("repaired", 1)]));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_invalid_span_is_lost_alone() {
    let fixture = Fixture::start();
    let now = began() + 1_000_000_000;
    let days = |days: u64| days * 24 * 3_600 * 1_000_000_000;
    let bad = [
        ("malformed", json!({"name": 7})),
        ("malformed", json!({"kind": "SERVER"})),
        ("malformed", json!({"attributes": {}})),
        ("malformed", json!({"startTimeUnixNano": "NaN"})),
        ("malformed", json!({"endTimeUnixNano": 1.5})),
        ("malformed", json!({"endTimeUnixNano": null})),
        ("malformed", json!({"startTimeUnixNano": -1})),
        ("malformed", json!({"traceId": "no hex"})),
        ("malformed", json!({"traceId": 7})),
        ("invalid_id", json!({"traceId": ""})),
        ("invalid_id", json!({"traceId": "00".repeat(16)})),
        ("invalid_id", json!({"traceId": "ab".repeat(17)})),
        ("invalid_id", json!({"spanId": "00".repeat(8)})),
        ("invalid_id", json!({"spanId": "ab".repeat(16)})),
        ("invalid_id", json!({"parentSpanId": "abcd"})),
        (
            "invalid_time",
            json!({"startTimeUnixNano": now, "endTimeUnixNano": now - 1}),
        ),
        ("invalid_time", json!({"startTimeUnixNano": "0"})),
        ("invalid_time", json!({"startTimeUnixNano": now - days(8)})),
        ("invalid_time", json!({"endTimeUnixNano": now + days(1)})),
        ("invalid_time", json!({"endTimeUnixNano": u64::MAX})),
        ("not_sampled", json!({"flags": 0x100})),
        ("not_sampled", json!({"flags": 2})),
        ("too_large", json!({"name": "x".repeat(300_000)})),
    ];
    let mut expected: BTreeMap<String, u64> = counts(&[("ok", 4)]);
    let mut spans = Vec::new();
    for (at, (why, changes)) in bad.iter().enumerate() {
        *expected.entry((*why).to_owned()).or_default() += 1;
        spans.push(span(at as u64, changes));
    }
    for also in [json!(7), json!(null), json!("span")] {
        *expected.get_mut("malformed").unwrap() += 1;
        spans.push(also);
    }
    // Without anything: the epoch is too long ago.
    *expected.get_mut("invalid_time").unwrap() += 2;
    spans.extend([json!({}), json!([])]);
    // Fine, though unusual.
    for (id, fine) in [
        (100, json!({"flags": 0, "parentSpanId": "00".repeat(8)})),
        (101, json!({"flags": 3, "kind": 99, "status": null})),
        (
            102,
            json!({"traceState": "x".repeat(5_000), "status": {"code": 77}}),
        ),
        (
            103,
            json!({"unknown": {"of": "a later version"}, "name": ""}),
        ),
    ] {
        spans.push(span(id, &fine));
    }
    fixture.send_spans(&spans);
    assert_eq!(fixture.counted(), expected);
    assert_eq!(fixture.receiver.spans().len(), 4);
    for span in fixture.receiver.spans() {
        assert!(
            span.parent_span_id.is_empty() && span.trace_state.is_empty(),
            "{span:?}"
        );
    }
}

#[test]
fn an_invalid_request_counts_as_many_spans_as_the_page_says() {
    let fixture = Fixture::start();
    for bad in [
        json!([]),
        json!("resourceSpans"),
        json!({"resourceSpans": {}}),
        json!({"resourceSpans": [7]}),
        json!({"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}),
        // Nothing in it, which is not what the page says.
        json!({}),
        json!({"resourceSpans": [{"scopeSpans": [{"scope": 7, "spans": []}]}]}),
    ] {
        fixture.send(10, &bad);
    }
    // A scope that is none costs no span.
    let scoped = json!({"scope": {"name": 7}, "spans": [span(1, &json!({}))]});
    fixture.send(1, &json!({"resourceSpans": [{"scopeSpans": [scoped]}]}));
    assert_eq!(fixture.counted(), counts(&[("malformed", 70), ("ok", 1)]));
}

#[test]
fn a_span_beyond_its_limits_is_truncated_and_counts_what_was_left_out() {
    let mut limits = Limits::default();
    limits.inbound_bytes_max = 16 << 20;
    let fixture = Fixture::with(
        &[
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "3"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "2"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50"),
        ],
        limits,
    );
    let number = |n: usize| json!({"key": format!("n{n}"), "value": {"intValue": n}});
    let many = |len: usize| (0..len).map(number).collect::<Vec<_>>();
    let at = began().to_string();
    let event = |_| json!({"name": "e", "timeUnixNano": at, "attributes": many(4)});
    let link = |_| json!({"traceId": TRACE, "spanId": "00000000000000ff", "attributes": []});
    let mut attributes = many(2_000);
    attributes[0] = json!({"key": "long", "value": {"stringValue": "ß".repeat(10_000)}});
    fixture.send_spans(&[span(
        1,
        &json!({
            "name": "ß".repeat(1_000),
            "attributes": attributes,
            "droppedAttributesCount": 5,
            "events": (0..20).map(event).collect::<Vec<_>>(),
            "links": (0..20).map(link).collect::<Vec<_>>(),
        }),
    )]);
    let span = fixture.one();
    assert_eq!(span.name, "ß".repeat(128));
    assert_eq!(span.attributes.len(), 10);
    assert_eq!(span.dropped_attributes_count, 5 + 2_000 - 9);
    assert_eq!(text(&span.attributes, "long").unwrap(), "ß".repeat(50));
    assert_eq!((span.events.len(), span.dropped_events_count), (3, 17));
    assert_eq!(span.events[0].attributes.len(), 1);
    assert_eq!(span.events[0].dropped_attributes_count, 3);
    assert_eq!((span.links.len(), span.dropped_links_count), (2, 18));

    // A hundred thousand attributes are more than is read.
    fixture.send_spans(&[self::span(2, &json!({"attributes": many(100_000)}))]);
    assert_eq!(fixture.counted(), counts(&[("ok", 1), ("too_large", 1)]));
}

#[test]
fn a_span_keeps_at_most_16_kb() {
    let fixture = Fixture::start();
    let long =
        |n: usize| json!({"key": format!("n{n}"), "value": {"stringValue": "x".repeat(9_000)}});
    fixture.send_spans(&[span(
        1,
        &json!({"attributes": (0..20).map(long).collect::<Vec<_>>()}),
    )]);
    let at = began().to_string();
    let event = |n: usize| {
        json!({"name": "e".repeat(200), "timeUnixNano": at, "attributes": [
            {"key": format!("n{n}"), "value": {"stringValue": "x".repeat(500)}}]})
    };
    fixture.send_spans(&[span(
        2,
        &json!({"events": (0..200).map(event).collect::<Vec<_>>()}),
    )]);
    let elements = vec![json!({"stringValue": "x".repeat(100)}); 2_000];
    let array = json!({"arrayValue": {"values": elements}});
    fixture.send_spans(&[span(
        3,
        &json!({"attributes": [{"key": "a", "value": array}]}),
    )]);
    assert_eq!(fixture.counted(), counts(&[("ok", 3)]));
    let spans = fixture.receiver.spans();
    // Three texts of 4 KiB fit, a fourth does not.
    assert_eq!(
        (spans[0].attributes.len(), spans[0].dropped_attributes_count),
        (4, 17)
    );
    assert_eq!(text(&spans[0].attributes, "n0").unwrap().len(), 4_096);
    assert!(
        (10..30).contains(&spans[1].events.len()),
        "{}",
        spans[1].events.len()
    );
    assert_eq!(
        spans[1].events.len() + spans[1].dropped_events_count as usize,
        200
    );
    assert_eq!(
        (spans[2].attributes.len(), spans[2].dropped_attributes_count),
        (1, 1)
    );
}

#[test]
fn invalid_values_are_left_out_of_a_span() {
    let fixture = Fixture::start();
    let mut deep = json!({"stringValue": "bottom"});
    for _ in 0..10 {
        deep = json!({"arrayValue": {"values": [deep]}});
    }
    let attributes = json!([
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}},
        {"key": "bytes", "value": {"bytesValue": "AAEC"}},
        {"key": "nothing", "value": {}},
        {"key": "no value"},
        {"key": "mixed", "value": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "a"}]}}},
        {"key": "deep", "value": deep},
        {"key": "", "value": {"intValue": 1}},
        {"key": "k".repeat(300), "value": {"intValue": 1}},
        {"key": "NaN", "value": {"doubleValue": null}},
        {"key": "empty", "value": {"arrayValue": {"values": []}}},
    ]);
    fixture.send_spans(&[span(1, &json!({"attributes": attributes}))]);
    let span = fixture.one();
    let keys: Vec<_> = span.attributes.iter().map(|all| all.key.as_str()).collect();
    assert_eq!(keys, ["spanwire.webview.name", "empty"]);
    assert_eq!(span.dropped_attributes_count, 9);
}

#[test]
fn spans_beyond_the_rate_are_dropped_unread_and_counted() {
    let mut limits = Limits::default();
    limits.page_spans_per_second_max = 20;
    let fixture = Fixture::with(&[], limits);
    let spans: Vec<_> = (0..100).map(|id| span(id, &json!({}))).collect();
    fixture.send_spans(&spans);
    let counted = fixture.counted();
    let (ok, over) = (counted["ok"], counted["over_rate"]);
    // A slow machine may have let a few more in meanwhile.
    assert!((20..60).contains(&ok) && ok + over == 100, "{counted:?}");
    assert_eq!(fixture.receiver.spans().len() as u64, ok);
}

#[test]
fn a_shutdown_exports_accepted_spans_and_reports_them_exactly() {
    let mut limits = Limits::default();
    limits.page_spans_per_second_max = u32::MAX;
    let fixture = Fixture::with(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100000")], limits);
    let spans: Vec<_> = (0..200).map(|id| span(id, &json!({}))).collect();
    let request = request(&spans);
    for _ in 0..20 {
        fixture.send(200, &request);
    }
    let report = fixture.shutdown();
    assert_eq!(report.spans.to_string(), "4000 exported, 0 dropped, 0 lost");
    assert_eq!(fixture.receiver.spans().len(), 4_000);
    fixture.send(1, &request);
    assert_eq!(
        fixture.shutdown().spans,
        report.spans,
        "nothing is taken any more"
    );
}

#[test]
fn a_shutdown_without_time_reports_unread_spans() {
    let mut limits = Limits::default();
    limits.page_spans_per_second_max = u32::MAX;
    let fixture = Fixture::with(&[], limits);
    fixture.receiver.answer(Answer::Hang);
    let spans: Vec<_> = (0..500).map(|id| span(id, &json!({}))).collect();
    let request = request(&spans);
    for _ in 0..10 {
        fixture.send(500, &request);
    }
    let report = fixture.telemetry.shutdown(Duration::from_millis(500));
    let spans = &report.spans;
    // Read and not exported, read and without room, or not read: each is in one of them.
    assert_eq!(
        (spans.exported, spans.dropped + spans.lost),
        (0, 5_000),
        "{report}"
    );
}

#[test]
fn page_spans_without_a_trace_exporter_are_refused() {
    let (telemetry, parts) = Telemetry::builder("paint-tool")
        .environment(|_| None)
        .prometheus_port(0)
        .without_system()
        .build()
        .unwrap();
    with_recorder_of(&parts, || {
        let ipc = Ipc::builder("main")
            .page_spans(telemetry.page_spans())
            .build();
        let page = ModelPage::load(&ipc, "p1");
        page.send(&ipc, &[json!({"kind": "spans", "count": 2, "data": {}})]);
    });
    let samples = scrape(telemetry.prometheus_addr().unwrap());
    let off = samples
        .iter()
        .find(|sample| sample.label("error_type") == "off");
    assert_eq!(off.map(|sample| sample.value), Some(2.0));
}

#[test]
fn input_that_is_not_otlp_does_no_harm() {
    let fixture = Fixture::start();
    let send = |data: &str| {
        let text = fixture
            .page
            .batch(&[json!({"kind": "spans", "count": 1, "data": 0})]);
        let text = text.replace(r#""data":0"#, &format!(r#""data":{data}"#));
        with_recorder_of(&fixture.parts, || {
            let _ = fixture.ipc.receive(&text, None);
        });
    };
    // As many as there is room for, of what takes most memory for its bytes.
    let within = |item: &str| {
        let len = ((1 << 20) - 512) / (item.len() + 1);
        vec![item; len].join(",")
    };
    send(&format!(r#"{{"resourceSpans":[{}]}}"#, within("{}")));
    send(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{}]}}]}}"#,
        within("{}")
    ));
    send(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        within("{}")
    ));
    send(&format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{}]}}]}}]}}]}}"#,
        within("{}")
    ));
    send(&format!(r#"{}1{}"#, "[".repeat(60), "]".repeat(60)));
    send(&format!(r#""{}""#, "x".repeat(1_000_000)));
    // The others were no spans, and more than a second's; this one is read when it is over.
    let reads = || {
        fixture.send_spans(&[span(1, &json!({}))]);
        fixture.counted().contains_key("ok")
    };
    while !reads() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let counted = fixture.counted();
    assert_eq!(counted["too_large"], 1);
    // Of what is named, and of what is counted as the page does.
    assert_eq!(counted["malformed"], 4);
    let spans = (1 << 20) / 3 - 512;
    assert!(
        counted["over_rate"] + counted["invalid_time"] > spans,
        "{counted:?}"
    );
}
