//! Tail sampling: a trace is recorded first, and kept or dropped once it is known how it went.
//!
//! Spans of traces that begin here are recorded and say `not sampled` to whoever they reach; they
//! are held until the trace is complete, and those of a kept trace are marked as sampled on their
//! way to the batch. [`traces`] is the core, which knows neither clock nor SDK; [`tail`] is what
//! the SDK's sampler and its processor share. [`usual`] knows how long each name usually takes.

mod counts;
mod failures;
mod fate;
mod few;
mod kept_traces;
mod options;
mod order;
mod policy;
mod processor;
mod rate;
mod sampler;
mod tail;
mod traces;
mod usual;

pub use options::TailSampling;
pub(crate) use processor::TailSpans;
pub use rate::SamplingRate;
pub(crate) use sampler::TailSampler;
pub(crate) use tail::{SamplingConfig, Tail};
