//! Whether too many of an operation's runs, or of an event's messages, failed or were slow of late.
//!
//! What is counted anyway is looked at whenever gauges are published, which the system sampler does
//! each second, and at most sixty times a window. What then passes a threshold, or comes back, is
//! told on a thread of its own: the log, and the app's callback.

mod event;
mod notifier;
mod watch;
mod window;

pub use event::{ThresholdEvent, ThresholdKind, ThresholdState};
pub(crate) use notifier::ThresholdCallback;
pub(crate) use watch::{ThresholdRules, ThresholdWatch};
