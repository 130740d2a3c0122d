//! What was measured of each series, in numbers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::nanos;
use super::series::Series;
use super::significance::{Proportion, wilson};
use super::tally::{Tally, Window};

/// What was measured of one series in a window.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesStats {
    /// The series.
    pub series: Arc<Series>,
    /// How often it was measured.
    pub count: u64,
    /// How often it failed.
    pub errors: u64,
    /// The share that failed, 0 to 1.
    pub error_rate: f64,
    /// Between which bounds the app's own error rate lies with 95 % probability, after Wilson: wide
    /// when there were few.
    pub error_rate_interval: (f64, f64),
    /// How often in a second of the window, as far as the file covers that; of one version, between
    /// its first start and its last sign of life.
    pub per_second: f64,
    /// The mean duration.
    pub average: Duration,
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// What half of them did not exceed; like the other quantiles at most 1 % off.
    pub p50: Duration,
    /// What 95 in 100 did not exceed.
    pub p95: Duration,
    /// What 99 in 100 did not exceed.
    pub p99: Duration,
    /// How many were slow.
    pub slow: u64,
}

/// One series in one bucket of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrendPoint {
    /// When the bucket begins: a multiple of its length since the Unix epoch.
    pub start: SystemTime,
    /// What was measured in it.
    pub stats: SeriesStats,
}

impl SeriesStats {
    pub(super) fn new(series: Arc<Series>, tally: &Tally, window: Window) -> Self {
        let seconds = window.seconds();
        // The middle of a bucket may lie outside of what was measured.
        let quantile = |q| nanos(tally.distribution.quantile(q).clamp(tally.min, tally.max));
        // Callers leave out what has no count.
        let average = tally.sum / tally.count;
        Self {
            series,
            count: whole(tally.count),
            errors: whole(tally.errors),
            error_rate: tally.errors / tally.count,
            error_rate_interval: wilson(failures(tally)),
            per_second: if seconds > 0.0 {
                tally.count / seconds
            } else {
                0.0
            },
            // `from_secs_f64` panics at a number that does not fit, and the sum comes from a file.
            average: Duration::try_from_secs_f64(average / 1e9).unwrap_or_default(),
            min: nanos(tally.min),
            max: nanos(tally.max),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            slow: whole(tally.slow),
        }
    }

    /// The time that all of them took together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::try_from_secs_f64(self.average.as_secs_f64() * self.count as f64)
            .unwrap_or(Duration::MAX)
    }
}

/// The failed among the independent records.
pub(super) fn failures(tally: &Tally) -> Proportion {
    let whole = tally.size();
    Proportion {
        // The share of errors, in terms of independent records: weighted counts would make the
        // interval too narrow.
        part: whole * tally.errors / tally.count,
        whole,
    }
}

fn whole(count: f64) -> u64 {
    count.round() as u64
}
