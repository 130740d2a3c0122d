//! What the dashboard is asked for.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use crate::address::url;

const EXAMPLES: &str = "\
Examples:
  spanwire dashboard                        this machine, sampled each second
  spanwire dashboard --simulate             with an app that has bursts and errors
  spanwire dashboard --simulate --stack     the same, and Grafana and Prometheus in Docker
  spanwire dashboard --port 0 --interval 5  at any free port, sampled every 5 seconds";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dashboard {
    /// The address to listen on; everyone who reaches it can read the metrics [default: OTEL_EXPORTER_PROMETHEUS_HOST or 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,

    /// The port of /metrics; 0 takes a free one [default: OTEL_EXPORTER_PROMETHEUS_PORT or 9464]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Seconds between samples, 0.01 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Simulates an app: operations, a queue and a page, with bursts and errors
    #[arg(long)]
    pub(crate) simulate: bool,

    /// Starts the stack with Docker first; it is exported to DIR [default: spanwire-stack]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        // Without the `=`, `--stack --simulate` and `--stack DIR` could not be told apart.
        require_equals = true,
        default_missing_value = "spanwire-stack"
    )]
    pub(crate) stack: Option<PathBuf>,

    /// Prometheus
    #[arg(long, value_name = "URL", value_parser = url, default_value = "http://127.0.0.1:9090")]
    pub(crate) prometheus: Uri,

    /// Grafana
    #[arg(long, value_name = "URL", value_parser = url, default_value = "http://localhost:3000")]
    pub(crate) grafana: Uri,
}

/// Seconds, which may have a fraction.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse::<f64>().ok();
    // NaN is in no range, so it is refused too.
    let seconds = seconds.filter(|seconds| (0.01..=3600.0).contains(seconds));
    let seconds = seconds.ok_or("it is not a number of seconds from 0.01 to 3600")?;
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_of_seconds_within_bounds() {
        assert_eq!(interval("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(interval("3600"), Ok(Duration::from_secs(3600)));
        for bad in ["", "0", "-1", "3601", "NaN", "inf", "1s"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
