//! Diagnoses missing telemetry: probes each server of the stack as the app would, and says how to
//! remedy what is wrong.
//!
//! Probing and evaluating are apart. `probe` talks to one server and keeps its answers; `evaluate`
//! makes findings of them, and may use what other servers answered. All servers are probed at the
//! same time, each within [`SECTION_TIME_MAX`], so a network that drops every packet costs no more
//! than that.

mod alertmanager;
mod alerts;
mod args;
mod client;
mod clock;
mod collector;
mod connection;
mod diagnose;
mod endpoint;
mod environment;
mod exposition;
mod finding;
mod grafana;
mod jaeger;
mod probe_error;
mod prometheus;
mod report;
mod routes;
mod scrape;
mod targets;
mod tauri;
mod window;

use std::io::{self, Write};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use http::Uri;
use serde_json::Value;
use spanwire::clock::now;
use spanwire::telemetry::Telemetry;

use crate::Outcome;
pub(super) use args::Doctor;
use client::ClockSkew;
use report::Report;
use targets::Targets;

/// Probes, evaluates and reports; or diagnoses the app.
pub(super) fn run(out: &mut impl Write, options: &Doctor) -> io::Result<Outcome> {
    if options.diagnose {
        return diagnose::run(out, options);
    }
    let report = examine(options);
    if options.json {
        report.json(out)?;
    } else {
        report.text(out)?;
    }
    Ok(if report.ok {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// What a server answers to one question, asked without a proxy; in words why it does not.
pub(super) fn ask(server: &Uri, path: &str) -> Result<Value, String> {
    let client = client::HttpClient::local(server, now().plus(SECTION_TIME_MAX));
    match client.json(path) {
        Ok((answer, _)) => Ok(answer),
        Err(error) => Err(error.to_string()),
    }
}

/// The text that is at this URL, if it answers so.
pub(super) fn text_at(url: &Uri) -> Option<String> {
    let client = client::HttpClient::local(url, now().plus(SECTION_TIME_MAX));
    let answer = client.get_base().ok()?;
    String::from_utf8(answer.body).ok()
}

fn examine(options: &Doctor) -> Report {
    // The library's own rules read the environment, so the doctor cannot differ from an app.
    let config = Telemetry::builder(UNKNOWN_SERVICE).resolve();
    let mut findings = environment::evaluate(&config);
    let targets = Targets::new(options, &config);
    // One point in time for all, since all begin now.
    let deadline = now().plus(SECTION_TIME_MAX);
    let probes = thread::scope(|scope| {
        let endpoint = scope.spawn(|| endpoint::probe(&targets, deadline));
        let prometheus =
            scope.spawn(|| prometheus::probe(&targets.prometheus, &options.job, deadline));
        let collector: Vec<_> = targets
            .receivers
            .iter()
            .map(|receiver| scope.spawn(move || collector::probe(receiver, deadline)))
            .collect();
        let jaeger = scope.spawn(|| jaeger::probe(&targets.jaeger, deadline));
        let alertmanager = scope.spawn(|| alertmanager::probe(&targets.alertmanager, deadline));
        let grafana = scope.spawn(|| grafana::probe(&targets.grafana, deadline));
        // All are started before the first is waited for.
        Probes {
            endpoint: joined(endpoint),
            prometheus: joined(prometheus),
            collector: collector.into_iter().map(joined).collect(),
            jaeger: joined(jaeger),
            alertmanager: joined(alertmanager),
            grafana: joined(grafana),
        }
    });
    // In the order of the way from the app to the screen: the first problem mostly causes the next.
    findings.extend(probes.endpoint.evaluate());
    findings.extend(scrape::evaluate(
        &probes.prometheus,
        &options.job,
        probes.endpoint.app(),
    ));
    for receiver in &probes.collector {
        findings.extend(receiver.evaluate());
    }
    let configured = config.service_name();
    // Without a name here, any service in Jaeger may be the app.
    let configured = Some(&*configured).filter(|name| *name != UNKNOWN_SERVICE);
    // The app's own word first: its builder may have set another name than this environment.
    let service = probes.endpoint.service().or(configured);
    findings.extend(probes.jaeger.evaluate(service));
    findings.extend(probes.alertmanager.evaluate());
    findings.extend(probes.grafana.evaluate());
    findings.extend(clock::evaluate(&probes.clocks()));
    Report::new(findings, alerts::firing(&probes.prometheus))
}

/// What each server answered.
struct Probes {
    endpoint: endpoint::EndpointProbe,
    prometheus: prometheus::PrometheusProbe,
    collector: Vec<collector::CollectorProbe>,
    jaeger: jaeger::JaegerProbe,
    alertmanager: alertmanager::AlertmanagerProbe,
    grafana: grafana::GrafanaProbe,
}

impl Probes {
    /// By how much each server's clock differs from this machine's.
    fn clocks(&self) -> Vec<(&'static str, ClockSkew)> {
        let collector = self
            .collector
            // Signals mostly share a Collector, and one clock is enough.
            .first()
            .and_then(collector::CollectorProbe::clock_skew);
        [
            ("the app", self.endpoint.clock_skew()),
            ("Prometheus", self.prometheus.clock_skew()),
            ("the Collector", collector),
            ("Jaeger", self.jaeger.clock_skew()),
            ("the Alertmanager", self.alertmanager.clock_skew()),
            ("Grafana", self.grafana.clock_skew()),
        ]
        .into_iter()
        .filter_map(|(name, clock_skew)| Some((name, clock_skew?)))
        .collect()
    }
}

/// Passes on a panic, which is a bug of the doctor.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What OpenTelemetry calls a service whose name is not known. The environment replaces it.
const UNKNOWN_SERVICE: &str = "unknown_service";
/// For all requests to one server together. The whole stays below 15 s.
const SECTION_TIME_MAX: Duration = Duration::from_secs(10);
