//! Secrets are sent through every path, and everything that comes out is searched for them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "the helpers of tests are tests too, and what they print is searched"
)]

mod app;
mod configuration;
mod leaks;
mod output;
