//! An old system's `metrics.db` becomes a history.
//!
//! `MetricsStorage` has one table with `operation`, `duration` in milliseconds, `error`, `is_slow`
//! and `timestamp`; what a version of it adds (`error_type`, `stack_trace`, `context`) is taken, too.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement, Transaction, params};
use serde_json::{Map, Value};

use super::error::{ImportError, OpenError, QueryError};
use super::filter::is_failure;
use super::open::{Origin, columns, read_only};
use crate::history::SCHEMA;
use crate::history::private_file::{create_unfinished, finish, unfinished_beside};
use crate::history::rollup::Totals;
use crate::history::store::{APPLICATION_ID, SCHEMA_VERSION, write_rollup};
use crate::history::time::MINUTE;

/// What was taken from an old file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Records.
    pub records: u64,
    /// Rows that were left out: they have no operation, or a duration or time that is none.
    pub skipped: u64,
}

/// Makes the new file `new` from the `metrics.db` of an old system, which stays as it is.
///
/// # Errors
///
/// [`ImportError`]; then there is no new file.
pub fn import(old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<Imported, ImportError> {
    import_with_progress(old, new, |_| ())
}

/// The same, and calls `progress` now and then with how many rows were read until then.
///
/// # Errors
///
/// As [`import`].
pub fn import_with_progress(
    old: impl AsRef<Path>,
    new: impl AsRef<Path>,
    mut progress: impl FnMut(u64),
) -> Result<Imported, ImportError> {
    let (old, new) = (old.as_ref(), new.as_ref());
    let (source, origin) = read_only(old)?;
    let Origin::MetricsStorage { table } = origin else {
        return Err(ImportError::AlreadyHistory(old.into()));
    };
    // `exists` would follow a link, and say no for one that leads nowhere.
    if new.symlink_metadata().is_ok() {
        return Err(ImportError::Exists(new.into()));
    }
    // Half a file never has the name that was asked for.
    let partial = Partial(unfinished_beside(new));
    let unwritable = |source: Box<dyn std::error::Error + Send + Sync>| ImportError::Unwritable {
        path: new.into(),
        source,
    };
    create_unfinished(&partial.0).map_err(|error| unwritable(error.into()))?;
    let target = Connection::open_with_flags(&partial.0, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let mut target = target.map_err(|error| unwritable(error.into()))?;
    let imported = migrate(&source, &table, &mut target, &mut progress)?;
    // The import closes the database before it gives the file its name, so that SQLite has nothing
    // left to write.
    target
        .close()
        .map_err(|(_, error)| QueryError::from(error))?;
    finish(&partial.0, new).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ImportError::Exists(new.into()),
        _ => unwritable(error.into()),
    })?;
    Ok(imported)
}

/// The same in a temporary database, which SQLite keeps on disk and deletes when it is closed.
pub(super) fn temporary_copy(
    path: &Path,
    source: &Connection,
    table: &str,
) -> Result<Connection, OpenError> {
    let unreadable = |error: QueryError| match error {
        QueryError::Locked => OpenError::Locked(path.into()),
        error => OpenError::Unreadable {
            path: path.into(),
            source: error.into(),
        },
    };
    let mut target = Connection::open("").map_err(|error| OpenError::new(path, error))?;
    migrate(source, table, &mut target, &mut |_| ()).map_err(unreadable)?;
    Ok(target)
}

fn migrate(
    source: &Connection,
    table: &str,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, QueryError> {
    // As the writer's files have it, so that an app may go on in this one.
    target.pragma_update(None, "auto_vacuum", 2)?;
    // One transaction: the new file has everything or nothing, and SQLite syncs the disk for each
    // transaction.
    let whole = target.transaction()?;
    whole.execute_batch(SCHEMA)?;
    whole.pragma_update(None, "application_id", APPLICATION_ID)?;
    whole.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let has = columns(source, table)?;
    let optional = |name: &str| match has.iter().any(|column| column == name) {
        true => quoted(name),
        false => "NULL".to_owned(),
    };
    // `unixepoch` reads what SQLite's CURRENT_TIMESTAMP and Python's `isoformat` write.
    // In this order `Writer` has a roll-up's rows together, but for a few. A column may compare its
    // values without regard to case, so the comparison is named.
    let sql = format!(
        "SELECT operation, duration, CASE WHEN typeof(timestamp) = 'text' \
         THEN unixepoch(timestamp, 'subsec') ELSE timestamp END AS at, \
         {}, {}, {}, {}, {} FROM {} ORDER BY operation COLLATE BINARY, at",
        optional("error"),
        optional("is_slow"),
        optional("error_type"),
        optional("stack_trace"),
        optional("context"),
        quoted(table),
    );
    let mut statement = source.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut writer = Writer::new(&whole)?;
    let (mut skipped, mut read_rows) = (0, 0_u64);
    while let Some(row) = rows.next()? {
        read_rows += 1;
        if read_rows.is_multiple_of(PROGRESS_EVERY) {
            progress(read_rows);
        }
        let number = |value: ValueRef<'_>| match value {
            ValueRef::Integer(number) => Some(number as f64),
            ValueRef::Real(number) => Some(number),
            _ => None,
        };
        let read = (
            text(row.get_ref(0)?),
            number(row.get_ref(1)?).and_then(|milliseconds| nanos(milliseconds * 1e6)),
            number(row.get_ref(2)?).and_then(time),
        );
        // SQLite columns of the old schema may hold any type, so each value is checked.
        let (Some(operation), Some(duration), Some(started_at)) = read else {
            skipped += 1;
            continue;
        };
        // `error` may hold the error's text. It serves as the type where there is none.
        let (failed, said) = error(row.get_ref(3)?);
        writer.write(&OldRow {
            operation,
            duration,
            started_at,
            failed,
            error_type: text(row.get_ref(5)?).or(said),
            slow: matches!(row.get_ref(4)?, ValueRef::Integer(slow) if slow != 0),
            context: context(text(row.get_ref(6)?), text(row.get_ref(7)?)),
        })?;
    }
    let records = writer.end()?;
    whole.commit()?;
    Ok(Imported { records, skipped })
}

