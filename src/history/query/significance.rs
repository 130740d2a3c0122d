//! How surely two samples differ.

use super::distribution::Distribution;

/// The probability of a difference at least this large by chance, when there is none: two-sided,
/// of a standard normal variable.
fn p_of(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The complementary error function, off by at most 1.2e-7 of its value (Numerical Recipes,
/// section 6.2, `erfcc`): small probabilities matter here, so an absolute bound would not do.
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x);
    let series = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let sum = series.iter().rev().fold(0.0, |sum, c| sum * t + c);
    t * (sum - x * x).exp()
}

/// Part of a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proportion {
    pub(super) part: f64,
    pub(super) whole: f64,
}

/// The two-proportion z-test, pooled. `None` when there are fewer than five expected on either side
/// of either sample, where it does not hold.
pub(super) fn proportions_differ(a: Proportion, b: Proportion) -> Option<f64> {
    let whole = a.whole + b.whole;
    let part = a.part + b.part;
    if a.whole.min(b.whole) >= 20.0 && (part <= 0.0 || part >= whole) {
        // All of both, or none.
        return Some(1.0);
    }
    let pooled = part / whole;
    let least = pooled.min(1.0 - pooled) * a.whole.min(b.whole);
    if least.is_nan() || least < 5.0 {
        return None;
    }
    let error = (pooled * (1.0 - pooled) * (1.0 / a.whole + 1.0 / b.whole)).sqrt();
    Some(p_of((a.part / a.whole - b.part / b.whole) / error))
}

/// Wilson's interval of 95 % for a proportion: it holds for few and for none, too.
pub(super) fn wilson(of: Proportion) -> (f64, f64) {
    if of.whole <= 0.0 {
        return (0.0, 1.0);
    }
    let (z, n) = (1.959_964, of.whole);
    // Weights are sums of fractions: all of them may come out as a little more than all.
    let share = (of.part / n).clamp(0.0, 1.0);
    let centre = share + z * z / (2.0 * n);
    let margin = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let below = 1.0 + z * z / n;
    (
        // Rounding must not put the share itself outside of its interval.
        ((centre - margin) / below).max(0.0).min(share),
        ((centre + margin) / below).max(share).min(1.0),
    )
}

/// Events in a time: `count`, whose variance is `variance`, in `seconds`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) count: f64,
    pub(super) variance: f64,
    pub(super) seconds: f64,
}

/// Whether two Poisson rates differ: the normal approximation, from ten events on.
pub(super) fn rates_differ(a: Rate, b: Rate) -> Option<f64> {
    if a.count + b.count < 10.0 || a.seconds <= 0.0 || b.seconds <= 0.0 {
        return None;
    }
    let difference = a.count / a.seconds - b.count / b.seconds;
    let variance = a.variance / a.seconds.powi(2) + b.variance / b.seconds.powi(2);
    Some(p_of(difference / variance.sqrt()))
}

/// Mann and Whitney's test of two distributions, with the correction for ties: a bucket is one tie.
///
/// `a_size` and `b_size` are how many independent records they are worth. `None` below twenty in
/// either, where its normal approximation does not hold.
pub(super) fn distributions_differ(
    a: &Distribution,
    a_size: f64,
    b: &Distribution,
    b_size: f64,
) -> Option<f64> {
    if a_size < 20.0 || b_size < 20.0 {
        return None;
    }
    // Weighted counts are scaled down to as many independent records as they are worth. Else a
    // sampled side would look surer than it is.
    let (scale_a, scale_b) = (a_size / a.total(), b_size / b.total());
    let buckets = a.counts().len().max(b.counts().len());
    let at = |counts: &[f64], bucket: usize| counts.get(bucket).copied().unwrap_or(0.0);
    let (mut wins, mut ties, mut a_below) = (0.0, 0.0, 0.0);
    for bucket in 0..buckets {
        let in_a = at(a.counts(), bucket) * scale_a;
        let in_b = at(b.counts(), bucket) * scale_b;
        wins += in_b * (a_below + in_a / 2.0);
        a_below += in_a;
        let tied = in_a + in_b;
        // Less than one is of a record that stands for several, and is tied with no other.
        ties += (tied.powi(3) - tied).max(0.0);
    }
    let all = a_size + b_size;
    let expected = a_size * b_size / 2.0;
    let variance = a_size * b_size / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        // All are equal, to what a bucket tells apart.
        return Some(1.0);
    }
    Some(p_of((wins - expected) / variance.sqrt()))
}

