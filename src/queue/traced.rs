//! Messages whose spans lead from the push to the operation that took them, and back.

use std::fmt;
use std::time::Duration;

use super::message_queue::MessageQueue;
use super::outcome::{PushError, Pushed};
use crate::instrument::send_span::SendSpan;
use crate::semconv::ErrorType;
use crate::timer::Monitor;

/// A message with the span of its push, which ends when an operation takes the message.
///
/// [`MessageQueue::push_traced`] makes it. Where the push happens within a sampled span, it is the
/// child `send {queue}` of that; otherwise there is no span, and this costs a pointer.
///
/// ```
/// use spanwire::queue::{MessageQueue, Traced};
/// use spanwire::timer::monitor;
///
/// let jobs = MessageQueue::<Traced<u32>>::bounded("jobs", 100);
/// monitor("click").time(|| jobs.push_traced(7))?;
///
/// // On another thread; `MessageQueue::work` does the same in a loop.
/// if let Some(job) = jobs.try_pop() {
///     let (job, monitor) = job.take(monitor("resize"));
///     monitor.time(|| assert_eq!(job, 7));
/// }
/// # Ok::<(), spanwire::queue::PushError<u32>>(())
/// ```
pub struct Traced<T> {
    message: T,
    span: Untaken,
}

impl<T> Traced<T> {
    /// Gives the message to the operation that `monitor` will measure.
    ///
    /// The operation's span and the push's are linked to each other, since they belong to traces
    /// of their own: the operation's begins here, or is that of the span around it.
    pub fn take(self, monitor: Monitor<'_>) -> (T, Monitor<'_>) {
        let Self { message, mut span } = self;
        (message, monitor.taking(span.0.take()))
    }

    /// The message alone; the push's span ends, and nothing is linked to it.
    pub fn into_inner(self) -> T {
        let Self { message, mut span } = self;
        drop(span.0.take());
        message
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &T {
        &self.message
    }

    fn lost(self, why: ErrorType) -> T {
        let Self { message, mut span } = self;
        if let Some(span) = span.0.take() {
            span.lost(why);
        }
        message
    }
}

/// Shows no message: it may be secret, and `T` need not be `Debug`.
impl<T> fmt::Debug for Traced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced")
            .field("has_span", &self.span.0.is_some())
            .finish_non_exhaustive()
    }
}

/// The span of a message that waits. Dropped with its queue, the message is lost.
struct Untaken(Option<Box<SendSpan>>);

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            // As the queue counts what it held at its end.
            span.lost(ErrorType::Shutdown);
        }
    }
}

/// Pushes with a span. Where a message is refused or gives way, its span fails with the `error.type`
/// that the queue counts.
impl<T> MessageQueue<Traced<T>> {
    /// As [`push`](Self::push), with a span of the message's.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_traced(&self, message: T) -> Result<Pushed<T>, PushError<T>> {
        settle(self.push(self.traced(message)))
    }

    /// As [`push_timeout`](Self::push_timeout), with a span of the message's.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](Self::push_timeout).
    pub fn push_traced_timeout(
        &self,
        message: T,
        timeout: Duration,
    ) -> Result<Pushed<T>, PushError<T>> {
        settle(self.push_timeout(self.traced(message), timeout))
    }

    /// As [`push_latest`](Self::push_latest), with a span of the message's.
    ///
    /// # Errors
    ///
    /// As [`push_latest`](Self::push_latest).
    pub fn push_traced_latest(&self, key: &str, message: T) -> Result<Pushed<T>, PushError<T>> {
        settle(self.push_latest(key, self.traced(message)))
    }

    fn traced(&self, message: T) -> Traced<T> {
        Traced {
            message,
            span: Untaken(SendSpan::start(self.label())),
        }
    }
}

/// Ends the spans of what will not be taken.
fn settle<T>(
    pushed: Result<Pushed<Traced<T>>, PushError<Traced<T>>>,
) -> Result<Pushed<T>, PushError<T>> {
    match pushed {
        Ok(Pushed::Queued) => Ok(Pushed::Queued),
        Ok(Pushed::Superseded(older)) => Ok(Pushed::Superseded(older.lost(ErrorType::Superseded))),
        Ok(Pushed::Evicted(oldest)) => Ok(Pushed::Evicted(oldest.lost(ErrorType::QueueFull))),
        Err(error) => {
            let why = error.error_type();
            Err(PushError {
                message: error.message.lost(why),
                reason: error.reason,
            })
        }
    }
}
