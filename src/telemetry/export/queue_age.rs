//! Since when the items of a queue wait, without a time in each.

use std::collections::VecDeque;

use crate::clock::Stamp;

/// What the reader's looks at a queue tell about it. A push costs nothing.
#[derive(Debug)]
pub(super) struct QueueAge {
    /// How many were taken so far.
    taken: u64,
    /// How many had come by when. The first one is the last at which the oldest had not come.
    looks: VecDeque<(u64, Stamp)>,
}

impl QueueAge {
    pub(super) fn new(now: Stamp) -> Self {
        Self {
            taken: 0,
            looks: VecDeque::from([(0, now)]),
        }
    }

    /// So many are queued now.
    pub(super) fn look(&mut self, queued: usize, now: Stamp) {
        let come = self.taken + queued as u64;
        match self.looks.back_mut() {
            // None came since the last look, which then tells nothing that this one does not. So
            // there are no more looks than items in the queue, but for the first.
            Some((last, at)) if *last == come => *at = now,
            _ => self.looks.push_back((come, now)),
        }
        self.forget();
    }

    /// The oldest so many were taken.
    pub(super) fn take(&mut self, items: usize) {
        self.taken += items as u64;
        self.forget();
    }

    /// No item that is queued came before.
    pub(super) fn oldest(&self) -> Stamp {
        self.looks.front().map_or(Stamp::NONE, |(_, at)| *at)
    }

    fn forget(&mut self) {
        // Of the looks whose items have all been taken only the last one counts: what is queued now
        // came after it.
        while self
            .looks
            .get(1)
            .is_some_and(|(come, _)| *come <= self.taken)
        {
            self.looks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(second: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_secs(second))
    }

    #[test]
    fn the_oldest_came_after_the_last_look_at_which_it_was_not_there() {
        let mut age = QueueAge::new(at(1));
        age.look(0, at(2));
        assert_eq!(age.oldest(), at(2));
        age.look(10, at(3));
        assert_eq!(age.oldest(), at(2));
        age.look(15, at(4));
        age.take(9);
        assert_eq!(age.oldest(), at(2));
        age.take(1);
        // The eleventh had not come by the third second.
        assert_eq!(age.oldest(), at(3));
        age.take(5);
        assert_eq!(age.oldest(), at(4));
        age.look(0, at(9));
        assert_eq!(age.oldest(), at(9));
    }

    #[test]
    fn looks_at_an_empty_queue_are_not_kept() {
        let mut age = QueueAge::new(at(1));
        for second in 2..1_000 {
            age.look(0, at(second));
        }
        assert_eq!(age.looks.len(), 1);
    }

    #[test]
    fn looks_at_a_queue_that_stays_as_it_is_are_one() {
        let mut age = QueueAge::new(at(1));
        age.look(10, at(2));
        for second in 3..1_000 {
            age.look(10, at(second));
        }
        assert_eq!(age.looks.len(), 2);
        assert_eq!(age.oldest(), at(1));
        age.look(11, at(1_000));
        age.take(10);
        // The eleventh had not come by the last look that found ten.
        assert_eq!(age.oldest(), at(999));
    }
}
