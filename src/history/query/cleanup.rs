//! Deletes what is old, by hand.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, ErrorCode, params};

use super::error::{OpenError, QueryError};
use super::open::{Origin, read_only, read_write};
use crate::history::time::{MINUTE, nanos_since_epoch};

/// Deletes what is older than a time: records and samples, and roll-ups if asked to.
///
/// It works in short transactions, so an app that writes waits for a moment at most, and one that
/// is interrupted has deleted the oldest and harmed nothing.
#[derive(Clone, Debug)]
pub struct Cleanup {
    before: SystemTime,
    rollups: bool,
}

/// What was deleted, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// Records.
    pub records: u64,
    /// Samples of the process and the machine.
    pub samples: u64,
    /// Roll-ups of a minute and series.
    pub rollups: u64,
}

impl Cleanup {
    /// Deletes the records and samples from before this time. Roll-ups, and with them statistics,
    /// stay.
    #[must_use]
    pub fn before(time: SystemTime) -> Self {
        Self {
            before: time,
            rollups: false,
        }
    }

    /// Deletes roll-ups, too: those of minutes that ended before the time.
    #[must_use]
    pub fn with_rollups(mut self) -> Self {
        self.rollups = true;
        self
    }

    /// Counts what [`run`](Self::run) would delete, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`CleanupError`].
    pub fn count(&self, path: impl AsRef<Path>) -> Result<Cleaned, CleanupError> {
        let (connection, origin) = read_only(path.as_ref())?;
        self.refuse_others(path.as_ref(), &origin)?;
        Ok(self.counted(&connection)?)
    }

    /// Deletes, and calls `progress` after each step with what was deleted until then and what will
    /// be in the end.
    ///
    /// # Errors
    ///
    /// [`CleanupError`]; what was deleted until then stays deleted, the rest is there.
    pub fn run(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(Cleaned, Cleaned),
    ) -> Result<Cleaned, CleanupError> {
        let (connection, origin) = read_write(path.as_ref()).map_err(unwritable)?;
        self.refuse_others(path.as_ref(), &origin)?;
        // The clean-up counts the rows before it deletes any, so that `progress` can tell how much
        // is left.
        let all = self.counted(&connection)?;
        let mut done = Cleaned::default();
        for table in self.tables() {
            loop {
                let deleted = self.delete_some(&connection, *table)?;
                *table.of(&mut done) += deleted;
                progress(done, all);
                if deleted == 0 {
                    break;
                }
            }
        }
        forget_states(&connection, nanos_since_epoch(self.before))?;
        give_back(&connection)?;
        Ok(done)
    }

    fn tables(&self) -> &'static [Table] {
        if self.rollups {
            &[Table::Record, Table::Sample, Table::Rollup]
        } else {
            &[Table::Record, Table::Sample]
        }
    }

    fn refuse_others(&self, path: &Path, origin: &Origin) -> Result<(), CleanupError> {
        match origin {
            Origin::Spanwire => Ok(()),
            Origin::MetricsStorage { .. } => Err(CleanupError::OldSystem(path.into())),
        }
    }

    fn counted(&self, connection: &Connection) -> Result<Cleaned, QueryError> {
        let mut counted = Cleaned::default();
        for table in self.tables() {
            let sql = format!("SELECT count(*) FROM {}", table.old());
            let rows: i64 =
                connection.query_row(&sql, [table.limit(self.before)], |row| row.get(0))?;
            *table.of(&mut counted) = rows.unsigned_abs();
        }
        Ok(counted)
    }

    fn delete_some(&self, connection: &Connection, table: Table) -> Result<u64, QueryError> {
        let (name, key, old) = (table.name(), table.key(), table.old());
        // SQLite takes `LIMIT` in a DELETE only when it is built for it, so a subquery chooses the
        // rows. The index on the time answers it, with the oldest first.
        let sql =
            format!("DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {old} LIMIT {STEP})");
        let deleted = connection.execute(&sql, params![table.limit(self.before)])?;
        Ok(deleted as u64)
    }
}

/// Why a file could not be cleaned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanupError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is an old system's file.
    #[error("{} is of MetricsStorage: import it into a new file, and clean that", .0.display())]
    OldSystem(std::path::PathBuf),
    /// Deleting stopped on the way.
    #[error(transparent)]
    Query(#[from] QueryError),
}

#[derive(Clone, Copy)]
enum Table {
    Record,
    Sample,
    Rollup,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Sample => "sample",
            Self::Rollup => "rollup",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Record => "id",
            Self::Sample => "rowid",
            Self::Rollup => "series_id, minute",
        }
    }

    /// The table and the condition of what is old.
    fn old(self) -> &'static str {
        match self {
            Self::Record => "record WHERE started_at < ?",
            Self::Sample => "sample WHERE taken_at < ?",
            Self::Rollup => "rollup WHERE minute < ?",
        }
    }

    fn limit(self, before: SystemTime) -> i64 {
        let nanos = nanos_since_epoch(before);
        match self {
            Self::Record | Self::Sample => nanos,
            // Rounded down: a minute that had not ended by then stays.
            Self::Rollup => nanos.div_euclid(MINUTE),
        }
    }

    fn of(self, cleaned: &mut Cleaned) -> &mut u64 {
        match self {
            Self::Record => &mut cleaned.records,
            Self::Sample => &mut cleaned.samples,
            Self::Rollup => &mut cleaned.rollups,
        }
    }
}

/// To be read it would be opened in another way, so it is the writing that fails.
fn unwritable(error: OpenError) -> CleanupError {
    let code = match &error {
        OpenError::Unreadable { source, .. } => source
            .downcast_ref::<rusqlite::Error>()
            .and_then(rusqlite::Error::sqlite_error_code),
        _ => None,
    };
    match code {
        Some(ErrorCode::ReadOnly) => QueryError::ReadOnly.into(),
        _ => error.into(),
    }
}

/// Deletes what the flight recorder and the profiler saw before that time, which is not counted.
fn forget_states(connection: &Connection, before: i64) -> Result<(), QueryError> {
    for (table, delete) in [
        ("flight", "DELETE FROM flight WHERE taken_at < ?1"),
        ("profile", "DELETE FROM profile WHERE started_at < ?1"),
    ] {
        // A file of an earlier version has no such table.
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
        let tables: i64 = connection.query_row(sql, [table], |row| row.get(0))?;
        if tables > 0 {
            connection.execute(delete, [before])?;
        }
    }
    Ok(())
}

/// Gives free pages back to the system, where the file can be made shorter, and writes the log into
/// the file, unless another process reads it.
fn give_back(connection: &Connection) -> Result<(), QueryError> {
    // Without a number SQLite gives all free pages back, one with each step. In a file that was not
    // made for it this does nothing.
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    // SQLite reports a reader that holds this off in the row and not as an error.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// So many rows are deleted within some 100 ms.
const STEP: u32 = 20_000;
