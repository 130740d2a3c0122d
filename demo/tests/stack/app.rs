//! The demo, in a process and a window of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const DEMO: &str = env!("CARGO_BIN_EXE_spanwire-demo");

pub struct App {
    process: Child,
    console: ChildStdin,
    lines: Receiver<String>,
}

impl App {
    /// Drives itself, and takes faults from its console.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::with(&["--drive", "--faults"], variables)
    }

    /// Nobody uses its page, which gets its numbers each second and nothing else.
    pub fn still(variables: &[(&str, &str)]) -> Self {
        Self::with(&["--faults"], variables)
    }

    /// As [`start`](Self::start), of a process that does nothing else for six seconds first.
    pub fn late() -> Self {
        // The process stays the same and keeps its age.
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 6; exec \"$0\" \"$@\"", DEMO]);
        Self::run(shell, &["--drive", "--faults"], &[])
    }

    fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(Command::new(DEMO), arguments, variables)
    }

    fn run(mut command: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        for (name, _) in std::env::vars() {
            if name.starts_with("OTEL_") || name.starts_with("SPANWIRE_") {
                command.env_remove(name);
            }
        }
        let mut process = command
            .args(arguments)
            .args(["--interval", "1m"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let console = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        Self {
            process,
            console,
            lines,
        }
    }

    pub fn begin(&mut self, fault: &str) {
        self.order("start", fault, "started");
    }

    pub fn end(&mut self, fault: &str) {
        self.order("stop", fault, "stopped");
    }

    fn order(&mut self, order: &str, fault: &str, done: &str) {
        writeln!(self.console, "{order} {fault}").expect("the demo runs");
        self.console.flush().expect("the demo runs");
        self.hear(&format!("fault {fault}: {done}"), Duration::from_secs(60));
    }

    /// Waits until the demo has said something.
    fn hear(&self, wanted: &str, limit: Duration) {
        let started = Instant::now();
        let mut heard = Vec::new();
        while started.elapsed() < limit {
            if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
                if line.contains(wanted) {
                    return;
                }
                heard.push(line);
            }
        }
        panic!("the demo did not say {wanted:?}, but: {heard:#?}");
    }

    /// Ends at once, as with `kill -9`.
    pub fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// Ends as a user ends it, and sends what it has.
    pub fn quit(mut self) {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.expect("there is kill").success());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if self.process.try_wait().expect("it is ours").is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the demo does not end when it is asked to");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
