use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;

use super::queue::Job;
use super::reader::ReadCounts;
use super::span::SpanBounds;
use super::*;
use crate::clock::{FakeTime, Stamp};
use crate::instrument::page_spans::PageSpanSource;
use crate::telemetry::config::settings::Settings;
use crate::telemetry::consent::{Pending, Switch};
use crate::telemetry::diagnostics::reporter::Reporter;
use crate::telemetry::export::batch_processor::Export;
use crate::telemetry::export::limits::BatchLimits;
use crate::telemetry::export::result::{Acceptance, Outcome, Sent};
use crate::telemetry::export::shutdown_deadline::ShutdownDeadline;
use crate::telemetry::export::signal::TRACES;

/// Keeps what it is given.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<SpanData>>>);

impl Export<SpanData> for Kept {
    fn export(&mut self, batch: Vec<SpanData>, _: Stamp) -> Vec<Sent> {
        let items = batch.len() as u64;
        self.0.lock().unwrap().extend(batch);
        vec![Sent {
            items,
            outcome: Outcome::Exported(Acceptance::default()),
        }]
    }
}

struct Rig {
    spans: PageSpans,
    batch: Batch<SpanData>,
    kept: Kept,
    source: Arc<PageSpanSource>,
    switch: Arc<Switch>,
}

impl Rig {
    /// Not started: nobody reads yet.
    fn new() -> Self {
        Self::local_recorder(LocalRecorder::default())
    }

    fn local_recorder(local_recorder: LocalRecorder) -> Self {
        let limits = BatchLimits {
            queue_max: 100_000,
            batch_max: 1_000,
            delay: Duration::from_secs(3_600),
            timeout: Duration::from_secs(3_600),
        };
        let kept = Kept::default();
        let switch: Arc<Switch> = Arc::default();
        let shutdown_deadline = Arc::new(ShutdownDeadline::new(Arc::clone(&switch)));
        let batch = Batch::start(
            &TRACES,
            limits,
            shutdown_deadline,
            LocalRecorder::default(),
            Reporter::Quiet,
            kept.clone(),
        )
        .unwrap();
        let (settings, _) = Settings::read(&|_: &str| None);
        let spans = PageSpans::new(
            settings.otlp.page_span_limits(),
            batch.clone(),
            local_recorder,
        );
        let name = Arc::from("main");
        let clock = FakeTime::start().clock();
        Self {
            spans,
            batch,
            kept,
            source: Arc::new(PageSpanSource::new(&name, &name, clock, u32::MAX)),
            switch,
        }
    }

    fn take(&self, json: &str) -> Result<(), PageSpansRefused> {
        self.spans.take(PageSpanRequest {
            source: &self.source,
            spans: 1,
            json,
        })
    }

    fn read(&self) -> Vec<SpanData> {
        assert!(self.spans.started().flush(soon()));
        assert!(self.batch.flush(soon()));
        std::mem::take(&mut *self.kept.0.lock().unwrap())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.spans.close(soon(), soon());
        self.batch.close(soon());
    }
}

fn soon() -> Stamp {
    clock::now().plus(Duration::from_secs(30))
}

/// The second that fake time begins at, in nanoseconds.
const NOW: u64 = 1_767_225_600_000_000_000;

fn one(fields: &str) -> String {
    format!(
        r#"{{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331",
            "startTimeUnixNano":"{NOW}","endTimeUnixNano":"{NOW}"{fields}}}"#
    )
}

fn span(fields: &str) -> String {
    let span = one(fields);
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#)
}

#[test]
fn requests_beyond_256_are_refused_until_some_are_read() {
    let rig = Rig::new();
    let request = span("");
    for _ in 0..256 {
        rig.take(&request).unwrap();
    }
    assert_eq!(rig.take(&request), Err(PageSpansRefused::QueueFull));
    assert_eq!(rig.read().len(), 256);
    rig.take(&request).unwrap();
    assert_eq!(rig.read().len(), 1);
}

