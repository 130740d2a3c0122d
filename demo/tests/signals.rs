//! Ctrl-C and SIGTERM end each app as closing its window does: its last spans have arrived by then.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use spanwire_testkit::example;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape;
use spanwire_testkit::virtual_display::on_display;

/// `xvfb-run` looks for a free display and takes it in two steps: one at a time.
static DISPLAY: Mutex<()> = Mutex::new(());

/// An app in a window of its own; its spans wait for a minute unless it flushes them.
struct App {
    child: Child,
    lines: BufReader<ChildStdout>,
    metrics: SocketAddr,
    /// Its own, since the child is `xvfb-run`.
    pid: String,
}

impl App {
    fn start(mut command: Command, program: &Path, args: &[&str], receiver: &Receiver) -> Self {
        // Free when asked, which is all that can be known beforehand.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = free.local_addr().unwrap();
        drop(free);
        let mut child = command
            .args(["timeout", "--foreground", "60", "sh", "-c"])
            .args(["echo pid $$; exec \"$0\" \"$@\""])
            .arg(program)
            .args(args)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
            .env("OTEL_EXPORTER_PROMETHEUS_PORT", metrics.port().to_string())
            .env("OTEL_TRACES_SAMPLER", "parentbased_always_on")
            .env("OTEL_BSP_SCHEDULE_DELAY", "60000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("xvfb-run is there: scripts/install-packages test");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let pid = line.trim_end().strip_prefix("pid ").unwrap().to_owned();
        Self {
            child,
            lines,
            metrics,
            pid,
        }
    }

    /// Waits until a message of the page has ended.
    fn wait_for(&self, event: &str) {
        for _ in 0..300 {
            std::thread::sleep(Duration::from_millis(100));
            if TcpStream::connect(self.metrics).is_err() {
                continue;
            }
            let samples = scrape(self.metrics);
            let messages = samples
                .iter()
                .filter(|sample| sample.name == "spanwire_ipc_messages_total")
                .filter(|sample| sample.label("spanwire_ipc_direction") == "inbound")
                .filter(|sample| sample.label("spanwire_ipc_event") == event);
            if messages.map(|sample| sample.value).sum::<f64>() > 0.0 {
                return;
            }
        }
        panic!("no {event} ended");
    }

    /// Sends the signal to the app alone, and waits for its end.
    fn end_by(self, signal: &str) {
        let pid = self.pid.clone();
        self.end(signal, &pid);
    }

    /// As Ctrl-C does in a terminal, and waits for its end.
    fn interrupt_group(self) {
        let group = format!("-{}", self.child.id());
        self.end("-INT", &group);
    }

    fn end(mut self, signal: &str, to: &str) {
        let sent = Command::new("kill").args([signal, "--", to]).status();
        assert!(sent.unwrap().success());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status} by {signal}: {rest}");
    }
}

fn check(command: impl Fn() -> Command, program: &Path, args: &[&str], span: &str) {
    for signal in ["-TERM", "-INT"] {
        let _alone = DISPLAY.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = Receiver::start();
        let app = App::start(command(), program, args, &receiver);
        app.wait_for(span);
        assert!(receiver.spans().is_empty(), "exported before the end");
        app.end_by(signal);
        let spans = receiver.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert!(names.contains(&span), "{span} by {signal} in {names:?}");
    }
}

#[test]
fn the_guides_and_the_examples_apps_flush() {
    for (name, event) in [
        ("start", "greet"),
        ("minimal", "greet"),
        ("winit", "greet"),
        ("windows", "hello"),
        ("app", "there"),
        ("otel_page", "opened"),
    ] {
        check(
            on_display,
            &example::program("spanwire-demo", name),
            &[],
            event,
        );
    }
}

#[test]
fn the_example_without_a_window_flushes() {
    let program = example::program("spanwire", "headless");
    check(|| Command::new("env"), &program, &["60"], "greet");
}

#[test]
fn the_demo_on_a_virtual_display_flushes() {
    let demo = Path::new(env!("CARGO_BIN_EXE_spanwire-demo"));
    check(on_display, demo, &["--drive"], "assets.search");
}

#[test]
fn the_demo_on_makes_virtual_display_flushes_on_ctrl_c_in_the_terminal() {
    let receiver = Receiver::start();
    let mut command = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scripts/with-display"
    ));
    command.process_group(0);
    let demo = Path::new(env!("CARGO_BIN_EXE_spanwire-demo"));
    let app = App::start(command, demo, &["--drive"], &receiver);
    app.wait_for("assets.search");
    app.interrupt_group();
    let spans = receiver.spans();
    let searched = spans.iter().any(|span| span.name == "assets.search");
    assert!(searched, "{} spans", spans.len());
}
