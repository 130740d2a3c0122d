//! What a report is made of, read from a history: few rows, however many there are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::last_minute::{LastMinute, last_minutes};
use super::profile::Profile;
use crate::history::query::{Filter, HistoryReader, QueryError, Series, SeriesStats, every_series};
use crate::history::time::{MINUTE, time_at};

/// All that the parts of a report read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Nanoseconds since the epoch: the first that belongs to it, and the first after it.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) sessions: Vec<Session>,
    /// The newest first.
    pub(super) last_minutes: Vec<LastMinute>,
    /// First the series that took the most time in all.
    pub(super) stats: Vec<SeriesStats>,
    /// The same in the first and in the second half of the period.
    pub(super) halves: [Vec<SeriesStats>; 2],
    /// The most of a series in one minute.
    pub(super) peaks: HashMap<Arc<Series>, u64>,
    /// The slowest first.
    pub(super) slowest: Vec<Event>,
    /// The newest first.
    pub(super) failed: Vec<Event>,
    pub(super) startup: Vec<Event>,
    /// Neighbours in time: the newest, and some from all of the period. The oldest first.
    pub(super) runs: Vec<Vec<Event>>,
    /// Some of each series, from all of the period.
    pub(super) of_series: HashMap<Arc<Series>, Vec<Event>>,
    pub(super) samples: Vec<Samples>,
    /// The newest operations and messages.
    pub(super) wall: Vec<Event>,
    pub(super) profile: Profile,
    /// What could not be read, and why.
    pub(super) missing: Vec<String>,
    /// Whether error texts and what the app added are in it.
    pub(super) with_texts: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: i64,
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) instance: String,
    pub(super) process_id: i64,
    pub(super) started_at: i64,
    pub(super) seen_at: i64,
    pub(super) ended_at: Option<i64>,
}

/// A record, as the file has it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) session: i64,
    pub(super) series: Arc<Series>,
    pub(super) start: i64,
    pub(super) duration: u64,
    pub(super) outcome: String,
    pub(super) error_type: Option<String>,
    pub(super) slow: Option<String>,
    /// As in [`STAGES`].
    stages: [Option<u64>; 5],
    pub(super) size: Option<u64>,
    pub(super) thread: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) context: Option<String>,
    pub(super) weight: f64,
}

/// One metric of the system over time: when, whose, and how much.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) name: String,
    pub(super) part: String,
    pub(super) points: Vec<(i64, i64, f64)>,
}

pub(super) const PAGE_WAIT: usize = 0;
pub(super) const TRANSIT: usize = 1;
pub(super) const QUEUE_WAIT: usize = 2;
pub(super) const HANDLER: usize = 3;
pub(super) const RESPONSE: usize = 4;
pub(super) const STAGES: [&str; 5] = ["page_wait", "transit", "queue_wait", "handler", "response"];

impl Event {
    #[cfg(test)]
    pub(super) fn with_stage(series: Arc<Series>, stage: usize, took: u64, weight: f64) -> Self {
        let mut stages = [None; STAGES.len()];
        stages[stage] = Some(took);
        Self {
            id: 0,
            session: 0,
            series,
            start: 0,
            duration: took,
            outcome: "ok".to_owned(),
            error_type: None,
            slow: None,
            stages,
            size: None,
            thread: None,
            trace_id: None,
            context: None,
            weight,
        }
    }

    pub(super) fn end(&self) -> i64 {
        let took = i64::try_from(self.duration).unwrap_or(i64::MAX);
        self.start.saturating_add(took)
    }

    pub(super) fn failed(&self) -> bool {
        !matches!(self.outcome.as_str(), "ok" | "cancelled")
    }

    pub(super) fn stage(&self, stage: usize) -> Option<u64> {
        self.stages.get(stage).copied().flatten()
    }

    /// Whether the app sends it to the page.
    pub(super) fn is_outbound(&self) -> bool {
        matches!(self.series.kind.as_str(), "event_out" | "reply")
    }

    pub(super) fn is_message(&self) -> bool {
        self.is_outbound() || matches!(self.series.kind.as_str(), "call" | "event_in")
    }