const PROGRESS_EVERY: u64 = 10_000;

struct OldRow {
    operation: String,
    duration: i64,
    started_at: i64,
    failed: bool,
    error_type: Option<String>,
    slow: bool,
    context: Option<String>,
}

/// Writes records in any order. It adds up one roll-up at a time, so it is fast where those of an
/// operation and minute come together.
struct Writer<'a> {
    target: &'a Transaction<'a>,
    insert_record: Statement<'a>,
    /// The ids of all operations: values of several types may read alike, and SQLite sorts by type.
    series: HashMap<String, i64>,
    /// The series and minute, and what is not yet written of it.
    rollup: Option<((i64, i64), Totals)>,
    first: i64,
    last: i64,
    records: u64,
}

impl<'a> Writer<'a> {
    fn new(target: &'a Transaction<'a>) -> Result<Self, QueryError> {
        // The old file knows no runs of the app, so one session stands for all rows.
        target.execute(
            "INSERT INTO session (id, service, version, instance, process_id, started_at, seen_at) \
             VALUES (1, 'imported', NULL, 'imported', 0, 0, 0)",
            [],
        )?;
        Ok(Self {
            target,
            insert_record: target.prepare(
                "INSERT INTO record (session_id, series_id, started_at, duration, outcome, \
                 error_type, slow, context) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            series: HashMap::new(),
            rollup: None,
            // The session's times are written at the end, when they are known.
            first: i64::MAX,
            last: 0,
            records: 0,
        })
    }

    fn write(&mut self, row: &OldRow) -> Result<(), QueryError> {
        let series = self.series(&row.operation)?;
        let outcome = if row.failed { "error" } else { "ok" };
        self.insert_record.execute(params![
            series,
            row.started_at,
            row.duration,
            outcome,
            row.error_type,
            row.slow.then_some("threshold"),
            row.context,
        ])?;
        let key = (series, row.started_at.div_euclid(MINUTE));
        if self.rollup.as_ref().is_some_and(|(open, _)| *open != key) {
            self.write_rollup()?;
        }
        let (_, totals) = self.rollup.get_or_insert_with(|| (key, Totals::new()));
        // The import counts by the rule of the reader, so that roll-ups and records agree.
        totals.add(
            1,
            row.duration.unsigned_abs(),
            is_failure(outcome),
            row.slow,
        );
        self.first = self.first.min(row.started_at);
        self.last = self.last.max(row.started_at.saturating_add(row.duration));
        self.records += 1;
        Ok(())
    }

    fn series(&mut self, operation: &str) -> Result<i64, QueryError> {
        if let Some(id) = self.series.get(operation) {
            return Ok(*id);
        }
        let insert = "INSERT INTO series (kind, name) VALUES ('operation', ?)";
        self.target.execute(insert, [operation])?;
        let id = self.target.last_insert_rowid();
        self.series.insert(operation.to_owned(), id);
        Ok(id)
    }

    fn write_rollup(&mut self) -> Result<(), QueryError> {
        if let Some(((series, minute), totals)) = self.rollup.take() {
            // Adds to what is there: the operation may have had other rows before.
            write_rollup(self.target, series, minute, &totals)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<u64, QueryError> {
        self.write_rollup()?;
        let first = self.first.min(self.last);
        let sql = "UPDATE session SET started_at = ?, seen_at = ?2, ended_at = ?2";
        self.target.execute(sql, [first, self.last])?;
        Ok(self.records)
    }
}

/// Whether it failed, and what it said if that is more than yes or no.
fn error(value: ValueRef<'_>) -> (bool, Option<String>) {
    match value {
        ValueRef::Null => (false, None),
        ValueRef::Integer(error) => (error != 0, None),
        ValueRef::Real(error) => (error != 0.0, None),
        ValueRef::Text(_) | ValueRef::Blob(_) => match text(value) {
            None => (false, None),
            // SQLite has no booleans, so a program may write them as texts.
            Some(text) => match text.to_ascii_lowercase().as_str() {
                "0" | "false" | "none" => (false, None),
                "1" | "true" => (true, None),
                _ => (true, Some(text)),
            },
        },
    }
}

/// Text that is not empty.
fn text(value: ValueRef<'_>) -> Option<String> {
    let text = match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Null => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

/// The context as a JSON object, with the stack trace in it.
fn context(stack_trace: Option<String>, context: Option<String>) -> Option<String> {
    let mut object = match context.as_deref().map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => object,
        // The history promises a JSON object, so any other text becomes a value in one.
        Some(_) => Map::from_iter([("context".to_owned(), Value::from(context))]),
        None => Map::new(),
    };
    if let Some(trace) = stack_trace {
        object.insert("stack_trace".to_owned(), Value::from(trace));
    }
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

/// Seconds since the epoch; a number that would be beyond the year 5000 is of milliseconds.
fn time(number: f64) -> Option<i64> {
    let seconds = if number > 1e11 { number / 1e3 } else { number };
    nanos(seconds * 1e9)
}

fn nanos(nanos: f64) -> Option<i64> {
    // 2^63 is the first that does not fit.
    let fits = (0.0..9.223_372_036_854_775e18).contains(&nanos);
    fits.then_some(nanos.round() as i64)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A file that is removed unless it was finished.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_may_be_a_flag_or_a_text() {
        let of = |value: ValueRef<'_>| error(value);
        assert_eq!(of(ValueRef::Null), (false, None));
        assert_eq!(of(ValueRef::Integer(1)), (true, None));
        assert_eq!(of(ValueRef::Text(b"False")), (false, None));
        assert_eq!(of(ValueRef::Text(b"")), (false, None));
        let said = (true, Some("ValueError".to_owned()));
        assert_eq!(of(ValueRef::Text(b"ValueError")), said);
    }

    /// The operations of what is imported from such a table, each with its sum and its records.
    fn operations(columns: &str, rows: &str) -> String {
        let source = Connection::open_in_memory().unwrap();
        let table = format!("CREATE TABLE metrics ({columns}); INSERT INTO metrics VALUES {rows}");
        source.execute_batch(&table).unwrap();
        let mut target = Connection::open_in_memory().unwrap();
        migrate(&source, "metrics", &mut target, &mut |_| ()).unwrap();
        let sql = "SELECT group_concat(name || ' ' || sums || ' ' || records, ', ') FROM ( \
             SELECT name, (SELECT sum(count) FROM rollup WHERE series_id = series.id) AS sums, \
             (SELECT count(*) FROM record WHERE series_id = series.id) AS records \
             FROM series ORDER BY name)";
        target.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn names_that_read_alike_are_one_operation_whatever_their_type() {
        let rows = "(1, 5.0, 60), ('1', 5.0, 61), ('1', 5.0, 130), (1, 5.0, 131), \
             ('save', 5.0, 60), (x'73617665', 5.0, 61), ('save', 5.0, 62)";
        let operations = operations("operation, duration REAL, timestamp REAL", rows);
        assert_eq!(operations, "1 4 4, save 3 3");
    }

    #[test]
    fn names_that_the_column_takes_for_equal_stay_operations_of_their_own() {
        let rows = "('save', 5.0, 60), ('Save', 5.0, 61), ('save', 5.0, 62), ('Save', 5.0, 130)";
        let columns = "operation TEXT COLLATE NOCASE, duration REAL, timestamp REAL";
        assert_eq!(operations(columns, rows), "Save 2 2, save 2 2");
    }

    #[test]
    fn seconds_and_milliseconds_of_one_minute_are_one_sum() {
        let rows = "('save', 5.0, 1700000000), ('save', 5.0, 1700000060), \
             ('save', 5.0, 1700000000000)";
        let columns = "operation TEXT, duration REAL, timestamp REAL";
        assert_eq!(operations(columns, rows), "save 3 3");
    }

    #[test]
    fn times_and_durations_out_of_range_are_none() {
        assert_eq!(time(1.5), Some(1_500_000_000));
        assert_eq!(time(1_700_000_000_000.0), Some(1_700_000_000_000_000_000));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(nanos(bad), None, "{bad}");
        }
    }

    #[test]
    fn context_that_is_no_object_is_kept() {
        let of = |trace: Option<&str>, text: Option<&str>| {
            context(trace.map(str::to_owned), text.map(str::to_owned)).unwrap_or_default()
        };
        assert_eq!(of(None, None), "");
        assert_eq!(of(None, Some(r#"{"user":1}"#)), r#"{"user":1}"#);
        assert_eq!(of(None, Some("plain")), r#"{"context":"plain"}"#);
        assert_eq!(of(Some("at x"), None), r#"{"stack_trace":"at x"}"#);
    }
}
