//! A collector that hangs, or is slow: what reaches the disk, and by when.

use std::time::Duration;

use spanwire_testkit::child_process;
use spanwire_testkit::faulty_collector::{Answer, FaultyCollector, refused_url};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::spooling_process::{
    self, Made, Next, Spans, SpoolingProcess, builder as with_defaults, next_process,
};

use crate::app::{App, SECOND};

#[test]
fn a_collector_that_answers_late_is_waited_for_where_the_disk_takes_nothing() {
    let server = FaultyCollector::start(Answer::TakenAfter(Duration::from_millis(1_200)));
    let folder = Folder::new("spool_late_full");
    let app = App::start(with_defaults(&server.url(), folder.path()).spool_max_bytes(10));
    app.span("1");
    app.span("2");
    assert_eq!((app.items("spooled"), app.size()), (0.0, 0.0));
    assert_eq!(server.taken(), ["1", "2"]);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.spooled, report.lost), (2, 0, 0));
}

#[test]
fn be_a_busy_process() {
    spooling_process::be_one();
}

fn busy_process(url: &str, folder: &Folder, count: u64) -> SpoolingProcess {
    let command = child_process::command("hanging::be_a_busy_process");
    let spans = Spans {
        prefix: "",
        count,
        bytes: 0,
    };
    SpoolingProcess::start(command, url, folder.path(), spans)
}

#[test]
fn a_shutdown_puts_everything_on_disk_while_a_collector_hangs() {
    for answer in [Answer::Hangs, Answer::ByteASecond] {
        let folder = Folder::new("spool_hanging");
        let server = FaultyCollector::start(answer);
        let spans = 1_000;
        let report = busy_process(&server.url(), &folder, spans).report();
        assert!(
            report.starts_with("0 exported, 1000 spooled, 0 dropped, 0 lost"),
            "{answer:?}: {report}"
        );
        let all: Vec<String> = (1..=spans).map(|n| n.to_string()).collect();
        let Next { requests, .. } = next_process(folder.path());
        assert_eq!(requests.concat(), all, "{answer:?}");
    }
}

#[test]
fn a_killed_process_loses_at_most_a_second_whatever_its_collector_does() {
    for answer in [
        Some(Answer::Hangs),
        Some(Answer::ByteASecond),
        Some(Answer::TakenAfter(Duration::from_millis(700))),
        Some(Answer::Taken),
        // Not there at all.
        None,
    ] {
        let folder = Folder::new("spool_killed");
        let server = answer.map(FaultyCollector::start);
        let url = server
            .as_ref()
            .map_or_else(refused_url, FaultyCollector::url);
        let process = busy_process(&url, &folder, u64::MAX);
        process.wait_for_spans(500);
        let (made, killed) = process.kill();

        let mut arrived = next_process(folder.path()).requests.concat();
        arrived.extend(server.iter().flat_map(FaultyCollector::taken));
        let age = |span: &Made| killed.duration_since(span.at).unwrap_or_default();
        let lost = made.iter().filter(|span| !arrived.contains(&span.name));
        let lost: Vec<Duration> = lost.map(age).collect();
        let oldest = lost.iter().max().copied().unwrap_or_default();
        println!(
            "{answer:?}: {} of {} lost, {oldest:?}",
            lost.len(),
            made.len()
        );
        assert!(oldest < SECOND, "{answer:?}: {oldest:?}");
    }
}

#[test]
fn a_collector_that_answers_late_gets_each_span_once_and_in_order() {
    let server = FaultyCollector::start(Answer::TakenAfter(Duration::from_millis(1_200)));
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
