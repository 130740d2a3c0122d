//! Which traces were kept, for spans that come late.

use std::collections::HashMap;

use opentelemetry::TraceId;

use super::fate::KeepReason;

/// The traces that were kept last, and why: in two generations, of which the older is forgotten when
/// the younger is full. So nothing is forgotten one by one, which would take a list of them and as
/// much time as the look-up.
///
/// A trace that was dropped has no place here: to every caller it is the same as one that is not
/// known.
#[derive(Debug)]
pub(super) struct KeptTraces {
    young: Reasons,
    old: Reasons,
    generation: usize,
}

/// By the id's bytes, since a number of 128 bits would be aligned to twice the room.
type Reasons = HashMap<[u8; 16], KeepReason, foldhash::fast::RandomState>;

impl KeptTraces {
    /// Remembers that many at least, and twice as many at most.
    pub(super) fn new(generation: usize) -> Self {
        Self {
            young: Reasons::default(),
            old: Reasons::default(),
            generation: generation.max(1),
        }
    }

    /// Why the trace was kept. A look-up moves it to the younger generation, so a trace that lasts
    /// for hours, whose spans look it up again and again, is not forgotten.
    pub(super) fn recall(&mut self, id: TraceId) -> Option<KeepReason> {
        let id = id.to_bytes();
        if let Some(reason) = self.young.get(&id) {
            return Some(*reason);
        }
        // Taken out, or it would have two places.
        let reason = self.old.remove(&id)?;
        self.put(id, reason);
        Some(reason)
    }

    #[cfg(test)]
    pub(super) fn get(&self, id: TraceId) -> Option<KeepReason> {
        let id = id.to_bytes();
        let found = self.young.get(&id).or_else(|| self.old.get(&id));
        found.copied()
    }

    pub(super) fn remember(&mut self, id: TraceId, reason: KeepReason) {
        self.put(id.to_bytes(), reason);
    }

    fn put(&mut self, id: [u8; 16], reason: KeepReason) {
        if self.young.len() >= self.generation {
            // Swapped and cleared, so that both maps keep their memory.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(id, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_a_generation_is_remembered_and_two_at_most() {
        let mut kept = KeptTraces::new(10);
        let mut least = usize::MAX;
        for last in 1..=100_u128 {
            kept.remember(last.into(), KeepReason::Rate);
            let known = |id: &u128| kept.get((*id).into()).is_some();
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
    fn a_kept_trace_takes_a_byte_beside_its_id() {
        const { assert!(size_of::<([u8; 16], KeepReason)>() == 17) }
    }
}
