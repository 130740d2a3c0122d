//! Runs the app in a child process, and gives what came of it.

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Received, Receiver, text};
use tauri_plugin_spanwire_scenarios::{Origin, Own, Pattern, Plugin, REPORT, Setup};

const SETUP: &str = "SPANWIRE_SCENARIO";

/// How long a scenario may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// An app to be run.
pub(crate) struct App {
    pub(crate) setup: Setup,
    environment: Vec<(&'static str, String)>,
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) report: Value,
    pub(crate) spans: Vec<Span>,
    pub(crate) metrics: Vec<Metric>,
    /// What the spans are of.
    pub(crate) resource: Option<Resource>,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
}

impl App {
    pub(crate) fn new(plugin: Plugin, scenario: &str) -> Self {
        Self {
            setup: Setup {
                plugin,
                scenario: scenario.to_owned(),
                label: "main".to_owned(),
                origin: Origin::Local,
                pattern: Pattern::Brownfield,
                own: Own::Nothing,
                settings: Value::Null,
                csp: None,
            },
            environment: Vec::new(),
        }
    }

    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Runs it until it ends; its page reports.
    pub(crate) fn run(self) -> Run {
        let receiver = Receiver::start();
        let folder = Folder::new("scenario");
        let report = folder.path().join("report.json");
        let stderr = folder.path().join("stderr");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(SETUP, serde_json::to_string(&self.setup).unwrap())
            .env(REPORT, &report)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
            .env("OTEL_TRACES_SAMPLER", "always_on")
            .env("OTEL_METRICS_EXPORTER", "otlp")
            .env("XDG_CONFIG_HOME", folder.path())
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "1000000")
            .env_remove("RUST_BACKTRACE")
            .envs(self.environment)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr).unwrap());
        let mut child = command.spawn().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the wall clock of a test's patience"
        )]
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("no end: {}", std::fs::read_to_string(&stderr).unwrap());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let report = std::fs::read_to_string(&report).unwrap_or_default();
        Run {
            report: serde_json::from_str(&report).unwrap_or_default(),
            spans: receiver.spans(),
            metrics: receiver
                .received()
                .iter()
                .rev()
                .map(Received::metrics)
                .find(|metrics| !metrics.is_empty())
                .unwrap_or_default(),
            resource: receiver
                .received()
                .iter()
                .find(|request| !request.spans().is_empty())
                .map(Received::resource),
            stderr: std::fs::read_to_string(&stderr).unwrap(),
            status,
        }
    }
}

/// Messages that ended, by direction, event and how: `inbound save ok`.
pub(crate) type Counts = BTreeMap<String, u64>;

impl Run {
    /// An attribute of what the spans are of.
    pub(crate) fn resource(&self, name: &str) -> Option<String> {
        text(&self.resource.as_ref()?.attributes, name)
    }

    /// What `spanwire.ipc.messages` says of this webview.
    pub(crate) fn messages(&self, webview: &str) -> Counts {
        let mut counts = Counts::new();
        for point in self.points("spanwire.ipc.messages") {
            let attribute = |name: &str| text(&point.attributes, name).unwrap_or_default();
            if attribute("spanwire.webview.name") != webview {
                continue;
            }
            let direction = attribute("spanwire.ipc.direction");
            let event = attribute("spanwire.ipc.event");
            let how = match attribute("error.type") {
                error if error.is_empty() => attribute("spanwire.outcome"),
                error => error,
            };
            let Some(number_data_point::Value::AsInt(count)) = point.value else {
                continue;
            };
            if count > 0 {
                let key = format!("{direction} {event} {how}");
                *counts.entry(key).or_default() += u64::try_from(count).unwrap();
            }
        }
        counts
    }

    /// How often a histogram measured this event in the main window, without an error.
    pub(crate) fn measured(&self, name: &str, event: &str) -> u64 {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        let Some(metric::Data::Histogram(histogram)) = metric.and_then(|one| one.data.clone())
        else {
            return 0;
        };
        let of_event = histogram.data_points.iter().filter(|point| {
            let is =
                |name: &str, value: &str| text(&point.attributes, name).as_deref() == Some(value);
            is("spanwire.ipc.event", event) && is("spanwire.webview.name", "main")
        });
        of_event.map(|point| point.count).sum()
    }

    /// How often the main thread answered a wake.
    pub(crate) fn wakes_answered(&self) -> u64 {
        let name = "spanwire.main_thread.delay";
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        let points = match metric.and_then(|metric| metric.data.clone()) {
            Some(metric::Data::Histogram(histogram)) => histogram.data_points,
            _ => Vec::new(),
        };
        points.iter().map(|point| point.count).sum()
    }

    pub(crate) fn points(
        &self,
        name: &str,
    ) -> Vec<opentelemetry_proto::tonic::metrics::v1::NumberDataPoint> {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        match metric.and_then(|metric| metric.data.clone()) {
            Some(metric::Data::Sum(sum)) => sum.data_points,
            Some(metric::Data::Gauge(gauge)) => gauge.data_points,
            _ => Vec::new(),
        }
    }
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(SETUP).is_some()
}

pub(crate) fn run_child() {
    let setup = std::env::var(SETUP).unwrap();
    tauri_plugin_spanwire_scenarios::run(serde_json::from_str(&setup).unwrap());
}
