//! What changed from one period, or one file, to another, and how surely.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::QueryError;
use super::filter::Filter;
use super::reader::HistoryReader;
use super::series::Series;
use super::significance::{
    Proportion, Rate, adjust, distributions_differ, proportions_differ, rates_differ,
};
use super::stats::{SeriesStats, failures};
use super::tally::{Tally, Window};

/// What changed, the most important first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// Each series that either side has.
    pub series: Vec<SeriesChange>,
    /// How many seconds of the first side the file covers.
    pub seconds_before: f64,
    /// The same of the second.
    pub seconds_after: f64,
}

/// What changed in one series.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SeriesChange {
    /// The series.
    pub series: Arc<Series>,
    /// What was measured on the first side; `None` when it is new.
    pub before: Option<SeriesStats>,
    /// What was measured on the second side; `None` when it is gone.
    pub after: Option<SeriesStats>,
    /// How often in a second. It changes with how the app is used, too.
    pub per_second: Change,
    /// The share that failed.
    pub error_rate: Change,
    /// The median duration, in seconds.
    pub p50: Change,
    /// The duration that 95 in 100 did not exceed, in seconds.
    pub p95: Change,
    /// Where it stands in the order: how much changed of what is sure, and 0 when nothing is.
    pub importance: f64,
}

/// One figure on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// On the first side.
    pub before: f64,
    /// On the second side.
    pub after: f64,
    /// How surely they differ.
    pub certainty: Certainty,
    /// The probability of such a difference by chance, corrected for how many were looked at;
    /// `None` when there was too little to say.
    pub p_value: Option<f64>,
}

/// How surely two figures differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Certainty {
    /// There was too little to say.
    TooFew,
    /// It may well be chance.
    Unclear,
    /// Chance would do this in less than one of 20 cases.
    Likely,
    /// Chance would do this in less than one of 1,000 cases.
    Certain,
}

impl Change {
    /// How many times as much it became; `None` when it was nothing.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.after / self.before)
    }

    fn new(before: f64, after: f64, p_value: Option<f64>) -> Self {
        Self {
            before,
            after,
            // `judge` sets it when all p-values are corrected, since the correction needs all of
            // them.
            certainty: Certainty::TooFew,
            p_value,
        }
    }

    fn judge(&mut self) {
        self.certainty = match self.p_value {
            None => Certainty::TooFew,
            Some(p) if p < 0.001 => Certainty::Certain,
            Some(p) if p < 0.05 => Certainty::Likely,
            Some(_) => Certainty::Unclear,
        };
    }

    /// `size`, as far as it is sure.
    fn weigh(&self, size: f64) -> f64 {
        match self.certainty {
            Certainty::Certain => size,
            Certainty::Likely => size / 2.0,
            Certainty::Unclear | Certainty::TooFew => 0.0,
        }
    }

    fn weight(&self) -> f64 {
        // In a logarithm half as long and twice as long weigh the same.
        let ratio = self.after.max(TINY) / self.before.max(TINY);
        self.weigh(ratio.ln().abs())
    }
}

/// Compares what two filters find, in one file or in two.
///
/// Error rates are compared by the two-proportion z-test, and rates as those of Poisson processes.
/// Whether durations moved as a whole (`p50`) says Mann and Whitney's test on the two
/// distributions; whether the tail did (`p95`), a two-proportion test of the shares above the 95th
/// percentile of both together. Records that stand for several count as what they are worth.
/// All probabilities are corrected by Benjamini and Hochberg, since many are looked at.
///
/// The tests take records for independent of each other. Those of a busy minute are not, so read
/// "likely" as a hint to look, and the size of the change before its certainty.
///
/// The order is by the logarithm of how many times longer or shorter it took (`p50` or `p95`), by
/// ten times the difference of the error rates, and by a quarter of the logarithm of the rates'
/// ratio, whichever is most; what is likely counts half, and what is not sure not at all.
///
/// # Errors
///
/// [`QueryError`] when a file is locked or damaged.
pub fn compare(
    before: (&HistoryReader, &Filter),
    after: (&HistoryReader, &Filter),
) -> Result<Comparison, QueryError> {
    let (window_before, tallied_before) = before.0.tallied(before.1)?;
    let (window_after, tallied_after) = after.0.tallied(after.1)?;
    let mut sides: BTreeMap<Arc<Series>, (Option<Tally>, Option<Tally>)> = BTreeMap::new();
    // By series and not by its number: the two sides may be different files.
    for (series, tally) in tallied_before {
        sides.entry(series).or_default().0 = Some(tally);
    }
    for (series, tally) in tallied_after {
        sides.entry(series).or_default().1 = Some(tally);
    }
    let mut changes: Vec<SeriesChange> = sides
        .into_iter()
        .map(|(series, sides)| change(series, sides, window_before, window_after))
        .collect();
    let mut p_values: Vec<&mut f64> = changes
        .iter_mut()
        .flat_map(SeriesChange::figures)
        .filter_map(|figure| figure.p_value.as_mut())
        .collect();
    adjust(&mut p_values);
    for change in &mut changes {
        for figure in change.figures() {
            figure.judge();
        }
        change.importance = change.weight();
    }
    // The sort is stable: what weighs the same stays in the order of the names.
    changes.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    // Cut only now: the correction counts all that was looked at, shown or not.
    changes.truncate(before.1.limit_max().min(after.1.limit_max()));
    Ok(Comparison {
        series: changes,
        seconds_before: window_before.seconds(),
        seconds_after: window_after.seconds(),
    })
}

