//! What a message costs on its way through the message layer, beside bare parsing.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Call, Ipc, PageEvents, PageSpanRequest, PageSpanSink, PageSpansRefused};

mod support;

/// A batch of one call, and of the acknowledgement of the reply to the one before.
fn call(ipc: &Ipc, id: u64) -> String {
    let replied = id - 1;
    let ack = format!(r#",{{"kind":"ack","ids":[[{replied},{replied}]]}}"#);
    format!(
        r#"{{"spanwire":1,"nonce":"{}","page":"p1","messages":[{{"kind":"call","id":{id},"event":"save","data":{{"frame":1024}}}}{}]}}"#,
        ipc.nonce(),
        if replied == 0 { "" } else { &ack },
    )
}

/// What is refused costs less: a benchmark of it would say that messages do.
fn assert_none_refused(ipc: &Ipc) {
    let metrics = ipc.metrics();
    assert_eq!(metrics.messages_failed + metrics.messages_dropped, 0);
    assert!(metrics.messages_open <= CHUNK, "{metrics:?}");
}

/// A batch of one event with a payload that makes its message 100 bytes.
fn batch(ipc: &Ipc, id: u64) -> String {
    let data = r#"{"name":"scene_042","frame":1024,"visible":true,"x":1.5}"#;
    format!(
        r#"{{"spanwire":1,"nonce":"{}","page":"p1","messages":[{{"kind":"event","id":{id},"event":"save","data":{data}}}]}}"#,
        ipc.nonce()
    )
}

#[derive(Deserialize)]
struct BareEnvelope<'a> {
    nonce: &'a str,
    page: &'a str,
    #[serde(borrow)]
    messages: Vec<BareMessage<'a>>,
}

#[derive(Deserialize)]
struct BareMessage<'a> {
    kind: &'a str,
    id: u64,
    event: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Messages between two looks at what the host has to send: half of the page's window.
const CHUNK: u64 = 500;

fn dispatch(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, name: &str) {
    let ipc = Ipc::builder("main").build();
    ipc.on("save", |call: &Call| {
        black_box(call.json());
    })
    .expect("the name is allowed");
    ipc.page_ready("p1").expect("the id is allowed");
    // Ids rise, so texts cannot be reused; writing them is not what is measured.
    let mut id = 0;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let chunk = left.min(CHUNK);
                let texts: Vec<String> = (0..chunk)
                    .map(|_| {
                        id += 1;
                        batch(&ipc, id)
                    })
                    .collect();
                let start = quanta::Instant::now();
                for text in &texts {
                    let _ = black_box(ipc.receive(text, None));
                }
                took += start.elapsed();
                // The page's window comes back with the next script.
                while ipc.next_script().is_some() {}
                left -= chunk;
            }
            assert_none_refused(&ipc);
            took
        });
    });
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipc_dispatch_100_bytes");
    group.throughput(Throughput::Elements(1));
    // As many texts as below, so that both find them in the same caches.
    let ipc = Ipc::builder("bare").build();
    let texts: Vec<String> = (1..=CHUNK).map(|id| batch(&ipc, id)).collect();
    let mut next = texts.iter().cycle();
    group.bench_function("bare_serde_json", |bencher| {
        bencher.iter(|| {
            let text = next.next().expect("it is a cycle");
            let envelope: BareEnvelope<'_> = serde_json::from_str(text).expect("it is JSON");
            let message = &envelope.messages[0];
            black_box((
                envelope.nonce,
                envelope.page,
                message.kind,
                message.id,
                message.event,
            ));
            black_box(message.data.get().len())
        });
    });
    dispatch(&mut group, "telemetry_off");
    for rig in support::rigs() {
        metrics::with_local_recorder(&rig.recorder, || dispatch(&mut group, rig.name));
    }
    group.finish();
}

/// Copies, as the one that telemetry brings does; the reading is another thread's.
struct Copies;

impl PageSpanSink for Copies {
    fn take(&self, request: PageSpanRequest<'_>) -> Result<(), PageSpansRefused> {
        black_box(Box::<str>::from(request.json()));
        Ok(())
    }
}

