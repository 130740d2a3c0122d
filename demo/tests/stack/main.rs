//! The demo's real window and the real servers: Prometheus, Alertmanager, Jaeger and the Collector,
//! with the configuration files that users get.
//!
//! `make test-stack` builds what this needs and runs it. It tells one story from the start of the
//! servers to their end, since one alert after the other would take hours: the demo runs, its
//! faults are begun and ended, servers go away and come back.
//!
//! Times of rules are divided by 60, and nothing else of them is changed.

#![allow(
    unreachable_pub,
    reason = "one test of many files, which nobody else uses"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test's own patience and threads"
)]
#![allow(
    clippy::print_stdout,
    reason = "it takes minutes, and says where it is"
)]

mod alertmanager;
mod app;
mod boards;
mod http;
mod jaeger;
mod prometheus;
mod report;
mod routes;
mod servers;
mod story;
mod webhook;

use std::time::Instant;

fn main() {
    // What libtest would be asked: there is one test here, and it is not run by accident.
    if std::env::args().any(|argument| argument == "--list") {
        println!("stack: test");
        return;
    }
    let started = Instant::now();
    story::run();
    println!(
        "stack: all of it held, in {} s",
        started.elapsed().as_secs()
    );
}

/// Says what is done now, with the time since the start.
#[macro_export]
macro_rules! step {
    ($($text:tt)*) => {
        $crate::story::say(&format!($($text)*))
    };
}
