//! Histories that are damaged, foreign, empty or huge.

use std::fs;

use rusqlite::Connection;
use spanwire::history::query::OpenError;
use spanwire::history::report::{ReportError, ReportOptions};
use spanwire_testkit::folder::Folder;

use crate::synthetic::{PARTS, Row, Synthetic, text_in, unzipped};

#[test]
fn missing_foreign_and_no_database_are_errors_that_leave_nothing() {
    let folder = Folder::new("report-foreign");
    let out = folder.path().join("report.zip");
    let missing = folder.path().join("missing.db");
    let text = folder.path().join("text.db");
    fs::write(
        &text,
        "no database at all, and longer than its header is: a letter",
    )
    .unwrap();
    let songs = folder.path().join("songs.db");
    Connection::open(&songs)
        .unwrap()
        .execute_batch("CREATE TABLE songs (name TEXT)")
        .unwrap();
    let error = |path| match ReportOptions::new().write(path, &out).unwrap_err() {
        ReportError::Open(error) => error,
        error => panic!("{error}"),
    };
    assert!(matches!(error(missing), OpenError::Missing(_)));
    assert!(matches!(error(text), OpenError::NotADatabase(_)));
    assert!(matches!(error(songs), OpenError::Foreign(_)));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn file_that_exists_is_not_overwritten() {
    let history = Synthetic::new("exists");
    history.healthy();
    let out = history.file("report.zip");
    fs::write(&out, "a letter").unwrap();
    let error = ReportOptions::new()
        .write(history.history(), &out)
        .unwrap_err();
    assert!(matches!(error, ReportError::Exists(_)), "{error}");
    assert_eq!(fs::read(&out).unwrap(), b"a letter");
}

#[test]
fn empty_history_says_that_nothing_was_recorded() {
    let history = Synthetic::new("empty");
    let out = history.file("report.zip");
    let report = ReportOptions::new().write(history.history(), &out).unwrap();
    assert_eq!(report.verdict, "Nothing was recorded in this period.");
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    for part in PARTS {
        unzipped(&out, part);
    }
    history
        .connection
        .execute_batch("DELETE FROM session")
        .unwrap();
    let out = history.file("nothing.zip");
    let report = ReportOptions::new().write(history.history(), &out).unwrap();
    assert_eq!(report.verdict, "Nothing was recorded in this period.");
}

#[test]
fn what_is_missing_in_a_damaged_history_is_named() {
    let history = Synthetic::new("damaged");
    history.healthy();
    history
        .connection
        .execute_batch("DROP TABLE sample")
        .unwrap();
    // Cut off: its last third is gone, and with it rows of several tables.
    let whole = fs::read(history.history()).unwrap();
    let cut = history.file("cut.db");
    fs::write(&cut, &whole[..whole.len() / 4096 * 2 / 3 * 4096]).unwrap();
    for (file, name) in [(history.history(), "a.zip"), (cut, "b.zip")] {
        let out = history.file(name);
        match ReportOptions::new().write(&file, &out) {
            Ok(report) => {
                assert!(!report.missing.is_empty());
                let html = text_in(&out, "report.html");
                assert!(html.contains("Missing:"), "{name}");
            }
            // The first questions may fail already; then nothing is left.
            Err(error) => {
                assert!(error.to_string().contains("damaged"), "{error}");
                assert!(!out.exists());
            }
        }
    }
}

#[test]
fn period_bounds_what_is_in_the_report() {
    let history = Synthetic::new("period");
    history.healthy();
    history.write(&[
        Row::call("early", 1_000, 300),
        Row::call("late", 599_000, 300),
    ]);
    let out = history.file("report.zip");
    let from = std::time::UNIX_EPOCH
        + std::time::Duration::from_nanos((crate::synthetic::BEGIN + 300 * 1_000_000_000) as u64);
    ReportOptions::new()
        .since(from)
        .write(history.history(), &out)
        .unwrap();
    for part in &PARTS[..3] {
        let text = text_in(&out, part);
        assert!(text.contains("late") && !text.contains("early"), "{part}");
    }
    fs::write(history.file("cut.db"), unzipped(&out, "history.sqlite")).unwrap();
    let cut = Connection::open(history.file("cut.db")).unwrap();
    let rows: i64 = cut
        .query_row("SELECT count(*) FROM metrics", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 901);
}

#[test]
fn large_history_gives_a_small_report() {
    let history = Synthetic::new("large");
    let rows: Vec<Row> = (0..30_000)
        .map(|n| match n % 10 {
            0 => Row::call(&format!("call_{}", n % 500), n, 150),
            _ => Row::event_out(&format!("event_{}", n % 500), n, 1, 1),
        })
        .collect();
    history.write(&rows);
    let out = history.file("report.zip");
    ReportOptions::new().write(history.history(), &out).unwrap();
    let sizes = PARTS.map(|part| unzipped(&out, part).len());
    let shown: usize = sizes[..3].iter().sum();
    assert!(shown < 5 << 20, "{sizes:?}");
    fs::write(history.file("cut.db"), unzipped(&out, "history.sqlite")).unwrap();
    let cut = Connection::open(history.file("cut.db")).unwrap();
    let rows: i64 = cut
        .query_row("SELECT count(*) FROM record", [], |row| row.get(0))
        .unwrap();
    assert!((20_000..24_000).contains(&rows), "{rows}");
}
