//! What is too old, or too much, leaves the file.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::flight;
use super::profile::table as profile;
use super::store::{Bounds, PAGE_BYTES, Store};
use super::time::{MINUTE, as_i64};

/// How many times as long as records roll-ups are kept.
const ROLLUPS_KEPT: u32 = 4;
/// Where space is short, roll-ups may reach back so many times as far as records.
const ROLLUPS_REACH: i64 = 8;
/// Roll-ups younger than an hour stay as long as there are records to delete: they are small.
const ROLLUPS_AGE_MIN: i64 = 60 * MINUTE;
/// Rows that one transaction deletes at most, so that other processes get their turn.
const CHUNK_MAX: usize = 2_000;
/// Transactions of one pass: what is left is for the next.
const CHUNKS_MAX: usize = 64;

impl Store {
    /// Deletes what is older than it is to be kept.
    pub(crate) fn expire(&self, retention: Duration, now: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        let records_from = now.saturating_sub(as_i64(retention));
        let rollups_kept = as_i64(retention.saturating_mul(ROLLUPS_KEPT));
        let rollups_from = now.saturating_sub(rollups_kept);
        let chunk = self.chunk();
        let records = self.in_chunks(|| delete_records(connection, records_from, chunk))?;
        let samples = self.in_chunks(|| delete_samples(connection, records_from, chunk))?;
        let minute = rollups_from / MINUTE;
        self.in_chunks(|| delete_rollups(connection, minute, chunk))?;
        // These two tables have few rows, so they need no chunks.
        connection.execute("DELETE FROM flight WHERE taken_at < ?1", [records_from])?;
        connection.execute("DELETE FROM profile WHERE started_at < ?1", [records_from])?;
        // What is left for the next pass still names its session.
        if records && samples {
            let sql = "DELETE FROM session WHERE seen_at < ?1";
            connection.execute(sql, [rollups_from])?;
            connection.execute(FORGET_RUNS, [])?;
        }
        Ok(())
    }

