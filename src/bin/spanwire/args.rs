//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use http::Uri;

use crate::address::url;
use crate::doctor::Window;
use crate::history::args::{History, Query};
use crate::report;
use crate::runbooks::RunbookUrl;

/// Dashboards, alerts, a doctor and a history for apps that are instrumented with Spanwire.
#[derive(Debug, Parser)]
#[command(name = "spanwire", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 something failed or a problem was found, 2 the arguments cannot be understood."
)]
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
    Doctor(Box<Doctor>),
    #[command(flatten)]
    Query(Query),
    /// Questions to a history file, and its care
    #[command(subcommand)]
    History(History),
    /// Why it is laggy, as one file: report.html with advice, trace.json, otlp.jsonl, history.sqlite
    #[command(after_help = "Examples:
  spanwire report history.db
  spanwire report history.db --since 1h --out laggy.zip")]
    Report(report::Options),
    /// Completions for a shell, to be put where it looks for them
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
    /// or start what was asked for, and with 2 when it does not understand its arguments.
    #[command(after_help = DASHBOARD_EXAMPLES)]
    Dashboard(Box<Dashboard>),
}

const DASHBOARD_EXAMPLES: &str = "\
Examples:
  spanwire dashboard                        this machine, sampled each second
  spanwire dashboard --simulate             with an app that has bursts and errors
  spanwire dashboard --simulate --stack     the same, and Grafana and Prometheus in Docker
  spanwire dashboard --port 0 --interval 5  at any free port, sampled every 5 seconds";

#[derive(Debug, Subcommand)]
pub(super) enum Dashboards {
    /// Lists them
    List,
    /// Writes them to a folder, and prints what to set in Grafana's environment
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Lists them
    List,
    /// Writes rules, runbooks and an Alertmanager example, and prints what Prometheus needs
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Stack {
    /// Writes compose files, a script and every server's files, and prints how to start them
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The folder to write to; it is created if it does not exist
    pub(super) dir: PathBuf,

    /// Overwrites files that differ; without it nothing is written when a file differs
    #[arg(long)]
    pub(super) force: bool,

    /// Where you publish the exported runbooks: alerts get a `runbook_url` there, and dashboards a
    /// link
    #[arg(long, value_name = "URL", value_parser = RunbookUrl::parse)]
    pub(super) runbooks: Option<RunbookUrl>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The app's metrics, beside which /healthz answers `ok` [default: OTEL_EXPORTER_PROMETHEUS_HOST and _PORT, or http://127.0.0.1:9464/metrics]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) metrics: Option<Uri>,

    /// Prometheus [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) prometheus: Option<Uri>,

    /// The Collector's OTLP/HTTP receiver [default: OTEL_EXPORTER_OTLP_ENDPOINT or http://localhost:4318]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) collector: Option<Uri>,

    /// Jaeger's query service [default: http://127.0.0.1:16686]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) jaeger: Option<Uri>,

    /// The Alertmanager [default: http://127.0.0.1:9093]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) alertmanager: Option<Uri>,

    /// Grafana [default: http://localhost:3000]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(super) grafana: Option<Uri>,

    /// The job under which Prometheus scrapes the app
    #[arg(long, value_name = "NAME", default_value = "spanwire")]
    pub(super) job: String,

    /// Diagnoses the app instead of its telemetry: by Prometheus, what is slow, fails or is lost,
    /// whose fault it is and what to do, with an example from Jaeger
    #[arg(long)]
    pub(super) diagnose: bool,

    /// What --diagnose looks back over: 90s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = Window::parse, default_value = "5m", requires = "diagnose")]
    pub(super) window: Window,

    /// JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Dashboard {
    /// Where to listen; all who reach it read the metrics [default: OTEL_EXPORTER_PROMETHEUS_HOST or 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,

    /// The port of /metrics; 0 takes a free one [default: OTEL_EXPORTER_PROMETHEUS_PORT or 9464]
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,

    /// Seconds from sample to sample, 0.01 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(super) interval: Duration,

    /// Simulates an app: operations, a queue and a page, with bursts and errors
    #[arg(long)]
    pub(super) simulate: bool,

    /// Starts the stack with Docker first; it is exported to DIR [default: spanwire-stack]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "spanwire-stack"
    )]
    pub(super) stack: Option<PathBuf>,

    /// Prometheus
    #[arg(long, value_name = "URL", value_parser = url, default_value = "http://127.0.0.1:9090")]
    pub(super) prometheus: Uri,

    /// Grafana
    #[arg(long, value_name = "URL", value_parser = url, default_value = "http://localhost:3000")]
    pub(super) grafana: Uri,
}

/// Seconds, which may have a fraction.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.01..=3600.0).contains(seconds));
    let seconds = seconds.ok_or("it is not a number of seconds from 0.01 to 3600")?;
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn an_interval_is_a_number_of_seconds_within_bounds() {
        assert_eq!(interval("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(interval("3600"), Ok(Duration::from_secs(3600)));
        for bad in ["", "0", "-1", "3601", "NaN", "inf", "1s"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_may_leave_out_its_scheme() {
        assert_eq!(url("box:9090").unwrap(), "http://box:9090/");
        assert_eq!(
            url("https://box/prometheus").unwrap(),
            "https://box/prometheus"
        );
        for bad in [
            "",
            "ftp://box",
            "http://",
            "http://a b",
            "/metrics",
            "box:9o90",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
