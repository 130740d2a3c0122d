//! The spool, against a receiver on a real socket, and processes that are killed.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod offline;
mod processes;
mod rig;
#[cfg(unix)]
mod shared_machine;
#[path = "../support/mod.rs"]
mod support;
