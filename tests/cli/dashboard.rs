//! `spanwire dashboard` as a process: what it serves, what it says, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use spanwire_testkit::folder::Folder;
use spanwire_testkit::prometheus::Prometheus;
use spanwire_testkit::scrape::{Sample, scrape};

use crate::process::{command, said};
use crate::stub::{Stub, answer, closed, json};

/// A dashboard that serves; what it printed until it said how to end it.
struct Dashboard {
    process: Child,
    out: BufReader<ChildStdout>,
    panel: String,
    addr: SocketAddr,
}

impl Dashboard {
    fn start(args: &[&str]) -> Self {
        Self::run(dashboard(args))
    }

    fn run(mut command: Command) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut panel = String::new();
        while !panel.ends_with("Ctrl-C ends it.\n") {
            if out.read_line(&mut panel).unwrap() == 0 {
                let mut err = String::new();
                process.stderr.unwrap().read_to_string(&mut err).unwrap();
                panic!("it ended: {panel}{err}");
            }
        }
        let (_, rest) = panel.split_once("metrics     http://").unwrap();
        let addr = rest.split_once("/metrics").unwrap().0.parse().unwrap();
        Self {
            process,
            out,
            panel,
            addr,
        }
    }

    /// Scrapes until `found` is content with a scrape.
    fn scrape_until(&self, what: &str, found: impl Fn(&[Sample]) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !found(&scrape(self.addr)) {
            assert!(Instant::now() < until, "{what} never came");
            std::thread::yield_now();
        }
    }

    /// Sends the signal; gives what came after the panel, what went to stderr, and the exit code.
    fn end(mut self, signal: &str) -> (String, String, Option<i32>) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let mut err = String::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut err).unwrap();
        (rest, err, self.process.wait().unwrap().code())
    }
}

/// With servers that are not there, so that none of this machine's is asked.
fn dashboard(args: &[&str]) -> Command {
    let mut command = command();
    command.arg("dashboard");
    for server in ["prometheus", "grafana"] {
        if !args.contains(&format!("--{server}").as_str()) {
            command.args([format!("--{server}"), closed()]);
        }
    }
    command.args(args);
    command
}

fn sum(samples: &[Sample], name: &str, label: (&str, &str)) -> f64 {
    samples
        .iter()
        .filter(|sample| sample.name == name && sample.label(label.0) == label.1)
        .map(|sample| sample.value)
        .sum()
}

#[test]
fn it_serves_this_machine_and_says_where_grafana_shows_it() {
    let dashboard = Dashboard::start(&["--port", "0", "--interval", "0.05"]);
    dashboard.scrape_until("a sample of the process", |samples| {
        let has = |name: &str| samples.iter().any(|sample| sample.name == name);
        has("process_memory_usage_bytes") && has("target_info")
    });
    let panel = &dashboard.panel;
    let port = dashboard.addr.port();
    for expected in [
        "this machine, sampled every 0.05 s\n",
        &format!("- targets: ['127.0.0.1:{port}']"),
        "/d/spanwire-live\n",
        "nothing listens there",
        "spanwire dashboard --stack",
    ] {
        assert!(panel.contains(expected), "{expected}: {panel}");
    }
    let (rest, err, code) = dashboard.end("-INT");
    assert!(rest.starts_with("ended after "), "{rest}");
    assert_eq!((rest.lines().count(), err.as_str(), code), (1, "", Some(0)));
}

#[test]
fn sigterm_ends_it_as_well_as_ctrl_c() {
    let dashboard = Dashboard::start(&["--port", "0"]);
    let (rest, err, code) = dashboard.end("-TERM");
    assert!(rest.starts_with("ended after "), "{rest}");
    assert_eq!((err.as_str(), code), ("", Some(0)));
}

