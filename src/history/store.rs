//! The file: opened, checked, brought to the schema of this version, and written.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Statement, Transaction, TransactionBehavior, params,
};

use super::batch::{Batch, Row};
use super::error::HistoryError;
use super::flight;
use super::private_file::private;
use super::profile::table as profile;
use super::rollup::Totals;
use super::series::{Series, SeriesTable};
use super::session::Session;
use super::set_aside::{FileId, says_it_is, set_aside};
use super::sketch::Sketch;
use super::slowness::SlowReason;
use super::time::{SECOND, as_i64};
use crate::clock::{Clock, Stamp};

/// `SPWR`: tells a history from other databases.
pub(crate) const APPLICATION_ID: i32 = 0x5350_5752;

/// What brings a file from each version of its schema to the next; an empty file has version 0.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
];

/// The version of the schema that this version of Spanwire writes.
pub(crate) const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// How large the parts of a file may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The database alone.
    pub(crate) database: u64,
    /// Its write-ahead log.
    pub(crate) wal: u64,
}

impl Bounds {
    pub(crate) fn of(max_bytes: u64) -> Self {
        let all = max_bytes.max(BYTES_MIN);
        let wal = (all / 8).clamp(WAL_MIN, WAL_MAX);
        // Between two checkpoints the log may grow by what one batch is larger than it should be.
        Self {
            database: all - 2 * wal,
            wal,
        }
    }

    /// The database and its log together.
    pub(crate) fn all(self) -> u64 {
        self.database + 2 * self.wal
    }

    /// What the flight recorder may use of a database that is nearly full.
    pub(crate) fn flight(self) -> u64 {
        FLIGHT_BYTES_MAX.min(self.database / 4)
    }

    /// What CPU profiles may use of a database that is nearly full.
    pub(crate) fn profile(self) -> u64 {
        PROFILE_BYTES_MAX.min(self.database / 4)
    }

    /// How large the profile of a minute may be, so that its transaction does not outgrow the log.
    pub(crate) fn profile_period(self) -> usize {
        let bytes = PROFILE_PERIOD_BYTES_MAX.min(self.wal / 4);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// How many rows a transaction may have, so that it does not outgrow the log.
    pub(crate) fn rows_max(self) -> usize {
        usize::try_from(self.wal / ROW_PAGES_BYTES).unwrap_or(usize::MAX)
    }
}

/// A history file that is open for writing.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) bounds: Bounds,
    file: Option<FileId>,
    /// The ids of series by their places in the writer's table; none of before another process
    /// deleted everything, as the missing session tells.
    series: HashMap<usize, i64, foldhash::fast::RandomState>,
}

/// A store, and where a damaged file is now that it took the place of.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) set_aside: Option<PathBuf>,
}

impl Store {
    /// Opens the file, or makes it. A damaged history is set aside.
    pub(crate) fn open(path: &Path, bounds: Bounds) -> Result<Opened, HistoryError> {
        let _turn = take_turn(path);
        let mut set_aside = None;
        let mut attempts = 0;
        loop {
            // Which file it is is asked before it is opened, so that another one that takes its
            // place meanwhile is not set aside.
            let file = FileId::of(path);
            let opened = Self::open_once(path, bounds);
            let is_damaged = matches!(opened, Err(HistoryError::Corrupt { .. }))
                // A damaged file of another program keeps its name.
                && says_it_is(path, APPLICATION_ID);
            if is_damaged && set_aside.is_none() {
                set_aside = set_aside_damaged(path, file)?;
            }
            let is_in_place = match &opened {
                Ok(store) => store.is_in_place(),
                Err(_) => FileId::of(path) == file,
            };
            attempts += 1;
            // While it was opened another process set it aside, or this one just did.
            if !is_in_place && attempts < ATTEMPTS_MAX {
                continue;
            }
            return opened.map(|store| Opened { store, set_aside });
        }
    }

