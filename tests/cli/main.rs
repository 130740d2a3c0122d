//! The command `spanwire`, as a process.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod export;
mod process;
#[path = "../support/mod.rs"]
mod support;
