//! The exact sums of a minute, until they are written.

use std::collections::HashMap;

use super::sketch::Sketch;

/// What one series had in one minute, as far as it is not written.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) slow: u64,
    /// Nanoseconds, as all of them.
    pub(crate) sum: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sketch: Sketch,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            errors: 0,
            slow: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
            sketch: Sketch::new(),
        }
    }

    /// Counts so many that took so many nanoseconds each.
    pub(crate) fn add(&mut self, count: u64, nanos: u64, is_error: bool, is_slow: bool) {
        self.count += count;
        self.errors += count * u64::from(is_error);
        self.slow += count * u64::from(is_slow);
        // A sum that wrapped would look like a small one. At its end it stays there.
        self.sum = self.sum.saturating_add(nanos.saturating_mul(count));
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.sketch.record_n(nanos, count);
    }
}

/// Which series it is of, and in which minute since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RollupKey {
    pub(crate) series: usize,
    pub(crate) minute: i64,
}

/// The sums that are not written.
#[derive(Debug, Default)]
pub(crate) struct Rollups(HashMap<RollupKey, Totals, foldhash::fast::RandomState>);

impl Rollups {
    /// Counts so many that took so many nanoseconds each.
    pub(crate) fn add(
        &mut self,
        key: RollupKey,
        count: u64,
        nanos: u64,
        is_error: bool,
        is_slow: bool,
    ) {
        let totals = self.0.entry(key).or_insert_with(Totals::new);
        totals.add(count, nanos, is_error, is_slow);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RollupKey, &Totals)> {
        self.0.iter().map(|(key, totals)| (*key, totals))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
