//! The command `spanwire`; `spanwire --help` says what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanwire::cli::run()
}
