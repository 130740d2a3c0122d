//! Options of a queue.

use std::fmt;
use std::marker::PhantomData;

use super::capacity::CAPACITY_MAX;
use super::overflow::Overflow;

/// Builds a [`MessageQueue`](super::MessageQueue).
#[must_use = "a builder does nothing until `build` is called"]
pub struct QueueBuilder<T> {
    pub(super) name: String,
    pub(super) capacity: usize,
    pub(super) overflow: Overflow,
    pub(super) counted: bool,
    pub(super) always_stamped: bool,
    pub(super) is_measured: bool,
    // A function's type: the builder holds no message, so it can cross threads whatever `T` is.
    messages: PhantomData<fn() -> T>,
}

impl<T> QueueBuilder<T> {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            capacity: CAPACITY,
            overflow: Overflow::default(),
            counted: true,
            always_stamped: false,
            is_measured: true,
            messages: PhantomData,
        }
    }

    /// Messages that can wait at once. Default: 1,000; 0 counts as 1.
    ///
    /// Memory for all of them, each a few words larger than `T`, is taken when the queue is built,
    /// if that is 64 MiB at most. A larger queue takes and frees memory as messages come and go.
    /// More than `isize::MAX` counts as that.
    pub fn capacity(mut self, messages: usize) -> Self {
        // The highest bit of the count says that the queue is closed, see `Capacity`.
        self.capacity = messages.clamp(1, CAPACITY_MAX);
        self
    }

    /// What a push does when the queue is full. Default: [`Overflow::DropNewest`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Leaves `spanwire.queue.messages` out, for a queue whose messages are counted elsewhere.
    pub(crate) fn uncounted(mut self) -> Self {
        self.counted = false;
        self
    }

    /// Takes no lock that another thread of the process could hold, and publishes no gauges: for a
    /// process that was forked from one with threads of ours.
    #[doc(hidden)]
    pub fn unmeasured(mut self) -> Self {
        self.is_measured = false;
        self
    }

    /// Stamps each message even while no recorder is installed.
    pub(crate) fn always_stamped(mut self) -> Self {
        self.always_stamped = true;
        self
    }
}

impl<T> fmt::Debug for QueueBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

// The memory for all is taken when the queue is built, so a larger default would cost each queue of
// an app.
const CAPACITY: usize = 1_000;
