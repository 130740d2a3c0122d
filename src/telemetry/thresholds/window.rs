//! How much a counter grew within a window that moves.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Stamp;
use crate::instrument::ended::Ended;

/// What a counter showed at times of the past: sixty of a window, and one that is older.
#[derive(Debug)]
pub(super) struct Window {
    marks: VecDeque<(Stamp, Ended)>,
}

impl Window {
    pub(super) fn new(now: Stamp, counted: Ended) -> Self {
        Self {
            marks: VecDeque::from([(now, counted)]),
        }
    }

    /// What was added within `window`, or since there is a counter, to a sixtieth of the window.
    pub(super) fn grown(&mut self, now: Stamp, counted: Ended, window: Duration) -> Ended {
        // The newest mark that is old enough is where the window begins.
        while self
            .marks
            // The second: the first stays as the begin until a later one is old enough to take its
            // place.
            .get(1)
            .is_some_and(|(at, _)| now.since(*at) >= window)
        {
            self.marks.pop_front();
        }
        let begin = self.marks.front().map_or(counted, |(_, ended)| *ended);
        let newest = self.marks.back().map(|(at, _)| *at);
        // Spaced out, so that a window has at most sixty marks however often one looks.
        if newest.is_none_or(|at| now.since(at) >= window / MARKS) {
            self.marks.push_back((now, counted));
        }
        counted.since(begin)
    }
}

/// Marks within a window.
pub(super) const MARKS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_secs(1_000 + second))
    }

    fn total(total: u64) -> Ended {
        Ended {
            total,
            ..Ended::default()
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::new(at(0), total(5));
        // One a second, beside the five that were there before.
        for second in 1..=300 {
            let grown = window.grown(at(second), total(5 + second), MINUTE).total;
            assert_eq!(grown, second.min(60), "{second}");
            assert!(window.marks.len() <= MARKS as usize + 2);
        }
        // Nothing more comes.
        assert_eq!(window.grown(at(330), total(305), MINUTE).total, 30);
        assert_eq!(window.grown(at(361), total(305), MINUTE).total, 0);
    }

    #[test]
    fn looks_in_quick_succession_make_no_more_marks() {
        let mut window = Window::new(at(0), total(0));
        for n in 0..1_000 {
            let now = at(0).plus(Duration::from_millis(n));
            window.grown(now, total(n), MINUTE);
        }
        assert_eq!(window.marks.len(), 1);
    }
}
