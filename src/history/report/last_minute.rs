//! What the flight recorder saw in the last minute of runs that did not end by themselves.

use rusqlite::{Connection, Row, params};

use crate::history::batch::WallAnchor;
use crate::history::flight::{LAST_MINUTE, NEWEST_LOOKS};
use crate::history::process_identity::is_running;
use crate::history::query::QueryError;

/// A run of the app that did not end by itself.
#[derive(Clone, Debug)]
pub(super) struct LastMinute {
    pub(super) session: i64,
    pub(super) service: String,
    pub(super) process_id: i64,
    pub(super) started_at: i64,
    /// When it was there for the last time.
    pub(super) seen_at: i64,
    /// The oldest first.
    pub(super) looks: Vec<Look>,
}

/// What was seen at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub(super) taken_at: i64,
    /// By the process: `app`, or the sort of the webview's.
    pub(super) memory: Vec<(String, u64)>,
    pub(super) pages: Vec<PageState>,
    pub(super) open: Vec<Open>,
}

#[derive(Clone, Debug)]
pub(super) struct PageState {
    pub(super) webview: String,
    pub(super) state: String,
    pub(super) silent: Option<u64>,
    pub(super) queued: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) in_flight_age: Option<u64>,
    pub(super) ui_blocked: Option<u64>,
}

/// What was open for a second or longer.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) webview: String,
    pub(super) age: u64,
    pub(super) count: u64,
    pub(super) thread: Option<String>,
}

/// Those that were there for the last time in the period, the newest first.
pub(super) fn last_minutes(
    connection: &Connection,
    from: i64,
    to: i64,
) -> Result<Vec<LastMinute>, QueryError> {
    // A file of version 1 has no such tables.
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('run', 'flight')";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    if tables < 2 {
        return Ok(Vec::new());
    }
    let now = WallAnchor::now().wall_nanos();
    // SQLite lets a condition name a column of the result, as `last_seen`.
    let mut statement = connection.prepare(&format!(
        "SELECT id, service, process_id, started_at, coalesce(taken_at, seen_at) AS last_seen, \
         process_key, reported_at IS NOT NULL \
         FROM session JOIN run ON run.session_id = id \
         LEFT JOIN {NEWEST_LOOKS} AS newest ON newest.session_id = id \
         WHERE ended_at IS NULL AND last_seen >= ?1 AND last_seen < ?2 \
         ORDER BY last_seen DESC LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![from, to, RUNS_READ])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let run = LastMinute {
            session: row.get(0)?,
            service: row.get(1)?,
            process_id: row.get(2)?,
            started_at: row.get(3)?,
            seen_at: row.get(4)?,
            looks: Vec::new(),
        };
        let (key, was_reported): (String, bool) = (row.get(5)?, row.get(6)?);
        let process_id = u32::try_from(run.process_id).unwrap_or(0);
        // A run that was reported is known to have ended. That holds also where the file is read on
        // another machine, which cannot ask for its process.
        if was_reported || !is_running(process_id, &key, run.seen_at, now) {
            runs.push(run);
        }
        if runs.len() >= RUNS_MAX {
            break;
        }
    }
    for run in &mut runs {
        run.looks = looks(connection, run)?;
    }
    Ok(runs)
}

fn looks(connection: &Connection, run: &LastMinute) -> Result<Vec<Look>, QueryError> {
    // The newest rows first, so that the bound cuts off what is farthest from the end.
    let mut statement = connection.prepare(
        "SELECT taken_at, subject, name, webview, state, silent, queued, in_flight, \
         in_flight_age, ui_blocked, resident, age, count, thread FROM flight \
         WHERE session_id = ?1 AND taken_at >= ?2 ORDER BY taken_at DESC, rowid LIMIT ?3",
    )?;
    let begin = run.seen_at.saturating_sub(LAST_MINUTE);
    let mut rows = statement.query(params![run.session, begin, ROWS_MAX])?;
    let mut looks: Vec<Look> = Vec::new();
    while let Some(row) = rows.next()? {
        let taken_at = row.get(0)?;
        // Rows of one look have the same time.
        if looks.last().is_none_or(|look| look.taken_at != taken_at) {
            looks.push(Look {
                taken_at,
                ..Look::default()
            });
        }
        if let Some(look) = looks.last_mut() {
            add(look, row)?;
        }
    }
    looks.reverse();
    Ok(looks)
}

fn add(look: &mut Look, row: &Row<'_>) -> Result<(), QueryError> {
    let number = |column: usize| -> Result<Option<u64>, QueryError> {
        let value: Option<i64> = row.get(column)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()))
    };
    let subject: String = row.get(1)?;
    let name: String = row.get(2)?;
    match subject.as_str() {
        "process" => look.memory.push((name, number(10)?.unwrap_or(0))),
        "page" => look.pages.push(PageState {
            webview: name,
            state: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            silent: number(5)?,
            queued: number(6)?,
            in_flight: number(7)?,
            in_flight_age: number(8)?,
            ui_blocked: number(9)?,
        }),
        _ => look.open.push(Open {
            kind: subject,
            name,
            webview: row.get(3)?,
            age: number(11)?.unwrap_or(0),
            count: number(12)?.unwrap_or(1),
            thread: row.get(13)?,
        }),
    }
    Ok(())
}

// More are looked at, since those that still run are left out.
/// Runs that are looked at, and those that are shown.
const RUNS_READ: i64 = 100;
const RUNS_MAX: usize = 3;
/// Rows of one run's last minute: some 33 a second.
const ROWS_MAX: i64 = 2_000;
