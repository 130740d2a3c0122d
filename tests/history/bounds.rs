//! The file keeps its bounds, in bytes and in time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use spanwire::history::History;
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
