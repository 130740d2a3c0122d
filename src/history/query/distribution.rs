//! The distribution of durations: what roll-ups keep, added up.

/// How many durations there were of each length, as an HdrHistogram of microseconds with two
/// significant digits counts them: each bucket is at most 0.8 % wide.
///
/// It is not the histogram's own type, because a record may stand for 2.5 others, and because
/// adding a roll-up's bytes to it takes no memory and no second pass: a question over a week reads
/// a hundred thousand of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Distribution {
    counts: Vec<f64>,
    total: f64,
}

impl Distribution {
    /// Counts a duration in nanoseconds, `weight` times.
    pub(super) fn record(&mut self, nanos: i64, weight: f64) {
        let nanos = u64::try_from(nanos).unwrap_or(0);
        // As the writer of roll-ups does it, so that both agree.
        let micros = (nanos.saturating_add(500) / 1_000).min(MICROS_MAX);
        self.add(bucket_of(micros), weight);
    }

    /// Adds a roll-up's distribution, or says that it is none.
    pub(super) fn add_encoded(&mut self, bytes: &[u8]) -> Option<()> {
        let (header, counts) = bytes.split_at_checked(HEADER_LEN)?;
        let (cookie, rest) = header.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        // Only the shape that the writer's sketch has: others have other buckets, which cannot be
        // added.
        let known = *cookie == COOKIE && rest.starts_with(SHAPE) && rest.ends_with(RATIO);
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        if !known || len > counts.len() {
            return None;
        }
        let mut counts = counts.get(..len)?;
        let mut bucket = 0_usize;
        while let Some((first, rest)) = counts.split_first() {
            // Nearly all are one byte.
            let count = if *first < 0x80 {
                counts = rest;
                zigzag(u64::from(*first))
            } else {
                take_number(&mut counts)?
            };
            if count < 0 {
                // So many empty buckets. A file may claim any number of them.
                bucket = bucket.checked_add(usize::try_from(count.unsigned_abs()).ok()?)?;
            } else {
                if bucket >= BUCKETS_MAX {
                    return None;
                }
                if count > 0 {
                    self.add(bucket, count as f64);
                }
                bucket += 1;
            }
        }
        Some(())
    }

    fn add(&mut self, bucket: usize, weight: f64) {
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0.0);
        }
        self.counts[bucket] += weight;
        self.total += weight;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, weight) in other.counts.iter().enumerate() {
            if *weight > 0.0 {
                self.add(bucket, *weight);
            }
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// The buckets, from the shortest duration to the longest.
    pub(super) fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// The bucket in which the duration lies that a share `q` does not exceed.
    pub(super) fn quantile_bucket(&self, q: f64) -> usize {
        // Weights are added in another order in each file, so their sum is not exact.
        let wanted = q * self.total * (1.0 - 1e-12);
        let mut below = 0.0;
        for (bucket, weight) in self.counts.iter().enumerate() {
            below += weight;
            if below >= wanted && *weight > 0.0 {
                return bucket;
            }
        }
        self.counts.len().saturating_sub(1)
    }

    /// The duration in nanoseconds that a share `q` does not exceed: the middle of its bucket.
    pub(super) fn quantile(&self, q: f64) -> i64 {
        let bucket = self.quantile_bucket(q);
        let (least, width) = bounds(bucket);
        // A bucket holds `width` whole microseconds. This adds half the way from the first to the
        // last of them, in nanoseconds.
        let nanos = least * 1_000 + (width - 1) * 500;
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// How many lie in buckets after this one.
    pub(super) fn above(&self, bucket: usize) -> f64 {
        self.counts.iter().skip(bucket + 1).sum()
    }
}

/// Buckets double in width each time that the duration doubles; half of 256 lie between.
fn bucket_of(micros: u64) -> usize {
    let shift = (63 - (micros | (SUB_BUCKETS - 1)).leading_zeros()) - (SUB_BUCKETS.ilog2() - 1);
    let index = u64::from(shift) * HALF + (micros >> shift);
    usize::try_from(index).unwrap_or(BUCKETS_MAX)
}

/// The least number of microseconds in a bucket, and how many it holds.
fn bounds(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return (bucket, 1);
    }
    let shift = bucket / HALF - 1;
    ((bucket - shift * HALF) << shift, 1 << shift)
}

/// A zigzag LEB128 of at most nine bytes, of which the ninth has eight bits.
fn take_number(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for place in 0..9 {
        // A number that ends too early makes the whole distribution unreadable.
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let byte = u64::from(*byte);
        if place == 8 {
            number |= byte << 56;
            break;
        }
        number |= (byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(zigzag(number))
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// V2, not compressed.
const COOKIE: [u8; 4] = 0x1c84_9313_u32.to_be_bytes();
/// No offset; two significant digits; from 1.
const SHAPE: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1];
/// Values are what they say: 1.0.
const RATIO: &[u8] = &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
const HEADER_LEN: usize = 40;
const SUB_BUCKETS: u64 = 256;
const HALF: u64 = SUB_BUCKETS / 2;
/// 24 hours: the longest that a roll-up tells apart.
const MICROS_MAX: u64 = 24 * 3_600 * 1_000_000;
/// A file is foreign input, and may not make this grow beyond 64-bit durations.
const BUCKETS_MAX: usize = 57 * 128 + 256;

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use proptest::prelude::*;

    fn encoded(histogram: &Histogram<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(histogram, &mut bytes)
            .unwrap();
        bytes
    }

    fn histogram(micros: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 2, 2).unwrap();
        histogram.auto(true);
        for micros in micros {
            histogram.record(*micros).unwrap();
        }
        histogram
    }

    proptest! {
        #[test]
        fn encoded_distribution_equals_the_recorded_one(
            micros in prop::collection::vec(0..MICROS_MAX, 0..200)
        ) {
            let (mut read, mut recorded) = (Distribution::default(), Distribution::default());
            read.add_encoded(&encoded(&histogram(&micros))).unwrap();
            for micros in &micros {
                recorded.record(i64::try_from(micros * 1_000).unwrap(), 1.0);
            }
            prop_assert_eq!(read.counts(), recorded.counts());
            prop_assert_eq!(read.total(), micros.len() as f64);
        }

        #[test]
        fn quantile_is_that_of_the_histogram(
            micros in prop::collection::vec(0..10_000_000_u64, 1..200), q in 0.01..1.0_f64
        ) {
            let whole = histogram(&micros);
            let mut read = Distribution::default();
            read.add_encoded(&encoded(&whole)).unwrap();
            let theirs = whole.value_at_quantile(q) as f64;
            let ours = read.quantile(q) as f64 / 1e3;
            prop_assert!((ours - theirs).abs() <= theirs * 0.01, "{} {}", ours, theirs);
        }

        #[test]
        fn hostile_bytes_do_not_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80), headed in any::<bool>()
        ) {
            let mut whole = if headed { encoded(&histogram(&[1])) } else { Vec::new() };
            whole.truncate(HEADER_LEN);
            whole.extend(&bytes);
            let mut read = Distribution::default();
            let _ = read.add_encoded(&whole);
            prop_assert!(read.counts().len() <= BUCKETS_MAX);
        }
    }

    #[test]
    fn other_precision_is_refused() {
        let other: Histogram<u64> = Histogram::new(3).unwrap();
        assert!(
            Distribution::default()
                .add_encoded(&encoded(&other))
                .is_none()
        );
        assert!(Distribution::default().add_encoded(b"no sketch").is_none());
    }
}
