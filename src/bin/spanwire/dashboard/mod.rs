//! Serves `/metrics` of this machine until Ctrl-C or SIGTERM, and prints the addresses of Prometheus and Grafana.
//!
//! Grafana draws; this command only makes sure that there is something to draw.

mod args;
mod panel;
mod port;
mod simulated_page;
mod simulator;
mod stack;

use std::io::{self, Write};

use crossbeam_channel::{Receiver, bounded};
use spanwire::clock::{Stamp, now};
use spanwire::telemetry::{MetricsExporter, OffReason, Output, Telemetry};

use crate::Outcome;
pub(super) use args::Dashboard;
use simulator::Simulator;

/// Serves until Ctrl-C or SIGTERM.
pub(super) fn run(out: &mut impl Write, options: &Dashboard) -> io::Result<Outcome> {
    let began = now();
    // First: a stop while it starts ends it well, too.
    let stopped = match on_stop() {
        Ok(stopped) => stopped,
        Err(error) => return refuse(&Refusal::new(format!("cannot wait for Ctrl-C: {error}"))),
    };
    // Before anything is started or written.
    if options.stack.is_some()
        && let Err(missing) = stack::check()
    {
        return refuse(&Refusal::new(missing));
    }
    let telemetry = match serve(options) {
        Ok(telemetry) => telemetry,
        Err(refusal) => return refuse(&refusal),
    };
    // `serve` has an address, so this is for the compiler alone.
    let Some(addr) = telemetry.prometheus_addr() else {
        return refuse(&Refusal::new("/metrics is not served"));
    };
    if !addr.ip().is_loopback() {
        let who = "all who reach this machine there can read its metrics";
        writeln!(
            io::stderr(),
            "warning: {addr} is not on loopback alone: {who}"
        )?;
    }
    if let Some(dir) = &options.stack {
        match stack::start(out, dir, &stopped)? {
            stack::Start::Running => {}
            // Ctrl-C while the stack starts is an end as the user wanted it, so the exit code is 0.
            stack::Start::Stopped => return end(out, &telemetry, began, None),
            stack::Start::Failed => return Ok(Outcome::Bad),
        }
    }
    let simulator = match options.simulate.then(Simulator::start).transpose() {
        Ok(simulator) => simulator,
        Err(error) => return refuse(&Refusal::new(format!("cannot simulate: {error}"))),
    };
    panel::show(out, options, addr)?;
    // The output may be a pipe, whose reader waits for the addresses.
    out.flush()?;
    // The signal handler keeps the sender, so `recv` returns when a signal came.
    let _ = stopped.recv();
    end(out, &telemetry, began, simulator)
}

/// Told once or more that the command shall end.
fn on_stop() -> Result<Receiver<()>, ctrlc::Error> {
    // One place: the second Ctrl-C, while the first was not seen, says nothing new.
    let (stop, stopped) = bounded(1);
    ctrlc::set_handler(move || {
        // Full: it was told already.
        let _ = stop.try_send(());
    })?;
    Ok(stopped)
}

/// Sets telemetry up as an app would, and says what keeps it from serving.
fn serve(options: &Dashboard) -> Result<Telemetry, Refusal> {
    let mut builder = Telemetry::builder("spanwire-dashboard")
        .service_version(env!("CARGO_PKG_VERSION"))
        // Whatever OTEL_METRICS_EXPORTER says: this command is there to be scraped.
        .metrics(MetricsExporter::Prometheus)
        .system_interval(options.interval)
        // This function writes the warnings itself, in the command's own form.
        .quiet();
    if let Some(host) = &options.host {
        builder = builder.prometheus_host(host);
    }
    if let Some(port) = options.port {
        builder = builder.prometheus_port(port);
    }
    // The builder resolves its configuration here, since `install` takes the builder.
    let config = builder.resolve();
    if config.off_reason(Output::Traces) == Some(OffReason::Disabled) {
        let off = "telemetry is off: OTEL_SDK_DISABLED=true or SPANWIRE_ENABLED=false";
        return Err(Refusal::new(off).remedy("unset it for this command"));
    }
    let telemetry = match builder.install() {
        Ok(telemetry) => telemetry,
        Err(error) => return Err(Refusal::new(error.to_string())),
    };
    if telemetry.is_paused() {
        let paused = "telemetry is paused: SPANWIRE_CONSENT is not granted";
        return Err(Refusal::new(paused).remedy("unset it for this command"));
    }
    if telemetry.prometheus_addr().is_none() {
        let taken = config
            .prometheus_address()
            // The dashboard asks after the failure: a check in advance would say nothing of the
            // moment of the bind.
            .and_then(|(host, port)| port::taken(host, port));
        return Err(taken.unwrap_or_else(|| {
            let warnings = telemetry.warnings().iter().map(ToString::to_string);
            Refusal::new(warnings.collect::<Vec<_>>().join("; "))
        }));
    }
    for warning in telemetry.warnings() {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    Ok(telemetry)
}

/// Ends all, and says in a line what there was.
fn end(
    out: &mut impl Write,
    telemetry: &Telemetry,
    began: Stamp,
    simulator: Option<Simulator>,
) -> io::Result<Outcome> {
    // The simulator ends first, so that the shutdown exports what it records in its last moment.
    let simulated = simulator.map(Simulator::end);
    telemetry.shutdown(SHUTDOWN_MAX);
    let seconds = now().since(began).as_secs();
    write!(out, "ended after {seconds} s")?;
    if let Some(simulated) = simulated {
        write!(out, ", with {simulated}")?;
    }
    writeln!(out)?;
    Ok(Outcome::Good)
}

/// Why the command does not do what it was asked for.
#[derive(Debug)]
struct Refusal {
    error: String,
    remedy: String,
}

impl Refusal {
    fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            remedy: String::new(),
        }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: remedy.into(),
            ..self
        }
    }
}

fn refuse(refusal: &Refusal) -> io::Result<Outcome> {
    let err = &mut io::stderr().lock();
    writeln!(err, "error: {}", refusal.error)?;
    if !refusal.remedy.is_empty() {
        writeln!(err, "remedy: {}", refusal.remedy)?;
    }
    Ok(Outcome::Bad)
}

/// To send what is queued, where the environment names a collector for traces.
const SHUTDOWN_MAX: std::time::Duration = std::time::Duration::from_secs(2);