    /// Its stages in the order in which they come, each with its begin and length in nanoseconds
    /// after the event's start. They end with the event.
    pub(super) fn laid_out(&self) -> Vec<(usize, u64, u64)> {
        let order = match self.is_outbound() {
            // It waits before it is sent; a call's reply does so after the handler.
            true => [PAGE_WAIT, QUEUE_WAIT, TRANSIT, HANDLER, RESPONSE],
            false => [PAGE_WAIT, TRANSIT, HANDLER, QUEUE_WAIT, RESPONSE],
        };
        let mut at = 0_u64;
        let mut laid = Vec::new();
        for stage in order {
            let Some(took) = self.stage(stage).filter(|took| *took > 0) else {
                continue;
            };
            let took = took.min(self.duration.saturating_sub(at));
            if took > 0 {
                laid.push((stage, at, took));
                at += took;
            }
        }
        laid
    }

    /// When a stage began and ended, in nanoseconds since the epoch.
    pub(super) fn span_of(&self, stage: usize) -> Option<(i64, i64)> {
        let (_, at, took) = self.laid_out().into_iter().find(|(is, ..)| *is == stage)?;
        let at = self.start.saturating_add(i64::try_from(at).ok()?);
        Some((at, at.saturating_add(i64::try_from(took).ok()?)))
    }
}

impl Facts {
    /// Reads what is there. What cannot be read is named in [`Facts::missing`].
    pub(super) fn read(
        reader: &HistoryReader,
        since: Option<i64>,
        until: Option<i64>,
        with_texts: bool,
    ) -> Result<Self, QueryError> {
        let connection = reader.connection();
        let mut facts = Self {
            with_texts,
            ..Self::default()
        };
        // The one read whose failure ends the report: without its bounds there is no period.
        let (first, last) = bounds(connection)?;
        facts.from = since.unwrap_or(first);
        facts.to = until.unwrap_or(last.saturating_add(1)).max(facts.from);
        let (from, to) = (facts.from, facts.to);
        let missing = &mut facts.missing;
        facts.sessions = part(missing, "the app's runs", sessions(connection, from, to));
        let runs = last_minutes(connection, from, to);
        facts.last_minutes = part(missing, "the last minute of a run", runs);
        let names = part(
            missing,
            "the names of what was measured",
            every_series(connection).map_err(QueryError::from),
        );
        let rows = Rows {
            connection,
            names: &names,
            from,
            to,
            with_texts,
        };
        let between = |from, to| Filter::new().since(time_at(from)).until(time_at(to));
        facts.stats = part(missing, "the numbers", reader.stats(&between(from, to)));
        let middle = from + (to - from) / 2;
        // Advice compares the halves to find what became slower.
        let halves = [(from, middle), (middle, to)];
        facts.halves = halves.map(|(from, to)| {
            part(
                missing,
                "the numbers of a half",
                reader.stats(&between(from, to)),
            )
        });
        facts.peaks = part(missing, "the busiest minutes", rows.peaks());
        facts.slowest = part(missing, "the slowest events", rows.slowest());
        facts.failed = part(missing, "what failed", rows.failed());
        facts.startup = part(missing, "the startup phases", rows.startup());
        facts.runs = part(missing, "the events one after the other", rows.runs());
        let of = rows.of_series(&facts.stats);
        facts.of_series = part(missing, "the events of each name", of);
        facts.samples = part(missing, "memory and processor", rows.samples());
        facts.wall = part(missing, "the wall time", rows.wall());
        let profile = Profile::read(connection, from, to);
        facts.profile = part(missing, "the CPU profile", profile);
        // In a damaged file both halves fail alike, so this removes a duplicate.
        missing.dedup();
        Ok(facts)
    }

    /// The records that the report's files show one by one, each once, the oldest first.
    ///
    /// Those of [`Facts::of_series`] and [`Facts::wall`] alone are not among them: they are for
    /// numbers and for one picture, and would make the files several times as large.
    pub(super) fn events(&self) -> Vec<&Event> {
        let runs = self.runs.iter().flatten();
        let all = self
            .slowest
            .iter()
            .chain(&self.failed)
            .chain(&self.startup)
            .chain(runs);
        let mut seen = HashSet::new();
        let mut events: Vec<_> = all.filter(|event| seen.insert(event.id)).collect();
        events.sort_by_key(|event| (event.start, event.id));
        events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stats.is_empty() && self.slowest.is_empty() && self.runs.iter().all(Vec::is_empty)
    }
}

