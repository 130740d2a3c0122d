//! The profile in the file: written, read, and deleted at its bound.

use rusqlite::{Connection, Transaction, params};

use super::stacks::{ProfilePeriod, StackTable, ThreadStacks};

pub(crate) fn write(
    transaction: &Transaction<'_>,
    periods: &[ProfilePeriod],
    session: i64,
) -> rusqlite::Result<()> {
    for period in periods {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO profile (session_id, started_at, ended_at, thread, samples, left_out, \
             stacks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for thread in &period.threads {
            let stacks = serde_json::to_string(&thread.table)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            insert.execute(params![
                session,
                period.started_at,
                period.ended_at,
                thread.thread,
                i64::try_from(thread.samples).unwrap_or(i64::MAX),
                i64::try_from(thread.left_out).unwrap_or(i64::MAX),
                stacks,
            ])?;
        }
    }
    Ok(())
}

/// Deletes the oldest period of what is more than `bytes_max`, and returns how many rows that was.
pub(crate) fn delete_surplus(connection: &Connection, bytes_max: u64) -> rusqlite::Result<usize> {
    let sql = "SELECT coalesce(sum(?1 + octet_length(stacks)), 0) FROM profile";
    let bytes: i64 = connection
        .prepare_cached(sql)?
        .query_row([ROW_BYTES], |row| row.get(0))?;
    match u64::try_from(bytes).unwrap_or(0) > bytes_max {
        true => delete_oldest(connection),
        false => Ok(0),
    }
}

/// Deletes the oldest period, of whatever run, and returns how many rows that was.
pub(crate) fn delete_oldest(connection: &Connection) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM profile WHERE started_at = (SELECT min(started_at) FROM profile)";
    connection.prepare_cached(sql)?.execute([])
}

/// Gives each row of the period to `take`, the newest first. A row that is damaged counts as one
/// whose stacks found no room.
pub(crate) fn read(
    connection: &Connection,
    from: i64,
    to: i64,
    mut take: impl FnMut(ThreadStacks),
) -> rusqlite::Result<()> {
    // A file of an earlier version has no such table.
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'profile'";
    if connection.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare(
        "SELECT thread, samples, left_out, stacks FROM profile \
         WHERE ended_at >= ?1 AND started_at < ?2 ORDER BY started_at DESC, rowid LIMIT ?3",
    )?;
    let mut rows = statement.query(params![from, to, ROWS_MAX])?;
    while let Some(row) = rows.next()? {
        let number = |column: usize| -> rusqlite::Result<u64> {
            Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
        };
        let samples = number(1)?;
        let text: String = row.get(3)?;
        let (table, left_out) = match serde_json::from_str::<StackTable>(&text) {
            Ok(table) => (table, number(2)?),
            Err(_) => (StackTable::default(), samples),
        };
        take(ThreadStacks {
            thread: row.get(0)?,
            samples,
            left_out,
            table,
        });
    }
    Ok(())
}

/// What a row takes beside its stacks, about.
const ROW_BYTES: i64 = 64;
/// Rows of a report: a day of ten threads.
const ROWS_MAX: i64 = 15_000;