#[test]
fn a_taken_port_is_named_with_who_has_it_and_what_to_do() {
    let holder = Dashboard::start(&["--port", "0"]);
    let port = holder.addr.port().to_string();
    let refused = said(&mut dashboard(&["--port", &port]));
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(
        refused.err.starts_with(&format!(
            "error: port {port} of 127.0.0.1 is taken: spanwire-dashboard serves its metrics there\n\
             remedy: end that program, or take another port: --port "
        )),
        "{}",
        refused.err
    );
    holder.end("-TERM");
    // One that does not speak HTTP, and a port that the environment asks for.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let hang_up = std::thread::spawn(move || other.accept().map(drop));
    let refused = said(dashboard(&[]).env("OTEL_EXPORTER_PROMETHEUS_PORT", &port));
    assert_eq!(refused.code, 1);
    let expected = format!("port {port} of 127.0.0.1 is taken: another program listens there");
    assert!(refused.err.contains(&expected), "{}", refused.err);
    hang_up.join().unwrap().unwrap();
}

#[test]
fn what_cannot_be_served_is_refused_with_a_reason() {
    let unknown = said(&mut dashboard(&["--host", "no.such.host.invalid"]));
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("no.such.host.invalid"),
        "{}",
        unknown.err
    );
    for (name, value, expected) in [
        ("SPANWIRE_ENABLED", "false", "telemetry is off"),
        ("SPANWIRE_CONSENT", "denied", "telemetry is paused"),
    ] {
        let off = said(dashboard(&["--port", "0"]).env(name, value));
        assert_eq!(off.code, 1);
        assert!(off.err.contains(expected), "{}", off.err);
    }
    for bad in [
        ["--interval", "0"],
        ["--port", "65536"],
        ["--grafana", "ftp://x"],
    ] {
        assert_eq!(said(&mut dashboard(&bad)).code, 2, "{bad:?}");
    }
}

#[test]
fn a_host_beyond_loopback_warns_and_shows_an_address_that_works() {
    let dashboard = Dashboard::start(&["--host", "0.0.0.0", "--port", "0"]);
    assert!(dashboard.addr.ip().is_loopback());
    scrape(dashboard.addr);
    let (_, err, code) = dashboard.end("-TERM");
    assert!(err.starts_with("warning: 0.0.0.0:"), "{err}");
    assert!(err.contains("is not on loopback alone"), "{err}");
    assert_eq!(code, Some(0));
}

#[test]
fn simulated_bursts_and_errors_are_in_the_metrics() {
    let dashboard = Dashboard::start(&["--port", "0", "--simulate"]);
    dashboard.scrape_until("a burst that overflows the queue, and errors", |samples| {
        let dropped = sum(
            samples,
            "spanwire_queue_messages_total",
            ("spanwire_outcome", "dropped"),
        );
        let calls = sum(
            samples,
            "spanwire_ipc_messages_total",
            ("error_type", "handler_error"),
        );
        let failed: f64 = samples
            .iter()
            .filter(|sample| sample.name == "spanwire_operation_duration_seconds_count")
            .filter(|sample| !sample.label("error_type").is_empty())
            .map(|sample| sample.value)
            .sum();
        dropped > 0.0 && calls > 0.0 && failed > 0.0
    });
    let samples = scrape(dashboard.addr);
    for name in ["render_preview", "load_scene", "save_project"] {
        let label = ("spanwire_operation_name", name);
        let count = sum(&samples, "spanwire_operation_duration_seconds_count", label);
        assert!(count > 0.0, "{name}");
    }
    // The simulated page keeps to the wire.
    for error_type in [
        "malformed",
        "duplicate",
        "forbidden",
        "over_credit",
        "unknown_ack",
    ] {
        let label = ("error_type", error_type);
        let refused = sum(&samples, "spanwire_ipc_messages_total", label);
        assert!(refused == 0.0, "{error_type}");
    }
    let (rest, err, code) = dashboard.end("-INT");
    assert!(rest.contains(" simulated operations, "), "{rest}");
    assert_eq!((rest.lines().count(), err.as_str(), code), (1, "", Some(0)));
}

