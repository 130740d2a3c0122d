//! The file keeps its bounds, in bytes and in time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use spanwire::history::History;
use spanwire::history::query::{Filter, HistoryReader};
use spanwire::timer::operation;
use spanwire_testkit::child_process::run_alone;

use crate::app::{DEADLINE, number, place, sql};

const MIB: u64 = 1 << 20;

/// The database, its log and its index, together.
fn size(path: &Path) -> u64 {
    let folder = fs::read_dir(path.parent().unwrap()).unwrap();
    let lens = folder.map(|entry| entry.unwrap().metadata().unwrap().len());
    lens.sum()
}

#[test]
fn the_file_stays_within_its_bound_and_the_newest_is_kept() {
    run_alone(
        "bounds::the_file_stays_within_its_bound_and_the_newest_is_kept",
        &[],
        || {
            let (_folder, path) = place("size");
            let history = History::options(&path)
                .max_bytes(2 * MIB)
                .records_per_second(1_000_000)
                .open()
                .unwrap();
            let names: Vec<_> = (0..20).map(|n| operation(&format!("work {n}"))).collect();
            let mut largest = 0;
            for round in 0..60 {
                for n in 0..1_000 {
                    names[n % names.len()].monitor().time(|| ());
                }
                if round == 59 {
                    operation("the newest").monitor().time(|| ());
                }
                history.flush(DEADLINE).unwrap();
                largest = largest.max(size(&path));
            }
            let report = history.shutdown(DEADLINE);
            assert_eq!((report.written, report.dropped), (60_001, 0), "{report}");
            assert!(largest <= 2 * MIB, "{largest}");
            let rows = number(&path, "SELECT count(*) FROM record");
            assert!(rows < 60_001.0 && rows > 1_000.0, "{rows}");
            let newest = "SELECT count(*) FROM metrics WHERE operation = 'the newest'";
            assert_eq!(sql(&path, newest), "1");
            assert_eq!(number(&path, "SELECT sum(count) FROM rollup"), 60_001.0);
            assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
        },
    );
}

#[test]
fn a_bound_that_became_smaller_makes_the_file_smaller() {
    run_alone(
        "bounds::a_bound_that_became_smaller_makes_the_file_smaller",
        &[],
        || {
            let (_folder, path) = place("smaller");
            let fill = |max_bytes, rounds| {
                let history = History::options(&path)
                    .max_bytes(max_bytes)
                    .records_per_second(1_000_000)
                    .open()
                    .unwrap();
                for _ in 0..rounds {
                    for _ in 0..1_000 {
                        operation("work").monitor().time(|| ());
                    }
                    history.flush(DEADLINE).unwrap();
                }
                history.shutdown(DEADLINE);
            };
            fill(16 * MIB, 40);
            assert!(size(&path) > 3 * MIB);
            fill(2 * MIB, 3);
            assert!(size(&path) <= 2 * MIB, "{}", size(&path));
        },
    );
}

#[test]
fn what_is_older_than_the_retention_is_deleted_and_sums_live_longer() {
    run_alone(
        "bounds::what_is_older_than_the_retention_is_deleted_and_sums_live_longer",
        &[],
        || {
            let (_folder, path) = place("age");
            let record = || {
                let hour = Duration::from_secs(3_600);
                let history = History::options(&path).retention(hour).open().unwrap();
                operation("work").monitor().time(|| ());
                history.flush(DEADLINE).unwrap();
                history.shutdown(DEADLINE);
            };
            record();
            // Two hours ago, and five.
            for hours in [2, 5] {
                let old = format!(
                    "INSERT INTO record (session_id, series_id, started_at, duration, outcome) \
                     SELECT session_id, series_id, (unixepoch() - {hours} * 3600) * 1000000000, \
                     1, 'ok' FROM record ORDER BY id LIMIT 1; \
                     INSERT INTO rollup SELECT minute - {hours} * 60, series_id, count, errors, \
                     slow, sum, min, max, sketch FROM rollup ORDER BY minute DESC LIMIT 1"
                );
                sql(&path, &old);
            }
            record();
            assert_eq!(number(&path, "SELECT count(*) FROM record"), 2.0);
            let minutes = "SELECT count(DISTINCT minute / 60) FROM rollup WHERE \
                           minute < unixepoch() / 60 - 90";
            assert_eq!(number(&path, minutes), 1.0);
        },
    );
}

