//! A person's no holds for the history, too.

use std::thread;

use spanwire::monitor;
use spanwire::telemetry::{Pending, PendingItems};
use spanwire_testkit::child_process::run_alone;

use crate::app::{DEADLINE, builder, flush, number, place, sql};

const ROWS: &str = "SELECT group_concat(operation, ' ') FROM metrics";

#[test]
fn a_pause_records_nothing_and_deletes_what_was_recorded_when_told() {
    run_alone(
        "consent::a_pause_records_nothing_and_deletes_what_was_recorded_when_told",
        &[],
        || {
            let (_folder, path) = place("discard");
            let telemetry = builder(&path).install().unwrap();
            monitor("written").time(|| ());
            flush(&telemetry);
            monitor("not yet written").time(|| ());
            let report = telemetry.pause(Pending::Discard);
            let history = report.history.unwrap();
            assert_eq!((history.discarded, history.kept), (2, 0));
            monitor("in the pause").time(|| ());
            assert_eq!(number(&path, "SELECT count(*) FROM record"), 0.0);
            assert_eq!(number(&path, "SELECT count(*) FROM rollup"), 0.0);
            assert_eq!(number(&path, "SELECT count(*) FROM session"), 0.0);
            let bytes = std::fs::read(&path).unwrap();
            let shown = String::from_utf8_lossy(&bytes);
            assert!(!shown.contains("not yet written"), "it was never written");
            telemetry.resume().unwrap();
            monitor("after").time(|| ());
            flush(&telemetry);
            assert_eq!(sql(&path, ROWS), "after");
        },
    );
}

#[test]
fn a_pause_that_keeps_writes_what_waited_after_the_resume_and_nothing_of_in_between() {
    run_alone(
        "consent::a_pause_that_keeps_writes_what_waited_after_the_resume_and_nothing_of_in_between",
        &[],
        || {
            let (_folder, path) = place("keep");
            let telemetry = builder(&path).install().unwrap();
            // What ran in the pause and ends after it is not recorded, as no span is.
            let (begin, begun) = std::sync::mpsc::sync_channel(1);
            let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
            let running = thread::spawn(move || {
                monitor("began before").time(|| {
                    begin.send(()).unwrap();
                    ended.recv().unwrap();
                });
            });
            begun.recv().unwrap();
            monitor("queued").time(|| ());
            let PendingItems {
                discarded, kept, ..
            } = telemetry.pause(Pending::Keep).history.unwrap();
            assert_eq!(discarded, 0);
            monitor("in the pause").time(|| ());
            assert!(kept <= 1, "{kept}");
            telemetry.resume().unwrap();
            end.send(()).unwrap();
            running.join().unwrap();
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            assert_eq!(sql(&path, ROWS), "queued");
            assert_eq!((report.written, report.discarded), (1, 1));
        },
    );
}

#[test]
fn a_start_without_consent_makes_no_file_until_it_is_given() {
    run_alone(
        "consent::a_start_without_consent_makes_no_file_until_it_is_given",
        &[],
        || {
            let (folder, path) = place("paused");
            let telemetry = builder(&path).start_paused().install().unwrap();
            monitor("before").time(|| ());
            flush(&telemetry);
            assert_eq!(folder.files(), Vec::<std::path::PathBuf>::new());
            telemetry.resume().unwrap();
            monitor("after").time(|| ());
            flush(&telemetry);
            assert_eq!(sql(&path, ROWS), "after");
        },
    );
}

#[test]
fn without_a_file_there_is_no_history() {
    run_alone("consent::without_a_file_there_is_no_history", &[], || {
        let telemetry = spanwire::Telemetry::builder("paint-tool")
            .environment(|_| None)
            .prometheus_port(0)
            .without_system()
            .build()
            .unwrap()
            .0;
        assert!(telemetry.history().is_none());
        assert!(telemetry.shutdown(DEADLINE).history.is_none());
    });
}
