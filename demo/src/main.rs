//! A real window on an instrumented wire, to look at and to be driven by tests.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator;
mod args;
mod faults;
mod handlers;
mod import;
mod library;
mod output;
mod picture;
mod scene;
mod send;
mod serve;
mod summary;
mod ui;
mod window;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use spanwire::ipc::Ipc;
use spanwire::telemetry::{ShutdownReport, SignalState, Telemetry};

use crate::args::Args;
use crate::handlers::Session;
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
    // This check precedes telemetry, so that a demo that cannot start takes no port.
    window::require_display()?;
    // Before any thread has a span to lose.
    let telemetry = install_telemetry(args)?;
    let places = Places::of(&telemetry);
    places.announce(args);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One is enough: handlers wait for timers and compute little.
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        // Only the demo's own pages may use the wire, also after a navigation.
        .allow_origin(serve::ORIGIN)
        .page_spans(telemetry.page_spans())
        .build();
    let session = Session {
        drive: args.drive,
        calm: args.has_faults(),
        metrics: places.metrics.clone(),
        traces: places.traces.clone(),
    };
    window::run(args, session, &ipc, runtime.handle())?;

    say!("\n{}\n", ipc.metrics());
    // The wire has ended by now. Telemetry therefore counts what that end dropped, and exports it
    // with the rest.
    places.account(&telemetry.shutdown(FAREWELL));
    Ok(())
}

/// How long the last export may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Strict: a demo that runs on with half of what it was asked for shows the wrong thing.
fn install_telemetry(args: &Args) -> Result<Telemetry, Box<dyn Error>> {
    let mut builder = Telemetry::builder("spanwire-demo")
        .service_version(env!("CARGO_PKG_VERSION"))
        .strict();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        builder = builder.allocator(allocator::figures);
    }
    if let Some(host) = args.host {
        builder = builder.prometheus_host(host.to_string());
    }
    if let Some(port) = args.port {
        builder = builder.prometheus_port(port);
    }
    if let Some(file) = history_file(args.history.as_deref()) {
        builder = builder.history(file);
    }
    builder.install().map_err(|error| {
        format!(
            "{error}\nAn app would run on without; the demo ends. --port 0 takes any free port."
        )
        .into()
    })
}

/// The history's file: as asked for, as the environment says, or the user's own; `None` where there
/// is none, or the environment has the word.
fn history_file(asked: Option<&Path>) -> Option<PathBuf> {
    if let Some(file) = asked {
        return (file != Path::new("none")).then(|| file.to_owned());
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if set("SPANWIRE_HISTORY").is_some() {
        return None;
    }
    let states = set("XDG_STATE_HOME").map(PathBuf::from);
    let states = states.or_else(|| Some(Path::new(&set("HOME")?).join(".local/state")))?;
    let folder = states.join("spanwire-demo");
    // A home that cannot be written is no reason not to run.
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history.db"))
}

/// Where the telemetry is to be found.
#[derive(Debug)]
struct Places {
    metrics: Option<String>,
    traces: Option<String>,
    history: Option<PathBuf>,
}

impl Places {
    fn of(telemetry: &Telemetry) -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let off = set("OTEL_SDK_DISABLED").is_some_and(|is| is.eq_ignore_ascii_case("true"));
        // For what is shown alone. The library reads the same variables by itself.
        let endpoint = match set("OTEL_TRACES_EXPORTER").as_deref() {
            _ if off => None,
            Some("none") => None,
            Some("otlp") => endpoint.or_else(|| Some("http://localhost:4318".into())),
            _ => endpoint,
        };
        Self {
            metrics: telemetry
                .prometheus_addr()
                .map(|addr| format!("http://{addr}/metrics")),
            traces: endpoint.map(|url| without_secrets(&url)),
            history: telemetry.history().map(|history| history.path().to_owned()),
        }
    }

    /// Says where to look, and what to try.
    fn announce(&self, args: &Args) {
        match &self.metrics {
            Some(url) => say!("metrics  {url}"),
            None => say!("metrics  not served: the environment switches them off"),
        }
        match &self.traces {
            Some(endpoint) => say!("traces   to {endpoint}"),
            None => say!(
                "traces   not sent: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 sends them there"
            ),
        }
        match &self.history {
            Some(file) => say!("history  in {}", file.display()),
            None => say!("history  not kept: --history FILE or SPANWIRE_HISTORY names its file"),
        }
        if args.drive && args.has_faults() {
            say!("window   Lightbox, which uses itself, but only for what is quick and works");
        } else if args.drive {
            say!(
                "window   Lightbox, which uses itself: search, open, import, cancel, fail, render"
            );
        } else {
            say!(
                "window   Lightbox: search, open a picture, render it (slow), publish one with a lock"
            );
            say!("         (fails), import and cancel; then look at the metrics or at a trace");
        }
        match args.run_for {
            Some(time) => say!("end      after {time:?}, or with Ctrl-C\n"),
            None => say!("end      close the window or press Ctrl-C\n"),
        }
    }

    /// Says where the telemetry went.
    fn account(&self, report: &ShutdownReport) {
        say!("Telemetry:");
        say!(
            "- Metrics: {}",
            match &self.metrics {
                Some(url) => format!("served at {url} until now"),
                None => "not served".to_owned(),
            }
        );
        match &self.traces {
            Some(endpoint) => say!("- Spans: {}, to {endpoint}", report.spans),
            None => say!("- Spans: not exported"),
        }
        if let (Some(file), Some(history)) = (&self.history, &report.history) {
            say!("- History: {history}, in {}", file.display());
            say!(
                "  why it was laggy, as one file: spanwire report {} (cargo install --path . --features cli brings the command)",
                file.display()
            );
        }
        for (name, signal) in [("Metrics", &report.metrics), ("Logs", &report.logs)] {
            if signal.state != SignalState::Off {
                say!("- {name} over OTLP: {signal}");
            }
        }
    }
}

/// A URL without a user, a password or a query: it is shown.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            // A password may hold an `@` as well, so the last one counts.
            let host = authority.rsplit('@').next().unwrap_or_default();
            let path = if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            };
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn an_endpoint_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("http://localhost:4318", "http://localhost:4318"),
            (
                "https://me:key@otlp.example/v1?token=1",
                "https://otlp.example/v1",
            ),
            ("https://a@b@c/#x", "https://c"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
