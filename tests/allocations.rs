//! Hot paths that must not allocate.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use allocation_counter::measure;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use spanwire::queue::{MessageQueue, Overflow};

/// Keeps counts alone, so that what is measured is ours.
struct Plain {
    /// A recorder without a size is one that records nothing.
    _some: u8,
}

#[derive(Default)]
struct Cell(AtomicU64);

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        metrics::CounterFn::increment(&self.0, value as u64);
    }
}

impl Recorder for Plain {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(AtomicU64::new(0)))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(AtomicU64::new(0)))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Cell::default()))
    }
}

const ROUNDS: usize = 1_000;

/// Pushes that are accepted, refused and evicting, and pops of all kinds.
fn exercise(queues: &[MessageQueue<[u8; 64]>], drained: &mut Vec<[u8; 64]>) {
    for queue in queues {
        for _ in 0..ROUNDS {
            for _ in 0..10 {
                let _ = queue.push([7; 64]);
            }
            let _ = queue.try_pop();
            let _ = queue.pop_timeout(std::time::Duration::ZERO);
            drained.clear();
            queue.drain_into(drained, 100);
        }
    }
}

fn queues() -> Vec<MessageQueue<[u8; 64]>> {
    [Overflow::DropNewest, Overflow::DropOldest]
        .into_iter()
        .map(|overflow| {
            let queue = MessageQueue::builder("allocations")
                .capacity(8)
                .overflow(overflow)
                .build();
            queue.on_wake(|| {});
            queue
        })
        .collect()
}

#[test]
fn push_and_pop_do_not_allocate() {
    let mut drained = Vec::with_capacity(100);
    // Without a recorder, then with one.
    let off = queues();
    let on = queues();
    exercise(&off, &mut drained);
    let allocations = measure(|| exercise(&off, &mut drained));
    assert_eq!(allocations.count_total, 0);
    metrics::with_local_recorder(&Plain { _some: 0 }, || {
        exercise(&on, &mut drained);
        let allocations = measure(|| exercise(&on, &mut drained));
        assert_eq!(allocations.count_total, 0);
    });
}

#[test]
fn the_prometheus_recorder_allocates_a_block_per_64_waits() {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&[1.0])
        .unwrap()
        .build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let queues = queues();
        let mut drained = Vec::with_capacity(100);
        exercise(&queues, &mut drained);
        recorder.handle().run_upkeep();
        let allocations = measure(|| exercise(&queues, &mut drained));
        let waits = (2 * ROUNDS * 8) as u64;
        assert!(
            allocations.count_total <= waits / 64 + 2,
            "{allocations:?} for {waits} waits"
        );
    });
}
