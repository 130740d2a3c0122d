//! What a look at the system costs: `cargo bench --bench system`.
//!
//! The budget: a sample takes at most 1 ms; one that also looks for new processes of the webview,
//! which is rare, takes longer the more processes the host has.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use spanwire::system::SystemProbe;

fn system(c: &mut Criterion) {
    let mut group = c.benchmark_group("system");
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    let mut probe = SystemProbe::new().expect("the platform is supported");
    group.bench_function("sample", |b| {
        b.iter(|| probe.sample_once().expect("the process sees itself"));
    });
    group.bench_function("sample_with_discovery", |b| {
        b.iter(|| {
            probe.rediscover();
            probe.sample_once().expect("the process sees itself")
        });
    });
    group.finish();
}

criterion_group!(benches, system);
criterion_main!(benches);
