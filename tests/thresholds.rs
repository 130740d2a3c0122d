//! Thresholds, as an app meets them: the callback, the log, the gauge, and the example that posts.
//!
//! Each test has a process of its own, since counts of operations are the process's.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(
    clippy::disallowed_methods,
    reason = "other threads are waited for by the real clock"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc};
use spanwire::telemetry::{
    Pending, Telemetry, TelemetryBuilder, ThresholdEvent, ThresholdKind, ThresholdState,
};
use spanwire::timer::monitor;
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::example;
use spanwire_testkit::scrape::scrape;

/// A window of a second, in which more than three of ten must not fail.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SPANWIRE_WINDOW_SECONDS", "1"),
    ("SPANWIRE_ERROR_RATE_THRESHOLD", "0.3"),
    ("SPANWIRE_SLOW_RATE_THRESHOLD", "0.3"),
    ("SPANWIRE_SYSTEM_INTERVAL_MS", "20"),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
];

fn builder() -> (TelemetryBuilder, Receiver<ThresholdEvent>) {
    let (tell, told) = channel();
    let builder = Telemetry::builder("test").on_threshold(move |event| {
        let _ = tell.send(event.clone());
    });
    (builder, told)
}

fn next(told: &Receiver<ThresholdEvent>) -> ThresholdEvent {
    told.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn operations(name: &str, good: u32, failed: u32) {
    for n in 0..good + failed {
        let _ = monitor(name).run(|| match n < good {
            true => Ok(()),
            false => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        });
    }
}

/// 40 calls of a page, all of which fail.
fn failing_events() {
    let ipc = Ipc::builder("main").build();
    ipc.on("save", |_: &Call| -> Result<(), std::io::Error> {
        Err(std::io::Error::other("no room"))
    })
    .unwrap();
    let calls: Vec<Value> = (1..=40)
        .map(|id| json!({"kind": "call", "id": id, "event": "save"}))
        .collect();
    let mut messages = vec![json!({"kind": "ready"})];
    messages.extend(calls);
    let (nonce, messages) = (ipc.nonce(), Value::from(messages));
    let text =
        format!(r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","sent":1,"messages":{messages}}}"#);
    let _ = ipc.receive(&text, None);
}

fn exceeded(telemetry: &Telemetry, kind: &str) -> f64 {
    let samples = scrape(telemetry.prometheus_addr().unwrap());
    let found = samples.iter().find(|sample| {
        sample.name == "spanwire_threshold_exceeded"
            && sample.label("spanwire_threshold_kind") == kind
    });
    found.unwrap().value
}

/// What is written to the log.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn install(self) -> Self {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        self
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn failing_operations_are_told_by_callback_log_and_gauge_and_so_is_the_end() {
    let test = "failing_operations_are_told_by_callback_log_and_gauge_and_so_is_the_end";
    run_alone(test, ENVIRONMENT, || {
        let log = Log::default().install();
        let (builder, told) = builder();
        let telemetry = builder.install().unwrap();
        assert_eq!(exceeded(&telemetry, "operation_error_rate"), 0.0);
        // Half of what is good is not too much.
        operations("good", 40, 10);
        operations("load_scene", 20, 20);
        let crossed = next(&told);
        assert_eq!(crossed.kind, ThresholdKind::OperationErrorRate);
        assert_eq!(crossed.state, ThresholdState::Crossed);
        assert_eq!(&*crossed.name, "load_scene");
        assert_eq!(
            (crossed.threshold, crossed.window),
            (0.3, Duration::from_secs(1))
        );
        assert!(crossed.rate > 0.3 && crossed.exceeding <= crossed.count);
        assert_eq!(exceeded(&telemetry, "operation_error_rate"), 1.0);
        let line = format!("WARN spanwire::threshold: {crossed}");
        assert!(log.text().contains(&line), "{}", log.text());
        // The window passes, and nothing more fails.
        let recovered = next(&told);
        assert_eq!(recovered.state, ThresholdState::Recovered);
        assert_eq!(&*recovered.name, "load_scene");
        assert_eq!(exceeded(&telemetry, "operation_error_rate"), 0.0);
        assert!(
            log.text()
                .contains("INFO spanwire::threshold: operation load_scene: ")
        );
        drop(telemetry);
        assert!(told.recv().is_err(), "no more than two");
    });
}

#[test]
fn slow_operations_and_failing_events_are_told_too() {
    let test = "slow_operations_and_failing_events_are_told_too";
    run_alone(test, ENVIRONMENT, || {
        let (builder, told) = builder();
        let telemetry = builder.install().unwrap();
        for _ in 0..40 {
            monitor("render").slow_after(Duration::ZERO).time(|| ());
        }
        let slow = next(&told);
        assert_eq!(slow.kind, ThresholdKind::OperationSlowRate);
        assert_eq!(&*slow.name, "render");
        failing_events();
        let failed = loop {
            // That of the slow operation may be over by now.
            let event = next(&told);
            if event.state == ThresholdState::Crossed {
                break event;
            }
        };
        assert_eq!(failed.kind, ThresholdKind::EventErrorRate);
        assert_eq!((&*failed.name, failed.rate), ("save", 1.0));
        drop(telemetry);
    });
}

#[test]
fn failing_events_are_told_also_before_a_recorder_is_in_force() {
    let test = "failing_events_are_told_also_before_a_recorder_is_in_force";
    // The window is longer than the test, since only the scrapes below look.
    let environment = [ENVIRONMENT, &[("SPANWIRE_WINDOW_SECONDS", "60")]].concat();
    run_alone(test, &environment, || {
        let (builder, told) = builder();
        // The app has not set the globals, of which the recorder is one.
        let (telemetry, _parts) = builder.build().unwrap();
        failing_events();
        let failed = (0..500).find_map(|_| {
            exceeded(&telemetry, "event_error_rate");
            told.recv_timeout(Duration::from_millis(20)).ok()
        });
        let failed = failed.unwrap();
        assert_eq!(failed.kind, ThresholdKind::EventErrorRate);
        assert_eq!((&*failed.name, failed.exceeding), ("save", 40));
    });
}

#[test]
fn a_panic_of_the_callback_ends_nothing() {
    let test = "a_panic_of_the_callback_ends_nothing";
    run_alone(test, ENVIRONMENT, || {
        let log = Log::default().install();
        let (tell, told) = channel();
        let telemetry = Telemetry::builder("test")
            .on_threshold(move |event| {
                tell.send(event.name.to_string()).unwrap();
                panic!("a bug of the app's");
            })
            .install()
            .unwrap();
        operations("first", 0, 40);
        assert_eq!(told.recv_timeout(Duration::from_secs(30)).unwrap(), "first");
        operations("second", 0, 40);
        let later: String = loop {
            // The first one's end may come in between.
            let name = told.recv_timeout(Duration::from_secs(30)).unwrap();
            if name != "first" {
                break name;
            }
        };
        assert_eq!(later, "second");
        assert!(log.text().contains("the callback of thresholds panicked"));
        drop(telemetry);
    });
}

#[test]
fn what_fails_in_a_pause_is_not_told() {
    let test = "what_fails_in_a_pause_is_not_told";
    run_alone(test, ENVIRONMENT, || {
        let (builder, told) = builder();
        let telemetry = builder.install().unwrap();
        telemetry.pause(Pending::Keep);
        operations("in_the_pause", 0, 40);
        telemetry.resume().unwrap();
        operations("after_it", 0, 40);
        assert_eq!(&*next(&told).name, "after_it");
        drop(telemetry);
        let rest: Vec<ThresholdEvent> = told.iter().collect();
        assert!(
            rest.iter().all(|event| &*event.name == "after_it"),
            "{rest:?}"
        );
    });
}

#[test]
fn the_example_posts_to_a_webhook() {
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", webhook.local_addr().unwrap());
    let posted = std::thread::spawn(move || {
        let (mut stream, _) = webhook.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            request.read_line(&mut head).unwrap();
            let line = head.get(begin..).unwrap().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        request.read_exact(&mut body).unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            .unwrap();
        (head, serde_json::from_slice::<Value>(&body).unwrap())
    });
    let output = Command::new(example::program("spanwire", "threshold_webhook"))
        .arg(&url)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(
        stdout.starts_with("posted: operation save_project: "),
        "{stdout}"
    );
    let (head, body) = posted.join().unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert_eq!(body["name"], "save_project");
    assert_eq!(body["kind"], "operation_error_rate");
    assert_eq!(body["state"], "crossed");
}
