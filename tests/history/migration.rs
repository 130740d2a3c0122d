//! Files of earlier versions of the schema.

use std::time::Duration;

use spanwire::history::History;
use spanwire::timer::operation;
use spanwire_testkit::child_process::run_alone;

use crate::app::{DEADLINE, place, sql};

const VERSION_1: &str = include_str!("../../src/history/schema.sql");
const VERSION_2: &str = include_str!("../../src/history/schema_2.sql");

#[test]
fn a_file_of_the_first_version_is_brought_to_this_one_and_keeps_its_rows() {
    run_alone(
        "migration::a_file_of_the_first_version_is_brought_to_this_one_and_keeps_its_rows",
        &[],
        || {
            let (_folder, path) = place("migration");
            let file = format!(
                "PRAGMA auto_vacuum = 2; {VERSION_1} \
                 PRAGMA application_id = 0x53505752; PRAGMA user_version = 1; \
                 INSERT INTO session VALUES (1, 'paint-tool', '0.9', 'i', 1, unixepoch() * 1000000000, \
                 unixepoch() * 1000000000, NULL); \
                 INSERT INTO series VALUES (1, 'operation', 'save', ''); \
                 INSERT INTO record (session_id, series_id, started_at, duration, outcome) \
                 VALUES (1, 1, unixepoch() * 1000000000, 7000000, 'ok')"
            );
            sql(&path, &file);
            let history = History::open(&path).unwrap();
            operation("save").record(Duration::from_millis(9), true);
            let report = history.shutdown(DEADLINE);
            assert_eq!((report.written, report.dropped), (1, 0), "{report}");
            assert_eq!(report.set_aside, None);
            assert_eq!(sql(&path, "PRAGMA user_version"), "3");
            let rows = "SELECT operation, duration, service FROM metrics ORDER BY id";
            let service = "unknown_service";
            assert_eq!(
                sql(&path, rows),
                format!("save|7.0|paint-tool\nsave|9.0|{service}")
            );
            let profile = "SELECT count(*) FROM profile";
            assert_eq!(sql(&path, profile), "0", "the newest table is there");
            let runs = "SELECT count(*) FROM run";
            assert_eq!(sql(&path, runs), "1", "the new tables are there and used");
            assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
        },
    );
}

#[test]
fn a_file_of_the_second_version_gets_the_profile_and_keeps_what_the_flight_recorder_saw() {
    run_alone(
        "migration::a_file_of_the_second_version_gets_the_profile_and_keeps_what_the_flight_recorder_saw",
        &[],
        || {
            let (_folder, path) = place("migration-2");
            let file = format!(
                "PRAGMA auto_vacuum = 2; {VERSION_1} {VERSION_2} \
                 PRAGMA application_id = 0x53505752; PRAGMA user_version = 2; \
                 INSERT INTO session VALUES (1, 'paint-tool', '0.9', 'i', 1, unixepoch() * 1000000000, \
                 unixepoch() * 1000000000, NULL); \
                 INSERT INTO run VALUES (1, '', NULL); \
                 INSERT INTO flight (session_id, taken_at, subject, name) \
                 VALUES (1, unixepoch() * 1000000000, 'process', 'app')"
            );
            sql(&path, &file);
            let history = History::open(&path).unwrap();
            let report = history.shutdown(DEADLINE);
            assert_eq!(report.set_aside, None);
            assert_eq!(sql(&path, "PRAGMA user_version"), "3");
            assert_eq!(sql(&path, "SELECT count(*) FROM profile"), "0");
            let seen = "SELECT count(*) FROM flight WHERE session_id = 1";
            assert_eq!(sql(&path, seen), "1");
            assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
        },
    );
}
