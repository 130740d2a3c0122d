//! Why nothing is seen: asks each server of the stack in the app's stead, and says how to mend it.
//!
//! Asking and judging are apart: `ask` talks to a server and keeps what it said, `judge` makes
//! findings of it and knows what the others said. The servers are asked side by side, each within
//! [`SECTION_TIME_MAX`], so that a network which swallows everything costs no more than that.

mod alertmanager;
mod alerts;
mod clock;
mod collector;
mod endpoint;
mod environment;
mod exposition;
mod finding;
mod grafana;
mod jaeger;
mod places;
mod prometheus;
mod report;
mod routes;
mod scrape;
mod web;

use std::io::{self, Write};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::Outcome;
use super::args::Doctor;
use crate::clock::now;
use crate::telemetry::Telemetry;
use crate::telemetry::doctor::Plan;
use finding::Finding;
use places::Places;
use report::Report;
use web::Ahead;

/// Asks, judges and reports.
pub(super) fn run(out: &mut impl Write, options: &Doctor) -> io::Result<Outcome> {
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

fn examine(options: &Doctor) -> Report {
    let plan = match Plan::new(Telemetry::builder("app").quiet()) {
        Ok(plan) => plan,
        // Only a strict builder refuses.
        Err(error) => {
            let finding = Finding::fail("environment", error.to_string(), "");
            return Report::new(vec![finding], Vec::new());
        }
    };
    let mut findings = environment::judge(&plan);
    let places = Places::new(options, &plan);
    let until = now().plus(SECTION_TIME_MAX);
    let said = thread::scope(|scope| {
        let endpoint = scope.spawn(|| endpoint::ask(&places, until));
        let prometheus = scope.spawn(|| prometheus::ask(&places.prometheus, &options.job, until));
        let collector: Vec<_> = places
            .receivers
            .iter()
            .map(|receiver| scope.spawn(move || collector::ask(receiver, until)))
            .collect();
        let jaeger = scope.spawn(|| jaeger::ask(&places.jaeger, until));
        let alertmanager = scope.spawn(|| alertmanager::ask(&places.alertmanager, until));
        let grafana = scope.spawn(|| grafana::ask(&places.grafana, until));
        Said {
            endpoint: ended(endpoint),
            prometheus: ended(prometheus),
            collector: collector.into_iter().map(ended).collect(),
            jaeger: ended(jaeger),
            alertmanager: ended(alertmanager),
            grafana: ended(grafana),
        }
    });
    findings.extend(said.endpoint.judge());
    findings.extend(scrape::judge(
        &said.prometheus,
        &options.job,
        said.endpoint.app(),
    ));
    for receiver in &said.collector {
        findings.extend(receiver.judge());
    }
    let service = said.endpoint.service();
    findings.extend(
        said.jaeger
            .judge(service.or(plan.settings.service_name.as_deref())),
    );
    findings.extend(said.alertmanager.judge());
    findings.extend(said.grafana.judge());
    findings.extend(clock::judge(&said.clocks()));
    Report::new(findings, alerts::firing(&said.prometheus))
}

/// What each server said.
struct Said {
    endpoint: endpoint::Said,
    prometheus: prometheus::Said,
    collector: Vec<collector::Said>,
    jaeger: jaeger::Said,
    alertmanager: alertmanager::Said,
    grafana: grafana::Said,
}

impl Said {
    /// How far each server's clock is ahead of ours.
    fn clocks(&self) -> Vec<(&'static str, Ahead)> {
        let collector = self.collector.first().and_then(collector::Said::ahead);
        [
            ("the app", self.endpoint.ahead()),
            ("Prometheus", self.prometheus.ahead()),
            ("the Collector", collector),
            ("Jaeger", self.jaeger.ahead()),
            ("the Alertmanager", self.alertmanager.ahead()),
            ("Grafana", self.grafana.ahead()),
        ]
        .into_iter()
        .filter_map(|(name, ahead)| Some((name, ahead?)))
        .collect()
    }
}

/// A panic is a bug of the doctor's, and is shown as one.
fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// For all questions to one server together. The whole stays below 15 s.
const SECTION_TIME_MAX: Duration = Duration::from_secs(10);