#[test]
fn bytes_beyond_8_mib_are_refused_and_what_fits_is_not() {
    let rig = Rig::new();
    let mib = " ".repeat(1 << 20);
    for _ in 0..7 {
        rig.take(&mib).unwrap();
    }
    let half = " ".repeat(1 << 19);
    rig.take(&half).unwrap();
    assert_eq!(rig.take(&mib), Err(PageSpansRefused::QueueFull));
    rig.take(&half).unwrap();
    assert_eq!(rig.take(" "), Err(PageSpansRefused::QueueFull));
    assert!(rig.read().is_empty());
    rig.take(&mib).unwrap();
}

#[test]
fn a_closed_one_takes_nothing_and_nobody_waits_for_a_thread_that_never_was() {
    let rig = Rig::new();
    rig.take(&span("")).unwrap();
    rig.spans.close(clock::now(), soon());
    assert_eq!(rig.take(&span("")), Err(PageSpansRefused::Shutdown));
    assert_eq!(
        format!("{:?}", PageSpans::off().started()),
        "PageSpans(off)"
    );
}

#[test]
fn what_there_was_no_time_to_read_is_dropped_and_the_report_says_so() {
    let rig = Rig::new();
    for _ in 0..5 {
        rig.take(&span("")).unwrap();
    }
    rig.spans.close(clock::now(), soon());
    // Nobody has read so far, and it is too late.
    assert!(rig.read().is_empty());
    assert_eq!(rig.batch.report().dropped, 5);
}

#[test]
fn no_page_says_of_more_spans_than_it_sent_bytes_that_they_were_dropped() {
    let rig = Rig::new();
    let json = span("");
    let request = PageSpanRequest {
        source: &rig.source,
        spans: u32::MAX,
        json: &json,
    };
    rig.spans.take(request).unwrap();
    rig.spans.close(clock::now(), soon());
    assert!(rig.read().is_empty());
    assert!(rig.batch.report().dropped <= json.len() as u64);
}