/// Benjamini and Hochberg's correction: with so many questions asked at once, some would look
/// surprising by chance alone.
pub(super) fn adjust(p_values: &mut [&mut f64]) {
    let many = p_values.len() as f64;
    // From the largest down, so that no smaller p-value ends above a larger one.
    p_values.sort_by(|a, b| b.total_cmp(a));
    let mut least: f64 = 1.0;
    for (index, p) in p_values.iter_mut().enumerate() {
        let rank = many - index as f64;
        least = least.min(**p * many / rank);
        **p = least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        let off = (found - expected).abs();
        assert!(off <= expected.abs() * 1e-3 + 1e-9, "{found} {expected}");
    }

    #[test]
    fn probability_is_that_of_the_tables() {
        near(p_of(0.0), 1.0);
        near(p_of(1.959_964), 0.05);
        near(p_of(-3.290_527), 0.001);
        near(p_of(6.0), 1.973_175e-9);
    }

    #[test]
    fn two_proportions_as_in_a_worked_example() {
        // 45 of 300 and 75 of 300: z = 3.0619.
        let p = proportions_differ(
            Proportion {
                part: 45.0,
                whole: 300.0,
            },
            Proportion {
                part: 75.0,
                whole: 300.0,
            },
        );
        near(p.unwrap(), 0.002_199);
        let few = Proportion {
            part: 1.0,
            whole: 20.0,
        };
        assert!(proportions_differ(few, few).is_none());
        let none = Proportion {
            part: 0.0,
            whole: 0.0,
        };
        assert!(proportions_differ(none, none).is_none());
    }

    #[test]
    fn wilson_holds_for_none_of_ten() {
        let (least, most) = wilson(Proportion {
            part: 0.0,
            whole: 10.0,
        });
        assert_eq!(least, 0.0);
        near(most, 0.277_533);
        let (least, most) = wilson(Proportion {
            part: 5.0,
            whole: 10.0,
        });
        near(least, 0.236_593);
        near(most, 0.763_407);
    }

    #[test]
    fn mann_whitney_is_that_of_all_pairs() {
        let (mut a, mut b) = (Distribution::default(), Distribution::default());
        for micros in 1..=40 {
            a.record(micros * 1_000, 1.0);
            b.record((micros + 10) * 1_000, 1.0);
        }
        let p = distributions_differ(&a, 40.0, &b, 40.0).unwrap();
        near(p, mann_whitney_by_pairs(40, 10));
        assert!(distributions_differ(&a, 19.0, &b, 40.0).is_none());
        near(distributions_differ(&a, 40.0, &a, 40.0).unwrap(), 1.0);
    }

    /// The same by its definition: each pair is looked at.
    fn mann_whitney_by_pairs(n: i64, shift: i64) -> f64 {
        let (a, b): (Vec<i64>, Vec<i64>) =
            ((1..=n).collect(), (1..=n).map(|x| x + shift).collect());
        let mut wins = 0.0;
        for x in &a {
            for y in &b {
                wins += match y.cmp(x) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let both: Vec<i64> = a.iter().chain(&b).copied().collect();
        let tied = |x: &i64| both.iter().filter(|y| *y == x).count() as f64;
        // Each member of a tie of t adds (t³ − t) / t.
        let ties: f64 = both.iter().map(|x| tied(x).powi(2) - 1.0).sum();
        let (n, all) = (n as f64, both.len() as f64);
        let variance = n * n / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        p_of((wins - n * n / 2.0) / variance.sqrt())
    }

    #[test]
    fn correction_for_many_questions_as_in_a_worked_example() {
        let mut p = [0.01, 0.04, 0.03, 0.005];
        adjust(&mut p.iter_mut().collect::<Vec<_>>());
        for (found, expected) in p.iter().zip([0.02, 0.04, 0.04, 0.02]) {
            near(*found, expected);
        }
    }
}
