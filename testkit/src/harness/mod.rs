//! Scenarios in a real window: each a child process with a display of its own, since there is one
//! event loop for a process.
//!
//! The parent starts them one after the other and shows what a failed one printed. In the child
//! the main thread runs the event loop, and the scenario runs on a thread of its own: it asks the
//! loop to do things ([`TestApp::ui`]), listens to what pages say beside the wire
//! ([`TestApp::said`]), and may take its time.

#![allow(clippy::print_stdout, reason = "a child's parent reads what it prints")]

mod child;
mod flooding_page;
mod ledger;
mod page;
mod parent;
mod pings;
pub mod process;
mod test_app;
mod ui;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub use flooding_page::FLOODING_PAGE;
pub use ledger::Ledger;
pub use page::Page;
pub use pings::{Delays, Pings};
pub use test_app::{TestApp, register_echo};
pub use ui::Ui;

/// One thing that holds in a real window.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What holds: subject, condition, result.
    pub name: &'static str,
    /// Panics when it does not hold.
    pub run: fn(&TestApp),
    /// It fails when it takes longer.
    pub limit: Duration,
    /// Every trace is sent to a receiver.
    pub is_traced: bool,
}

impl Scenario {
    /// A scenario of at most a minute, without traces.
    pub const fn new(name: &'static str, run: fn(&TestApp)) -> Self {
        Self {
            name,
            run,
            limit: Duration::from_secs(60),
            is_traced: false,
        }
    }

    /// Sends every trace to a receiver.
    pub const fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    /// Gives it that long.
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// A test binary's `main`. It takes `--list`, `--exact` and names, as the usual harness does.
/// What a child prints is kept in the folder `logs`, which is `env!("CARGO_TARGET_TMPDIR")`.
pub fn main(logs: &str, scenarios: &[Scenario]) -> ExitCode {
    match std::env::var(parent::SCENARIO) {
        Ok(name) => {
            let scenario = scenarios.iter().find(|scenario| scenario.name == name);
            child::run(scenario.expect("the parent asks for what there is"))
        }
        Err(_) => parent::run(Path::new(logs), scenarios),
    }
}