    /// Takes the place of a file that was found to be damaged while it was written.
    ///
    /// Another process may have set it aside already: then its new file is taken.
    pub(crate) fn replace(self) -> Result<Opened, HistoryError> {
        let Self {
            connection,
            path,
            bounds,
            file,
            ..
        } = self;
        // A damaged file may not close well, and that does not matter any more.
        let _ = connection.close();
        let turn = take_turn(&path);
        let aside = match file {
            Some(_) => set_aside_damaged(&path, file)?,
            None => None,
        };
        // `open` takes the turn itself. A lock that is taken by a second handle waits for the first
        // one, also within one process.
        drop(turn);
        let opened = Self::open(&path, bounds)?;
        Ok(Opened {
            set_aside: aside.or(opened.set_aside),
            ..opened
        })
    }

    /// Whether the file still has its name: the app, or a person, may have deleted or moved it.
    pub(crate) fn is_in_place(&self) -> bool {
        FileId::of(&self.path) == self.file
    }

    fn open_once(path: &Path, bounds: Bounds) -> Result<Self, HistoryError> {
        // SQLite would make the file with the permissions of the umask. It gives its log those of
        // the file.
        create(path).map_err(|error| HistoryError::io(path, error))?;
        let file = FileId::of(path);
        let of = |error| HistoryError::of(path, error);
        // One thread at a time uses the connection, so SQLite's own mutex is not needed. Without
        // `CREATE` a file that vanished meanwhile is an error, and not a new file that others may
        // read.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(of)?;
        connection.busy_timeout(BUSY_MAX).map_err(of)?;
        // SQLite opens a file that may not be written for reading, and says so only with the first
        // write.
        if connection.is_readonly("main").map_err(of)? {
            return Err(HistoryError::ReadOnly {
                path: path.to_owned(),
            });
        }
        // This comes before anything is written: a database of another program stays as it is.
        let version = checked_version(&connection, path)?;
        configure(&connection, bounds, version == 0).map_err(of)?;
        migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            bounds,
            file,
            series: HashMap::default(),
        })
    }

    /// Writes the batch: all of it or nothing.
    pub(crate) fn write(
        &mut self,
        batch: &Batch,
        series: &SeriesTable,
        session: &Session,
        now: i64,
    ) -> rusqlite::Result<()> {
        let Self {
            connection,
            series: ids,
            ..
        } = self;
        // The lock is taken at once: a sum is read before it is written.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // The ids of new series are kept apart until the commit. After a rollback they are not in
        // the file.
        let mut new_ids = Vec::new();
        if session.write(&transaction, now)? {
            // Another process discarded the history and its names, so the ids are given anew.
            ids.clear();
        }
        let mut id = |place: usize| -> rusqlite::Result<i64> {
            if let Some(id) = ids.get(&place) {
                return Ok(*id);
            }
            let known = new_ids.iter().find(|(known, _)| *known == place);
            if let Some((_, id)) = known {
                return Ok(*id);
            }
            let id = series_id(&transaction, series.get(place))?;
            new_ids.push((place, id));
            Ok(id)
        };
        {
            // Once for all rows: to look it up costs as much as to insert one.
            let mut insert = transaction.prepare_cached(INSERT_RECORD)?;
            for row in &batch.rows {
                let id = id(row.series)?;
                write_row(&mut insert, row, id, session.id)?;
            }
        }
        for sample in &batch.samples {
            let id = id(sample.series)?;
            transaction
                .prepare_cached(
                    "INSERT INTO sample (session_id, series_id, taken_at, value) \
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![session.id, id, sample.taken_at, sample.value])?;
        }
        for (key, totals) in batch.rollups.iter() {
            let id = id(key.series)?;
            write_rollup(&transaction, id, key.minute, totals)?;
        }
        flight::write(&transaction, &batch.looks, session.id)?;
        if let Some(before) = batch.prune_before {
            flight::prune(&transaction, session.id, before)?;
        }
        profile::write(&transaction, &batch.profile, session.id)?;
        transaction.commit()?;
        ids.extend(new_ids);
        Ok(())
    }

    /// The app ended well, or recording is paused: there is nothing to tell of its last moments.
    pub(crate) fn end(&mut self, session: &Session, now: i64) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "UPDATE session SET seen_at = max(seen_at, ?2), ended_at = ?2 WHERE id = ?1";
        transaction.execute(sql, params![session.id, now])?;
        flight::prune(&transaction, session.id, i64::MAX)?;
        transaction.commit()
    }

    /// Writes the log into the database and empties it, unless somebody reads.
    pub(crate) fn checkpoint(&self) {
        // A reader that holds it off is no error: the next one does it.
        let _ = self.connection.busy_timeout(Duration::ZERO);
        let _ = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = self.connection.busy_timeout(BUSY_MAX);
    }
}

