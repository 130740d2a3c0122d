//! One record, and all that match a filter.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::error::QueryError;
use super::filter::{Filter, is_failure};
use super::series::{Series, every_series};
use crate::history::time::time_at;

/// How long each stage of a message took, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stages {
    /// In the page, before it was sent.
    pub page_wait: Option<Duration>,
    /// Between the page and the host.
    pub transit: Option<Duration>,
    /// In a queue of the host.
    pub queue_wait: Option<Duration>,
    /// In the handler.
    pub handler: Option<Duration>,
    /// From the handler's return until the page had the answer.
    pub response: Option<Duration>,
}

/// One operation, call, event, startup phase or page error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Its number in the file.
    pub id: i64,
    /// What it belongs to.
    pub series: Arc<Series>,
    /// The app that recorded it.
    pub service: Arc<str>,
    /// That app's version.
    pub version: Option<Arc<str>>,
    /// When it started.
    pub started_at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// `ok`, `error`, `cancelled`, `timeout` or `dropped`.
    pub outcome: String,
    /// The kind of error.
    pub error_type: Option<String>,
    /// Why it counts as slow: `threshold` or `slower_than_usual`.
    pub slow: Option<String>,
    /// Its stages.
    pub stages: Stages,
    /// The payload's size in bytes.
    pub size: Option<u64>,
    /// The thread that ran it.
    pub thread: Option<String>,
    /// Its trace, in hexadecimal digits.
    pub trace_id: Option<String>,
    /// A JSON object of what the app added.
    pub context: Option<String>,
    /// How many like it this record stands for: more than one when the app sampled.
    pub weight: f64,
}

impl Record {
    /// Whether it failed: any outcome but `ok` and `cancelled`.
    #[must_use]
    pub fn failed(&self) -> bool {
        is_failure(&self.outcome)
    }
}

