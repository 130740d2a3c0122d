//! An app with a spool.

use std::path::Path;
use std::time::Duration;

use spanwire::telemetry::{
    Exporter, FlushError, MetricsExporter, Sampler, Telemetry, TelemetryBuilder, TelemetryParts,
};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use spanwire_testkit::receiver::{Receiver, body};
use spanwire_testkit::scrape::scrape_text;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Nothing from the process environment.
pub(crate) fn builder(url: &str, spool: &Path) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(|_| None)
        .metrics(MetricsExporter::Prometheus)
        .prometheus_port(0)
        .otlp_endpoint(url)
        .otlp_timeout(2 * SECOND)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .logs(Exporter::Otlp)
        .spool_dir(spool)
        .without_system()
        .quiet()
}

pub(crate) struct App {
    pub(crate) telemetry: Telemetry,
    parts: TelemetryParts,
}

impl App {
    pub(crate) fn start(builder: TelemetryBuilder) -> Self {
        let (telemetry, parts) = builder.strict().build().unwrap();
        Self { telemetry, parts }
    }

    /// A span of that name, exported or spooled when it returns.
    pub(crate) fn span(&self, name: &str) {
        self.span_unflushed(name);
        self.telemetry.flush(20 * SECOND).unwrap();
    }

    /// The same, neither exported nor spooled.
    pub(crate) fn span_that_fails(&self, name: &str) {
        self.span_unflushed(name);
        let outcome = self.telemetry.flush(20 * SECOND);
        assert_eq!(outcome, Err(FlushError::Lost(1)));
    }

    pub(crate) fn span_unflushed(&self, name: &str) {
        let subscriber = Registry::default().with(self.parts.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("work", otel.name = name).in_scope(|| ());
        });
    }

    /// The same for a log record.
    pub(crate) fn log(&self, text: &str) {
        let subscriber = Registry::default().with(self.parts.layer());
        tracing::subscriber::with_default(subscriber, || tracing::info!("{text}"));
        self.telemetry.flush(20 * SECOND).unwrap();
    }

    /// What the series with that beginning says.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let text = scrape_text(self.telemetry.prometheus_addr().unwrap());
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let found = found.unwrap_or_else(|| panic!("{series} is not in {text}"));
        found.parse().unwrap()
    }

    pub(crate) fn items(&self, outcome: &str) -> f64 {
        self.value(&format!(
            "spanwire_spool_items_total{{spanwire_outcome=\"{outcome}\"}}"
        ))
    }

    pub(crate) fn dropped(&self, why: &str) -> f64 {
        self.value(&format!(
            "spanwire_spool_items_total{{error_type=\"{why}\",spanwire_outcome=\"dropped\"}}"
        ))
    }

    pub(crate) fn size(&self) -> f64 {
        self.value("spanwire_spool_size_bytes")
    }

    /// Waits, at most half a minute.
    pub(crate) fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if done(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not in time: {what}");
    }
}

/// In the order in which they arrived.
pub(crate) fn span_names(receiver: &Receiver) -> Vec<String> {
    receiver.spans().into_iter().map(|span| span.name).collect()
}

pub(crate) fn log_texts(receiver: &Receiver) -> Vec<String> {
    receiver.logs().iter().map(body).collect()
}
