//! CPU time of the process by the names of its threads.

use std::collections::HashMap;
use std::time::Duration;

use crate::semconv::OTHER;
use crate::system::cpu::ratio;

/// What the threads of one name used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ThreadCpu {
    /// The threads' name, of which Linux keeps 15 bytes; `_OTHER` for those without a place of their
    /// own.
    pub name: Box<str>,
    /// Share of all cores that they used since the last sample, 0 to 1.
    pub cpu_utilization: f64,
}

/// A thread at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ThreadTime {
    pub(super) id: u32,
    pub(super) name: Box<str>,
    /// CPU time so far.
    pub(super) used: Duration,
}

/// Follows the threads of the process from look to look.
#[derive(Debug, Default)]
pub(super) struct ThreadWatch {
    /// CPU time of each thread at the last look; none before the first.
    before: Option<HashMap<u32, Duration>>,
    /// The names that have a place, in the order in which they got it.
    named: Vec<Box<str>>,
}

impl ThreadWatch {
    /// What the threads used since the last look, of `available` that all cores could have; the
    /// process used `total` of it, with threads that have ended meanwhile.
    ///
    /// Each name that ever had a place is there, so that its series falls to 0, and `_OTHER` for the
    /// rest; nothing at the first look.
    pub(super) fn look(
        &mut self,
        threads: Vec<ThreadTime>,
        available: Duration,
        total: Option<f64>,
    ) -> Vec<ThreadCpu> {
        let were_all_seen = self
            .before
            .as_ref()
            .is_some_and(|all| all.len() < THREADS_MAX);
        let now = threads.iter().map(|one| (one.id, one.used)).collect();
        let Some(before) = self.before.replace(now) else {
            return Vec::new();
        };
        let mut by_name: HashMap<Box<str>, Duration> = HashMap::new();
        for thread in threads {
            let used = match before.get(&thread.id) {
                // Less than before: another thread has got the number.
                Some(before) => thread.used.checked_sub(*before).unwrap_or(thread.used),
                // It may have run for long, where not all were seen at the last look.
                None if !were_all_seen => Duration::ZERO,
                None => thread.used,
            };
            *by_name.entry(thread.name).or_default() += used;
        }
        let share = |used: Duration| ratio(used.as_secs_f64(), available.as_secs_f64());
        let mut shares: Vec<(Box<str>, f64)> = by_name
            .into_iter()
            .filter_map(|(name, used)| Some((name, share(used)?)))
            .collect();
        shares.sort_by(|(a, of_a), (b, of_b)| of_b.total_cmp(of_a).then_with(|| a.cmp(b)));
        for (name, share) in shares.iter().take(BUSIEST) {
            let is_new = **name != *OTHER && !self.named.contains(name);
            if *share > 0.0 && is_new && self.named.len() < NAMES_MAX {
                self.named.push(name.clone());
            }
        }
        let mut rest = total.unwrap_or_else(|| shares.iter().map(|(_, share)| share).sum());
        let mut all: Vec<ThreadCpu> = Vec::with_capacity(self.named.len() + 1);
        for name in &self.named {
            let found = shares.iter().find(|(known, _)| known == name);
            let cpu_utilization = found.map_or(0.0, |(_, share)| *share);
            rest -= cpu_utilization;
            all.push(ThreadCpu {
                name: name.clone(),
                cpu_utilization,
            });
        }
        all.push(ThreadCpu {
            name: OTHER.into(),
            // The process's time and its threads' are not read at one moment.
            cpu_utilization: rest.max(0.0),
        });
        all
    }
}

/// Threads that are read at a look, each a file of its own; those beyond are in `_OTHER`.
pub(super) const THREADS_MAX: usize = 256;
/// So many of the busiest names of a sample get a place.
const BUSIEST: usize = 5;
/// So many names have one in the life of the process: an app may number its threads.
pub(super) const NAMES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn threads(all: &[(u32, &str, u64)]) -> Vec<ThreadTime> {
        let thread = |&(id, name, ms): &(u32, &str, u64)| ThreadTime {
            id,
            name: name.into(),
            used: Duration::from_millis(ms),
        };
        all.iter().map(thread).collect()
    }

    fn shares(all: &[ThreadCpu]) -> Vec<(&str, u32)> {
        let percent = |share: f64| (share * 100.0).round() as u32;
        let one = |cpu: &'_ ThreadCpu| percent(cpu.cpu_utilization);
        all.iter().map(|cpu| (&*cpu.name, one(cpu))).collect()
    }

    #[test]
    fn threads_of_one_name_are_summed_and_a_new_one_counts_whole() {
        let mut watch = ThreadWatch::default();
        let first = threads(&[(1, "app", 500), (2, "worker", 100)]);
        assert_eq!(watch.look(first, SECOND, None), []);
        let second = threads(&[(1, "app", 500), (2, "worker", 300), (3, "worker", 100)]);
        let cpu = watch.look(second, SECOND, Some(0.5));
        assert_eq!(shares(&cpu), [("worker", 30), ("_OTHER", 20)]);
        let third = threads(&[(1, "app", 600), (3, "worker", 100)]);
        let cpu = watch.look(third, SECOND, Some(0.1));
        assert_eq!(shares(&cpu), [("worker", 0), ("app", 10), ("_OTHER", 0)]);
    }

    #[test]
    fn threads_without_a_name_to_show_are_once_in_the_rest() {
        let mut watch = ThreadWatch::default();
        watch.look(Vec::new(), SECOND, None);
        let cpu = watch.look(threads(&[(1, OTHER, 300), (2, "app", 100)]), SECOND, None);
        assert_eq!(shares(&cpu), [("app", 10), ("_OTHER", 30)]);
    }

    #[test]
    fn a_thread_that_was_not_seen_among_too_many_does_not_count_with_its_whole_life() {
        let mut watch = ThreadWatch::default();
        let first: Vec<_> = (0..THREADS_MAX as u32).map(|id| (id, "pool", 10)).collect();
        watch.look(threads(&first), SECOND, None);
        let cpu = watch.look(
            threads(&[(999, "old", 900_000), (1, "pool", 110)]),
            SECOND,
            None,
        );
        assert_eq!(shares(&cpu), [("pool", 10), ("_OTHER", 0)]);
    }

    #[test]
    fn a_number_that_another_thread_has_got_is_no_overflow() {
        let mut watch = ThreadWatch::default();
        watch.look(threads(&[(7, "old", 900)]), SECOND, None);
        let cpu = watch.look(threads(&[(7, "new", 50)]), SECOND, None);
        assert_eq!(shares(&cpu), [("new", 5), ("_OTHER", 0)]);
    }

    #[test]
    fn five_names_of_a_sample_get_a_place_and_sixteen_in_all() {
        let mut watch = ThreadWatch::default();
        watch.look(Vec::new(), SECOND, None);
        for look in 0..10_u32 {
            let names: Vec<String> = (0..10).map(|n| format!("w{look}.{n}")).collect();
            let all: Vec<(u32, &str, u64)> = names
                .iter()
                .zip(0..)
                .map(|(name, n)| (look * 10 + n, name.as_str(), 10))
                .collect();
            let cpu = watch.look(threads(&all), SECOND, None);
            let named = (5 * (look as usize + 1)).min(NAMES_MAX);
            assert_eq!(cpu.len(), named + 1);
            let sum: u32 = shares(&cpu).iter().map(|(_, percent)| percent).sum();
            assert_eq!(sum, 10, "what has no place is in `_OTHER`");
        }
    }
}
