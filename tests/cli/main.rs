//! The command `spanwire`, as a process.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(
    clippy::disallowed_methods,
    reason = "a process is waited for by the real clock"
)]

mod ailing_app;
mod alertmanager;
mod dashboard;
mod diagnose;
mod doctor;
mod doctor_prometheus;
mod export;
mod former_names;
mod history;
#[allow(dead_code, reason = "the tests of the library use more of it")]
#[path = "../history_queries/fixture.rs"]
mod history_file;
mod process;
mod stub;
mod transport;