/// Records, the oldest first, read a page at a time: an app that writes is not kept waiting.
#[derive(Debug)]
pub struct Records<'a> {
    connection: &'a Connection,
    names: Names,
    sql: String,
    values: Vec<Value>,
    /// The start and number of the last record of the page before.
    after: Option<(i64, i64)>,
    page: VecDeque<Record>,
    left: usize,
    ended: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        filter: &Filter,
        names: Names,
    ) -> Result<Self, QueryError> {
        let matching = names.matching(filter);
        let (condition, mut values) = filter.condition(
            filter.since_nanos(),
            filter.until_nanos(),
            matching.as_deref(),
        );
        // What an app writes from now on may be of a series that is not among the names.
        let newest: Option<i64> =
            connection.query_row("SELECT max(id) FROM record", [], |row| row.get(0))?;
        values.push(Value::Integer(newest.unwrap_or(0)));
        // The index of all records by time has this order, and SQLite would read all of them to find
        // the few. With the `+` it has to sort those that start at the same time by either index.
        let id = if filter.is_of_few() { "+id" } else { "id" };
        let sql = format!(
            "SELECT {COLUMNS} FROM record WHERE {condition} AND id <= ? \
             AND (started_at > ? OR id > ?) ORDER BY started_at, {id} LIMIT ?"
        );
        Ok(Self {
            connection,
            names,
            sql,
            values,
            after: None,
            page: VecDeque::new(),
            left: filter.limit_max(),
            ended: false,
        })
    }

    fn read_page(&mut self) -> Result<(), QueryError> {
        let size = self.left.min(PAGE);
        let (start, id) = self.after.unwrap_or((i64::MIN, i64::MIN));
        let mut values = self.values.clone();
        let size_value = i64::try_from(size).unwrap_or(i64::MAX);
        // The condition begins with the first time. It is the one lower bound that SQLite can take,
        // so each page begins where the one before ended, and not at the window's begin.
        if let (Some(first), Some(_)) = (values.first_mut(), self.after) {
            *first = Value::Integer(start);
        }
        values.extend([start, id, size_value].map(Value::Integer));
        let mut statement = self.connection.prepare(&self.sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            self.after = Some((row.get(1)?, row.get(0)?));
            self.page.push_back(self.names.record(row)?);
        }
        // A short page is the last one, which saves one more query.
        self.ended = self.page.len() < size;
        self.left -= self.page.len();
        Ok(())
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.ended
            && self.left > 0
            && let Err(error) = self.read_page()
        {
            // The same query would fail again, so an iteration without this would never end.
            self.ended = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

/// The longest of those that match, the longest first.
pub(super) fn longest(
    connection: &Connection,
    filter: &Filter,
    names: &Names,
) -> Result<Vec<Record>, QueryError> {
    let matching = names.matching(filter);
    let (condition, mut values) = filter.condition(
        filter.since_nanos(),
        filter.until_nanos(),
        matching.as_deref(),
    );
    values.push(Value::Integer(
        i64::try_from(filter.limit_max()).unwrap_or(i64::MAX),
    ));
    // The inner query is answered by an index alone; rows are read for what is shown.
    let sql = format!(
        "SELECT {COLUMNS} FROM record WHERE id IN (SELECT id FROM record WHERE {condition} \
         ORDER BY duration DESC, id LIMIT ?) ORDER BY duration DESC, id"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(names.record(row)?);
    }
    Ok(records)
}

/// The series and sessions of a file, which records name by number.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) series: HashMap<i64, Arc<Series>>,
    sessions: HashMap<i64, (Arc<str>, Option<Arc<str>>)>,
}

impl Names {
    pub(super) fn read(connection: &Connection) -> Result<Self, QueryError> {
        let mut sessions = connection.prepare("SELECT id, service, version FROM session")?;
        let sessions = sessions.query_map([], |row| {
            let service: String = row.get(1)?;
            let version: Option<String> = row.get(2)?;
            Ok((row.get(0)?, (service.into(), version.map(Into::into))))
        })?;
        Ok(Self {
            series: every_series(connection)?,
            sessions: sessions.collect::<rusqlite::Result<_>>()?,
        })
    }

    /// The series that match, in order, when the filter leaves any out.
    pub(super) fn matching(&self, filter: &Filter) -> Option<Vec<i64>> {
        filter.narrows_series().then(|| {
            let matching = self.series.iter().filter(|(_, is)| filter.matches(is));
            let mut ids: Vec<i64> = matching.map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        })
    }

    fn record(&self, row: &Row<'_>) -> Result<Record, QueryError> {
        let unknown = |what: &str, id: i64| QueryError::Damaged(format!("no {what} {id}"));
        let series_id = row.get(3)?;
        let series = self.series.get(&series_id);
        let session_id = row.get(4)?;
        let session = self.sessions.get(&session_id);
        let (service, version) = session.ok_or_else(|| unknown("session", session_id))?;
        let trace_id: Option<Vec<u8>> = row.get(15)?;
        let stage = |column: usize| -> rusqlite::Result<Option<Duration>> {
            Ok(row.get::<_, Option<i64>>(column)?.map(nanos))
        };
        Ok(Record {
            id: row.get(0)?,
            series: series
                .cloned()
                .ok_or_else(|| unknown("series", series_id))?,
            service: service.clone(),
            version: version.clone(),
            started_at: time_at(row.get(1)?),
            duration: nanos(row.get(2)?),
            outcome: row.get(5)?,
            error_type: row.get(6)?,
            slow: row.get(7)?,
            stages: Stages {
                page_wait: stage(8)?,
                transit: stage(9)?,
                queue_wait: stage(10)?,
                handler: stage(11)?,
                response: stage(12)?,
            },
            size: row.get::<_, Option<i64>>(13)?.map(i64::unsigned_abs),
            thread: row.get(14)?,
            trace_id: trace_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            context: row.get(16)?,
            weight: row.get(17)?,
        })
    }
}

/// A duration of the file; none is negative.
pub(super) fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

const COLUMNS: &str = "id, started_at, duration, series_id, session_id, outcome, error_type, slow, \
     page_wait, transit, queue_wait, handler, response, size, thread, trace_id, context, weight";
/// Records that are in memory at a time.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::super::tally::FIGURES;
    use super::*;
    use crate::history::SCHEMA;

    /// How SQLite answers it.
    fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> String {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = connection.prepare(&explain).unwrap();
        let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
        steps
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_few_failed_or_slow_are_found_by_their_own_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let insert = "INSERT INTO series (kind, name) VALUES ('operation', 'save')";
        connection.execute(insert, []).unwrap();
        for (filter, index) in [
            (Filter::new().failed_only(), "record_failed"),
            (Filter::new().failed_only().name("save"), "record_failed"),
            (Filter::new().slow_only(), "record_slow"),
            (Filter::new().slow_only().name("s*"), "record_slow"),
        ] {
            let names = Names::read(&connection).unwrap();
            let (condition, values) = filter.condition(0, 9, names.matching(&filter).as_deref());
            let figures = plan(&connection, &format!("{FIGURES} WHERE {condition}"), values);
            let covering = format!("SEARCH record USING COVERING INDEX {index} (started_at");
            assert!(figures.contains(&covering), "{filter:?}: {figures}");
            let records = Records::new(&connection, &filter, names).unwrap();
            let mut values = records.values.clone();
            values.extend([0, 0, 10].map(Value::Integer));
            let page = plan(&connection, &records.sql, values);
            let search = format!("SEARCH record USING INDEX {index} (started_at");
            assert!(page.contains(&search), "{filter:?}: {page}");
        }
    }
}
