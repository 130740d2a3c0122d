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
type Verdicts = HashMap<[u8; 16], Fate, foldhash::fast::RandomState>;

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
    pub(super) fn recall(&mut self, id: TraceId) -> Option<Fate> {
        let id = id.to_bytes();
        if let Some(fate) = self.young.get(&id) {
            return Some(*fate);
        }
        let fate = *self.old.get(&id)?;
        // A trace that was dropped and one that is not known are the same to every caller, so only
        // kept ones are worth a place.
        if matches!(fate, Fate::Kept(_)) {
            // Otherwise it would take two places.
            self.old.remove(&id);
            self.put(id, fate);
        }
        Some(fate)
    }

    #[cfg(test)]
    pub(super) fn get(&self, id: TraceId) -> Option<Fate> {
        let id = id.to_bytes();
        let found = self.young.get(&id).or_else(|| self.old.get(&id));
        found.copied()
    }

    pub(super) fn remember(&mut self, id: TraceId, fate: Fate) {
        self.put(id.to_bytes(), fate);
    }

    fn put(&mut self, id: [u8; 16], fate: Fate) {
        if self.young.len() >= self.generation {
            // Swapped and cleared, so that both maps keep their memory.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(id, fate);
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
    fn a_verdict_takes_a_byte() {
        const { assert!(size_of::<([u8; 16], Fate)>() == 17) }
    }
}
