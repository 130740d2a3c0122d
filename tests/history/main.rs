//! The history in real files and real processes, read back by the command `sqlite3`.
//!
//! A process has one history, so each test runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(
    clippy::disallowed_methods,
    reason = "rows have the wall clock's time, and a process is waited for by the real one"
)]

mod app;
mod bounds;
mod consent;
mod faults;
mod flight;
mod messages;
mod migration;
#[cfg(feature = "testing")]
mod observed_calls;
mod operations;
mod processes;
mod two_writers;
