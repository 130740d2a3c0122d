//! What the command line asks for.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use http::Uri;

use super::runbooks::RunbookUrl;
use crate::telemetry::doctor::port_is_usable;

/// Dashboards, alerts and a doctor for apps that are instrumented with Spanwire.
#[derive(Debug, Parser)]
#[command(name = "spanwire", version, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Grafana's dashboards of this version, and their provisioning
    #[command(subcommand)]
    Dashboards(Dashboards),
    /// Prometheus' rules and alerts of this version, with their runbooks
    #[command(subcommand)]
    Alerts(Alerts),
    /// The whole stack: Grafana, Prometheus, Alertmanager, Collector and Jaeger, for Docker
    #[command(subcommand)]
    Stack(Stack),
    /// Finds out why nothing is seen: the environment, the endpoint, the scrape, the Collector
    ///
    /// A problem exits with 1. A server that is not there is one only when a flag or the
    /// environment names it: Grafana, Jaeger and the Alertmanager may be elsewhere, or nowhere.
    Doctor(Box<Doctor>),
}

#[derive(Debug, Subcommand)]
pub(super) enum Dashboards {
    /// Says which there are
    List,
    /// Writes them out, and says what to set in Grafana's environment
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Says which there are
    List,
    /// Writes rules, runbooks and an example for the Alertmanager, and says what Prometheus needs
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(super) enum Stack {
    /// Writes out compose file, script and every server's files, and says how to start them
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The folder to write into; it is made when it is not there
    pub(super) dir: PathBuf,

    /// Overwrites files that differ; without it they stop everything, before anything is written
    #[arg(long)]
    pub(super) force: bool,

    /// Where you publish the runbooks that are exported: alerts get a `runbook_url` in it, and
    /// dashboards a link to it
    #[arg(long, value_name = "URL", value_parser = RunbookUrl::parse)]
    pub(super) runbooks: Option<RunbookUrl>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The app's metrics [default: OTEL_EXPORTER_PROMETHEUS_HOST and _PORT, or http://127.0.0.1:9464/metrics]
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

    /// JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// A URL, to which `http://` is added when it has no scheme.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let bad = || "it is not a URL like http://127.0.0.1:9090".to_owned();
    let uri: Uri = whole.parse().map_err(|_| bad())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let named = uri.host().is_some_and(|host| !host.is_empty());
    if known && named && port_is_usable(&uri) {
        Ok(uri)
    } else {
        Err(bad())
    }
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
