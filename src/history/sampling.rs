//! Which records are kept one by one when a name has very many.
//!
//! Whether one is kept depends on how many came before it and on chance, never on what it says. So
//! the sum of the weights of those that are kept is, on average, the number of all; and the same
//! holds for every sum and every quantile of them.

/// Those of one name and one sort, as they come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stratum {
    second: u64,
    /// In this second, so far.
    seen: u32,
    /// In the second before it.
    before: u32,
}

impl Stratum {
    /// Takes in one that ended at that second; gives for how many it stands if it is kept.
    ///
    /// `chance` gives an equally distributed number from 0 to 1.
    pub(crate) fn admit(
        &mut self,
        second: u64,
        per_second_max: u32,
        chance: impl FnOnce() -> f64,
    ) -> Option<f64> {
        // Threads hand over a little out of order: what is late counts now.
        if second > self.second {
            self.before = if second == self.second + 1 {
                self.seen
            } else {
                0
            };
            self.second = second;
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(1);
        // The second before tells how busy the name is from the first record on. By this second's
        // count alone all of its first records would be kept, and few of the later ones.
        let rate = self.seen.max(self.before);
        if rate <= per_second_max {
            return Some(1.0);
        }
        let share = f64::from(per_second_max) / f64::from(rate);
        (chance() < share).then(|| share.recip())
    }
}

/// Chance, good enough for sampling: SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 8];
        // Without a source of randomness any seed will do.
        let _ = getrandom::fill(&mut seed);
        Self(u64::from_ne_bytes(seed))
    }

    #[cfg(test)]
    fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits are what a float holds.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_are_all_kept_and_stand_for_themselves() {
        let mut stratum = Stratum::default();
        for second in 1..10 {
            for _ in 0..100 {
                let weight = stratum.admit(second, 100, || unreachable!());
                assert_eq!(weight, Some(1.0));
            }
        }
    }

    #[test]
    fn many_records_are_thinned_out_and_weights_keep_their_number_sum_and_quantiles() {
        let (mut stratum, mut chance) = (Stratum::default(), Chance::seeded(7));
        let (mut kept, mut count, mut sum) = (0_u32, 0.0, 0.0);
        let mut below_median = 0.0;
        let per_second = 20_000_u32;
        for second in 1..=20 {
            for n in 0..per_second {
                // What is long comes late in each second: a sample by place would be biased.
                let value = f64::from(n);
                if let Some(weight) = stratum.admit(second, 100, || chance.next()) {
                    kept += 1;
                    count += weight;
                    sum += weight * value;
                    if value < f64::from(per_second) / 2.0 {
                        below_median += weight;
                    }
                }
            }
        }
        let all = f64::from(per_second) * 20.0;
        let exact = all * (f64::from(per_second) - 1.0) / 2.0;
        assert!(kept < 3_000, "{kept}");
        let close = |found: f64, exact: f64| (found / exact - 1.0).abs() < 0.1;
        assert!(close(count, all), "{count}");
        assert!(close(sum, exact), "{sum}");
        assert!(close(below_median, all / 2.0), "{below_median}");
    }

    #[test]
    fn a_quiet_second_forgets_the_rate_before_it() {
        let mut stratum = Stratum::default();
        for _ in 0..1_000 {
            stratum.admit(1, 10, || 0.0);
        }
        assert_eq!(stratum.admit(3, 10, || unreachable!()), Some(1.0));
    }
}
