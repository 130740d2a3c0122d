//! What a client keeps: metrics and snapshots, within their retention and bounds.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::facts::CountsBefore;
use super::metric::Metric;
use super::snapshot::Snapshot;
use crate::clock::Stamp;

/// Metrics and snapshots with the time at which they came. It reads no clock.
#[derive(Debug)]
pub(super) struct Store {
    retention: Duration,
    metrics: VecDeque<(Stamp, Metric)>,
    snapshots: VecDeque<(Stamp, Snapshot)>,
    /// What had been counted at each snapshot.
    counts: VecDeque<CountsBefore>,
    /// Metrics in all kept snapshots.
    in_snapshots: usize,
    dropped: u64,
}

const METRICS_MAX: usize = 10_000;
const SNAPSHOTS_MAX: usize = 300;
/// Metrics in all kept snapshots.
const IN_SNAPSHOTS_MAX: usize = 20_000;

impl Store {
    pub(super) fn new(retention: Duration) -> Self {
        Self {
            retention,
            metrics: VecDeque::new(),
            snapshots: VecDeque::new(),
            counts: VecDeque::new(),
            in_snapshots: 0,
            dropped: 0,
        }
    }

    pub(super) fn add_metric(&mut self, metric: Metric, now: Stamp) {
        // What is too old goes first, so that it is not counted as dropped for lack of room.
        self.forget_old(now);
        if self.metrics.len() >= METRICS_MAX {
            self.metrics.pop_front();
            self.dropped += 1;
        }
        self.metrics.push_back((now, metric));
    }

    /// Keeps what had been counted when a snapshot was taken.
    pub(super) fn add_counts(&mut self, counts: CountsBefore) {
        // As many as snapshots, since one comes with each.
        if self.counts.len() >= SNAPSHOTS_MAX {
            self.counts.pop_front();
        }
        self.counts.push_back(counts);
    }

    /// What had been counted closest to that time, as far as it is known.
    pub(super) fn counts_near(&self, at: Stamp) -> Option<&CountsBefore> {
        // `since` is zero for a later time, so the larger of both is the distance.
        let distance = |of: &&CountsBefore| of.at.since(at).max(at.since(of.at));
        self.counts.iter().min_by_key(distance)
    }

    pub(super) fn add_snapshot(&mut self, snapshot: Snapshot, now: Stamp) {
        self.in_snapshots += snapshot.metric_count();
        self.snapshots.push_back((now, snapshot));
        // One snapshot with very many metrics may push out many small ones.
        while self.snapshots.len() > SNAPSHOTS_MAX || self.in_snapshots > IN_SNAPSHOTS_MAX {
            self.forget_snapshot();
        }
        self.forget_old(now);
    }

    /// All metrics, the oldest first.
    pub(super) fn metrics(&mut self, now: Stamp) -> Vec<Metric> {
        self.forget_old(now);
        let metrics = self.metrics.iter();
        metrics.map(|(_, metric)| metric.clone()).collect()
    }

    /// Of each id the last metric, the oldest first.
    pub(super) fn last_metrics(&mut self, now: Stamp) -> Vec<Metric> {
        // Each read of metrics forgets what is too old. There is no timer that would do it.
        self.forget_old(now);
        let mut seen = HashSet::new();
        let newest_first = self.metrics.iter().rev();
        let mut last: Vec<Metric> = newest_first
            .filter(|(_, metric)| seen.insert(&metric.id))
            .map(|(_, metric)| metric.clone())
            .collect();
        last.reverse();
        last
    }

    pub(super) fn metric(&mut self, id: &str, now: Stamp) -> Option<Metric> {
        self.forget_old(now);
        let mut newest_first = self.metrics.iter().rev();
        let found = newest_first.find(|(_, metric)| metric.id == id);
        found.map(|(_, metric)| metric.clone())
    }

    /// The snapshots since `from`, the oldest first.
    pub(super) fn snapshots_since(&self, from: Stamp) -> Vec<Snapshot> {
        let snapshots = self.snapshots.iter().filter(|(at, _)| *at >= from);
        snapshots.map(|(_, snapshot)| snapshot.clone()).collect()
    }

    /// Metrics that there was no room for.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget_old(&mut self, now: Stamp) {
        let retention = self.retention;
        // The monotonic clock does not jump when the system's time is set.
        let is_old = |at: Stamp| now.since(at) > retention;
        while self.metrics.front().is_some_and(|(at, _)| is_old(*at)) {
            self.metrics.pop_front();
        }
        while self.snapshots.front().is_some_and(|(at, _)| is_old(*at)) {
            self.forget_snapshot();
        }
        while self.counts.front().is_some_and(|counts| is_old(counts.at)) {
            self.counts.pop_front();
        }
    }

    fn forget_snapshot(&mut self) {
        if let Some((_, snapshot)) = self.snapshots.pop_front() {
            self.in_snapshots -= snapshot.metric_count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeTime;
    use crate::report::MetricCategory;

    fn metric(id: usize) -> Metric {
        Metric::new("value", MetricCategory::Cpu, id as f64, "").with_id(id.to_string())
    }

    #[test]
    fn a_metric_older_than_the_retention_is_forgotten() {
        let time = FakeTime::start();
        let mut store = Store::new(Duration::from_secs(60));
        store.add_metric(metric(1), time.clock().now());
        time.advance(Duration::from_secs(60));
        store.add_metric(metric(2), time.clock().now());
        assert_eq!(store.metrics(time.clock().now()).len(), 2);
        time.advance(Duration::from_secs(1));
        let kept = store.metrics(time.clock().now());
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].id, "2");
    }

    #[test]
    fn beyond_the_bound_the_oldest_metric_goes_and_is_counted() {
        let now = FakeTime::start().clock().now();
        let mut store = Store::new(Duration::from_secs(60));
        for id in 0..METRICS_MAX + 3 {
            store.add_metric(metric(id), now);
        }
        assert_eq!(store.metrics(now).len(), METRICS_MAX);
        assert_eq!(store.dropped(), 3);
        assert!(store.metric("2", now).is_none());
        assert!(store.metric("3", now).is_some());
    }

    #[test]
    fn snapshots_of_many_metrics_are_kept_as_far_as_their_metrics_fit() {
        let now = FakeTime::start().clock().now();
        let mut store = Store::new(Duration::from_secs(60));
        for _ in 0..10 {
            let snapshot = Snapshot {
                id: String::new(),
                timestamp: std::time::SystemTime::UNIX_EPOCH,
                metrics: (0..5_000).map(metric).collect(),
                memory_usage: 1,
                cpu_usage: None,
            };
            store.add_snapshot(snapshot, now);
        }
        assert_eq!(store.snapshots_since(Stamp::NONE).len(), 4);
    }
}