#[test]
fn a_reader_that_stays_does_not_let_the_file_outgrow_its_bound() {
    run_alone(
        "bounds::a_reader_that_stays_does_not_let_the_file_outgrow_its_bound",
        &[],
        || {
            let (_folder, path) = place("reader");
            let history = History::options(&path)
                .max_bytes(4 * MIB)
                .records_per_second(1_000_000)
                .open()
                .unwrap();
            let work = operation("work");
            let write = || {
                (0..1_000).for_each(|_| work.monitor().time(|| ()));
                history.flush(DEADLINE)
            };
            write().unwrap();
            // It sees the file as it is now, so nothing newer may take the place of that.
            let reader = Connection::open(&path).unwrap();
            reader.execute_batch("BEGIN").unwrap();
            let count = "SELECT count(*) FROM record";
            let seen = || {
                reader
                    .query_row(count, [], |row| row.get::<_, i64>(0))
                    .unwrap()
            };
            assert_eq!(seen(), 1_000);
            let (mut largest, mut refused) = (0, None);
            for _ in 0..60 {
                refused = write().err().or(refused);
                largest = largest.max(size(&path));
            }
            assert!(largest <= 4 * MIB, "{largest}");
            let refused = refused.expect("60,000 rows are more than that");
            let why = std::error::Error::source(&refused).unwrap().to_string();
            assert!(why.contains("a program that reads it"), "{why}");
            assert_eq!(seen(), 1_000);
            reader.execute_batch("COMMIT").unwrap();
            write().unwrap();
            let report = history.shutdown(DEADLINE);
            assert_eq!(report.written + report.dropped, 62_000, "{report}");
            assert!(report.dropped > 0, "{report}");
            assert!(size(&path) <= 4 * MIB, "{}", size(&path));
            let counted = number(&path, "SELECT sum(count) FROM rollup");
            assert_eq!(counted, report.written as f64);
            assert_eq!(sql(&path, "PRAGMA integrity_check"), "ok");
        },
    );
}

#[test]
fn the_smallest_file_is_nearly_full_before_the_oldest_goes() {
    run_alone(
        "bounds::the_smallest_file_is_nearly_full_before_the_oldest_goes",
        &[],
        || {
            let (_folder, path) = place("smallest");
            let history = History::options(&path)
                .max_bytes(MIB)
                .records_per_second(1_000_000)
                .open()
                .unwrap();
            let used = "SELECT (SELECT page_count FROM pragma_page_count) \
                        - (SELECT freelist_count FROM pragma_freelist_count)";
            let mut written = 0.0;
            for _ in 0..40 {
                (0..200).for_each(|_| operation("work").monitor().time(|| ()));
                history.flush(DEADLINE).unwrap();
                written += 200.0;
                if number(&path, "SELECT count(*) FROM record") < written {
                    // Of 192 pages, 85 in 100 stay.
                    assert!(number(&path, used) >= 155.0, "{}", number(&path, used));
                }
            }
            let report = history.shutdown(DEADLINE);
            assert_eq!(report.dropped, 0, "{report}");
            assert!(number(&path, "SELECT count(*) FROM record") < written);
            assert!(size(&path) <= MIB);
        },
    );
}

/// Adds looks of a run that was there an hour ago for the last time: `count` rows, one each `step`
/// nanoseconds until then.
fn add_looks(path: &Path, session: i64, count: u32, step: u64) {
    let seen = "(unixepoch() - 3600) * 1000000000";
    let add = format!(
        "INSERT INTO session (id, service, instance, process_id, started_at, seen_at) \
         VALUES ({session}, 'paint-tool', '{session}', 7, {seen}, {seen}); \
         INSERT INTO run (session_id, process_key, reported_at) \
         VALUES ({session}, 'another machine', {seen}); \
         WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {count}) \
         INSERT INTO flight (session_id, taken_at, subject, name, webview, age, count, thread) \
         SELECT {session}, {seen} - n * {step}, 'operation', \
         'an operation with a name of some length', 'main', 1, 1, 'worker' FROM n"
    );
    sql(path, &add);
}