/// The app's recorder, with a bug in it. It has state, as every recorder that is not a no-op.
struct Broken(#[expect(dead_code, reason = "only its size counts")] u8);

impl metrics::Recorder for Broken {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("the recorder's own")
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_recorder_that_panics_does_not_end_the_reading() {
    let recorder: Arc<crate::telemetry::diagnostics::local_recorder::SharedRecorder> =
        Arc::new(Broken(0));
    let local_recorder = LocalRecorder::default();
    local_recorder.use_recorder(&recorder);
    let rig = Rig::local_recorder(local_recorder);
    for _ in 0..3 {
        rig.take(&span("")).unwrap();
        assert_eq!(rig.read().len(), 1);
    }
}

#[test]
fn spans_are_read_as_they_come_and_are_of_the_webview() {
    let rig = Rig::new();
    for n in 0..3 {
        rig.take(&span(&format!(r#","name":"n{n}""#))).unwrap();
    }
    let names: Vec<_> = rig.read().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["n0", "n1", "n2"]);
}

#[test]
fn a_pause_takes_nothing_and_keeps_or_deletes_what_is_unread() {
    for pending in [Pending::Keep, Pending::Discard] {
        let rig = Rig::new();
        rig.take(&span("")).unwrap();
        rig.switch.pause(pending);
        assert_eq!(rig.take(&span("")), Err(PageSpansRefused::Off));
        let discarded = match pending {
            Pending::Keep => 0,
            Pending::Discard => rig.spans.discard(),
        };
        // Neither is anything read.
        let moment = clock::now().plus(Duration::from_millis(10));
        let is_read = rig.spans.started().flush(moment);
        assert_eq!(is_read, pending == Pending::Discard);
        rig.switch.resume();
        rig.spans.look_at_switch();
        let left = match pending {
            Pending::Keep => (1, 0),
            Pending::Discard => (0, 1),
        };
        assert_eq!((rig.read().len(), discarded), left);
        assert_eq!(rig.batch.report().discarded, discarded);
        // By the fake time that it is of, it began long before the end of the pause.
        rig.take(&span("")).unwrap();
        assert!(rig.read().is_empty());
    }
}

#[test]
fn what_waits_at_a_shutdown_in_a_pause_is_discarded() {
    let rig = Rig::new();
    rig.take(&span("")).unwrap();
    rig.switch.pause(Pending::Keep);
    rig.spans.started();
    rig.spans.close(soon(), soon());
    assert_eq!(rig.batch.report().discarded, 1);
}

#[test]
fn a_pages_scope_is_its_own_and_never_ours() {
    let scope = |name| super::span::scope_of(Some(&format!(r#"{{"name":"{name}"}}"#))).0;
    assert_eq!(scope("shop").name(), "shop");
    assert_eq!(scope("spanwire").name(), "");
}

/// What a request's only span has, and what became of it: not repaired, or repaired.
fn read_one(fields: &str) -> (SpanData, bool) {
    let rig = Rig::new();
    let mut counts = ReadCounts::default();
    let (settings, _) = Settings::read(&|_: &str| None);
    let reader = Reader {
        queue: Arc::default(),
        limits: settings.otlp.page_span_limits(),
        batch: rig.batch.clone(),
        local_recorder: LocalRecorder::default(),
    };
    let job = Job {
        source: Arc::clone(&rig.source),
        spans: 1,
        json: span(fields).into(),
        epoch: rig.batch.switch().now(),
    };
    reader.read(&job, &mut counts);
    assert!(rig.batch.flush(soon()));
    assert_eq!(
        (counts.passed_on, counts.lost),
        (1, Default::default()),
        "{fields}"
    );
    let mut kept = std::mem::take(&mut *rig.kept.0.lock().unwrap());
    (kept.pop().unwrap(), counts.repaired == 1)
}

fn attribute(value: &str) -> String {
    format!(
        r#","attributes":[{{"key":"k","value":{value}}},{{"key":"l","value":{{"intValue":7}}}}]"#
    )
}

#[test]
fn half_an_emoji_costs_no_span_and_is_counted() {
    let (read, is_repaired) = read_one(
        r#","name":"cut \ud83d","attributes":[{"key":"k\ude00","value":{"stringValue":"\ud83d\ude00\ud83d"}}]"#,
    );
    assert!(is_repaired);
    assert_eq!(read.name, "cut \u{fffd}");
    assert_eq!(
        read.attributes[1],
        KeyValue::new("k\u{fffd}", "\u{1f600}\u{fffd}")
    );
    let (read, is_repaired) = read_one(r#","name":"whole \ud83d\ude00""#);
    assert_eq!(
        (read.name.as_ref(), is_repaired),
        ("whole \u{1f600}", false)
    );
    let (scope, is_repaired) = super::span::scope_of(Some(r#"{"name":"shop \ud83d"}"#));
    assert_eq!((scope.name(), is_repaired), ("shop \u{fffd}", true));
}

#[test]
fn a_number_beyond_64_bits_is_a_double_and_an_unreadable_value_costs_itself_alone() {
    for (value, expected) in [
        (r#"{"intValue":100000000000000000000}"#, Some(1e20)),
        (r#"{"intValue":1e20}"#, Some(1e20)),
        (r#"{"intValue":"100000000000000000000"}"#, Some(1e20)),
        (r#"{"doubleValue":"1e20"}"#, Some(1e20)),
        (r#"{"doubleValue":"-Infinity"}"#, None),
        (r#"{"bytesValue":"no base64"}"#, None),
        (r#"{"stringValue":7}"#, None),
    ] {
        let (read, is_repaired) = read_one(&attribute(value));
        assert!(is_repaired, "{value}");
        let rest = &read.attributes[1..];
        let seven = KeyValue::new("l", 7);
        match expected {
            Some(number) => assert_eq!(rest, [KeyValue::new("k", number), seven], "{value}"),
            None => assert_eq!(
                (rest, read.dropped_attributes_count),
                (&[seven][..], 1),
                "{value}"
            ),
        }
    }
}

#[test]
fn nothing_in_a_list_keeps_its_place() {
    let list = |values: &str| {
        let (read, is_repaired) = read_one(&attribute(&format!(
            r#"{{"arrayValue":{{"values":[{values}]}}}}"#
        )));
        (format!("{:?}", read.attributes[1].value), is_repaired)
    };
    for (values, expected, is_repaired) in [
        (
            r#"{"intValue":1},{"doubleValue":null},{"intValue":3}"#,
            "F64([1.0, NaN, 3.0])",
            true,
        ),
        (
            r#"{"doubleValue":0.5},{"doubleValue":"-Infinity"},{}"#,
            "F64([0.5, NaN, NaN])",
            true,
        ),
        (
            r#"{"intValue":1},null,{"intValue":1e20}"#,
            "F64([1.0, NaN, 1e20])",
            true,
        ),
        (
            r#"{"stringValue":"a"},{},{"stringValue":"c"}"#,
            r#"String([Owned("a"), Static(""), Owned("c")])"#,
            true,
        ),
        (r#"{},{"boolValue":true}"#, "Bool([false, true])", true),
        (r#"{},{}"#, "F64([NaN, NaN])", true),
        ("", "String([])", false),
        (r#"{"intValue":1},{"intValue":2}"#, "I64([1, 2])", false),
    ] {
        let (shown, repaired) = list(values);
        assert!(shown.contains(expected), "{values}: {shown}");
        assert_eq!(repaired, is_repaired, "{values}");
    }
}

/// Any JSON, of the words that OTLP has.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "resourceSpans",
        "scopeSpans",
        "spans",
        "scope",
        "name",
        "version",
        "traceId",
        "spanId",
        "parentSpanId",
        "traceState",
        "flags",
        "kind",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "timeUnixNano",
        "attributes",
        "events",
        "links",
        "status",
        "code",
        "message",
        "key",
        "value",
        "stringValue",
        "intValue",
        "doubleValue",
        "boolValue",
        "arrayValue",
        "kvlistValue",
        "bytesValue",
        "values",
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
        "1767225600000000000",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.clone().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|pairs| {
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

/// Bytes of what the page chose, without what each item takes beside.
fn texts(span: &SpanData) -> usize {
    let of = |attributes: &[KeyValue]| -> usize {
        let len = |all: &KeyValue| all.key.as_str().len() + all.value.as_str().len();
        attributes.iter().map(len).sum()
    };
    let events = span.events.iter();
    let links = span.links.iter();
    span.name.len()
        + of(&span.attributes)
        + events
            .map(|event| event.name.len() + of(&event.attributes))
            .sum::<usize>()
        + links.map(|link| of(&link.attributes)).sum::<usize>()
}

proptest! {
    /// Read as the thread does, but with nothing around that would catch a panic.
    #[test]
    fn whatever_a_field_is_the_span_is_refused_or_bounded(
        field in prop::sample::select(vec![
            "attributes", "events", "links", "status", "flags", "kind", "name", "traceState",
            "parentSpanId", "droppedAttributesCount", "traceId", "endTimeUnixNano",
        ]),
        value in any_json(),
        wrapped in any::<bool>(),
        times in 1..2_000_usize,
    ) {
        let mut json: serde_json::Value = serde_json::from_str(&one("")).unwrap();
        json[field] = if wrapped { vec![value; times].into() } else { value };
        let Ok(read) = serde_json::from_str::<Span>(&json.to_string()) else {
            return Ok(());
        };
        let (settings, _) = Settings::read(&|_: &str| None);
        let limits = settings.otlp.page_span_limits();
        let name = Arc::from("main");
        let clock = FakeTime::start().clock();
        let source = PageSpanSource::new(&name, &name, clock, u32::MAX);
        if let Ok(bounded) = SpanBounds::now(&source, &limits).convert(read) {
            let span = bounded.span;
            prop_assert!(texts(&span) <= 17 << 10, "{}", texts(&span));
            prop_assert!(span.attributes.len() <= 128 && span.events.len() <= 128);
        }
    }
}
