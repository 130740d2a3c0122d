//! What the queue costs over the bare channel: `cargo bench --bench queue`.
//!
//! The budget: push and pop with both exporters on at most 120 ns over bare crossbeam, with
//! telemetry off at most 15 ns.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use spanwire::queue::MessageQueue;
use spanwire::semconv::WIRE_BOUNDS_S;

type Payload = [u8; 64];
const PAYLOAD: Payload = [7; 64];

fn push_pop(queue: &MessageQueue<Payload>) {
    queue.push(black_box(PAYLOAD)).expect("there is room");
    black_box(queue.try_pop());
}

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/push_pop_64B");
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));

    let (sender, receiver) = crossbeam_channel::bounded::<Payload>(1_000);
    group.bench_function("bare_crossbeam", |b| {
        b.iter(|| {
            sender.try_send(black_box(PAYLOAD)).expect("there is room");
            black_box(receiver.try_recv().ok())
        });
    });

    let bounded = || MessageQueue::bounded("bench", 1_000);
    let queue = bounded();
    group.bench_function("telemetry_off", |b| b.iter(|| push_pop(&queue)));

    let waked = bounded();
    waked.on_wake(|| {});
    group.bench_function("telemetry_off_with_waker", |b| b.iter(|| push_pop(&waked)));

    let recorder = PrometheusBuilder::new()
        .set_buckets(WIRE_BOUNDS_S)
        .expect("there are bounds")
        .build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        let queue = bounded();
        group.bench_function("prometheus", |b| {
            b.iter_custom(|iterations| {
                timed(iterations, || push_pop(&queue), || handle.run_upkeep())
            });
        });
        let queue = bounded();
        let mut messages = Vec::with_capacity(100);
        group.bench_function("prometheus_drain_100", |b| {
            b.iter_custom(|iterations| {
                let push_drain = || {
                    for _ in 0..100 {
                        queue.push(black_box(PAYLOAD)).expect("there is room");
                    }
                    messages.clear();
                    black_box(queue.drain_into(&mut messages, 100));
                };
                timed(iterations.div_ceil(100), push_drain, || handle.run_upkeep())
            });
        });
    });

    // The fan-out to both exporters goes here: as `prometheus`, under the recorder that
    // `Telemetry::builder(..).build()` returns with OTLP metrics on.

    group.finish();
}

/// Times `iterations` calls, with upkeep in between but not measured: in an app another thread
/// does it each few seconds, and without it the recorder keeps every sample.
fn timed(iterations: u64, mut f: impl FnMut(), upkeep: impl Fn()) -> Duration {
    const BATCH: u64 = 100_000;
    let clock = spanwire::clock::Clock::system();
    let mut spent = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let batch = left.min(BATCH);
        let start = clock.now();
        for _ in 0..batch {
            f();
        }
        spent += clock.now().since(start);
        upkeep();
        left -= batch;
    }
    spent
}

criterion_group!(benches, queue);
criterion_main!(benches);
