//! What it costs to measure an operation: `cargo bench --bench timer`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use spanwire::timer::{ScopedTimer, monitor, operation};

mod support;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut group = criterion.benchmark_group("operation");
    group.bench_function("bare closure", |b| b.iter(|| work(black_box(7))));
    operations(&mut group, "off");

    for rig in support::rigs() {
        metrics::with_local_recorder(&rig.recorder, || operations(&mut group, rig.name));
    }

    let registry = tracing_subscriber::registry();
    tracing::subscriber::with_default(registry, || {
        group.bench_function("tracing span alone, registry", |b| {
            b.iter(|| tracing::info_span!("bench").in_scope(|| work(black_box(7))));
        });
        let rig = support::both();
        metrics::with_local_recorder(&rig.recorder, || {
            operations(&mut group, "both and registry");
        });
    });
    group.finish();
}

fn operations(group: &mut BenchmarkGroup<'_, WallTime>, listeners: &str) {
    let known = operation("bench");
    group.bench_function(format!("{listeners}: monitor"), |b| {
        b.iter(|| monitor("bench").time(|| work(black_box(7))));
    });
    group.bench_function(format!("{listeners}: monitor, no span"), |b| {
        b.iter(|| {
            monitor("bench")
                .sample_one_in(0)
                .time(|| work(black_box(7)))
        });
    });
    group.bench_function(format!("{listeners}: known operation, no span"), |b| {
        b.iter(|| known.monitor().sample_one_in(0).time(|| work(black_box(7))));
    });
    group.bench_function(format!("{listeners}: ScopedTimer"), |b| {
        b.iter(|| {
            let _timer = ScopedTimer::start("bench");
            work(black_box(7))
        });
    });
    group.bench_function(format!("{listeners}: ScopedTimer, no span"), |b| {
        b.iter(|| {
            let _timer = monitor("bench").sample_one_in(0).start();
            work(black_box(7))
        });
    });
}

#[inline(never)]
fn work(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9)
}
