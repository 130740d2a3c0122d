//! Compares shares with their thresholds, and remembers which are passed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use super::event::{ThresholdEvent, ThresholdKind, ThresholdState};
use super::notifier::{Notifier, ThresholdCallback};
use super::window::{MARKS, Window};
use crate::clock::{Stamp, now};
use crate::instrument::ended::{Ended, Reader, Subject, every_ended};

/// What is too much, and within which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThresholdRules {
    pub(crate) error_rate: f64,
    pub(crate) slow_rate: f64,
    pub(crate) window: Duration,
}

/// Looks at every operation and event, now and then.
#[derive(Debug)]
pub(crate) struct ThresholdWatch {
    state: Mutex<Watched>,
    notifier: Notifier,
    /// Keeps events counted, with or without a recorder.
    _events: Reader,
}

/// How many names are above a threshold, by its kind, in the order of [`ThresholdKind::ALL`].
pub(crate) type Exceeded = [u64; ThresholdKind::ALL.len()];

impl ThresholdWatch {
    /// What was counted before is left out.
    pub(crate) fn new(rules: ThresholdRules, callback: Option<ThresholdCallback>) -> Self {
        Self {
            _events: Reader::of_events(),
            state: Mutex::new(Watched::new(rules, now(), every_ended())),
            notifier: Notifier::new(callback),
        }
    }

    /// Looks, if it is time to, and tells what changed. Of two threads one looks.
    pub(crate) fn look(&self) {
        // A scrape must not wait for another scrape's look, which has the same result.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let now = now();
        if !state.is_due(now) {
            return;
        }
        // `every_ended` takes no lock, and runs no code of the app.
        let events = state.look(now, every_ended());
        // Released first, so that a look on another thread is not held up by telling.
        drop(state);
        for event in events {
            self.notifier.tell(event);
        }
    }

    /// Forgets what was counted until now.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // All windows begin anew: a share over the pause would mix what counts with what does not.
        *state = Watched::new(state.rules, now(), every_ended());
    }

    pub(crate) fn exceeded(&self) -> Exceeded {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.exceeded()
    }
}

type Counted = Vec<(Subject, Arc<str>, Ended)>;

/// The part without clock, threads and counters.
#[derive(Debug)]
struct Watched {
    rules: ThresholdRules,
    looked: Stamp,
    // It only grows, and the names are capped where they are counted.
    names: HashMap<(Subject, Arc<str>), Name>,
}

#[derive(Debug)]
struct Name {
    window: Window,
    errors: Side,
    slow: Side,
}

impl Name {
    fn new(now: Stamp, counted: Ended) -> Self {
        Self {
            window: Window::new(now, counted),
            errors: Side::default(),
            slow: Side::default(),
        }
    }
}

/// On which side of a threshold something is.
#[derive(Debug, Default)]
struct Side {
    is_above: bool,
    /// Looks in a row at which it was well below.
    calm: u32,
}

impl Side {
    /// What changed, if something did.
    ///
    /// It comes back well below the threshold and only when it stays there, so that a share that
    /// wavers around the threshold is told once.
    fn look(&mut self, share: Option<f64>, threshold: f64) -> Option<ThresholdState> {
        if !self.is_above {
            // Above and not at: a threshold of 0 tells of any failure, and one of 1 never tells.
            self.is_above = share.is_some_and(|share| share > threshold);
            self.calm = 0;
            return self.is_above.then_some(ThresholdState::Crossed);
        }
        // Of too few nothing is known, and nothing is wrong.
        if share.is_none_or(|share| share <= threshold * CALM_SHARE) {
            self.calm += 1;
        } else {
            self.calm = 0;
        }
        self.is_above = self.calm < CALM_LOOKS;
        (!self.is_above).then_some(ThresholdState::Recovered)
    }
}

impl Watched {
    fn new(rules: ThresholdRules, now: Stamp, counted: Counted) -> Self {
        let names = counted.into_iter().map(|(subject, name, counted)| {
            let watched = Name::new(now, counted);
            ((subject, name), watched)
        });
        Self {
            rules,
            looked: now,
            names: names.collect(),
        }
    }

    fn is_due(&self, now: Stamp) -> bool {
        // As often as the window can tell apart, but within bounds for windows that are very short
        // or long.
        let interval = (self.rules.window / MARKS).clamp(INTERVAL_MIN, INTERVAL_MAX);
        now.since(self.looked) >= interval
    }

    fn look(&mut self, now: Stamp, counted: Counted) -> Vec<ThresholdEvent> {
        let rules = self.rules;
        // A name that was not there then had counted nothing.
        let before = std::mem::replace(&mut self.looked, now);
        let mut events = Vec::new();
        for (subject, name, counted) in counted {
            let key = (subject, Arc::clone(&name));
            let watched = self
                .names
                .entry(key)
                .or_insert_with(|| Name::new(before, Ended::default()));
            let ended = watched.window.grown(now, counted, rules.window);
            let (errors, slow) = match subject {
                Subject::Operation => (
                    ThresholdKind::OperationErrorRate,
                    Some(ThresholdKind::OperationSlowRate),
                ),
                Subject::Event => (ThresholdKind::EventErrorRate, None),
            };
            let mut look = |kind, side: &mut Side, exceeding: u64, threshold| {
                // Read one by one while others count, so one may be ahead.
                let exceeding = exceeding.min(ended.total);
                let rate = match ended.total {
                    0 => 0.0,
                    total => exceeding as f64 / total as f64,
                };
                // The event has the true rate even then: a name that hardly runs any more may come
                // back.
                let share = (ended.total >= COUNT_MIN).then_some(rate);
                if let Some(state) = side.look(share, threshold) {
                    events.push(ThresholdEvent {
                        kind,
                        name: Arc::clone(&name),
                        state,
                        rate,
                        threshold,
                        exceeding,
                        count: ended.total,
                        window: rules.window,
                    });
                }
            };
            look(errors, &mut watched.errors, ended.failed, rules.error_rate);
            if let Some(kind) = slow {
                look(kind, &mut watched.slow, ended.slow, rules.slow_rate);
            }
        }
        events
    }

    fn exceeded(&self) -> Exceeded {
        let mut exceeded = Exceeded::default();
        let [operation_errors, operation_slow, event_errors] = &mut exceeded;
        for ((subject, _), name) in &self.names {
            match subject {
                Subject::Operation => {
                    *operation_errors += u64::from(name.errors.is_above);
                    *operation_slow += u64::from(name.slow.is_above);
                }
                Subject::Event => *event_errors += u64::from(name.errors.is_above),
            }
        }
        exceeded
    }
}

/// Of fewer that ended within the window no share is made: one failure of two says little.
const COUNT_MIN: u64 = 20;
/// Of the threshold: from there on down it counts as calm.
const CALM_SHARE: f64 = 0.8;
const CALM_LOOKS: u32 = 3;
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
