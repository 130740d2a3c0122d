//! What is too old, or too much, leaves the file.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::batch::NANOS_IN_MINUTE;
use super::store::{PAGE_BYTES, Store};
use super::time::as_i64;

/// How many times as long as records roll-ups are kept.
const ROLLUPS_KEPT: u32 = 4;
/// Where space is short, roll-ups may reach back so many times as far as records.
const ROLLUPS_REACH: i64 = 8;
/// Roll-ups younger than an hour stay as long as there are records to delete: they are small.
const ROLLUPS_AGE_MIN: i64 = 60 * NANOS_IN_MINUTE;
/// Rows that one transaction deletes, so that other processes get their turn.
const CHUNK: i64 = 2_000;
/// Transactions of one pass: what is left is for the next.
const CHUNKS_MAX: usize = 64;

impl Store {
    /// Deletes what is older than it is to be kept.
    pub(crate) fn expire(&self, retention: Duration, now: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        let records_from = now.saturating_sub(as_i64(retention));
        let rollups_kept = as_i64(retention.saturating_mul(ROLLUPS_KEPT));
        let rollups_from = now.saturating_sub(rollups_kept);
        in_chunks(|| delete_records(connection, records_from))?;
        in_chunks(|| delete_samples(connection, records_from))?;
        in_chunks(|| delete_rollups(connection, rollups_from / NANOS_IN_MINUTE))?;
        connection.execute("DELETE FROM flight WHERE taken_at < ?1", [records_from])?;
        let sql = "DELETE FROM session WHERE seen_at < ?1";
        connection.execute(sql, [rollups_from])?;
        connection.execute(FORGET_RUNS, [])?;
        Ok(())
    }

    /// Whether so much is in use that something should go before more comes.
    pub(crate) fn is_nearly_full(&self) -> rusqlite::Result<bool> {
        let full = self.bounds.database / PAGE_BYTES;
        Ok(used_pages(&self.connection)? > full / 100 * FULL_FROM)
    }

    /// Deletes the oldest until there is room again.
    pub(crate) fn trim(&self, now: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        let pages_max = self.bounds.database / PAGE_BYTES;
        let target = pages_max / 100 * FULL_UNTIL;
        for _ in 0..CHUNKS_MAX {
            if used_pages(connection)? <= target || !delete_oldest(connection, now)? {
                break;
            }
        }
        // The file itself is larger than it may be where the bound was larger before.
        let pages = pragma(connection, "page_count")?;
        if pages > pages_max {
            vacuum(connection, pages - pages_max)?;
        }
        Ok(())
    }

    /// Deletes everything that was recorded; returns how many records and samples that was.
    pub(crate) fn discard(&mut self) -> rusqlite::Result<u64> {
        // Overwritten, and not only forgotten: a person said no.
        self.connection.execute_batch("PRAGMA secure_delete = ON")?;
        let transaction = self.connection.transaction()?;
        let mut deleted = transaction.execute("DELETE FROM record", [])?;
        deleted += transaction.execute("DELETE FROM sample", [])?;
        transaction.execute("DELETE FROM rollup", [])?;
        transaction.execute("DELETE FROM flight", [])?;
        transaction.execute("DELETE FROM run", [])?;
        transaction.execute("DELETE FROM session", [])?;
        transaction.commit()?;
        let pages = pragma(&self.connection, "page_count")?;
        vacuum(&self.connection, pages)?;
        self.connection
            .execute_batch("PRAGMA secure_delete = OFF")?;
        self.checkpoint();
        Ok(deleted as u64)
    }
}

/// Deletes some of the oldest; false when there is nothing more.
fn delete_oldest(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    let oldest = |sql: &str| -> rusqlite::Result<Option<i64>> {
        connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))
    };
    let record = oldest("SELECT min(started_at) FROM record")?;
    let sample = oldest("SELECT min(taken_at) FROM sample")?;
    let rollup = oldest("SELECT min(minute) FROM rollup")?;
    let age = |at: i64| now.saturating_sub(at).max(0);
    let rollup_age = rollup.map(|minute| age(minute.saturating_mul(NANOS_IN_MINUTE)));
    let kept_age = record.into_iter().chain(sample).map(age).max();
    let deleted = match (kept_age, rollup_age) {
        (Some(kept), Some(rollup))
            if kept.saturating_mul(ROLLUPS_REACH).max(ROLLUPS_AGE_MIN) < rollup =>
        {
            delete_rollups(connection, i64::MAX)?
        }
        (Some(_), _) => match (record, sample) {
            (Some(record), Some(sample)) if sample < record => {
                delete_samples(connection, i64::MAX)?
            }
            (Some(_), _) => delete_records(connection, i64::MAX)?,
            (None, _) => delete_samples(connection, i64::MAX)?,
        },
        (None, Some(_)) => delete_rollups(connection, i64::MAX)?,
        (None, None) => 0,
    };
    Ok(deleted > 0)
}

fn delete_records(connection: &Connection, before: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE started_at < ?1 \
         ORDER BY started_at LIMIT ?2)";
    connection.prepare_cached(sql)?.execute([before, CHUNK])
}

fn delete_samples(connection: &Connection, before: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM sample WHERE rowid IN (SELECT rowid FROM sample WHERE taken_at < ?1 \
         ORDER BY taken_at LIMIT ?2)";
    connection.prepare_cached(sql)?.execute([before, CHUNK])
}

/// Whole minutes, the oldest first.
fn delete_rollups(connection: &Connection, before: i64) -> rusqlite::Result<usize> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(minute) FROM (SELECT minute FROM rollup WHERE minute < ?1 \
             ORDER BY minute LIMIT ?2)",
        )?
        .query_row([before, CHUNK], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(last) = last else { return Ok(0) };
    connection
        .prepare_cached("DELETE FROM rollup WHERE minute <= ?1")?
        .execute(params![last])
}

fn in_chunks(mut delete: impl FnMut() -> rusqlite::Result<usize>) -> rusqlite::Result<()> {
    for _ in 0..CHUNKS_MAX {
        if delete()? == 0 {
            break;
        }
    }
    Ok(())
}

/// Gives up to so many free pages back to the system.
fn vacuum(connection: &Connection, pages: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    // It gives one back with each step.
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Pages that hold something.
fn used_pages(connection: &Connection) -> rusqlite::Result<u64> {
    let (all, free) = (
        pragma(connection, "page_count")?,
        pragma(connection, "freelist_count")?,
    );
    Ok(all.saturating_sub(free))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection
        .prepare_cached(&format!("PRAGMA {name}"))?
        .query_row([], |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// Of sessions that are deleted.
const FORGET_RUNS: &str =
    "DELETE FROM run WHERE NOT EXISTS (SELECT 1 FROM session WHERE id = session_id)";

/// Percent of its bound at which the oldest goes, and until when.
const FULL_FROM: u64 = 92;
const FULL_UNTIL: u64 = 85;