/// The turn to open the histories of a folder, until it is dropped.
///
/// SQLite finds a file's log by the file's name: a process that opened a damaged file while another
/// one set it aside would write the new file's log into it. Without a turn a history is opened all
/// the same: another program may hold the folder, and Windows cannot lock one.
fn take_turn(path: &Path) -> Option<fs::File> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = fs::File::open(folder.unwrap_or(Path::new("."))).ok()?;
    let clock = Clock::system();
    let until = clock.now().plus(BUSY_MAX);
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(fs::TryLockError::WouldBlock) if clock.now() < until => thread::sleep(BUSY_PAUSE),
            Err(_) => return None,
        }
    }
}

/// Gives a damaged file another name, unless another process has done so already: then the file of
/// that name is a new one, or there is none yet.
fn set_aside_damaged(
    path: &Path,
    damaged: Option<FileId>,
) -> Result<Option<PathBuf>, HistoryError> {
    if FileId::of(path) != damaged {
        return Ok(None);
    }
    match set_aside(path, unix_seconds()) {
        Ok(aside) => Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HistoryError::io(path, error)),
    }
}

/// Makes the file, for this user alone, and its folder.
fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    // Not truncated: another process may have made it since the check.
    let file = private().create(true).truncate(false).open(path);
    file.map(drop)
}

