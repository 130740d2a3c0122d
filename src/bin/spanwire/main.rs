//! The command `spanwire` (feature `cli`): `cargo install spanwire --features cli`.
//!
//! It writes out the dashboards, alerts and servers' files that belong to this version, diagnoses
//! missing telemetry, or the app, serves this machine's metrics, answers questions to a history and makes a report of it.
//! `docs/reference/cli.md` shows all. It uses the library's public API alone.

mod address;
mod args;
mod bundle;
mod dashboard;
mod doctor;
mod export;
mod history;
mod listing;
mod report;
mod runbooks;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Alerts, Args, Command, Dashboards, Stack};

/// Does what the process's arguments ask for.
///
/// 0 when all is well, 1 when something is not, 2 when the arguments cannot be understood.
fn main() -> ExitCode {
    // Locked once: each `writeln!` would otherwise lock anew.
    let out = &mut io::stdout().lock();
    let done = match Args::parse().command {
        Command::Dashboards(Dashboards::List) => listing::dashboards(out),
        Command::Dashboards(Dashboards::Export(to)) => {
            export::run(out, &to, &bundle::DASHBOARDS, export::grafana_needs)
        }
        Command::Alerts(Alerts::List) => listing::alerts(out),
        Command::Alerts(Alerts::Export(to)) => {
            export::run(out, &to, &bundle::ALERTS, export::prometheus_needs)
        }
        Command::Stack(Stack::Export(to)) => {
            export::run(out, &to, &bundle::STACK, export::stack_needs)
        }
        Command::Doctor(options) => doctor::run(out, &options),
        Command::Dashboard(options) => dashboard::run(out, &options),
        Command::Query(query) => history::answer(out, &query),
        Command::History(command) => history::run(out, &command),
        Command::Report(options) => report::run(out, &options),
        Command::Completions { shell } => completions(out, shell),
    };
    // A reader that had enough (`| head`) is no failure.
    match done.and_then(|outcome| out.flush().map(|()| outcome)) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::FAILURE,
        // Rust ignores SIGPIPE, so the broken pipe comes as an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: cannot write the answer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a shell's completions.
fn completions(out: &mut impl Write, shell: clap_complete::Shell) -> io::Result<Outcome> {
    // It panics where it cannot write, as into `| head`.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "spanwire", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::Good)
}

/// What the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Something failed, or a problem was found.
    Bad,
}
