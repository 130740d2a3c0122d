//! Scenarios in a real window: each a child process with a display of its own, since there is one
//! event loop for a process.
//!
//! The parent starts them one after the other and shows what a failed one printed. In the child
//! the main thread runs the event loop, and the scenario runs on a thread of its own: it asks the
//! loop to do things ([`Stage::ui`]), listens to what pages say beside the wire
//! ([`Stage::said`]), and may take its time.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test binary uses another part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails here fails the scenario"
)]

mod child;
mod ledger;
mod page;
mod parent;
mod pings;
pub mod process;
mod stage;
mod ui;

#[path = "../../../tests/support/receiver.rs"]
mod receiver;

#[path = "../../../tests/support/scrape.rs"]
mod scrape;

use std::process::ExitCode;
use std::time::Duration;

pub use ledger::Ledger;
pub use page::Page;
pub use scrape::Sample;
pub use stage::{Running, Stage, register_echo};

/// One thing that holds in a real window.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// Panics when it does not hold.
    pub run: fn(&Stage),
    /// It fails when it takes longer.
    pub limit: Duration,
    /// Every trace is sent to a receiver.
    pub is_traced: bool,
}

impl Scenario {
    pub const fn new(name: &'static str, run: fn(&Stage)) -> Self {
        Self {
            name,
            run,
            limit: Duration::from_secs(60),
            is_traced: false,
        }
    }

    pub const fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// A test binary's `main`. It takes `--list`, `--exact` and names, as the usual harness does.
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    match std::env::var(parent::SCENARIO) {
        Ok(name) => {
            let scenario = scenarios.iter().find(|scenario| scenario.name == name);
            child::run(scenario.expect("the parent asks for what there is"))
        }
        Err(_) => parent::run(scenarios),
    }
}
