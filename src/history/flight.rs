//! The flight recorder: once a second the state of the process, its pages and what is open.
//!
//! The writer's thread looks, so a UI thread that is blocked is seen, and nothing of it costs those
//! who are looked at.

use std::time::Duration;

use rusqlite::{Connection, Transaction, params};

use super::time::{MINUTE, as_i64};
use crate::clock::{self, Stamp};
use crate::instrument::open_work::{OpenWorkSnapshot, open_work};
use crate::instrument::page_snapshots::{PageSnapshot, page_snapshots};
use crate::instrument::record_sink::SampleValue;
use crate::semconv::{PROCESS_MEMORY_USAGE, WEBVIEW_PROCESS_MEMORY_USAGE};

/// What was seen at one time.
#[derive(Debug)]
pub(crate) struct Look {
    taken_at: i64,
    memory: Vec<(&'static str, u64)>,
    pages: Vec<PageSnapshot>,
    open: Vec<OpenWorkSnapshot>,
}

/// When to look, and what is known from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct FlightRecorder {
    looked: Option<Stamp>,
    pruned: Option<Stamp>,
    /// The newest sample of each process' memory, and when it came.
    memory: Vec<(&'static str, u64, Stamp)>,
}

/// The writer comes each half second, and may be late or early by a little.
const LOOK_EVERY: Duration = Duration::from_millis(900);
/// What has been open for so long is written.
const OPEN_MIN: Duration = Duration::from_secs(1);
/// The oldest, of one look.
const OPEN_MAX: usize = 16;
/// How much of a run that did not end by itself is kept, and shown.
pub(crate) const LAST_MINUTE: i64 = MINUTE;
/// How much of a run that runs is kept.
const KEPT: Duration = Duration::from_secs(300);
const PRUNE_EVERY: Duration = Duration::from_secs(30);
/// A sample that is older says nothing of now.
const MEMORY_AGE_MAX: Duration = Duration::from_secs(30);
/// What a row takes beside its names, about.
const ROW_BYTES: i64 = 64;
/// The process itself, among those that have memory.
pub(crate) const APP: &str = "app";

impl FlightRecorder {
    /// Keeps what a sample says of memory.
    pub(crate) fn take_samples(&mut self, samples: &[SampleValue], at: Stamp) {
        for sample in samples {
            let process = match sample.name {
                name if name == PROCESS_MEMORY_USAGE.name => APP,
                name if name == WEBVIEW_PROCESS_MEMORY_USAGE.name => sample.part,
                _ => continue,
            };
            // A look shows the newest value of each process, so older ones are not kept.
            self.memory.retain(|(known, ..)| *known != process);
            // Memory is a whole number of bytes, and less than what a float holds.
            self.memory
                .push((process, sample.value.max(0.0) as u64, at));
        }
    }

    /// Looks, when it is time.
    pub(crate) fn look(&mut self, wall: i64) -> Option<Look> {
        let now = clock::now();
        let is_due = self.looked.is_none_or(|last| now.since(last) >= LOOK_EVERY);
        if !is_due {
            return None;
        }
        self.looked = Some(now);
        let mut open = open_work(now, OPEN_MIN);
        open.truncate(OPEN_MAX);
        Some(Look {
            taken_at: wall,
            memory: self.memory(now),
            pages: page_snapshots(),
            open,
        })
    }

    fn memory(&self, now: Stamp) -> Vec<(&'static str, u64)> {
        // The system's own figure is of now. A sample may be half a minute old, and there is none
        // without the feature `system`.
        let own = resident();
        let sampled = self.memory.iter().filter(|(process, _, at)| {
            now.since(*at) <= MEMORY_AGE_MAX && (own.is_none() || *process != APP)
        });
        let sampled = sampled.map(|(process, bytes, _)| (*process, *bytes));
        own.map(|bytes| (APP, bytes))
            .into_iter()
            .chain(sampled)
            .collect()
    }