fn part<T: Default>(missing: &mut Vec<String>, what: &str, read: Result<T, QueryError>) -> T {
    read.unwrap_or_else(|error| {
        missing.push(format!("{what}: {error}"));
        T::default()
    })
}

/// From when to when the file has something.
fn bounds(connection: &Connection) -> Result<(i64, i64), QueryError> {
    // One by one: each is answered by the end of an index.
    let number = |sql: &str| -> Result<Option<i64>, QueryError> {
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    };
    let starts = [
        number("SELECT min(started_at) FROM record")?,
        number("SELECT min(minute) FROM rollup")?.map(|at| at.saturating_mul(MINUTE)),
        number("SELECT min(started_at) FROM session")?,
    ];
    let ends = [
        number("SELECT max(started_at) FROM record")?,
        number("SELECT max(minute) FROM rollup")?
            .map(|at| at.saturating_add(1).saturating_mul(MINUTE) - 1),
        number("SELECT max(seen_at) FROM session")?,
    ];
    // A history may have sessions alone, or sums whose records have expired.
    let start = starts[0].or(starts[1]).or(starts[2]);
    let start = start.map(|at| starts.iter().flatten().fold(at, |a, b| a.min(*b)));
    let end = ends[2].max(ends[0]).or(ends[1]);
    let start = start.unwrap_or(0);
    Ok((start, end.unwrap_or(start).max(start)))
}

fn sessions(connection: &Connection, from: i64, to: i64) -> Result<Vec<Session>, QueryError> {
    let mut statement = connection.prepare(
        "SELECT id, service, version, instance, process_id, started_at, seen_at, ended_at \
         FROM session WHERE seen_at >= ? AND started_at < ? ORDER BY started_at DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![from, to, SESSIONS_MAX], |row| {
        Ok(Session {
            id: row.get(0)?,
            service: row.get(1)?,
            version: row.get(2)?,
            instance: row.get(3)?,
            process_id: row.get(4)?,
            started_at: row.get(5)?,
            seen_at: row.get(6)?,
            ended_at: row.get(7)?,
        })
    })?;
    // The query takes the newest where there are too many, and the report wants the oldest first.
    let mut sessions: Vec<Session> = rows.collect::<Result<_, _>>()?;
    sessions.reverse();
    Ok(sessions)
}

/// The rows of the period.
struct Rows<'a> {
    connection: &'a Connection,
    names: &'a HashMap<i64, Arc<Series>>,
    from: i64,
    to: i64,
    with_texts: bool,
}

