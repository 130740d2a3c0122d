//! How long something usually takes: a histogram of its last thousand durations or so.

use std::time::Duration;

/// Counts durations in buckets of a quarter of an octave each, and halves all counts once there are
/// as many as it looks back on: what was long ago weighs ever less, without a clock.
///
/// Fixed buckets do what is wanted in two bytes each. The sketches that crates offer keep their
/// whole past, and grow with it.
#[derive(Clone, Debug)]
pub(crate) struct DurationSketch {
    // No count exceeds `WINDOW`, so 16 bits hold each count and their sum. The size matters: each
    // series of the history and each name of the tail sampler has one sketch.
    counts: [u16; BUCKETS],
    total: u16,
}

/// At so many durations the counts are halved.
const WINDOW: u16 = 1_000;
/// From so many durations on it is known what is usual: fewer say little of what comes once in
/// twenty times.
pub(crate) const KNOWN_MIN: u16 = 50;
/// Nothing is slow that is shorter: a frame takes 17 ms, and what is hardly longer is not seen.
pub(crate) const SHORTEST: Duration = Duration::from_millis(20);

/// One duration in so many may be longer than the usual one.
const LONGER_ONE_IN: u16 = 20;
/// Shorter than 2^16 ns, 66 µs, is all the same.
const SHORTEST_BITS: u32 = 16;
/// Up to 2^43 ns, which is 2.4 hours.
const OCTAVES: usize = 27;
const BUCKETS_PER_OCTAVE: usize = 4;
/// The first is for all that is shorter than the octaves.
const BUCKETS: usize = 1 + OCTAVES * BUCKETS_PER_OCTAVE;

impl DurationSketch {
    pub(crate) const fn new() -> Self {
        Self {
            counts: [0; BUCKETS],
            total: 0,
        }
    }

    /// Whether it is known what is usual.
    pub(crate) fn is_known(&self) -> bool {
        self.total >= KNOWN_MIN
    }

    /// Learns of a duration, and returns what was usual before if this is `factor` times as long.
    pub(crate) fn compare(&mut self, took: Duration, factor: u32) -> Option<Duration> {
        // Most end here: what is usual is only looked for where it matters.
        // The look-up precedes `add`: a long duration must not raise the value that it is compared
        // with.
        let usual = (took >= SHORTEST && self.is_known())
            .then(|| self.usual())
            .filter(|usual| took >= usual.saturating_mul(factor));
        self.add(took);
        usual
    }

    fn add(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.total += 1;
        if self.total >= WINDOW {
            // What came once is forgotten here: rounded up, it would be for good.
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// The duration that 95 of 100 do not exceed: never too short, and at most a quarter too long,
    /// from 66 µs to 2.4 hours.
    fn usual(&self) -> Duration {
        let mut longer = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            longer += count;
            // The division rounds down, which can only lead to a longer bucket: never too short.
            if longer > self.total / LONGER_ONE_IN {
                return longest_of(bucket);
            }
        }
        Duration::ZERO
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let Some(octave) = nanos
        // `None` for zero, and below for what is shorter than the octaves: both are in bucket 0.
        .checked_ilog2()
        .and_then(|bits| bits.checked_sub(SHORTEST_BITS))
    else {
        return 0;
    };
    // The two bits after the first tell the quarter.
    let quarter = nanos >> (octave + SHORTEST_BITS - 2) & 3;
    let bucket = 1 + octave as usize * BUCKETS_PER_OCTAVE + quarter as usize;
    bucket.min(BUCKETS - 1)
}

fn longest_of(bucket: usize) -> Duration {
    let Some(bucket) = bucket.checked_sub(1) else {
        return Duration::from_nanos(1 << SHORTEST_BITS);
    };
    let quarters = BUCKETS_PER_OCTAVE + bucket % BUCKETS_PER_OCTAVE + 1;
    let octave = bucket / BUCKETS_PER_OCTAVE;
    Duration::from_nanos((quarters as u64) << (octave + SHORTEST_BITS as usize - 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn sketch(durations: impl IntoIterator<Item = Duration>) -> DurationSketch {
        let mut sketch = DurationSketch::new();
        durations.into_iter().for_each(|took| sketch.add(took));
        sketch
    }

    /// What 95 of 100 do not exceed, by sorting.
    fn exact(durations: &[Duration]) -> Duration {
        let mut sorted = durations.to_vec();
        sorted.sort();
        sorted[sorted.len() - 1 - sorted.len() / usize::from(LONGER_ONE_IN)]
    }

    proptest! {
        #[test]
        fn usual_is_never_too_short_and_at_most_a_quarter_too_long(
            bits in prop::collection::vec((0_u32..27, any::<u64>()), 1..usize::from(WINDOW)),
        ) {
            // Evenly over the octaves, since times are.
            let durations: Vec<_> = bits
                .into_iter()
                .map(|(octave, low)| {
                    let first = 1_u64 << (SHORTEST_BITS + octave);
                    Duration::from_nanos(first | low & (first - 1))
                })
                .collect();
            let exact = exact(&durations);
            let usual = sketch(durations).usual();
            prop_assert!(usual > exact, "{usual:?} {exact:?}");
            prop_assert!(usual <= exact.mul_f64(1.25), "{usual:?} {exact:?}");
        }

        #[test]
        fn any_number_of_any_durations_is_taken(
            nanos in prop::collection::vec(any::<u64>(), 0..5_000),
        ) {
            let sketch = sketch(nanos.into_iter().map(Duration::from_nanos));
            prop_assert!(sketch.total < WINDOW);
            let counted: u32 = sketch.counts.iter().map(|count| u32::from(*count)).sum();
            prop_assert_eq!(counted, u32::from(sketch.total));
        }
    }

    #[test]
    fn extremes_have_the_first_and_the_last_bucket() {
        assert_eq!(DurationSketch::new().usual(), Duration::ZERO);
        assert_eq!(
            sketch([Duration::ZERO]).usual(),
            Duration::from_nanos(1 << 16)
        );
        let longest = Duration::from_nanos(1 << 43);
        assert_eq!(sketch([Duration::MAX]).usual(), longest);
        assert_eq!(sketch([longest]).usual(), longest);
    }

    #[test]
    fn one_longer_in_twenty_changes_nothing_and_more_do() {
        let with = |longer: usize| {
            let durations = (0..100).map(|n| if n < longer { 600 * MS } else { 5 * MS });
            sketch(durations).usual()
        };
        assert!(with(5) < 7 * MS);
        assert!(with(6) >= 600 * MS);
    }

    #[test]
    fn a_new_level_is_usual_after_a_twentieth_of_the_window_and_the_old_one_is_forgotten() {
        let mut sketch = sketch((0..10_000).map(|_| 5 * MS));
        let mut until = |longer: bool, took: Duration| {
            let mut count = 0;
            while (sketch.usual() >= 100 * MS) != longer {
                sketch.add(took);
                count += 1;
            }
            count
        };
        let up = until(true, 200 * MS);
        assert!(up <= 51, "{up}");
        let down = until(false, 5 * MS);
        assert!(down <= 2_000, "{down}");
        // Also when all that it knew was the other level.
        for _ in 0..10_000 {
            sketch.add(200 * MS);
        }
        let mut count = 0;
        while sketch.usual() >= 100 * MS {
            sketch.add(5 * MS);
            count += 1;
        }
        assert!(count <= 3_000, "{count}");
    }

    #[test]
    fn a_sketch_takes_no_more_than_a_quarter_of_a_kilobyte() {
        const { assert!(size_of::<DurationSketch>() <= 256) }
    }
}