    /// Before when what this run wrote goes, when it is time for that.
    pub(crate) fn prune(&mut self, wall: i64) -> Option<i64> {
        let now = clock::now();
        let is_due = self
            .pruned
            .is_none_or(|last| now.since(last) >= PRUNE_EVERY);
        is_due.then(|| {
            self.pruned = Some(now);
            wall.saturating_sub(as_i64(KEPT))
        })
    }
}

/// The memory of this process that is in RAM; `None` where only a sample tells.
#[cfg(target_os = "linux")]
fn resident() -> Option<u64> {
    // `/proc/self/statm` is shorter but counts pages, whose size it does not tell.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(not(target_os = "linux"))]
fn resident() -> Option<u64> {
    None
}

/// Writes what was seen.
pub(super) fn write(
    transaction: &Transaction<'_>,
    looks: &[Look],
    session: i64,
) -> rusqlite::Result<()> {
    for look in looks {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO flight (session_id, taken_at, subject, name, webview, state, silent, \
             queued, in_flight, in_flight_age, ui_blocked, resident, age, count, thread) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        for row in rows(look) {
            insert.execute(params![
                session,
                look.taken_at,
                row.subject,
                row.name,
                row.webview,
                row.state,
                row.silent.map(as_i64),
                row.queued,
                row.in_flight,
                row.in_flight_age.map(as_i64),
                row.ui_blocked.map(as_i64),
                row.resident,
                row.age.map(as_i64),
                row.count,
                row.thread,
            ])?;
        }
    }
    Ok(())
}

/// When the flight recorder of each run looked for the last time.
///
/// That is the look that it wrote last: the clock may have been put back after an earlier one. SQLite
/// takes the other columns from the row that has the maximum.
pub(crate) const NEWEST_LOOKS: &str =
    "(SELECT session_id, taken_at, max(rowid) FROM flight GROUP BY session_id)";

/// Deletes what this run wrote before that time.
pub(super) fn prune(connection: &Connection, session: i64, before: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM flight WHERE session_id = ?1 AND taken_at < ?2";
    connection.prepare_cached(sql)?.execute([session, before])?;
    Ok(())
}

/// Deletes some of what the flight recorder can best do without where space is short: what is older
/// than the last minute of its run, and the oldest of what is more than `bytes_max`. Returns how many
/// rows that was.
pub(super) fn delete_surplus(
    connection: &Connection,
    bytes_max: u64,
    chunk: i64,
) -> rusqlite::Result<usize> {
    let before_last_minute = format!(
        "DELETE FROM flight WHERE rowid IN (SELECT flight.rowid FROM flight \
         JOIN {NEWEST_LOOKS} AS newest USING (session_id) \
         WHERE flight.taken_at < newest.taken_at - ?1 ORDER BY flight.taken_at LIMIT ?2)"
    );
    let deleted = connection
        .prepare_cached(&before_last_minute)?
        .execute([LAST_MINUTE, chunk])?;
    if deleted > 0 {
        return Ok(deleted);
    }
    // A scan of the table: this runs only where the file is nearly full.
    let bytes = "SELECT coalesce(sum(?1 + length(name) + length(webview) \
         + coalesce(length(thread), 0)), 0) FROM flight";
    let bytes: i64 = connection
        .prepare_cached(bytes)?
        .query_row([ROW_BYTES], |row| row.get(0))?;
    match u64::try_from(bytes).unwrap_or(0) > bytes_max {
        true => delete_oldest(connection, chunk),
        false => Ok(0),
    }
}

/// Deletes some of the oldest, of whatever run, and returns how many rows that was.
pub(super) fn delete_oldest(connection: &Connection, chunk: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM flight WHERE rowid IN (SELECT rowid FROM flight \
         ORDER BY taken_at LIMIT ?1)";
    connection.prepare_cached(sql)?.execute([chunk])
}

/// A row as the file has it.
#[derive(Default)]
struct Row<'a> {
    subject: &'static str,
    name: &'a str,
    webview: &'a str,
    state: Option<&'static str>,
    silent: Option<Duration>,
    queued: Option<i64>,
    in_flight: Option<i64>,
    in_flight_age: Option<Duration>,
    ui_blocked: Option<Duration>,
    resident: Option<i64>,
    age: Option<Duration>,
    count: Option<u32>,
    thread: Option<&'a str>,
}

fn rows(look: &Look) -> Vec<Row<'_>> {
    let processes = look.memory.iter().map(|(process, bytes)| Row {
        subject: "process",
        name: process,
        resident: i64::try_from(*bytes).ok(),
        ..Row::default()
    });
    let pages = look.pages.iter().map(|page| Row {
        subject: "page",
        name: &page.webview,
        state: Some(page.state),
        silent: page.silent,
        queued: page.queued.and_then(|count| i64::try_from(count).ok()),
        in_flight: i64::try_from(page.in_flight).ok(),
        in_flight_age: page.in_flight_age,
        ui_blocked: page.ui_blocked,
        ..Row::default()
    });
    let open = look.open.iter().map(|open| Row {
        subject: open.kind.as_str(),
        name: &open.name,
        webview: &open.webview,
        age: Some(open.age),
        count: Some(1),
        thread: open.thread.as_deref(),
        ..Row::default()
    });
    let calls = look.pages.iter().flat_map(|page| {
        let old = page.calls.iter().filter(|calls| calls.age >= OPEN_MIN);
        old.take(OPEN_MAX).map(|calls| Row {
            subject: "call",
            name: &calls.event,
            webview: &page.webview,
            age: Some(calls.age),
            count: Some(calls.count),
            ..Row::default()
        })
    });
    processes.chain(pages).chain(open).chain(calls).collect()
}