/// The version of the file's schema, 0 for an empty one, if it is a history that can be written.
pub(crate) fn checked_version(connection: &Connection, path: &Path) -> Result<u32, HistoryError> {
    let of = |error| HistoryError::of(path, error);
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    // At one moment: another process may be making the schema.
    // `migrate` asks within its own transaction, and SQLite does not nest them.
    let is_alone = connection.is_autocommit();
    let _moment = is_alone
        .then(|| connection.unchecked_transaction())
        .transpose()
        .map_err(of)?;
    let application = number("PRAGMA application_id").map_err(of)?;
    let version = number("PRAGMA user_version").map_err(of)?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(of)?;
    // An empty database may become a history. One with tables of its own may not.
    if application != i64::from(APPLICATION_ID) && (application, version, tables) != (0, 0, 0) {
        return Err(HistoryError::ForeignDatabase {
            path: path.to_owned(),
        });
    }
    if version > SCHEMA_VERSION {
        return Err(HistoryError::NewerSchema {
            path: path.to_owned(),
            version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(version)
}

fn configure(connection: &Connection, bounds: Bounds, is_new: bool) -> rusqlite::Result<()> {
    let set = |name: &str, value: i64| {
        // Some of them answer with a row.
        let sql = format!("PRAGMA {name} = {value}");
        connection.query_row(&sql, [], |_| Ok(())).optional()
    };
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    if is_new {
        // Before the first table: so that a file can become smaller.
        set("auto_vacuum", 2)?;
    }
    wal_mode(connection)?;
    // A process that is killed loses nothing by it, a machine that is maybe the last moments.
    set("synchronous", 1)?;
    // The bundled SQLite is built with foreign keys on. Each insert would look up its session and
    // its series, which the writer has just written.
    set("foreign_keys", 0)?;
    // 2 is memory: SQLite writes no temporary file outside the history's folder.
    set("temp_store", 2)?;
    // SQLite takes a negative number as KiB and a positive one as pages.
    set("cache_size", -CACHE_KIB)?;
    set("journal_size_limit", bytes(bounds.wal))?;
    // The commit that passes this length also checkpoints.
    set("wal_autocheckpoint", bytes(bounds.wal / 2 / PAGE_BYTES))?;
    // SQLite keeps this bound per connection and not in the file.
    set("max_page_count", bytes(bounds.database / PAGE_BYTES))?;
    // The writer and the retention use more statements than rusqlite keeps by default, which is 16.
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Turns the write-ahead log on. Where two processes do so at once, SQLite does not wait by itself.
fn wal_mode(connection: &Connection) -> rusqlite::Result<()> {
    let clock = Clock::system();
    let until: Stamp = clock.now().plus(BUSY_MAX);
    loop {
        let result = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        let is_busy = matches!(&result, Err(error) if is_busy(error));
        if !is_busy || clock.now() >= until {
            return result;
        }
        thread::sleep(BUSY_PAUSE);
    }
}

/// Whether another process was in the way, which passes.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let of = |error| HistoryError::of(path, error);
    // Nearly every file is up to date. Then no lock for writing is taken.
    if checked_version(connection, path)? == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(of)?;
    // Another process may have done it while this one waited for the lock.
    let version = checked_version(&transaction, path)?;
    for (number, migration) in (1..).zip(MIGRATIONS).skip(version as usize) {
        transaction.execute_batch(migration).map_err(of)?;
        // Both pragmas write into the file's header within the transaction: a process that is
        // killed here leaves the file as it was.
        let sql = format!("PRAGMA user_version = {number}");
        transaction.execute_batch(&sql).map_err(of)?;
    }
    let sql = format!("PRAGMA application_id = {APPLICATION_ID}");
    transaction.execute_batch(&sql).map_err(of)?;
    transaction.commit().map_err(of)
}

fn series_id(transaction: &Transaction<'_>, series: &Series) -> rusqlite::Result<i64> {
    let key = params![series.kind.as_str(), series.name, series.webview];
    // `RETURNING` would give no row where another process has written the series already.
    transaction
        .prepare_cached(
            "INSERT INTO series (kind, name, webview) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(key)?;
    transaction
        .prepare_cached("SELECT id FROM series WHERE kind = ?1 AND name = ?2 AND webview = ?3")?
        .query_row(key, |row| row.get(0))
}

fn write_row(
    insert: &mut Statement<'_>,
    row: &Row,
    series: i64,
    session: i64,
) -> rusqlite::Result<()> {
    let record = &row.record;
    let stages = record.stages;
    let nanos = |stage: Option<Duration>| stage.map(as_i64);
    let trace = record.trace_id.to_bytes();
    // All zeros is OpenTelemetry's invalid trace id.
    let has_trace = trace != [0; 16];
    let thread = record.thread.text();
    insert.execute(params![
        session,
        series,
        row.started_at,
        as_i64(record.duration),
        record.outcome.as_str(),
        record.error_type.as_ref().map(|name| name.as_str()),
        row.slow.map(SlowReason::as_str),
        nanos(stages.page_wait),
        nanos(stages.transit),
        nanos(stages.queue_wait),
        nanos(stages.handler),
        nanos(stages.response),
        record.size.and_then(|size| i64::try_from(size).ok()),
        thread.as_deref(),
        has_trace.then_some(&trace[..]),
        record.context.as_deref(),
        row.weight,
    ])?;
    Ok(())
}

/// Adds to the sums of that series and minute, to which another process may have added, too.
pub(crate) fn write_rollup(
    transaction: &Transaction<'_>,
    series: i64,
    minute: i64,
    totals: &Totals,
) -> rusqlite::Result<()> {
    let written: Option<Vec<u8>> = transaction
        .prepare_cached("SELECT sketch FROM rollup WHERE series_id = ?1 AND minute = ?2")?
        .query_row(params![series, minute], |row| row.get(0))
        .optional()?;
    // A sketch that cannot be read makes room for the new one. The exact sums beside it stay.
    let sketch = match written.as_deref().and_then(Sketch::decode) {
        Some(mut sketch) => {
            sketch.merge(&totals.sketch);
            sketch.encode()
        }
        None => totals.sketch.encode(),
    };
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    transaction.prepare_cached(UPSERT_ROLLUP)?.execute(params![
        minute,
        series,
        number(totals.count),
        number(totals.errors),
        number(totals.slow),
        number(totals.sum),
        number(totals.min),
        number(totals.max),
        sketch,
    ])?;
    Ok(())
}

pub(crate) fn unix_seconds() -> i64 {
    super::batch::WallAnchor::now().wall_nanos() / SECOND
}

/// A row of the table `record`, as the benchmark of bare inserts writes it too.
pub(crate) const INSERT_RECORD: &str = "INSERT INTO record (session_id, series_id, started_at, \
    duration, outcome, error_type, slow, page_wait, transit, queue_wait, handler, response, size, \
    thread, trace_id, context, weight) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

// Durations may come from anywhere. Beyond what SQLite holds as an integer, some 292 years, a sum
// would become a float, which the column refuses, and the batch with it: the sum stays there.
const UPSERT_ROLLUP: &str = "INSERT INTO rollup (minute, series_id, count, errors, slow, sum, min, \
    max, sketch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
    ON CONFLICT (series_id, minute) DO UPDATE SET count = count + excluded.count, \
    errors = errors + excluded.errors, slow = slow + excluded.slow, \
    sum = sum + min(excluded.sum, 9223372036854775807 - sum), \
    min = min(min, excluded.min), max = max(max, excluded.max), sketch = excluded.sketch";

/// How long another process may keep the file locked before that is an error.
const BUSY_MAX: Duration = Duration::from_secs(1);
/// How often a file may take another's place while it is opened.
const ATTEMPTS_MAX: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(5);
// SQLite's default, which `configure` does not change.
pub(crate) const PAGE_BYTES: u64 = 4_096;
const CACHE_KIB: i64 = 2_048;
const BYTES_MIN: u64 = 1 << 20;
const FLIGHT_BYTES_MAX: u64 = 1 << 20;
const PROFILE_BYTES_MAX: u64 = 32 << 20;
const PROFILE_PERIOD_BYTES_MAX: u64 = 512 << 10;
const WAL_MIN: u64 = 128 << 10;
const WAL_MAX: u64 = 4 << 20;
/// What a row may change in pages, its indexes' included, when it is unlucky.
const ROW_PAGES_BYTES: u64 = 1_024;

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn open_by_many_at_once_makes_one_history() {
        let folder = std::env::temp_dir().join(format!("spanwire-store-{}", std::process::id()));
        for file in 0..10 {
            let path = folder.join(format!("{file}.db"));
            let barrier = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        let opened = Store::open(&path, Bounds::of(64 << 20)).unwrap();
                        assert!(opened.set_aside.is_none());
                    });
                }
            });
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn damaged_file_that_many_open_at_once_is_set_aside_once() {
        let folder = std::env::temp_dir().join(format!("spanwire-damaged-{}", std::process::id()));
        let bounds = Bounds::of(1 << 20);
        for round in 0..10 {
            let folder = folder.join(round.to_string());
            let path = folder.join("history.db");
            drop(Store::open(&path, bounds).unwrap());
            let mut bytes = fs::read(&path).unwrap();
            bytes[100..].fill(0xa5);
            fs::write(&path, &bytes).unwrap();
            let barrier = Barrier::new(6);
            let open = || {
                barrier.wait();
                Store::open(&path, bounds)
            };
            let opened: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            let opened: Vec<Opened> = opened.into_iter().map(Result::unwrap).collect();
            assert!(opened.iter().all(|it| it.store.is_in_place()));
            let mut asides = opened.iter().filter_map(|it| it.set_aside.as_ref());
            assert!(fs::read(asides.next().unwrap()).unwrap() == bytes);
            assert_eq!(asides.next(), None);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
