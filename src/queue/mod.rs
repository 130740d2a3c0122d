//! A named, bounded queue that tells how full it is, how long messages waited and what was lost.
//!
//! [`MessageQueue`] works without a webview and without the rest of this crate: many producers,
//! many consumers, on a crossbeam channel.
//!
//! ```
//! use spanwire::queue::{MessageQueue, Overflow, Pushed};
//!
//! let frames = MessageQueue::builder("frames")
//!     .capacity(2)
//!     .overflow(Overflow::DropOldest)
//!     .build();
//! frames.push("a")?;
//! frames.push("b")?;
//! // Nothing is lost silently: what had to make room comes back, and is counted.
//! assert_eq!(frames.push("c")?, Pushed::Evicted("a"));
//! assert_eq!(frames.drain(10), ["b", "c"]);
//! # Ok::<(), spanwire::queue::PushError<&str>>(())
//! ```
//!
//! # Metrics
//!
//! Each queue reports `spanwire.queue.size`, `.capacity` and `.peak`, `spanwire.queue.wait.duration`
//! and `spanwire.queue.messages` with its name as `spanwire.queue.name`. Give each queue a name of its own:
//! two queues of one name share their counters, and their gauges are sums. The first
//! [`REGISTERED_NAMES_MAX`](crate::semconv::REGISTERED_NAMES_MAX) names have series of their own, further
//! ones are `_OTHER`. While no recorder is installed nothing is measured; a recorder that is
//! installed later is used from then on.

mod builder;
mod capacity;
mod message_queue;
mod metrics;
mod outcome;
mod overflow;
mod reported_depth;
#[cfg(test)]
mod tests;
mod wake;

pub use builder::QueueBuilder;
pub use message_queue::MessageQueue;
pub(crate) use outcome::Popped;
pub use outcome::{PopError, PushError, PushErrorReason, Pushed};
pub use overflow::Overflow;
#[cfg(feature = "system")]
pub(crate) use reported_depth::reported_depth;
pub use reported_depth::set_depth;
