//! Cleaning a file, and files of an old system.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use spanwire::history::query::{
    Cleanup, CleanupError, Filter, HistoryReader, ImportError, QueryError, import,
};

use crate::fixture::{Folder, Row, at, history};

fn count(path: &Path, table: &str) -> i64 {
    let file = Connection::open(path).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    file.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn cleanup_deletes_what_is_older_and_keeps_statistics() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..300).map(|n| Row::ok("save", n * 1_000, 5)).collect();
    let app = history(&path, &rows);
    app.execute(
        "INSERT INTO sample VALUES (1, 1, ?, 0.5)",
        [crate::fixture::BEGIN],
    )
    .unwrap();
    let cleanup = Cleanup::before(at(130_000));
    let would = cleanup.count(&path).unwrap();
    assert_eq!((would.records, would.samples, would.rollups), (130, 1, 0));
    assert_eq!(count(&path, "record"), 300);
    let mut steps = Vec::new();
    // The app has the file open meanwhile.
    let cleaned = cleanup
        .run(&path, |done, all| steps.push((done, all)))
        .unwrap();
    assert_eq!(cleaned, would);
    assert_eq!(steps.last(), Some(&(would, would)));
    assert_eq!((count(&path, "record"), count(&path, "sample")), (170, 0));
    let reader = HistoryReader::open(&path).unwrap();
    assert_eq!(reader.stats(&Filter::new()).unwrap()[0].count, 300);
    let cleaned = Cleanup::before(at(130_000))
        .with_rollups()
        .run(&path, |_, _| {})
        .unwrap();
    assert_eq!((cleaned.records, cleaned.rollups), (0, 2));
    assert_eq!(count(&path, "rollup"), 3);
}

#[test]
fn cleanup_of_a_locked_file_deletes_nothing() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let app = history(&path, &[Row::ok("save", 0, 5)]);
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = Cleanup::before(at(1_000))
        .run(&path, |_, _| {})
        .unwrap_err();
    assert!(
        matches!(error, CleanupError::Query(QueryError::Locked)),
        "{error:?}"
    );
    app.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&path, "record"), 1);
}

/// A file as Python's `MetricsStorage` writes it.
fn old_file(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(
        "CREATE TABLE metrics (
             id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, duration REAL NOT NULL,
             error BOOLEAN DEFAULT 0, is_slow BOOLEAN DEFAULT 0,
             timestamp REAL NOT NULL
         );
         INSERT INTO metrics (operation, duration, error, is_slow, timestamp) VALUES
             ('save', 12.5, 0, 0, 1795953600.25), ('save', 1500.0, 1, 1, 1795953601.0),
             ('load', 3.0, 0, 0, 1795953700.0), ('save', 13, 0, 0, 1795953602),
             ('save', 'broken', 0, 0, 1795953602), ('save', 1, 0, 0, -5);",
    )
    .unwrap();
}

fn answers(reader: &HistoryReader) {
    let stats = reader.stats(&Filter::new().name("save")).unwrap();
    let save = &stats[0];
    assert_eq!((save.count, save.errors, save.slow), (3, 1, 1));
    assert_eq!(save.min, Duration::from_micros(12_500));
    assert_eq!(save.max, Duration::from_millis(1_500));
    let slow = reader.slow(&Filter::new()).unwrap();
    assert_eq!(slow.len(), 1);
    assert_eq!(slow[0].started_at, at(1_000));
    assert_eq!(slow[0].outcome, "error");
    // Roll-ups and records agree.
    let window = Filter::new().since(at(500));
    assert_eq!(reader.stats(&window).unwrap()[0].count, 2);
}

#[test]
fn old_file_is_read_directly_and_stays_as_it_is() {
    let folder = Folder::new();
    let path = folder.file("metrics.db");
    old_file(&path);
    let before = std::fs::read(&path).unwrap();
    answers(&HistoryReader::open(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.file("")).unwrap().count(), 1);
    let error = Cleanup::before(at(0)).run(&path, |_, _| {}).unwrap_err();
    assert!(matches!(error, CleanupError::OldSystem(_)), "{error:?}");
}

#[test]
fn old_file_is_imported_once_into_a_new_file() {
    let folder = Folder::new();
    let (old, new) = (folder.file("metrics.db"), folder.file("h.db"));
    old_file(&old);
    let before = std::fs::read(&old).unwrap();
    let imported = import(&old, &new).unwrap();
    assert_eq!((imported.records, imported.skipped), (4, 2));
    answers(&HistoryReader::open(&new).unwrap());
    assert_eq!(std::fs::read(&old).unwrap(), before);
    let error = import(&old, &new).unwrap_err();
    assert!(matches!(error, ImportError::Exists(_)), "{error:?}");
    let error = import(&new, folder.file("again.db")).unwrap_err();
    assert!(matches!(error, ImportError::AlreadyHistory(_)), "{error:?}");
    let error = import(&old, folder.file("none/h.db")).unwrap_err();
    assert!(matches!(error, ImportError::Unwritable { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.file("")).unwrap().count(), 2);
}

#[test]
fn old_file_may_have_text_for_times_and_errors() {
    let folder = Folder::new();
    let path = folder.file("metrics.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE performance_metrics (
             operation TEXT, duration REAL, error TEXT, error_type TEXT, stack_trace TEXT,
             context TEXT, timestamp TEXT DEFAULT CURRENT_TIMESTAMP
         );
         INSERT INTO performance_metrics VALUES
             ('save', 5, NULL, NULL, NULL, NULL, '2026-11-29 12:00:00'),
             ('save', 6, 'disk full', 'OSError', 'at save', '{\"user\": 1}',
              '2026-11-29T12:00:01.500');",
    )
    .unwrap();
    let reader = HistoryReader::open(&path).unwrap();
    let records: Vec<_> = reader
        .records(&Filter::new())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        (records[0].started_at, records[1].started_at),
        (at(0), at(1_500))
    );
    assert!(!records[0].failed() && records[1].failed());
    assert_eq!(records[1].error_type.as_deref(), Some("OSError"));
    let context = records[1].context.as_deref().unwrap();
    assert_eq!(context, r#"{"stack_trace":"at save","user":1}"#);
}
