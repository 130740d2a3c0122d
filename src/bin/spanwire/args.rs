//! The commands. What each of them is asked for stands with it.

use clap::{Parser, Subcommand};

use crate::dashboard::Dashboard;
use crate::doctor::Doctor;
use crate::export::Export;
use crate::history::args::{History, Query};
use crate::report;

/// Dashboards, alerts, a doctor and a history for apps that are instrumented with Spanwire.
#[derive(Debug, Parser)]
#[command(name = "spanwire", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  spanwire doctor                          why is no telemetry seen?
  spanwire dashboard --simulate --stack    a simulated app, with Grafana and Prometheus in Docker
  spanwire stats history.db --since 1h     what takes the time

Exit codes: 0 all is well, 1 something failed or a problem was found, 2 the arguments cannot be understood.")]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Grafana's dashboards of this version, and their provisioning
    #[command(subcommand)]
    Dashboards(Dashboards),
    /// Prometheus' rules and alerts of this version, with their runbooks
    #[command(subcommand)]
    Alerts(Alerts),
    /// The whole stack: Grafana, Prometheus, Alertmanager, Collector and Jaeger, for Docker
    #[command(subcommand)]
    Stack(Stack),
    /// Diagnoses missing telemetry: checks the environment, the endpoint, the scrape, the Collector; or the app
    ///
    /// It exits with 1 when it finds a problem. A server that does not answer is a problem only
    /// when a flag or the environment names it: you may run Grafana, Jaeger and the Alertmanager
    /// elsewhere, or not at all.
    #[command(after_help = "Examples:
  spanwire doctor
  spanwire doctor --metrics http://127.0.0.1:9465/metrics --job paint-tool
  spanwire doctor --diagnose --window 1h")]
    Doctor(Box<Doctor>),
    #[command(flatten)]
    Query(Query),
    /// Queries and maintains a history file
    #[command(subcommand)]
    History(History),
    /// Reports why an app is laggy, as one file: report.html with advice, trace.json, otlp.jsonl, history.sqlite
    #[command(after_help = "Examples:
  spanwire report history.db
  spanwire report history.db --since 1h --out laggy.zip")]
    Report(report::Options),
    /// Prints completions for a shell; --help says where each shell looks for them
    #[command(after_help = "Examples:
  spanwire completions bash > ~/.local/share/bash-completion/completions/spanwire
  spanwire completions zsh > ~/.zfunc/_spanwire
  spanwire completions fish > ~/.config/fish/completions/spanwire.fish
  spanwire completions powershell >> $PROFILE")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Serves this machine's metrics for Prometheus, and says where Grafana shows them
    ///
    /// It runs until Ctrl-C or SIGTERM, and then exits with 0. It exits with 1 when it cannot serve
    /// or start something, and with 2 for invalid arguments.
    Dashboard(Box<Dashboard>),
}

#[derive(Debug, Subcommand)]
pub(super) enum Dashboards {
    /// Lists them
    List,
    /// Writes them to a folder, and prints what to set in Grafana's environment
    #[command(after_help = "Examples:
  spanwire dashboards export grafana/")]
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Lists them
    List,
    /// Writes rules, runbooks and an Alertmanager example, and prints what Prometheus needs
    #[command(after_help = "Examples:
  spanwire alerts export prometheus/
  spanwire alerts export prometheus/ --runbooks https://wiki.example/runbooks")]
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Stack {
    /// Writes compose files, a script and every server's files, and prints how to start them
    #[command(after_help = "Examples:
  spanwire stack export stack/
  spanwire stack export stack/ --force     overwrites files that differ")]
    Export(Export),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
