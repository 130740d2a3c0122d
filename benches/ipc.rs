//! What a message costs on its way through the message layer, beside bare parsing.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;
use spanwire::ipc::{Call, Ipc};

mod support;

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

criterion_group! {
    name = ipc;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = benches
}
criterion_main!(ipc);
