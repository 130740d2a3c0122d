//! What a dashboard is told of, measured by the app itself.

use std::time::Duration;

use crate::queue::set_depth;
use crate::timer::{self, Outcome, operation, set_current_operation};

/// Records an action that took `duration`; the same as
/// [`Operation::record`](crate::timer::Operation::record).
///
/// ```
/// use spanwire::report::record_action;
/// use std::time::Duration;
///
/// record_action("save", Duration::from_millis(12), true);
/// ```
pub fn record_action<'o>(name: &str, duration: Duration, success: impl Into<Outcome<'o>>) {
    operation(name).record(duration, success);
}

/// Records an event that the app handled outside of the wire. Messages of the wire count by
/// themselves.
///
/// In metrics it is the operation `event`; a [`RollingHistory`](super::RollingHistory) counts it
/// among the events and not among the actions.
pub fn record_event<'o>(processing_time: Duration, success: impl Into<Outcome<'o>>) {
    timer::record_event(EVENT, processing_time, success);
}

/// Says which action is running; the same as
/// [`set_current_operation`](crate::timer::set_current_operation).
pub fn set_current_action<'n>(name: impl Into<Option<&'n str>>) {
    set_current_operation(name);
}

/// Says how many actions wait: `spanwire.queue.size` of the queue `actions`.
pub fn set_action_queue_depth(actions: usize) {
    set_depth(ACTION_QUEUE, actions);
}

/// Says how many events wait: `spanwire.queue.size` of the queue `events`.
pub fn set_event_queue_depth(events: usize) {
    set_depth(EVENT_QUEUE, events);
}

const EVENT: &str = "event";
pub(super) const ACTION_QUEUE: &str = "actions";
pub(super) const EVENT_QUEUE: &str = "events";