    /// Deletes chunk by chunk; whether nothing is left to delete.
    fn in_chunks(
        &self,
        mut delete: impl FnMut() -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<bool> {
        for _ in 0..CHUNKS_MAX {
            // What is deleted is written to the log, too.
            if !self.has_room_in_log()? {
                return Ok(false);
            }
            if delete()? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows that one transaction deletes: not more than the log takes.
    fn chunk(&self) -> i64 {
        self.bounds.rows_max().min(CHUNK_MAX) as i64
    }

    /// Whether so much is in use that something should go before more comes.
    pub(crate) fn is_nearly_full(&self) -> rusqlite::Result<bool> {
        Ok(used_pages(&self.connection)? > percent_of_pages(self.bounds, FULL_FROM))
    }

    /// Deletes the oldest until there is room again.
    pub(crate) fn trim(&self, now: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        let pages_max = self.bounds.database / PAGE_BYTES;
        let target = percent_of_pages(self.bounds, FULL_UNTIL);
        let chunk = self.chunk();
        // Deleted rows leave free pages in the file, which SQLite fills before it appends. So the
        // pages in use are compared, and not the file's length.
        self.in_chunks(|| match used_pages(connection)? <= target {
            true => Ok(0),
            false => delete_oldest(connection, self.bounds, now, chunk),
        })?;
        // The file itself is larger than it may be where the bound was larger before.
        let pages = pragma(connection, "page_count")?;
        if pages > pages_max {
            vacuum(connection, pages - pages_max)?;
        }
        Ok(())
    }

    /// Deletes everything that was recorded, its names included; returns how many records and samples
    /// that was.
    pub(crate) fn discard(&mut self) -> rusqlite::Result<u64> {
        // Overwritten, and not only forgotten: a person said no.
        self.connection.execute_batch("PRAGMA secure_delete = ON")?;
        let deleted = self.delete_everything();
        // The pragma is reset after an error as well: what the writer deletes later is old data,
        // which the user did not refuse.
        self.connection
            .execute_batch("PRAGMA secure_delete = OFF")?;
        // The log still has pages from before. The checkpoint cuts it to nothing.
        self.checkpoint();
        deleted
    }

    fn delete_everything(&mut self) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction()?;
        let mut deleted = transaction.execute("DELETE FROM record", [])?;
        deleted += transaction.execute("DELETE FROM sample", [])?;
        for table in ["rollup", "flight", "profile", "run", "session"] {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
        // Writers, and readers in between two pages, have ids of series in memory. A nameless row
        // keeps the last one, so SQLite gives none of them to another name.
        let last = one(&transaction, "SELECT max(id) FROM series")?;
        transaction.execute("DELETE FROM series", [])?;
        if let Some(last) = last {
            let sql = "INSERT INTO series (id, kind, name) VALUES (?1, '', '')";
            transaction.execute(sql, [last])?;
        }
        transaction.commit()?;
        let pages = pragma(&self.connection, "page_count")?;
        vacuum(&self.connection, pages)?;
        Ok(deleted as u64)
    }
}

/// Deletes some of the oldest, and returns how many; 0 when there is nothing more.
fn delete_oldest(
    connection: &Connection,
    bounds: Bounds,
    now: i64,
    chunk: i64,
) -> rusqlite::Result<usize> {
    let ahead = delete_ahead(connection, now, chunk)?;
    if ahead > 0 {
        return Ok(ahead);
    }
    // The flight recorder writes whether or not anything ends, so without a bound of its own it
    // would push out the records of an app that records little.
    let flight = flight::delete_surplus(connection, bounds.flight(), chunk)?;
    if flight > 0 {
        return Ok(flight);
    }
    // So does the profiler.
    let profile = profile::delete_surplus(connection, bounds.profile())?;
    if profile > 0 {
        return Ok(profile);
    }
    let record = one(connection, "SELECT min(started_at) FROM record")?;
    let sample = one(connection, "SELECT min(taken_at) FROM sample")?;
    let rollup = one(connection, "SELECT min(minute) FROM rollup")?;
    let age = |at: i64| now.saturating_sub(at).max(0);
    let rollup_age = rollup.map(|minute| age(minute.saturating_mul(MINUTE)));
    let kept_age = record.into_iter().chain(sample).map(age).max();
    // Roll-ups are small and meant to outlive the records. They go first only where they reach back
    // very much farther.
    match (kept_age, rollup_age) {
        (Some(kept), Some(rollup))
            if kept.saturating_mul(ROLLUPS_REACH).max(ROLLUPS_AGE_MIN) < rollup =>
        {
            delete_rollups(connection, i64::MAX, chunk)
        }
        (Some(_), _) => match (record, sample) {
            (Some(record), Some(sample)) if sample < record => {
                delete_samples(connection, i64::MAX, chunk)
            }
            (Some(_), _) => delete_records(connection, i64::MAX, chunk),
            (None, _) => delete_samples(connection, i64::MAX, chunk),
        },
        (None, Some(_)) => delete_rollups(connection, i64::MAX, chunk),
        // What the flight recorder saw goes last: it is what is left of a run that crashed.
        (None, None) => match profile::delete_oldest(connection)? {
            0 => flight::delete_oldest(connection, chunk),
            deleted => Ok(deleted),
        },
    }
}

/// So many percent of the pages that the database may have.
fn percent_of_pages(bounds: Bounds, percent: u64) -> u64 {
    // A database has less than 2^52 pages, so this does not overflow. To divide first would lose
    // most of what a small file may hold.
    bounds.database / PAGE_BYTES * percent / 100
}

fn one(connection: &Connection, sql: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// Deletes some of what lies farther ahead of now than the oldest lies back: a clock was wrong when
/// it was written, so it was there before the rest, and would outlive it.
fn delete_ahead(connection: &Connection, now: i64, chunk: i64) -> rusqlite::Result<usize> {
    for (table, unit) in AHEAD {
        let now = now / unit;
        let (first, last) = (one(connection, table.first)?, one(connection, table.last)?);
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        let minute = MINUTE / unit;
        // The minute protects a young file, whose oldest row is of just now, from a small step of
        // the clock.
        if last.saturating_sub(now) > now.saturating_sub(first).max(minute) {
            return connection
                .prepare_cached(table.delete_after)?
                .execute([now, chunk]);
        }
    }
    Ok(0)
}

/// Questions to one table.
struct Ahead {
    first: &'static str,
    last: &'static str,
    /// The latest of those after a time go first.
    delete_after: &'static str,
}

/// The tables, and the nanoseconds of the unit of their time.
const AHEAD: [(Ahead, i64); 5] = [
    (
        Ahead {
            first: "SELECT min(started_at) FROM record",
            last: "SELECT max(started_at) FROM record",
            delete_after: "DELETE FROM record WHERE id IN (SELECT id FROM record \
                WHERE started_at > ?1 ORDER BY started_at DESC LIMIT ?2)",
        },
        1,
    ),
    (
        Ahead {
            first: "SELECT min(taken_at) FROM sample",
            last: "SELECT max(taken_at) FROM sample",
            delete_after: "DELETE FROM sample WHERE rowid IN (SELECT rowid FROM sample \
                WHERE taken_at > ?1 ORDER BY taken_at DESC LIMIT ?2)",
        },
        1,
    ),
    (
        Ahead {
            first: "SELECT min(minute) FROM rollup",
            last: "SELECT max(minute) FROM rollup",
            delete_after: "DELETE FROM rollup WHERE (series_id, minute) IN (SELECT series_id, \
                minute FROM rollup WHERE minute > ?1 ORDER BY minute DESC LIMIT ?2)",
        },
        MINUTE,
    ),
    (
        Ahead {
            first: "SELECT min(taken_at) FROM flight",
            last: "SELECT max(taken_at) FROM flight",
            delete_after: "DELETE FROM flight WHERE rowid IN (SELECT rowid FROM flight \
                WHERE taken_at > ?1 ORDER BY taken_at DESC LIMIT ?2)",
        },
        1,
    ),
    (
        Ahead {
            first: "SELECT min(started_at) FROM profile",
            last: "SELECT max(started_at) FROM profile",
            delete_after: "DELETE FROM profile WHERE rowid IN (SELECT rowid FROM profile \
                WHERE started_at > ?1 ORDER BY started_at DESC LIMIT ?2)",
        },
        1,
    ),
];

fn delete_records(connection: &Connection, before: i64, chunk: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE started_at < ?1 \
         ORDER BY started_at LIMIT ?2)";
    connection.prepare_cached(sql)?.execute([before, chunk])
}

fn delete_samples(connection: &Connection, before: i64, chunk: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM sample WHERE rowid IN (SELECT rowid FROM sample WHERE taken_at < ?1 \
         ORDER BY taken_at LIMIT ?2)";
    connection.prepare_cached(sql)?.execute([before, chunk])
}

/// Whole minutes, the oldest first.
fn delete_rollups(connection: &Connection, before: i64, chunk: i64) -> rusqlite::Result<usize> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(minute) FROM (SELECT minute FROM rollup WHERE minute < ?1 \
             ORDER BY minute LIMIT ?2)",
        )?
        .query_row([before, chunk], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(last) = last else { return Ok(0) };
    connection
        .prepare_cached("DELETE FROM rollup WHERE minute <= ?1")?
        .execute(params![last])
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

pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection
        .prepare_cached(&format!("PRAGMA {name}"))?
        .query_row([], |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// Of sessions that are deleted.
const FORGET_RUNS: &str =
    "DELETE FROM run WHERE NOT EXISTS (SELECT 1 FROM session WHERE id = session_id)";

// The gap between both lets one trim do for many batches. Above the upper one there is room for the
// batch that is being written: SQLite refuses any page beyond the bound.
/// Percent of its bound at which the oldest goes, and until when.
const FULL_FROM: u64 = 92;
const FULL_UNTIL: u64 = 85;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::super::batch::Batch;
    use super::super::rollup::RollupKey;
    use super::super::series::SeriesTable;
    use super::super::session::Session;
    use super::*;
    use crate::instrument::record_sink::RecordKind;

    /// A process that writes.
    struct Writer {
        store: Store,
        session: Session,
        series: SeriesTable,
    }

    impl Writer {
        fn new(path: &Path) -> Self {
            Self {
                store: Store::open(path, Bounds::of(64 << 20)).unwrap().store,
                session: Session::new("app".to_owned(), None, None, 1),
                series: SeriesTable::default(),
            }
        }

        fn write(&mut self, names: &[&str]) {
            let mut batch = Batch::default();
            for name in names {
                let series = self.series.place_of(RecordKind::Operation, name, "");
                let key = RollupKey { series, minute: 1 };
                batch.rollups.add(key, 1, 1_000, false, false);
            }
            let written = self.store.write(&batch, &self.series, &self.session, 2);
            written.unwrap();
        }

        fn text(&self, sql: &str) -> String {
            let connection = &self.store.connection;
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        }
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("spanwire-{name}-{}", std::process::id()))
    }

    const COUNTS: &str = "SELECT group_concat(name || ' ' || count, ', ') FROM (SELECT name, count \
         FROM rollup JOIN series ON series.id = series_id ORDER BY name)";

    #[test]
    fn discard_leaves_no_name_and_another_process_writes_on_under_its_names() {
        let folder = folder("discard");
        let path = folder.join("history.db");
        let (mut one, mut other) = (Writer::new(&path), Writer::new(&path));
        for _ in 0..2 {
            one.write(&["apples", "pears"]);
            other.write(&["cherries", "pears"]);
            assert_eq!(one.text(COUNTS), "apples 1, cherries 1, pears 2");
            let last: i64 = one
                .text("SELECT CAST(max(id) AS TEXT) FROM series")
                .parse()
                .unwrap();
            one.store.discard().unwrap();
            let names =
                "SELECT coalesce(group_concat(kind || name || webview, ''), '') FROM series";
            assert_eq!(one.text(names), "");
            let bytes = fs::read(&path).unwrap();
            let file = String::from_utf8_lossy(&bytes);
            assert!(!file.contains("apples") && !file.contains("cherries"));
            one.write(&["new"]);
            other.write(&["cherries", "pears"]);
            assert_eq!(one.text(COUNTS), "cherries 1, new 1, pears 1");
            // The ids must be new. A reader that knows the earlier names would otherwise show these
            // under those.
            let first: i64 = one
                .text("SELECT CAST(min(id) AS TEXT) FROM series WHERE name <> ''")
                .parse()
                .unwrap();
            assert!(first > last, "{first} was {last}'s or one before");
            one.store.discard().unwrap();
        }
        drop((one, other));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn discard_that_fails_on_the_way_deletes_nothing_and_overwrites_no_longer() {
        let folder = folder("discard-fails");
        let mut writer = Writer::new(&folder.join("history.db"));
        writer.write(&["kept"]);
        let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON session \
             BEGIN SELECT RAISE(ABORT, 'refused'); END";
        writer.store.connection.execute_batch(refuse).unwrap();
        assert!(writer.store.discard().is_err());
        assert_eq!(writer.text(COUNTS), "kept 1");
        assert_eq!(
            pragma(&writer.store.connection, "secure_delete").unwrap(),
            0
        );
        drop(writer);
        fs::remove_dir_all(folder).unwrap();
    }
}
