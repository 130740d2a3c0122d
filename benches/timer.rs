//! What it costs to measure an operation: `cargo bench --bench timer`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use spanwire::semconv::OPERATION_BOUNDS_S;
use spanwire::timer::{ScopedTimer, monitor, operation};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut group = criterion.benchmark_group("operation");
    group.bench_function("bare closure", |b| b.iter(|| work(black_box(7))));
    operations(&mut group, "off");

    // The fan-out to Prometheus and OpenTelemetry takes this place once it exists.
    let recorder = prometheus();
    upkept(&recorder, || {
        metrics::with_local_recorder(&recorder, || operations(&mut group, "prometheus"));
    });

    let registry = tracing_subscriber::registry();
    tracing::subscriber::with_default(registry, || {
        group.bench_function("tracing span alone, registry", |b| {
            b.iter(|| tracing::info_span!("bench").in_scope(|| work(black_box(7))));
        });
        upkept(&recorder, || {
            metrics::with_local_recorder(&recorder, || {
                operations(&mut group, "prometheus and registry");
            });
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

fn prometheus() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(OPERATION_BOUNDS_S)
        .expect("there are bounds")
        .build_recorder()
}

/// Runs `bench` while another thread empties the histograms, as an app's does: else they keep every
/// sample.
fn upkept(recorder: &PrometheusRecorder, bench: impl FnOnce()) {
    let handle = recorder.handle();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                handle.run_upkeep();
                std::thread::park_timeout(Duration::from_millis(200));
            }
        });
        bench();
        done.store(true, Ordering::Relaxed);
    });
}
