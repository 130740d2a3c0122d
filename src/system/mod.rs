//! The process, its webview's processes and the host, sampled on one thread.
//!
//! [`Telemetry`](crate::telemetry) starts a [`SystemSampler`] by itself. Start one by hand when you
//! have a `metrics` recorder of your own; use a [`SystemProbe`] to look yourself.
//!
//! ```no_run
//! # use std::time::Duration;
//! use spanwire::system::SystemSampler;
//!
//! let _sampler = SystemSampler::start(Duration::from_secs(1));
//! // … the app runs; dropping the guard ends the sampling.
//! ```

mod allocator;
mod children;
mod cpu;
mod gauges;
mod kept_samples;
mod probe;
#[cfg(target_os = "linux")]
mod proc;
mod sample;
mod sampler;
#[cfg(test)]
mod tests;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux tells of threads")
)]
mod threads;

pub use allocator::{Allocator, AllocatorFigures};
pub use cpu::CpuMode;
pub use probe::{ProbeError, SystemProbe};
pub use sample::{SystemSample, WebviewProcessType, WebviewProcesses};
pub use sampler::SystemSampler;
pub use threads::ThreadCpu;
