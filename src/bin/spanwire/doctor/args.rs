//! What the doctor is asked for.

use http::Uri;

use super::window::Window;
use crate::address::url;

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The app's metrics, beside which /healthz answers `ok` [default: OTEL_EXPORTER_PROMETHEUS_HOST and _PORT, or http://127.0.0.1:9464/metrics]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) metrics: Option<Uri>,

    /// Prometheus [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) prometheus: Option<Uri>,

    /// The Collector's OTLP/HTTP receiver [default: OTEL_EXPORTER_OTLP_ENDPOINT or http://localhost:4318]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) collector: Option<Uri>,

    /// Jaeger's query service [default: http://127.0.0.1:16686]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) jaeger: Option<Uri>,

    /// The Alertmanager [default: http://127.0.0.1:9093]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) alertmanager: Option<Uri>,

    /// Grafana [default: http://localhost:3000]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) grafana: Option<Uri>,

    /// The job under which Prometheus scrapes the app
    #[arg(long, value_name = "NAME", default_value = "spanwire")]
    pub(crate) job: String,

    /// Diagnoses the app instead of its telemetry: asks Prometheus what is slow, fails or is lost,
    /// and names the cause, what to do and an example from Jaeger
    #[arg(long)]
    pub(crate) diagnose: bool,

    /// The time before now that --diagnose evaluates: 90s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = Window::parse, default_value = "5m", requires = "diagnose")]
    pub(crate) window: Window,

    /// Prints JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
