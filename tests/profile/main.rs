//! The CPU profile of a real process, from its samples to the report.
//!
//! A process has one profiler, so each test runs in a process of its own.
#![cfg(any(target_os = "linux", target_os = "macos"))]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod busy;
mod report;
mod settings;
mod switch;
