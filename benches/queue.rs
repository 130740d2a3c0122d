//! What the queue costs over the bare channel: `cargo bench --bench queue`.
//!
//! The budget: push and pop with both exporters on at most 120 ns over bare crossbeam, with
//! telemetry off at most 15 ns.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metrics::with_local_recorder;
use spanwire::queue::MessageQueue;

mod support;

type Item = [u8; 64];
const ITEM: Item = [7; 64];

fn push_pop(queue: &MessageQueue<Item>) {
    queue.push(black_box(ITEM)).expect("there is room");
    black_box(queue.try_pop());
}

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/push_pop_64B");
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));

    let (sender, receiver) = crossbeam_channel::bounded::<Item>(1_000);
    group.bench_function("bare_crossbeam", |b| {
        b.iter(|| {
            sender.try_send(black_box(ITEM)).expect("there is room");
            black_box(receiver.try_recv().ok())
        });
    });

    let bounded = || MessageQueue::bounded("bench", 1_000);
    let queue = bounded();
    group.bench_function("telemetry_off", |b| b.iter(|| push_pop(&queue)));

    let waked = bounded();
    waked.on_wake(|| {});
    group.bench_function("telemetry_off_with_waker", |b| b.iter(|| push_pop(&waked)));

    for rig in support::rigs() {
        with_local_recorder(&rig.recorder, || {
            let queue = bounded();
            group.bench_function(rig.name, |b| b.iter(|| push_pop(&queue)));
        });
    }

    let rig = support::both();
    with_local_recorder(&rig.recorder, || {
        let queue = bounded();
        let mut messages = Vec::with_capacity(100);
        group.throughput(Throughput::Elements(100));
        group.bench_function("both_push_100_drain_100", |b| {
            b.iter(|| {
                for _ in 0..100 {
                    queue.push(black_box(ITEM)).expect("there is room");
                }
                messages.clear();
                black_box(queue.drain_into(&mut messages, 100));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