#[test]
fn a_prometheus_scrapes_it_with_the_printed_configuration() {
    let dashboard = Dashboard::start(&["--port", "0", "--simulate"]);
    let (_, config) = dashboard.panel.split_once("\n\n  - job_name").unwrap();
    let (config, _) = config.split_once("\n\n").unwrap();
    let prometheus = Prometheus::with(&format!("scrape_configs:\n  - job_name{config}\n"));
    let until = Instant::now() + Duration::from_secs(60);
    let query = "sum(spanwire_operation_duration_seconds_count{job=\"spanwire\"}) > 0";
    while prometheus.query(query).is_none() {
        assert!(Instant::now() < until, "Prometheus has no operation");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A second one is told that there is a Prometheus which does not scrape it.
    let other = Dashboard::start(&["--port", "0", "--prometheus", prometheus.url()]);
    assert!(
        other.panel.contains("answers, and does not scrape it\n"),
        "{}",
        other.panel
    );
    assert_eq!(other.end("-TERM").2, Some(0));
    assert_eq!(dashboard.end("-TERM").2, Some(0));
}

#[test]
fn servers_that_are_there_are_said_to_be() {
    let grafana = Stub::start(|path| match path {
        "/api/health" => json(r#"{"database":"ok","version":"12.1"}"#),
        _ => answer(404, "text/plain", "no"),
    });
    let dashboard = Dashboard::start(&["--port", "0", "--grafana", &grafana.addr()]);
    let expected = format!("http://{}: answers 12.1\n", grafana.addr());
    assert!(dashboard.panel.contains(&expected), "{}", dashboard.panel);
    let link = format!("http://{}/d/spanwire-live\n", grafana.addr());
    assert!(dashboard.panel.contains(&link), "{}", dashboard.panel);
    assert_eq!(dashboard.end("-TERM").2, Some(0));
}

/// A `docker` that succeeds but for one question, and a `bash` that is the machine's.
fn fake_docker(folder: &Folder, fails_at: &str, up: &str) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let path = folder.path().join("docker");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n{fails_at}) exit 1;;\n\
         'info --format'*) echo 'Debian|[name=seccomp]';;\n*' ps --quiet') echo running;;\n*' up '*) {up};;\nesac\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/bin/bash", folder.path().join("bash")).unwrap();
}

#[test]
fn the_stack_says_in_one_line_what_is_missing_and_writes_nothing() {
    for (fails_at, expected) in [
        ("--version", "Docker, which is missing"),
        ("'compose version'", "compose plugin"),
        ("info", "the Docker daemon, which does not answer"),
    ] {
        let programs = Folder::new("programs");
        fake_docker(&programs, fails_at, ":");
        let stack = programs.path().join("stack");
        let flag = format!("--stack={}", stack.display());
        let refused = said(dashboard(&["--port", "0", &flag]).env("PATH", programs.path()));
        assert_eq!((refused.code, refused.out.as_str()), (1, ""));
        assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
        assert!(refused.err.contains(expected), "{}", refused.err);
        assert!(!stack.exists());
    }
}

#[test]
fn a_stop_while_the_stack_starts_ends_it_too() {
    let programs = Folder::new("programs");
    // The script looks for ports with bash alone, and for the rest with the machine's programs.
    let started = programs.path().join("started");
    let up = format!(
        "echo $$ >{}; echo starting; exec sleep 60",
        started.display()
    );
    fake_docker(&programs, "nothing", &up);
    let stack = programs.path().join("stack");
    let path = format!("{}:/usr/bin:/bin", programs.path().display());
    let mut process = dashboard(&["--port", "0", &format!("--stack={}", stack.display())])
        .env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let mut text = String::new();
    while !text.ends_with("starting\n") {
        assert!(out.read_line(&mut text).unwrap() > 0, "it ended: {text}");
    }
    let pid = process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    while !text.contains("ended after ") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert_eq!(process.wait().unwrap().code(), Some(0));
    // What the script has started is not left behind.
    let pid = std::fs::read_to_string(started).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while runs(pid.trim()) {
        assert!(Instant::now() < until, "{pid} runs on");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(stack.join("scripts/compose").exists());
}

#[test]
fn help_has_examples() {
    let help = said(command().args(["dashboard", "--help"]));
    assert_eq!(help.code, 0);
    for expected in ["Examples:", "--simulate", "exits with 1", "--interval"] {
        assert!(help.out.contains(expected), "{}", help.out);
    }
}

/// Whether a process is there that has not ended: its parent may not have taken its code yet.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}
