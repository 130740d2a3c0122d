//! Reports of real and of synthetic histories: each part of the ZIP file, held to its rules.
//!
//! A process has one history, so each test with an app runs in a process of its own.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod advice;
mod bad_input;
mod bundle;
mod command;
mod otlp;
mod page;
mod privacy;
mod profile;
mod rules;
mod synthetic;
mod trace;
mod unclean;
mod unfinished;