impl SeriesChange {
    fn figures(&mut self) -> [&mut Change; 4] {
        [
            &mut self.per_second,
            &mut self.error_rate,
            &mut self.p50,
            &mut self.p95,
        ]
    }

    fn weight(&self) -> f64 {
        let errors = (self.error_rate.after - self.error_rate.before).abs();
        // One that is new or gone differs by its rate alone, which would weigh without bound.
        let rate = (self.per_second.weight() / 4.0).min(1.0);
        let durations = if self.before.is_some() && self.after.is_some() {
            self.p50.weight().max(self.p95.weight())
        } else {
            0.0
        };
        // Ten percentage points of errors weigh about as much as a duration that becomes 2.7 times
        // as long.
        durations
            .max(self.error_rate.weigh(errors * 10.0))
            .max(rate)
    }
}

fn change(
    series: Arc<Series>,
    (before, after): (Option<Tally>, Option<Tally>),
    window_before: Window,
    window_after: Window,
) -> SeriesChange {
    let none = Tally::default();
    let (a, b) = (
        before.as_ref().unwrap_or(&none),
        after.as_ref().unwrap_or(&none),
    );
    let stats = |tally: &Option<Tally>, window| {
        let tally = tally.as_ref()?;
        Some(SeriesStats::new(series.clone(), tally, window))
    };
    let (before, after) = (stats(&before, window_before), stats(&after, window_after));
    let figure = |of: fn(&SeriesStats) -> f64, p| {
        let value = |stats: &Option<SeriesStats>| stats.as_ref().map_or(0.0, of);
        Change::new(value(&before), value(&after), p)
    };
    let both = before.is_some() && after.is_some();
    // A series that is new or gone has nothing to compare but its rate.
    let tested = |p: Option<f64>| p.filter(|_| both);
    SeriesChange {
        per_second: figure(
            |stats| stats.per_second,
            rates_differ(rate(a, window_before), rate(b, window_after)),
        ),
        error_rate: figure(
            |stats| stats.error_rate,
            tested(proportions_differ(failures(a), failures(b))),
        ),
        p50: figure(
            |stats| stats.p50.as_secs_f64(),
            tested(distributions_differ(
                &a.distribution,
                a.size(),
                &b.distribution,
                b.size(),
            )),
        ),
        p95: figure(|stats| stats.p95.as_secs_f64(), tested(tails_differ(a, b))),
        importance: 0.0,
        series,
        before,
        after,
    }
}

fn rate(tally: &Tally, window: Window) -> Rate {
    Rate {
        count: tally.count,
        // A count is a sum of weights here, and its variance is the sum of their squares.
        variance: tally.squares,
        seconds: window.seconds(),
    }
}

/// Whether the shares above the 95th percentile of both together differ.
fn tails_differ(a: &Tally, b: &Tally) -> Option<f64> {
    let mut both = a.distribution.clone();
    both.merge(&b.distribution);
    // The threshold comes from both sides together: that of one side would by definition have 5 %
    // above it on that side.
    let bucket = both.quantile_bucket(0.95);
    let share = |tally: &Tally| Proportion {
        part: tally.size() * tally.distribution.above(bucket) / tally.count,
        whole: tally.size(),
    };
    proportions_differ(share(a), share(b))
}

/// A microsecond, an event in eleven days: less counts as that, in a ratio.
const TINY: f64 = 1e-6;
