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
mod process;
mod stub;
mod transport;
