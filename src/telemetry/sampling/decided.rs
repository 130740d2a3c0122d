//! What was decided, for spans that come late.

use std::collections::{HashMap, VecDeque};

use opentelemetry::TraceId;

use super::verdict::Verdict;

/// The verdicts of the traces that were decided last; the oldest is forgotten for a new one.
#[derive(Debug)]
pub(super) struct Decided {
    verdicts: HashMap<TraceId, Verdict, foldhash::fast::RandomState>,
    order: VecDeque<TraceId>,
    max: usize,
}

impl Decided {
    pub(super) fn new(max: usize) -> Self {
        Self {
            verdicts: HashMap::default(),
            order: VecDeque::new(),
            max: max.max(1),
        }
    }

    pub(super) fn get(&self, id: TraceId) -> Option<Verdict> {
        self.verdicts.get(&id).copied()
    }

    pub(super) fn remember(&mut self, id: TraceId, verdict: Verdict) {
        if self.order.len() >= self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.verdicts.remove(&oldest);
        }
        self.order.push_back(id);
        self.verdicts.insert(id, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut decided = Decided::new(2);
        for id in 1..=3_u128 {
            decided.remember(id.into(), Verdict::Dropped);
        }
        assert_eq!(decided.get(1.into()), None);
        assert_eq!(decided.get(2.into()), Some(Verdict::Dropped));
        assert_eq!(decided.get(3.into()), Some(Verdict::Dropped));
    }
}
