//! What became of the spans of processes that were killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use spanwire_testkit::spooling_process::Made;

/// One process, from its start to its kill.
#[derive(Debug)]
pub(crate) struct Life {
    /// What its spans' names begin with; a number follows.
    pub(crate) prefix: String,
    pub(crate) made: Vec<Made>,
    pub(crate) killed: SystemTime,
    /// When its disk had failed, if it had before.
    pub(crate) disk_failed: Option<SystemTime>,
}

impl Life {
    /// The spans that did not arrive, in order.
    pub(crate) fn lost(&self, arrived: &BTreeSet<&str>) -> Vec<&Made> {
        let is_lost = |made: &&Made| !arrived.contains(made.name.as_str());
        self.made.iter().filter(is_lost).collect()
    }

    /// How long before the kill a span had ended.
    pub(crate) fn age(&self, made: &Made) -> Duration {
        self.killed.duration_since(made.at).unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.prefix)?.parse().ok()
    }
}

/// All requests that collectors took, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Arrivals(pub(crate) Vec<Vec<String>>);

impl Arrivals {
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flatten().map(String::as_str).collect()
    }

    /// How many requests came again.
    ///
    /// # Errors
    ///
    /// When a span came again in another request than the one it was in.
    pub(crate) fn resent(&self) -> Result<usize, String> {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        let mut resent = 0;
        for (at, request) in self.0.iter().enumerate() {
            let before: Vec<usize> = request
                .iter()
                .filter_map(|name| first.get(name.as_str()).copied())
                .collect();
            match before.first() {
                None => first.extend(request.iter().map(|name| (name.as_str(), at))),
                Some(earlier) if self.0[*earlier] == *request => resent += 1,
                Some(earlier) => {
                    return Err(format!("{:?} and {request:?}", self.0[*earlier]));
                }
            }
        }
        Ok(resent)
    }

    /// That the spans of that process arrived in the order in which they ended.
    ///
    /// # Errors
    ///
    /// With the first that did not.
    pub(crate) fn in_order(&self, life: &Life) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut last = 0;
        for number in self.0.iter().flatten().filter_map(|name| life.number(name)) {
            if !seen.insert(number) {
                continue;
            }
            if number < last {
                return Err(format!("{}{number} came after {last}", life.prefix));
            }
            last = number;
        }
        Ok(())
    }
}
