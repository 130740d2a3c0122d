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
//!
//! # Workers and traces
//!
//! A queue of [`Traced`] messages leads from a slow operation to what pushed its message. Each
//! [`push_traced`](MessageQueue::push_traced) within a sampled span makes a span `send {queue}`, which
//! lasts until the message is taken. [`MessageQueue::work`] starts threads that take messages and
//! run an operation on each; that operation's span and the push's are linked to each other. The
//! workers are `spanwire.queue.worker.count`, busy or idle.
//!
//! At most 1,000 such spans are open in the process; further ones end with their push, and only the
//! operation is linked. Tail sampling decides each of the two traces by itself.

mod builder;
mod capacity;
mod message_queue;
mod metrics;
mod outcome;
mod overflow;
mod reported_depth;
#[cfg(test)]
mod tests;
mod traced;
mod wake;
mod workers;

pub use builder::QueueBuilder;
pub use message_queue::MessageQueue;
pub(crate) use outcome::Popped;
pub use outcome::{PopError, PushError, PushErrorReason, Pushed};
pub use overflow::Overflow;
#[cfg(feature = "system")]
pub(crate) use reported_depth::reported_depth;
pub use reported_depth::set_depth;
pub use traced::Traced;
pub use workers::Workers;
