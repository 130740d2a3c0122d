//! A collector that hangs, or is slow: what reaches the disk, and by when.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanwire::clock::{self, Stamp};
use spanwire::telemetry::{MetricsExporter, Sampler, Telemetry, TelemetryBuilder};
use spanwire_testkit::child_process;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::Receiver;

use crate::app::{App, SECOND, builder, span_names};
use crate::slow_server::{Pace, SlowServer};

const URL: &str = "SPANWIRE_TEST_URL";
const FOLDER: &str = "SPANWIRE_TEST_FOLDER";
const SPANS: &str = "SPANWIRE_TEST_SPANS";

/// With everything that decides about time as it is by default.
fn with_defaults(url: &str, folder: &std::path::Path) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(|_| None)
        .metrics(MetricsExporter::Prometheus)
        .prometheus_port(0)
        .otlp_endpoint(url)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .spool_dir(folder)
        .without_system()
        .quiet()
}

#[test]
fn a_collector_that_answers_late_is_waited_for_where_the_disk_takes_nothing() {
    let server = SlowServer::start(Pace::After(Duration::from_millis(1_200)));
    let folder = Folder::new("spool_late_full");
    let app = App::start(with_defaults(&server.url(), folder.path()).spool_max_bytes(10));
    app.span("1");
    app.span("2");
    assert_eq!((app.items("spooled"), app.size()), (0.0, 0.0));
    assert_eq!(server.taken(), ["1", "2"]);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.spooled, report.lost), (2, 0, 0));
}

/// Makes spans called 1, 2, 3, one in five milliseconds, and tells of each. After so many it shuts
/// down within two seconds.
#[test]
fn be_a_busy_process() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let folder = std::env::var(FOLDER).unwrap();
    let spans: u64 = std::env::var(SPANS).unwrap().parse().unwrap();
    let app = App::start(with_defaults(&url, folder.as_ref()));
    for n in 1..=spans {
        app.span_unflushed(&n.to_string());
        println!("\nspan {n}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let report = app.telemetry.shutdown(2 * SECOND).spans;
    println!("\nreport {report}");
}

fn busy_process(url: &str, folder: &Folder, spans: u64) -> Child {
    let mut command: Command = child_process::command("hanging::be_a_busy_process");
    command
        .env(URL, url)
        .env(FOLDER, folder.path())
        .env(SPANS, spans.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The spans that the next process delivers of what is in the folder.
fn delivered_by_the_next(folder: &Folder) -> Vec<String> {
    let receiver = Receiver::start();
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.wait_until("what was left is sent", |app| {
        folder.segments().is_empty() && app.size() == 0.0
    });
    span_names(&receiver)
}

#[test]
fn a_shutdown_puts_everything_on_disk_while_a_collector_hangs() {
    for pace in [Pace::Never, Pace::ByteASecond] {
        let (folder, server) = (Folder::new("spool_hanging"), SlowServer::start(pace));
        let spans = 1_000;
        let child = busy_process(&server.url(), &folder, spans);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text.lines().find_map(|line| line.strip_prefix("report "));
        let report = report.unwrap_or_else(|| panic!("{text}"));
        assert!(
            report.starts_with("0 exported, 1000 spooled, 0 dropped, 0 lost"),
            "{pace:?}: {report}"
        );
        let all: Vec<String> = (1..=spans).map(|n| n.to_string()).collect();
        assert_eq!(delivered_by_the_next(&folder), all, "{pace:?}");
    }
}

#[test]
fn a_killed_process_loses_at_most_a_second_whatever_its_collector_does() {
    let slow = Duration::from_millis(700);
    for pace in [
        Some(Pace::Never),
        Some(Pace::ByteASecond),
        Some(Pace::After(slow)),
        Some(Pace::After(Duration::ZERO)),
        // Not there at all.
        None,
    ] {
        let folder = Folder::new("spool_killed");
        let server = pace.map(SlowServer::start);
        let url = match &server {
            Some(server) => server.url(),
            None => "http://127.0.0.1:9".to_owned(),
        };
        let mut child = busy_process(&url, &folder, u64::MAX);
        let made: Arc<Mutex<Vec<(String, Stamp)>>> = Arc::default();
        let reader = std::thread::spawn({
            let made = Arc::clone(&made);
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            move || {
                for line in lines.map_while(Result::ok) {
                    if let Some(name) = line.strip_prefix("span ") {
                        made.lock().unwrap().push((name.to_owned(), clock::now()));
                    }
                }
            }
        });
        while made.lock().unwrap().len() < 500 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let killed = clock::now();
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();

        let mut arrived = delivered_by_the_next(&folder);
        arrived.extend(server.iter().flat_map(SlowServer::taken));
        let made = made.lock().unwrap();
        let lost: Vec<Duration> = made
            .iter()
            .filter(|(name, _)| !arrived.contains(name))
            .map(|(_, at)| killed.since(*at))
            .collect();
        let oldest = lost.iter().max().copied().unwrap_or_default();
        println!(
            "{pace:?}: {} of {} lost, {oldest:?}",
            lost.len(),
            made.len()
        );
        assert!(oldest < SECOND, "{pace:?}: {oldest:?}");
    }
}

#[test]
fn a_collector_that_answers_late_gets_each_span_once_and_in_order() {
    let server = SlowServer::start(Pace::After(Duration::from_millis(1_200)));
    let folder = Folder::new("spool_late");
    let app = App::start(with_defaults(&server.url(), folder.path()));
    for name in ["1", "2", "3", "4"] {
        app.span(name);
    }
    assert_eq!(app.items("spooled"), 4.0);
    app.wait_until("everything is answered", |app| app.size() == 0.0);
    app.span("5");
    app.wait_until("everything is answered", |app| app.size() == 0.0);
    assert_eq!(server.taken(), ["1", "2", "3", "4", "5"]);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.spooled, report.lost), (5, 0, 0));
}