impl Rows<'_> {
    /// The records of which `inner` selects the ids.
    fn select(&self, inner: &str, values: Vec<Value>) -> Result<Vec<Event>, QueryError> {
        let sql = format!("SELECT {COLUMNS} FROM record WHERE id IN ({inner})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.extend(self.event(row)?);
        }
        events.sort_by_key(|event| (event.start, event.id));
        Ok(events)
    }

    /// `None` when its series is not there, as in a damaged file.
    fn event(&self, row: &Row<'_>) -> Result<Option<Event>, QueryError> {
        // One row that cannot be read should not cost the whole list.
        let Some(series) = self.names.get(&row.get(2)?) else {
            return Ok(None);
        };
        let number = |column: usize| -> Result<Option<u64>, QueryError> {
            let value: Option<i64> = row.get(column)?;
            Ok(value.and_then(|value| u64::try_from(value).ok()))
        };
        let trace: Option<Vec<u8>> = row.get(15)?;
        Ok(Some(Event {
            id: row.get(0)?,
            session: row.get(1)?,
            series: series.clone(),
            start: row.get(3)?,
            duration: number(4)?.unwrap_or(0),
            outcome: row.get(5)?,
            error_type: row.get(6)?,
            slow: row.get(7)?,
            stages: [
                number(8)?,
                number(9)?,
                number(10)?,
                number(11)?,
                number(12)?,
            ],
            size: number(13)?,
            thread: row.get(14)?,
            trace_id: trace
                // A trace id of any other length is none, and OTLP would refuse it.
                .filter(|id| id.len() == 16)
                .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            // What the app added may be anything: it is not even read unless it is asked for.
            context: if self.with_texts { row.get(16)? } else { None },
            weight: row.get(17)?,
        }))
    }

    fn period(&self) -> Vec<Value> {
        vec![Value::Integer(self.from), Value::Integer(self.to)]
    }

    fn slowest(&self) -> Result<Vec<Event>, QueryError> {
        // An estimate by the ends of the primary key. A count would read the whole table.
        let rows: Option<i64> =
            self.connection
                .query_row("SELECT max(id) - min(id) FROM record", [], |row| row.get(0))?;
        // Without an index by duration all of them would be read, which is well for some.
        let only = match rows.unwrap_or(0) < SORTED_MAX {
            true => "",
            false => "AND slow IS NOT NULL",
        };
        // A start and a current operation are long by nature and would fill the list.
        let inner = format!(
            "SELECT id FROM record WHERE started_at >= ? AND started_at < ? {only} \
             AND series_id NOT IN (SELECT id FROM series \
             WHERE kind IN ('startup', 'current_operation')) \
             ORDER BY duration DESC, id LIMIT {SLOWEST_MAX}"
        );
        let mut events = self.select(&inner, self.period())?;
        events.sort_by(|a, b| b.duration.cmp(&a.duration).then(a.id.cmp(&b.id)));
        Ok(events)
    }

    fn failed(&self) -> Result<Vec<Event>, QueryError> {
        let inner = format!(
            "SELECT id FROM record WHERE started_at >= ? AND started_at < ? \
             AND outcome NOT IN ('ok', 'cancelled') ORDER BY started_at DESC LIMIT {FAILED_MAX}"
        );
        let mut events = self.select(&inner, self.period())?;
        events.reverse();
        Ok(events)
    }

    fn startup(&self) -> Result<Vec<Event>, QueryError> {
        let mut events = Vec::new();
        // A query for each series is answered by the index of series and time.
        for (id, _) in self.names.iter().filter(|(_, is)| is.kind == "startup") {
            let mut values = vec![Value::Integer(*id)];
            values.extend(self.period());
            events.extend(self.select(
                "SELECT id FROM record WHERE series_id = ? AND started_at >= ? AND started_at < ? \
                 ORDER BY started_at DESC LIMIT 20",
                values,
            )?);
        }
        events.sort_by_key(|event| (event.start, event.duration));
        Ok(events)
    }

    fn runs(&self) -> Result<Vec<Vec<Event>>, QueryError> {
        let mut runs = Vec::new();
        // Neighbours from all of the period show what goes together, which scattered records would
        // not.
        let step = (self.to - self.from) / RUNS;
        for number in 0..RUNS {
            let mut values = vec![Value::Integer(self.from + step * number)];
            values.push(Value::Integer(self.from + step * (number + 1)));
            values.push(Value::Integer(RUN_MAX));
            runs.push(self.select(
                "SELECT id FROM record WHERE started_at >= ? AND started_at < ? \
                 ORDER BY started_at LIMIT ?",
                values,
            )?);
        }
        // The newest records always come: a user who just saw the app lag asks for those.
        let mut values = self.period();
        values.push(Value::Integer(NEWEST_MAX));
        runs.push(self.select(
            "SELECT id FROM record WHERE started_at >= ? AND started_at < ? \
             ORDER BY started_at DESC LIMIT ?",
            values,
        )?);
        Ok(runs)
    }

    /// Of neighbours, so that what is within something is there with it.
    fn wall(&self) -> Result<Vec<Event>, QueryError> {
        let inner = format!(
            "SELECT id FROM record WHERE started_at >= ? AND started_at < ? \
             AND series_id IN (SELECT id FROM series \
             WHERE kind IN ('operation', 'call', 'event_in', 'event_out', 'reply')) \
             ORDER BY started_at DESC LIMIT {WALL_MAX}"
        );
        self.select(&inner, self.period())
    }

    fn of_series(
        &self,
        stats: &[SeriesStats],
    ) -> Result<HashMap<Arc<Series>, Vec<Event>>, QueryError> {
        let ids: HashMap<&Series, i64> = self
            .names
            .iter()
            .map(|(id, series)| (&**series, *id))
            .collect();
        let mut all = HashMap::new();
        let step = (self.to - self.from) / PROBES;
        for series in stats.iter().map(|stats| &stats.series).take(SERIES_MAX) {
            let Some(id) = ids.get(&**series) else {
                continue;
            };
            let mut events = Vec::new();
            for number in 0..PROBES {
                let from = self.from + step * number;
                // The division rounds down, so the last part reaches to the end.
                let to = if number + 1 == PROBES {
                    self.to
                } else {
                    from + step
                };
                let values = [*id, from, to].map(Value::Integer).to_vec();
                events.extend(self.select(
                    "SELECT id FROM record WHERE series_id = ? AND started_at >= ? \
                     AND started_at < ? ORDER BY started_at LIMIT 20",
                    values,
                )?);
            }
            all.insert(series.clone(), events);
        }
        Ok(all)
    }

    fn peaks(&self) -> Result<HashMap<Arc<Series>, u64>, QueryError> {
        let mut statement = self.connection.prepare(
            // Of two processes that share the file a minute's sum is of both.
            "SELECT series_id, max(count) FROM rollup WHERE minute >= ? AND minute <= ? \
             GROUP BY series_id",
        )?;
        let mut rows =
            statement.query([self.from.div_euclid(MINUTE), self.to.div_euclid(MINUTE)])?;
        let mut peaks = HashMap::new();
        while let Some(row) = rows.next()? {
            if let Some(series) = self.names.get(&row.get(0)?) {
                let count: i64 = row.get(1)?;
                peaks.insert(series.clone(), u64::try_from(count).unwrap_or(0));
            }
        }
        Ok(peaks)
    }

    /// Values at even distances: what lies between them is not read.
    fn samples(&self) -> Result<Vec<Samples>, QueryError> {
        let mut statement = self.connection.prepare(
            "SELECT taken_at, session_id, value FROM sample \
             WHERE series_id = ? AND taken_at >= ? AND taken_at < ? ORDER BY taken_at LIMIT 1",
        )?;
        let mut systems: Vec<_> = self
            .names
            .iter()
            .filter(|(_, is)| is.kind == "system")
            .collect();
        systems.sort_by_key(|(_, series)| (*series).clone());
        let step = ((self.to - self.from) / POINTS).max(1);
        let mut samples = Vec::new();
        for (id, series) in systems.into_iter().take(SYSTEM_MAX) {
            let mut points = Vec::new();
            // A query for each point instead of a scan: a week has 600,000 samples of each metric.
            let mut at = self.from;
            while at < self.to {
                let mut rows = statement.query(params![id, at, self.to])?;
                let Some(row) = rows.next()? else { break };
                let point: (i64, i64, f64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                // Not again what the last one found, and over a gap at once.
                let steps = (point.0 - at) / step + 1;
                at = at
                    .saturating_add(steps.saturating_mul(step))
                    .max(point.0 + 1);
                points.push(point);
            }
            if !points.is_empty() {
                samples.push(Samples {
                    name: series.name.clone(),
                    part: series.webview.clone(),
                    points,
                });
            }
        }
        Ok(samples)
    }
}

const COLUMNS: &str = "id, session_id, series_id, started_at, duration, outcome, error_type, slow, \
     page_wait, transit, queue_wait, handler, response, size, thread, trace_id, context, weight";
/// Below so many records the slowest are looked for among all, and not among the slow alone.
const SORTED_MAX: i64 = 200_000;
// The documentation of `report` names these bounds: 200, 200, and with the runs below 2,000 others.
const SLOWEST_MAX: i64 = 200;
const FAILED_MAX: i64 = 200;
const NEWEST_MAX: i64 = 1_000;
const WALL_MAX: i64 = 20_000;
/// Runs of neighbours, and how many are in one.
const RUNS: i64 = 20;
const RUN_MAX: i64 = 50;
/// Series that are looked at one by one, and in how many places of the period.
const SERIES_MAX: usize = 60;
const PROBES: i64 = 10;
const SYSTEM_MAX: usize = 60;
const POINTS: i64 = 300;
const SESSIONS_MAX: i64 = 500;
