//! What was decided, for spans that come late.

use std::collections::HashMap;

use opentelemetry::TraceId;

use super::fate::Fate;

/// The fates of the traces that were decided last: in two generations, of which the older is
/// forgotten when the younger is full. So nothing is forgotten one by one, which would take a list
/// of them and as much time as the look-up.
#[derive(Debug)]
pub(super) struct DecisionCache {
    young: Verdicts,
    old: Verdicts,
    generation: usize,
}

/// By the id's bytes, since a number of 128 bits would be aligned to twice the room.
type Verdicts = HashMap<[u8; 16], Verdict, foldhash::fast::RandomState>;

/// What is known of a trace that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was decided here.
    Decided(Fate),
    /// Another process began it and keeps it.
    Followed,
}

impl DecisionCache {
    /// Remembers that many at least, and twice as many at most.
    pub(super) fn new(generation: usize) -> Self {
        Self {
            young: Verdicts::default(),
            old: Verdicts::default(),
            generation: generation.max(1),
        }
    }

    /// What was decided. One that is kept is not forgotten sooner from here on than what is decided
    /// now, since a trace that goes on for hours is asked for all the time.
    pub(super) fn recall(&mut self, id: TraceId) -> Option<Verdict> {
        let id = id.to_bytes();
        if let Some(verdict) = self.young.get(&id) {
            return Some(*verdict);
        }
        let verdict = *self.old.get(&id)?;
        // A trace that was dropped and one that is not known are the same to every caller, so only
        // kept ones are worth a place.
        if verdict != Verdict::Decided(Fate::Dropped) {
            // Otherwise it would take two places.
            self.old.remove(&id);
            self.put(id, verdict);
        }
        Some(verdict)
    }

    #[cfg(test)]
    pub(super) fn get(&self, id: TraceId) -> Option<Fate> {
        let id = id.to_bytes();
        match self.young.get(&id).or_else(|| self.old.get(&id)) {
            Some(Verdict::Decided(fate)) => Some(*fate),
            Some(Verdict::Followed) | None => None,
        }
    }

    pub(super) fn remember(&mut self, id: TraceId, fate: Fate) {
        self.put(id.to_bytes(), Verdict::Decided(fate));
    }

    /// What was decided here stays.
    pub(super) fn follow(&mut self, id: TraceId) {
        if self.recall(id).is_none() {
            self.put(id.to_bytes(), Verdict::Followed);
        }
    }

    fn put(&mut self, id: [u8; 16], verdict: Verdict) {
        if self.young.len() >= self.generation {
            // Swapped and cleared, so that both maps keep their memory.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(id, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_a_generation_is_remembered_and_two_at_most() {
        let mut decided = DecisionCache::new(10);
        let mut least = usize::MAX;
        for last in 1..=100_u128 {
            decided.remember(last.into(), Fate::Dropped);
            let known = |id: &u128| decided.get((*id).into()).is_some();
            let latest = (1..=last).rev().take_while(known).count();
            assert_eq!((1..=last).filter(known).count(), latest);
            assert!(latest <= 20);
            if last >= 20 {
                least = least.min(latest);
            }
        }
        assert_eq!(least, 11);
    }

    #[test]
    fn a_trace_that_is_followed_is_remembered_while_it_is_asked_for() {
        let mut decided = DecisionCache::new(10);
        let (followed, dropped) = (TraceId::from(1_000_u128), TraceId::from(1_001_u128));
        decided.remember(dropped, Fate::Dropped);
        decided.follow(dropped);
        assert_eq!(
            decided.recall(dropped),
            Some(Verdict::Decided(Fate::Dropped))
        );
        decided.follow(followed);
        for other in 1..=100_u128 {
            decided.remember(other.into(), Fate::Dropped);
            assert_eq!(decided.recall(followed), Some(Verdict::Followed));
        }
        assert_eq!(decided.recall(dropped), None);
    }

    #[test]
    fn a_verdict_takes_a_byte() {
        const { assert!(size_of::<([u8; 16], Verdict)>() == 17) }
    }
}
