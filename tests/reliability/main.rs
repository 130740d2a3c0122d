//! The export path under everything that a collector, a disk and `kill -9` do to it, with real
//! processes and sockets: `make test-reliability`. `demo/tests/long_flood.rs` is the other half.
//!
//! It takes half an hour, so it is a program of its own: its arguments say which part to run and
//! how much of it, it says where it is, and ends with tables.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that may panic, prints, and measures processes by their own clock"
)]

mod calls;
mod collector;
mod faults;
mod kills;
mod otelcol;
mod steady;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

use spanwire_testkit::reliability::{Part, Plan, Table};
use spanwire_testkit::spooling_process;

/// Tells a child what it is.
const ROLE: &str = "SPANWIRE_RELIABILITY_ROLE";

fn main() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Err(_) => run(&Plan::from_args()),
        Ok(role) => {
            match role {
                "spooling" => spooling_process::be_one(),
                "calls" => calls::be_the_app(),
                "steady" => steady::be_the_app(),
                other => panic!("no role {other}"),
            }
            ExitCode::SUCCESS
        }
    }
}

/// This program again, as something else.
fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

fn run(plan: &Plan) -> ExitCode {
    let parts = [Part::Faults, Part::Kills, Part::Collector];
    let asked = parts.into_iter().filter(|part| plan.runs(*part));
    let tables: Vec<Table> = asked
        .map(|part| {
            println!("{part:?}");
            let run = match part {
                Part::Faults => faults::run,
                Part::Kills => kills::run,
                Part::Collector => collector::run,
                Part::Flood => unreachable!("it is the other program's"),
            };
            catch_unwind(AssertUnwindSafe(|| run(plan))).unwrap_or_else(|_| {
                let mut table = Table::new(&format!("{part:?}"), &[]);
                table.failed("it panicked, see above".to_owned());
                table
            })
        })
        .collect();
    for table in &tables {
        print!("{table}");
    }
    if tables.iter().all(Table::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
