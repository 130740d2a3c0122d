//! What a record through a kept handle costs, beside an atomic add and the crates that others use.
//!
//! `cargo bench --bench recorders`

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use metrics::{Counter, Gauge, Histogram, Recorder, with_local_recorder};
use spanwire::semconv::WIRE_BOUNDS_S;

mod support;

fn handles(recorder: &dyn Recorder) -> (Counter, Gauge, Histogram) {
    with_local_recorder(recorder, || {
        let labels = [
            ("spanwire.webview.name", "main"),
            ("spanwire.ipc.event", "save"),
            ("spanwire.ipc.direction", "inbound"),
        ];
        (
            metrics::counter!("spanwire.ipc.messages", &labels),
            metrics::gauge!("spanwire.queue.size", &labels),
            metrics::histogram!("spanwire.ipc.handler.duration", &labels),
        )
    })
}

fn record(criterion: &mut Criterion) {
    let atomic = AtomicU64::new(0);
    criterion.bench_function("bare atomic add", |bencher| {
        bencher.iter(|| atomic.fetch_add(black_box(1), Ordering::Relaxed));
    });
    let rigs = support::rigs();
    let peer = metrics_exporter_prometheus::PrometheusBuilder::new()
        .set_buckets(WIRE_BOUNDS_S)
        .expect("there are bounds")
        .build_recorder();
    let ours = rigs
        .iter()
        .map(|rig| (rig.name, &*rig.recorder as &dyn Recorder));
    for (name, recorder) in ours.chain([("metrics-exporter-prometheus", &peer as &dyn Recorder)]) {
        let (counter, gauge, histogram) = handles(recorder);
        criterion.bench_function(&format!("counter/{name}"), |bencher| {
            bencher.iter(|| counter.increment(black_box(1)));
        });
        criterion.bench_function(&format!("gauge/{name}"), |bencher| {
            bencher.iter(|| gauge.set(black_box(1.0)));
        });
        criterion.bench_function(&format!("histogram/{name}"), |bencher| {
            bencher.iter(|| histogram.record(black_box(0.000_7)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .sample_size(30);
    targets = record
}
criterion_main!(benches);
