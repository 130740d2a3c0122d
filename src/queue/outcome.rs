//! What became of a push or a pop.

use std::fmt;
use std::time::Duration;

use crate::semconv::ErrorType;

/// A push that was accepted, and what it displaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed<T> {
    /// The message waits in the queue.
    Queued,
    /// It took the place of this older message with the same key, which will not be delivered.
    Superseded(T),
    /// It waits in the queue, and this oldest message was given up to make room for it.
    Evicted(T),
}

/// A push that was refused; the message comes back in it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushError<T> {
    /// The message that was not queued.
    pub message: T,
    /// Why not.
    pub reason: PushErrorReason,
}

impl<T> PushError<T> {
    /// The reason as the `error.type` that it was counted with.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.reason.error_type()
    }
}

// Neither shows the message: it may be secret, and `T` need not be `Debug`.
impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            PushErrorReason::Full => "the queue is full",
            PushErrorReason::Closed => "the queue is closed",
            PushErrorReason::Timeout => "the queue stayed full for the time given",
        })
    }
}

impl<T> std::error::Error for PushError<T> {}

/// Why a push was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushErrorReason {
    /// There is no room.
    Full,
    /// The queue was closed.
    Closed,
    /// There was no room within the time given.
    Timeout,
}

impl PushErrorReason {
    /// The reason as the `error.type` that it is counted with.
    #[must_use]
    pub fn error_type(self) -> ErrorType {
        match self {
            Self::Full => ErrorType::QueueFull,
            Self::Closed => ErrorType::Shutdown,
            Self::Timeout => ErrorType::Timeout,
        }
    }
}

/// Why there was nothing to pop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PopError {
    /// No message came within the time given.
    #[error("no message came before the timeout")]
    Timeout,
    /// The queue is closed and empty: no message will ever come.
    #[error("the queue is closed and empty")]
    Closed,
}

/// A message with its time in the queue.
#[derive(Debug)]
pub(crate) struct Popped<T> {
    pub(crate) message: T,
    /// Zero when the queue took no stamp at the push, see `QueueBuilder::always_stamped`.
    pub(crate) wait: Duration,
}
