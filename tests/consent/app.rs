//! An app that can be paused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use spanwire::telemetry::{
    Exporter, MetricsExporter, Sampler, Telemetry, TelemetryBuilder, TelemetryParts,
};
use spanwire_testkit::local_recorder::with_recorder_of;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Nothing from the process environment, and every span is decided at its end.
pub(crate) fn builder(url: &str) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(|_| None)
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .prometheus_port(0)
        .otlp_endpoint(url)
        .otlp_timeout(2 * SECOND)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .logs(Exporter::Otlp)
        .without_system()
        .quiet()
}

pub(crate) struct App {
    pub(crate) telemetry: Telemetry,
    pub(crate) parts: TelemetryParts,
}

impl App {
    pub(crate) fn start(builder: TelemetryBuilder) -> Self {
        let (telemetry, parts) = builder.build().unwrap();
        Self { telemetry, parts }
    }

    /// Runs `f` with what this app records with.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let subscriber = Registry::default().with(self.parts.layer());
        tracing::subscriber::with_default(subscriber, || with_recorder_of(&self.parts, f))
    }

    pub(crate) fn span(&self, name: &str) {
        self.within(|| tracing::info_span!("work", otel.name = name).in_scope(|| ()));
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.telemetry.prometheus_addr().unwrap()
    }

    /// What the series with that beginning says, if it is there.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        let (status, text) = get(self.addr(), "/metrics");
        assert_eq!(status, 200, "{text}");
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.map(|value| value.parse().unwrap())
    }
}

/// Status and body.
pub(crate) fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
