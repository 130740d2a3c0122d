//! History files as an app writes them: by the schema and plain inserts.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use rusqlite::{Connection, params};
use spanwire::history::SCHEMA;

/// A folder that is removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "spanwire-history-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One record to write.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Nanoseconds after [`BEGIN`].
    pub(crate) at: i64,
    /// Nanoseconds.
    pub(crate) duration: i64,
    pub(crate) outcome: &'static str,
    pub(crate) is_slow: bool,
    pub(crate) weight: f64,
    pub(crate) version: &'static str,
}

impl Row {
    /// An operation that went well, in milliseconds.
    pub(crate) fn ok(name: &'static str, at_ms: i64, duration_ms: i64) -> Self {
        Self {
            name,
            at: at_ms * MS,
            duration: duration_ms * MS,
            outcome: "ok",
            is_slow: false,
            weight: 1.0,
            version: "1.0",
        }
    }

    pub(crate) fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    pub(crate) fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }
}

/// Makes a file with the rows and their roll-ups.
pub(crate) fn history(path: &Path, rows: &[Row]) -> Connection {
    let file = without_rollups(path, rows);
    rollups(&file, rows);
    file
}

/// Makes a file with the rows alone.
pub(crate) fn without_rollups(path: &Path, rows: &[Row]) -> Connection {
    let mut file = Connection::open(path).unwrap();
    file.pragma_update(None, "journal_mode", "wal").unwrap();
    file.execute_batch(SCHEMA).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.pragma_update(None, "synchronous", "off").unwrap();
    let whole = file.transaction().unwrap();
    let mut ids: HashMap<&str, i64> = HashMap::new();
    let mut insert = whole
        .prepare(
            "INSERT INTO record (session_id, series_id, started_at, duration, outcome, \
             error_type, slow, handler, queue_wait, trace_id, weight) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .unwrap();
    for row in rows {
        let series = *ids
            .entry(row.name)
            .or_insert_with(|| series(&whole, row.name));
        let session = *ids
            .entry(row.version)
            .or_insert_with(|| session(&whole, row.version));
        insert
            .execute(params![
                session,
                series,
                BEGIN + row.at,
                row.duration,
                row.outcome,
                (row.outcome == "error").then_some("io"),
                row.is_slow.then_some("threshold"),
                row.duration * 3 / 4,
                row.duration / 4,
                row.is_slow.then_some([0xab_u8; 16]),
                row.weight,
            ])
            .unwrap();
    }
    drop(insert);
    whole.commit().unwrap();
    file
}

fn series(file: &Connection, name: &str) -> i64 {
    let insert = "INSERT OR IGNORE INTO series (kind, name) VALUES ('operation', ?)";
    file.execute(insert, [name]).unwrap();
    let select = "SELECT id FROM series WHERE kind = 'operation' AND name = ?";
    file.query_row(select, [name], |row| row.get(0)).unwrap()
}

fn session(file: &Connection, version: &str) -> i64 {
    let select = "SELECT id FROM session WHERE version = ?";
    let known = file.query_row(select, [version], |row| row.get(0));
    known.unwrap_or_else(|_| {
        let insert = "INSERT INTO session (service, version, instance, process_id, started_at, \
                      seen_at) VALUES ('paint', ?, 'i', 1, 0, 0)";
        file.execute(insert, [version]).unwrap();
        file.last_insert_rowid()
    })
}

/// Adds the roll-ups of the rows, each of which counts once.
pub(crate) fn rollups(file: &Connection, rows: &[Row]) {
    file.execute_batch("BEGIN").unwrap();
    let mut ids: HashMap<&str, i64> = HashMap::new();
    let mut minutes: BTreeMap<(i64, i64), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let minute = (BEGIN + row.at).div_euclid(60_000 * MS);
        let series = *ids
            .entry(row.name)
            .or_insert_with(|| series(file, row.name));
        minutes.entry((series, minute)).or_default().push(row);
    }
    for ((series, minute), rows) in minutes {
        let durations = || rows.iter().map(|row| row.duration);
        let failed = rows
            .iter()
            .filter(|row| !["ok", "cancelled"].contains(&row.outcome));
        file.execute(
            "INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                minute,
                series,
                i64::try_from(rows.len()).unwrap(),
                i64::try_from(failed.count()).unwrap(),
                i64::try_from(rows.iter().filter(|row| row.is_slow).count()).unwrap(),
                durations().sum::<i64>(),
                durations().min(),
                durations().max(),
                sketch(durations()),
            ],
        )
        .unwrap();
    }
    file.execute_batch("COMMIT").unwrap();
}

fn sketch(durations: impl Iterator<Item = i64>) -> Vec<u8> {
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 2, 2).unwrap();
    histogram.auto(true);
    for duration in durations {
        let micros = u64::try_from((duration + 500) / 1_000).unwrap();
        histogram.record(micros).unwrap();
    }
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&histogram, &mut bytes)
        .unwrap();
    bytes
}

/// The time `ms` milliseconds after [`BEGIN`].
pub(crate) fn at(ms: i64) -> SystemTime {
    let nanos = u64::try_from(BEGIN + ms * MS).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// A whole minute, 2026-11-29T12:00:00Z.
pub(crate) const BEGIN: i64 = 1_795_953_600 * 1_000 * MS;
pub(crate) const MS: i64 = 1_000_000;
