//! A real window on an instrumented wire, to look at and to be driven by tests.

mod args;
mod handlers;
mod library;
mod output;
mod summary;
mod window;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use spanwire::ipc::Ipc;
use spanwire::telemetry::Telemetry;

use crate::args::Args;
use crate::output::say;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "spanwire-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    window::require_display()?;
    // Before any thread has a span to lose.
    let telemetry = install_telemetry(args)?;
    announce(&telemetry);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        .allow_origin(window::ORIGIN)
        .build();
    window::run(args, &ipc, runtime.handle())?;

    say!("\n{}", ipc.metrics());
    let report = telemetry.shutdown(FAREWELL);
    if otlp_endpoint().is_some() {
        say!("\nTelemetry over OTLP:\n{report}");
    }
    Ok(())
}

/// How long the last export may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Strict: a demo that runs on with half of what it was asked for shows the wrong thing.
fn install_telemetry(args: &Args) -> Result<Telemetry, Box<dyn Error>> {
    let mut builder = Telemetry::builder("spanwire-demo")
        .service_version(env!("CARGO_PKG_VERSION"))
        .strict();
    if let Some(host) = args.host {
        builder = builder.prometheus_host(host.to_string());
    }
    if let Some(port) = args.port {
        builder = builder.prometheus_port(port);
    }
    Ok(builder.install()?)
}

/// Says where to look.
fn announce(telemetry: &Telemetry) {
    match telemetry.prometheus_addr() {
        Some(addr) => say!("metrics  http://{addr}/metrics"),
        None => say!("metrics  not served: the environment switches them off"),
    }
    match otlp_endpoint() {
        Some(endpoint) => say!("traces   to {endpoint}"),
        None => say!(
            "traces   not sent: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 sends them there"
        ),
    }
    say!("window   close it or press Ctrl-C to end\n");
}

fn otlp_endpoint() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"))
}
