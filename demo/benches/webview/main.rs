//! The raw way through a wry webview and Spanwire's, in real windows and in one run, with all
//! telemetry on: how many messages a second each way, and how long a round trip takes.
//!
//! ```text
//! make bench-webview                             the whole of it, about a minute
//! make bench-webview ARGS="--rounds 3 outbound"  fewer rounds of a part
//! ```
//!
//! Only what arrived counts, and in both ways the receiver parses each message. Rounds of the two
//! ways take turns, so that what else the machine does meets both, and it is each pair that is compared.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may panic, and prints"
)]

mod arrivals;
mod main_thread;
mod ours;
mod payload;
mod raw;
mod rounds;
mod sink;
mod usage;
mod window;

use std::process::ExitCode;
use std::time::Duration;

use rounds::{Bench, Outcome, Plan};
use sink::Sink;
use spanwire::telemetry::{Exporter, MetricsExporter, Sampler, Telemetry};

fn main() -> ExitCode {
    let plan = Plan::from_args();
    let sink = Sink::start();
    let telemetry = Telemetry::builder("bench")
        .environment(|_| None)
        .prometheus_port(0)
        .metrics(MetricsExporter::Prometheus)
        .otlp_endpoint(sink.url())
        .traces(Exporter::Otlp)
        .sampler(Sampler::AlwaysOn)
        .strict()
        .install()
        .unwrap();
    println!(
        "raw wry and Spanwire in real windows, release build, {} rounds each in turns;\n\
         metrics at http://{}/metrics and each span over OTLP, sampler always_on\n",
        plan.rounds,
        telemetry.prometheus_addr().unwrap()
    );
    let outcomes = window::run(move |main_thread| rounds::run(&Bench::new(main_thread), &plan));
    for outcome in &outcomes {
        println!("{outcome}");
    }
    let report = telemetry.shutdown(Duration::from_secs(10));
    println!("\n{report}");
    println!("the receiver took {} requests", sink.requests());
    if outcomes.iter().all(Outcome::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