/// As an OpenTelemetry SDK in a page exports them: 100 spans of five attributes and an event each.
fn sdk_spans(ipc: &Ipc) -> String {
    let span = |n: u32| {
        format!(
            r#"{{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b716920{n:04x}","parentSpanId":"b7ad6b7169203331","name":"picture.draw","kind":1,"startTimeUnixNano":"1795270692332000000","endTimeUnixNano":"1795270692348000000","attributes":[{{"key":"picture.name","value":{{"stringValue":"sunrise"}}}},{{"key":"picture.layers","value":{{"intValue":12}}}},{{"key":"picture.scale","value":{{"doubleValue":0.75}}}},{{"key":"picture.visible","value":{{"boolValue":true}}}},{{"key":"picture.format","value":{{"stringValue":"image/png"}}}}],"droppedAttributesCount":0,"events":[{{"attributes":[],"name":"decoded","timeUnixNano":"1795270692340000000","droppedAttributesCount":0}}],"droppedEventsCount":0,"status":{{"code":0}},"links":[],"droppedLinksCount":0,"flags":257}}"#
        )
    };
    let spans: Vec<String> = (0..100).map(span).collect();
    format!(
        r#"{{"spanwire":1,"nonce":"{}","page":"p1","messages":[{{"kind":"spans","count":100,"data":{{"resourceSpans":[{{"scopeSpans":[{{"scope":{{"name":"page"}},"spans":[{}]}}]}}]}}}}]}}"#,
        ipc.nonce(),
        spans.join(",")
    )
}

fn spans_of_a_page(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipc_100_sdk_spans");
    let ipc = Ipc::builder("main").page_spans(Copies).build();
    ipc.page_ready("p1").expect("the id is allowed");
    let text = sdk_spans(&ipc);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("received", |bencher| {
        bencher.iter(|| ipc.receive(&text, None));
    });
    group.finish();
}

/// What a frame that knows no nonce can make the UI thread do with 1 MiB, and what the same sender
/// can in the compatible form, which has no nonce: there the detail is checked.
fn refused(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipc_refused_1_mib");
    let ipc = Ipc::builder("main")
        .page_events(PageEvents::SpanwireAndPlain)
        .build();
    ipc.page_ready("p1").expect("the id is allowed");
    let nonce = "0".repeat(32);
    let forged = format!(r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","messages":["#);
    let fill = |begin: &str, each: &str| {
        let mut text = begin.to_owned();
        while text.len() < (1 << 20) - 4 {
            text.push_str(each);
        }
        text + "]}"
    };
    for (name, text) in [
        ("objects", fill(&forged, "{},")),
        ("numbers", fill(&forged, "0,")),
        (
            "another_order",
            fill(r#"{"spanwire":1,"messages":["#, "{},"),
        ),
        (
            "plain_without_a_name",
            fill(r#"{"type":"event","event":["#, "0,"),
        ),
        (
            "plain_bad_detail",
            fill(r#"{"type":"event","event":"save","detail":["#, "{},"),
        ),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| ipc.receive(black_box(&text), None));
        });
    }
    group.finish();
}

/// A call, its reply and the reply's end: as `Ipc` carries them, and as an observer sees them.
fn call_and_reply(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, rig: &str) {
    let observer = Observer::builder("main").build();
    group.bench_function(format!("observer/{rig}"), |bencher| {
        bencher.iter(|| {
            let mut handling = observer.call("save").size(15).begin();
            handling.in_scope(|| black_box(15));
            let mut reply = handling.reply(Ok(()), 4);
            reply.sent(1);
            reply.acknowledged();
        });
    });
    let ipc = Ipc::builder("main").build();
    ipc.on("save", |call: &Call| {
        black_box(call.json());
    })
    .expect("the name is allowed");
    ipc.page_ready("p1").expect("the id is allowed");
    let mut id = 0;
    group.bench_function(format!("ipc/{rig}"), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                id += 1;
                let text = call(&ipc, id);
                let start = quanta::Instant::now();
                let _ = black_box(ipc.receive(&text, None));
                black_box(ipc.next_script());
                took += start.elapsed();
            }
            assert_none_refused(&ipc);
            took
        });
    });
}

fn observed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipc_call_and_reply");
    group.throughput(Throughput::Elements(1));
    call_and_reply(&mut group, "telemetry_off");
    for rig in support::rigs() {
        metrics::with_local_recorder(&rig.recorder, || call_and_reply(&mut group, rig.name));
    }
    group.finish();
}

criterion_group! {
    name = ipc;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = benches, spans_of_a_page, refused, observed
}
criterion_main!(ipc);
