//! Secrets are sent through every path, and everything that comes out is searched for them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "the helpers of tests are tests too, and what they print is searched"
)]

#[path = "../ipc/model_page.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod model_page;
#[path = "../support/mod.rs"]
mod support;

mod app;
mod careless;
mod output;
mod paths;
