//! The spool, against a receiver on a real socket, and processes that are killed.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod answers;
mod app;
mod hanging;
mod offline;
mod processes;
#[cfg(unix)]
mod shared_machine;
