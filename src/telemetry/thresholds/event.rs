//! What is told when a threshold is passed, and when all is well again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A share of failures, or of slow runs, that passed its threshold or came back.
///
/// Its `Display` says it in a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ThresholdEvent {
    /// What is watched.
    pub kind: ThresholdKind,
    /// The operation's or the event's name, capped as in the metrics: `_OTHER` for those beyond.
    pub name: Arc<str>,
    /// Whether it was passed, or all is well again.
    pub state: ThresholdState,
    /// The share, from 0.0 to 1.0, over the window.
    pub rate: f64,
    /// The share from which on it is too much.
    pub threshold: f64,
    /// How many failed or were slow within the window.
    pub exceeding: u64,
    /// Of how many that ended within the window. What was cancelled, superseded or shut down is not
    /// among them.
    pub count: u64,
    /// How far back it was looked: the window that was set, also while telemetry has not been
    /// installed for as long.
    pub window: Duration,
}

impl fmt::Display for ThresholdEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            exceeding,
            count,
            ..
        } = self;
        let (what, how) = match self.kind {
            ThresholdKind::OperationErrorRate => ("operation", "failed"),
            ThresholdKind::OperationSlowRate => ("operation", "were slow"),
            ThresholdKind::EventErrorRate => ("event", "failed"),
        };
        // One decimal: a threshold of half a percent should not read as 0 or 1.
        let (rate, threshold) = (self.rate * 100.0, self.threshold * 100.0);
        let seconds = self.window.as_secs_f64();
        let state = match self.state {
            ThresholdState::Crossed => "above",
            ThresholdState::Recovered => "back below",
        };
        write!(
            f,
            "{what} {name}: {exceeding} of {count} {how} within {seconds} s ({rate:.1} %), {state} \
             the threshold of {threshold:.1} %"
        )
    }
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThresholdKind {
    /// The share of an operation's runs that failed.
    OperationErrorRate,
    /// The share of an operation's runs that were slow.
    OperationSlowRate,
    /// The share of an event's messages, in both directions, that failed or were dropped.
    EventErrorRate,
}

impl ThresholdKind {
    /// Every value.
    pub const ALL: &[Self] = &[
        Self::OperationErrorRate,
        Self::OperationSlowRate,
        Self::EventErrorRate,
    ];

    /// The value of `spanwire.threshold.kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OperationErrorRate => "operation_error_rate",
            Self::OperationSlowRate => "operation_slow_rate",
            Self::EventErrorRate => "event_error_rate",
        }
    }
}

/// On which side of its threshold something is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdState {
    /// It passed the threshold.
    Crossed,
    /// It stayed at four fifths of the threshold or below for three looks in a row.
    Recovered,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_said_in_a_line() {
        let event = ThresholdEvent {
            kind: ThresholdKind::OperationErrorRate,
            name: "load_scene".into(),
            state: ThresholdState::Crossed,
            rate: 0.125,
            threshold: 0.1,
            exceeding: 5,
            count: 40,
            window: Duration::from_secs(60),
        };
        assert_eq!(
            event.to_string(),
            "operation load_scene: 5 of 40 failed within 60 s (12.5 %), above the threshold of 10.0 %"
        );
    }
}
