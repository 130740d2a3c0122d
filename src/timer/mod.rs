//! Scoped operations: how long they take, how many run, which were slow and why they failed.
//!
//! [`ScopedTimer`] measures until it ends or is dropped; [`monitor`] measures a closure or a future
//! and sees how it ended. Each operation makes a span, so operations within it are its children,
//! and its error or its slowness is a log record in that span.
//!
//! ```
//! use spanwire::timer::{ScopedTimer, monitor};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), std::num::ParseIntError> {
//! let level: u32 = monitor("read_level")
//!     .slow_after(Duration::from_millis(50))
//!     .run(|| "42".parse())?;
//!
//! let mut timer = ScopedTimer::start("load_scene");
//! timer.field("level", level);
//! // … the work …
//! timer.complete();
//! # Ok(())
//! # }
//! ```
//!
//! # What is recorded
//!
//! Every operation counts in `spanwire.operation.duration`, and in `spanwire.operation.active`
//! while it runs; one that takes its threshold or longer also in `spanwire.operation.slow`.
//! [`Monitor::sample_one_in`] thins out the spans of operations that run often, never the metrics.
//! Without a recorder and a subscriber nothing is measured and no clock is read.
//!
//! What the app measured itself goes beside it with [`Operation::record`], and
//! [`set_current_operation`] names work that has no scope.
//!
//! An error's text goes to its log record alone. `error.type` is the error's Rust type without its
//! path and parameters, or the name that the app gives with [`Monitor::error_type`] or
//! [`ScopedTimer::fail_as`].
//!
//! # Limits
//!
//! | limit | at the limit |
//! |---|---|
//! | 200 operation names, 128 bytes each | further names share the series `_OTHER`; a longer name is cut |
//! | 50 error types in the process | further ones are `_OTHER`; log records keep the full type |
//! | 16 context fields, 256 bytes of text each | further ones are counted, longer text is cut |
//! | 4 KiB of error text, 16 KiB of backtrace | cut |

mod detached;
mod error;
mod failure;
mod fields;
mod kept_record;
mod monitor;
mod operation;
mod outcome;
mod record;
mod run;
mod scoped;
mod text;
mod threshold;
#[cfg(feature = "system")]
mod totals;

pub use crate::instrument::thread_cpu::CpuTime;
pub use detached::DetachedRun;
pub use error::OperationError;
pub use fields::FieldValue;
pub use monitor::{Monitor, monitor};
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub(crate) use operation::publish_slow_threshold;
#[cfg(feature = "system")]
pub(crate) use operation::running_now;
pub use operation::{Operation, operation, set_slow_threshold_of};
pub use outcome::Outcome;
#[cfg(feature = "history")]
pub(crate) use record::keep_current_operation;
#[cfg(feature = "system")]
pub(crate) use record::record_event;
pub use record::{current_operation, set_current_operation};
pub use scoped::ScopedTimer;
pub use threshold::{set_slow_threshold, slow_threshold};
#[cfg(feature = "system")]
pub(crate) use totals::{Kind, OperationTotals, TotalsReader};