#[test]
fn old_looks_of_the_flight_recorder_go_before_records() {
    run_alone(
        "bounds::old_looks_of_the_flight_recorder_go_before_records",
        &[],
        || {
            // Of the one run a long time is kept, of the other a crowded last minute.
            for (run, step) in [("long", 1_000_000_000), ("crowded", 1_000)] {
                let (_folder, path) = place(run);
                let history = History::options(&path)
                    .max_bytes(MIB)
                    .records_per_second(1_000_000)
                    .open()
                    .unwrap();
                let write = || {
                    (0..100).for_each(|_| operation("work").monitor().time(|| ()));
                    history.flush(DEADLINE).unwrap();
                };
                write();
                add_looks(&path, 7, 6_000, step);
                (0..10).for_each(|_| write());
                let report = history.shutdown(DEADLINE);
                assert_eq!(report.dropped, 0, "{report}");
                let records = number(&path, "SELECT count(*) FROM record");
                assert_eq!(records, 1_100.0, "{run}");
                let newest = "SELECT count(*), max(taken_at) = (SELECT seen_at FROM session \
                              WHERE id = 7) FROM flight WHERE session_id = 7";
                let newest = sql(&path, newest);
                let (kept, has_newest) = newest.split_once('|').unwrap();
                let kept: f64 = kept.parse().unwrap();
                assert!(kept > 0.0 && kept < 6_000.0, "{run}: {kept}");
                assert_eq!(has_newest, "1", "{run}");
            }
        },
    );
}

/// Adds `count` rows like the first one, of a session of its own that was seen at `seconds` last,
/// as were they.
fn add_rows(path: &Path, count: u32, seconds: &str) {
    let add = format!(
        "INSERT INTO session (id, service, instance, process_id, started_at, seen_at) \
         VALUES (7, 'paint-tool', '7', 7, ({seconds}) * 1000000000, ({seconds}) * 1000000000); \
         WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {count}) \
         INSERT INTO record (session_id, series_id, started_at, duration, outcome) \
         SELECT 7, 1, ({seconds}) * 1000000000 + n, 1, 'ok' FROM n"
    );
    sql(path, &add);
}

#[test]
fn what_is_too_much_to_delete_at_once_can_be_read_until_it_is_gone() {
    run_alone(
        "bounds::what_is_too_much_to_delete_at_once_can_be_read_until_it_is_gone",
        &[],
        || {
            let (_folder, path) = place("much");
            let record = || {
                let history = History::options(&path)
                    .max_bytes(2 * MIB)
                    .retention(Duration::from_secs(3_600))
                    .open()
                    .unwrap();
                operation("work").monitor().time(|| ());
                history.flush(DEADLINE).unwrap();
                history.shutdown(DEADLINE);
            };
            record();
            // A large file that no app had open for long.
            add_rows(&path, 60_000, "unixepoch() - 30 * 86400");
            record();
            let left = number(&path, "SELECT count(*) FROM record");
            assert!(left > 2.0 && left < 60_000.0, "{left}");
            let reader = HistoryReader::open(&path).unwrap();
            let read = reader.records(&Filter::new()).unwrap();
            let read: Vec<_> = read.collect::<Result<_, _>>().unwrap();
            assert_eq!(read.len() as f64, left);
        },
    );
}

#[test]
fn rows_of_a_clock_that_was_ahead_are_the_first_to_go() {
    run_alone(
        "bounds::rows_of_a_clock_that_was_ahead_are_the_first_to_go",
        &[],
        || {
            let (_folder, path) = place("ahead");
            let history = History::options(&path)
                .max_bytes(2 * MIB)
                .records_per_second(1_000_000)
                .open()
                .unwrap();
            operation("work").monitor().time(|| ());
            history.flush(DEADLINE).unwrap();
            add_rows(&path, 10_000, "unixepoch() + 10 * 365 * 86400");
            for _ in 0..5 {
                (0..1_000).for_each(|_| operation("work").monitor().time(|| ()));
                history.flush(DEADLINE).unwrap();
            }
            let report = history.shutdown(DEADLINE);
            assert_eq!(report.dropped, 0, "{report}");
            let ahead = "SELECT count(*) FROM record WHERE started_at > (unixepoch() + 60) * 1e9";
            let kept = "SELECT count(*) FROM record WHERE started_at < (unixepoch() + 60) * 1e9";
            assert!(number(&path, ahead) < 10_000.0, "{}", number(&path, ahead));
            assert_eq!(number(&path, kept), 5_001.0);
        },
    );
}
