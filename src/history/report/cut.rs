//! `history.sqlite`: of the period what the report shows, and the newest beside it.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::facts::Facts;
use super::unclean;
use crate::history::SCHEMA;
use crate::history::query::HistoryReader;
use crate::history::store::{APPLICATION_ID, SCHEMA_VERSION};
use crate::history::time::MINUTE;

/// Writes it to `path`. A table that cannot be read is left out, and named by what is returned.
pub(super) fn write(
    reader: &HistoryReader,
    facts: &Facts,
    path: &Path,
) -> rusqlite::Result<Vec<String>> {
    let from = reader.connection();
    let mut connection = Connection::open(path)?;
    // A cut that is not finished is deleted, so it need not survive a crash.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let to = connection.transaction()?;
    to.execute_batch(SCHEMA)?;
    to.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
    ))?;
    let mut missing = Vec::new();
    let (begin, end) = (Value::Integer(facts.from), Value::Integer(facts.to));
    let minutes = [facts.from.div_euclid(MINUTE), facts.to.div_euclid(MINUTE)];
    let [first, last] = minutes.map(Value::Integer);
    let mut copies = vec![
        (
            "session",
            "seen_at >= ? AND started_at < ?".to_owned(),
            vec![begin.clone(), end.clone()],
        ),
        // All of them: they are few, and rows of any table name them by their number.
        ("series", "TRUE".to_owned(), vec![]),
        (
            "record",
            format!("started_at >= ? AND started_at < ? ORDER BY started_at DESC LIMIT {ROWS_MAX}"),
            vec![begin.clone(), end.clone()],
        ),
        (
            "rollup",
            format!("minute >= ? AND minute <= ? ORDER BY minute DESC LIMIT {ROWS_MAX}"),
            vec![first, last],
        ),
        (
            "sample",
            format!("taken_at >= ? AND taken_at < ? ORDER BY taken_at DESC LIMIT {ROWS_MAX}"),
            vec![begin, end],
        ),
    ];
    // A file of an earlier version has no such table.
    if facts.profile.samples() > 0 {
        copies.push((
            "profile",
            // A running sum of sizes from the newest row on, cut off where it passes the bound.
            format!(
                "rowid IN (SELECT id FROM (SELECT rowid AS id, sum(octet_length(stacks)) \
                 OVER (ORDER BY started_at DESC, rowid) AS bytes FROM profile \
                 WHERE ended_at >= ? AND started_at < ?) WHERE bytes <= {PROFILE_BYTES_MAX})"
            ),
            vec![Value::Integer(facts.from), Value::Integer(facts.to)],
        ));
    }
    // What the report shows may be older than the newest.
    for event in facts.events() {
        copies.push((
            "record",
            "id = ?".to_owned(),
            vec![Value::Integer(event.id)],
        ));
    }
    for (table, condition, values) in copies {
        if let Err(error) = copy(from, &to, table, facts.with_texts, &condition, values) {
            missing.push(format!("{table} in history.sqlite: {error}"));
        }
    }
    missing.extend(
        unclean::copy(from, &to, facts)
            .err()
            .map(|error| error.to_string()),
    );
    to.commit()?;
    // A damaged table fails again for each record that is copied by its id.
    missing.dedup();
    Ok(missing)
}

fn copy(
    from: &Connection,
    to: &Connection,
    table: &str,
    with_texts: bool,
    condition: &str,
    values: Vec<Value>,
) -> rusqlite::Result<()> {
    let columns = match table {
        "session" => "id, service, version, instance, process_id, started_at, seen_at, ended_at",
        "series" => "id, kind, name, webview",
        "record" => {
            "id, session_id, series_id, started_at, duration, outcome, error_type, slow, \
             page_wait, transit, queue_wait, handler, response, size, thread, trace_id, context, \
             weight"
        }
        "rollup" => "minute, series_id, count, errors, slow, sum, min, max, sketch",
        "profile" => "session_id, started_at, ended_at, thread, samples, left_out, stacks",
        _ => "session_id, series_id, taken_at, value",
    };
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(", ");
    // What the app added is not read unless it is asked for.
    let wanted = match with_texts {
        true => columns.to_owned(),
        false => columns.replace("context", "NULL"),
    };
    let mut read =
        from.prepare_cached(&format!("SELECT {wanted} FROM {table} WHERE {condition}"))?;
    // A record may be among the newest and also be one that the report shows.
    let mut write = to.prepare_cached(&format!(
        "INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
    ))?;
    let mut rows = read.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let values: Result<Vec<Value>, _> = (0..count).map(|column| row.get(column)).collect();
        write.execute(params_from_iter(values?))?;
    }
    Ok(())
}

/// Of the profile's newest rows.
const PROFILE_BYTES_MAX: usize = 4 << 20;
/// Rows of one table: about 5 MB.
const ROWS_MAX: usize = 20_000;
