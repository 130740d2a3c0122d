//! How long a stage of some records took, and how large they are: the tables and the advice say it
//! alike.

use super::facts::Event;

/// A stage of some records, or another number that they have.
pub(super) struct Spread {
    /// How many records: not what they stand for.
    pub(super) count: usize,
    pub(super) mean: u64,
    pub(super) median: u64,
    pub(super) p95: u64,
    pub(super) max: u64,
}

/// Of a stage, in nanoseconds; `None` where no record has it.
pub(super) fn spread(events: &[Event], stage: usize) -> Option<Spread> {
    spread_of(events, |event| event.stage(stage))
}

/// By weight: a record that stands for several counts as often.
pub(super) fn spread_of(
    events: &[Event],
    number: impl Fn(&Event) -> Option<u64>,
) -> Option<Spread> {
    // A weight below 1 cannot be one of ours: a file may come from another program.
    let known = |event: &Event| Some((number(event)?, event.weight.max(1.0)));
    let mut all: Vec<(u64, f64)> = events.iter().filter_map(known).collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    let (max, _) = *all.last()?;
    let weight: f64 = all.iter().map(|(_, weight)| weight).sum();
    let sum: f64 = all
        .iter()
        .map(|(number, weight)| *number as f64 * weight)
        .sum();
    // The nearest rank: a value that was measured, and none between two.
    let at = |percent: f64| {
        let mut passed = 0.0;
        let found = all.iter().find(|(_, of)| {
            passed += of;
            // Products of whole weights are exact, which a share of 0.95 is not.
            passed * 100.0 >= percent * weight
        });
        found.map_or(max, |(number, _)| *number)
    };
    Some(Spread {
        count: all.len(),
        mean: (sum / weight) as u64,
        median: at(50.0),
        p95: at(95.0),
        max,
    })
}

/// The record whose stage took the longest.
pub(super) fn longest<'a>(
    events: impl Iterator<Item = &'a Event>,
    stage: usize,
) -> Option<&'a Event> {
    events.max_by_key(|event| event.stage(stage))
}

/// How many took longer in that stage: two of thirty are their p95, and no pattern.
pub(super) fn above(events: &[Event], stage: usize, threshold: u64) -> usize {
    let took = events.iter().filter_map(|event| event.stage(stage));
    took.filter(|took| *took > threshold).count()
}
