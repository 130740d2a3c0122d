//! The parts of the SDK that count, as their metrics name them.

use http::Uri;
use http::uri::Scheme;

use crate::semconv::{
    ERROR_TYPE, ExportErrorType, OTEL_COMPONENT_NAME, OTEL_COMPONENT_TYPE, SERVER_ADDRESS,
    SERVER_PORT,
};

/// A part of the SDK.
#[derive(Debug)]
pub(crate) struct Component {
    kind: &'static str,
    name: &'static str,
}

/// The labels of a metric's series.
pub(crate) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// There is one of each in an SDK, and OpenTelemetry counts them from zero.
macro_rules! component {
    ($kind:literal) => {
        Component {
            kind: $kind,
            name: concat!($kind, "/0"),
        }
    };
}

pub(crate) static SPAN_PROCESSOR: Component = component!("batching_span_processor");
pub(crate) static SPAN_EXPORTER: Component = component!("otlp_http_span_exporter");
pub(crate) static LOG_PROCESSOR: Component = component!("batching_log_processor");
pub(crate) static LOG_EXPORTER: Component = component!("otlp_http_log_exporter");
pub(crate) static METRIC_EXPORTER: Component = component!("otlp_http_metric_exporter");

impl Component {
    pub(crate) fn labels<'a>(&self, error: Option<ExportErrorType>) -> Labels<'a> {
        let mut labels = vec![
            (OTEL_COMPONENT_TYPE, self.kind),
            (OTEL_COMPONENT_NAME, self.name),
        ];
        labels.extend(error.map(|error| (ERROR_TYPE, error.as_str())));
        labels
    }

    /// Those of an exporter.
    pub(crate) fn labels_to<'a>(
        &self,
        server: Option<&'a Server>,
        error: Option<ExportErrorType>,
    ) -> Labels<'a> {
        let mut labels = self.labels(error);
        if let Some(server) = server {
            labels.push((SERVER_ADDRESS, &server.address));
            labels.push((SERVER_PORT, &server.port));
        }
        labels
    }
}

/// The collector that an exporter sends to. A proxy between them is not it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    address: String,
    port: String,
}

impl Server {
    /// `None` when the address names none, which no exporter accepts.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let default_port = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => 443,
            _ => 80,
        };
        Some(Self {
            // An IPv6 address has brackets in a URL alone.
            address: url.host()?.trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(default_port).to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_and_nothing_else_of_the_url() {
        for (url, address, port) in [
            ("http://localhost:4318/v1/traces", "localhost", "4318"),
            (
                "https://user:secret@otel.example/v1/logs",
                "otel.example",
                "443",
            ),
            ("http://10.0.0.1", "10.0.0.1", "80"),
            ("http://[::1]:4318", "::1", "4318"),
        ] {
            let server = Server::of(&url.parse().unwrap()).unwrap();
            assert_eq!((&*server.address, &*server.port), (address, port), "{url}");
        }
        assert_eq!(Server::of(&Uri::from_static("/v1/traces")), None);
    }
}
