//! The distribution of durations in a roll-up.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

/// Durations in microseconds, two significant digits: a quantile is at most 1 % off.
///
/// It is kept as an HdrHistogram's V2 encoding without compression, which libraries of other
/// languages read too.
#[derive(Clone)]
pub(crate) struct Sketch(Histogram<u64>);

impl Sketch {
    pub(crate) fn new() -> Self {
        // It grows up to the longest duration: most of them hold short ones alone.
        let mut histogram = Histogram::new_with_bounds(1, 2, SIGNIFICANT_DIGITS)
            .expect("the bounds and digits are valid");
        histogram.auto(true);
        Self(histogram)
    }

    /// Counts one duration in nanoseconds.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.record_n(nanos, 1);
    }

    /// Counts `n` times a duration in nanoseconds. One above 24 hours counts as 24 hours.
    pub(crate) fn record_n(&mut self, nanos: u64, n: u64) {
        // Rounded as in `query::distribution`: a duration is in the same bucket whether a roll-up
        // or a reader counts it.
        let micros = (nanos.saturating_add(NANOS_IN_MICRO / 2) / NANOS_IN_MICRO).min(MICROS_MAX);
        // It resizes itself, so it takes all up to the maximum.
        let recorded = self.0.record_n(micros, n);
        debug_assert!(recorded.is_ok(), "{recorded:?}");
    }

    /// Adds what `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "{added:?}");
    }

    /// How many durations were counted.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration in nanoseconds that a share `quantile` of them, 0 to 1, does not exceed; `None`
    /// when there are none.
    #[allow(dead_code, reason = "queries ask for it")]
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile) * NANOS_IN_MICRO)
    }

    /// Its bytes in a file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = V2Serializer::new().serialize(&self.0, &mut bytes);
        debug_assert!(written.is_ok(), "{written:?}");
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it is something else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes).ok()?;
        // A file is foreign input: a wide range would take memory, others do not merge.
        if histogram.high() > HIGH_MAX || histogram.sigfig() != SIGNIFICANT_DIGITS {
            return None;
        }
        // The encoding does not have this flag. Without it a longer duration could not be added or
        // merged.
        histogram.auto(true);
        Some(Self(histogram))
    }
}

/// The column `sketch` of a roll-up with further durations in it, for programs that write a
/// history's file without a [`History`](super::History).
///
/// `sketch` is what the row has; a new one begins with `None`. What is no sketch counts as none.
#[must_use]
pub fn sketch_with(
    sketch: Option<&[u8]>,
    durations: impl IntoIterator<Item = Duration>,
) -> Vec<u8> {
    let mut sketch = sketch.and_then(Sketch::decode).unwrap_or_else(Sketch::new);
    for duration in durations {
        sketch.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
    sketch.encode()
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

const SIGNIFICANT_DIGITS: u8 = 2;
const NANOS_IN_MICRO: u64 = 1_000;
/// 24 hours.
const MICROS_MAX: u64 = 24 * 3_600 * 1_000_000;
/// What a histogram that holds the longest duration says that it can hold, and some room.
const HIGH_MAX: u64 = MICROS_MAX * 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_one_percent_off_after_a_round_trip() {
        let mut sketch = Sketch::new();
        for micros in 1..=100_000_u64 {
            sketch.record(micros * 1_000);
        }
        let sketch = Sketch::decode(&sketch.encode()).unwrap();
        assert_eq!(sketch.count(), 100_000);
        for (quantile, exact) in [(0.5, 50_000_000.0), (0.95, 95e6), (0.99, 99e6), (1.0, 1e8)] {
            let found = sketch.quantile(quantile).unwrap() as f64;
            assert!((found / exact - 1.0).abs() <= 0.01, "{quantile}: {found}");
        }
    }

    #[test]
    fn merged_sketches_count_what_both_counted_whatever_their_range() {
        let (mut short, mut long) = (Sketch::new(), Sketch::new());
        short.record_n(2_000, 3);
        long.record(7_200_000_000_000);
        let long = Sketch::decode(&long.encode()).unwrap();
        let mut merged = Sketch::decode(&short.encode()).unwrap();
        merged.merge(&long);
        assert_eq!(merged.count(), 4);
        assert_eq!(merged.quantile(0.5), Some(2_000));
        long_enough(merged.quantile(1.0));
        // The other way round, too.
        let mut merged = long;
        merged.merge(&short);
        assert_eq!(merged.count(), 4);
        long_enough(merged.quantile(1.0));
    }

    fn long_enough(found: Option<u64>) {
        let found = found.unwrap() as f64;
        assert!((found / 7.2e12 - 1.0).abs() <= 0.01, "{found}");
    }

    #[test]
    fn the_longest_duration_is_bounded() {
        let mut sketch = Sketch::new();
        sketch.record(u64::MAX);
        let sketch = Sketch::decode(&sketch.encode()).unwrap();
        let day = 24.0 * 3_600.0 * 1e9;
        let found = sketch.quantile(1.0).unwrap() as f64;
        assert!((found / day - 1.0).abs() <= 0.01, "{found}");
    }

    #[test]
    fn sketch_takes_further_durations() {
        let one = sketch_with(None, [Duration::from_millis(1)]);
        let three = sketch_with(Some(&one), [Duration::from_millis(5), Duration::MAX]);
        assert_eq!(Sketch::decode(&three).unwrap().count(), 3);
        let anew = sketch_with(Some(b"no sketch"), [Duration::ZERO]);
        assert_eq!(Sketch::decode(&anew).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_sketch_is_not_read() {
        for bytes in [&b""[..], b"no sketch", &[0; 40]] {
            assert!(Sketch::decode(bytes).is_none());
        }
        let other: Histogram<u64> = Histogram::new(3).unwrap();
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&other, &mut bytes).unwrap();
        assert!(Sketch::decode(&bytes).is_none());
        assert!(Sketch::new().quantile(0.5).is_none());
    }
}
