//! Adds up what roll-ups and records say of each series.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params, params_from_iter};

use super::distribution::Distribution;
use super::error::QueryError;
use super::filter::{Filter, is_failure};
use super::record::Names;
use crate::history::time::MINUTE;

/// What was measured of one series in one window.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) count: f64,
    pub(super) errors: f64,
    pub(super) slow: f64,
    /// Nanoseconds.
    pub(super) sum: f64,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) distribution: Distribution,
    /// The sum of the squares of the records' weights: what the uncertainty of `count` is.
    pub(super) squares: f64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            count: 0.0,
            errors: 0.0,
            slow: 0.0,
            sum: 0.0,
            min: i64::MAX,
            max: 0,
            distribution: Distribution::default(),
            squares: 0.0,
        }
    }
}

impl Tally {
    fn record(&mut self, duration: i64, weight: f64, failed: bool, slow: bool) {
        // A file is foreign input: a duration may be negative.
        let duration = duration.max(0);
        self.count += weight;
        self.squares += weight * weight;
        if failed {
            self.errors += weight;
        }
        if slow {
            self.slow += weight;
        }
        self.sum += duration as f64 * weight;
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
        self.distribution.record(duration, weight);
    }

    /// Adds a roll-up, or says that its numbers cannot be any.
    fn rollup(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<()>> {
        let number = |column| row.get::<_, i64>(column);
        let (count, errors, slow) = (number(1)?, number(2)?, number(3)?);
        let (sum, min, max) = (number(4)?, number(5)?, number(6)?);
        // Other programs may write the file. Sums of unsound numbers would be wrong without a sign
        // of it.
        let is_sound = (0..=count).contains(&errors)
            && (0..=count).contains(&slow)
            && (0..=max).contains(&min)
            && sum >= 0;
        if !is_sound {
            return Ok(None);
        }
        self.count += count as f64;
        // Each record behind a roll-up weighs 1.
        self.squares += count as f64;
        self.errors += errors as f64;
        self.slow += slow as f64;
        self.sum += sum as f64;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        let sketch = row.get_ref(7)?.as_blob().ok();
        Ok(sketch.and_then(|bytes| self.distribution.add_encoded(bytes)))
    }

    /// How many independent records it is worth, after Kish: those that stand for many say less
    /// than so many would.
    pub(super) fn size(&self) -> f64 {
        if self.squares > 0.0 {
            self.count * self.count / self.squares
        } else {
            0.0
        }
    }
}

/// A part of the file's time, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    /// The first that is not in it.
    pub(super) to: i64,
}

impl Window {
    /// What the filter asks for, as far as the file has any data.
    pub(super) fn of(connection: &Connection, filter: &Filter) -> Result<Self, QueryError> {
        let edge = |sql: &str| -> Result<Option<i64>, QueryError> {
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        };
        let first = edge("SELECT min(started_at) FROM record")?;
        let last = edge("SELECT max(started_at) FROM record")?;
        let first_minute = edge("SELECT min(minute) FROM rollup")?;
        let last_minute = edge("SELECT max(minute) FROM rollup")?;
        let first_minute = first_minute.map(|minute| minute.saturating_mul(MINUTE));
        let begin = match (first_minute, first) {
            // A file's first minute is seldom a whole one.
            (Some(minute), Some(first)) if first.saturating_sub(minute) < MINUTE => Some(first),
            (minute, first) => minute.into_iter().chain(first).min(),
        };
        let end = match (last_minute, last) {
            (Some(minute), Some(last)) if last >= minute.saturating_mul(MINUTE) => {
                Some(last.saturating_add(1))
            }
            (minute, last) => {
                let minute = minute.map(|minute| minute.saturating_add(1).saturating_mul(MINUTE));
                let last = last.map(|last| last.saturating_add(1));
                minute.into_iter().chain(last).max()
            }
        };
        let mut window = Self {
            from: filter.since_nanos().max(begin.unwrap_or(0)),
            to: filter.until_nanos().min(end.unwrap_or(0)),
        };
        if let Some(version) = filter.version_asked() {
            // A version that ran for a day did so many in a day, however old the file is.
            let (begin, end): (Option<i64>, Option<i64>) = connection.query_row(
                "SELECT min(started_at), max(max(seen_at, coalesce(ended_at, 0))) \
                 FROM session WHERE version = ?",
                [version],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if let (Some(begin), Some(end)) = (begin, end)
                && begin < end
            {
                window.from = window.from.max(begin);
                window.to = window.to.min(end);
            }
        }
        // A window that ends before it begins is empty, and has no negative length.
        window.to = window.to.max(window.from);
        Ok(window)
    }

    pub(super) fn seconds(self) -> f64 {
        self.to.saturating_sub(self.from) as f64 / 1e9
    }
}

/// When the first record from that time on starts, or the minute of a roll-up where these count.
pub(super) fn first_from(
    connection: &Connection,
    from: i64,
    rolled_up: bool,
) -> Result<Option<i64>, QueryError> {
    let first = |sql: &str, from: i64| -> Result<Option<i64>, QueryError> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row([from], |row| row.get(0))?)
    };
    let record = first(
        "SELECT min(started_at) FROM record WHERE started_at >= ?",
        from,
    )?;
    if !rolled_up {
        return Ok(record);
    }
    let minute = from.div_euclid(MINUTE);
    let minute = first("SELECT min(minute) FROM rollup WHERE minute >= ?", minute)?;
    let minute = minute.map(|minute| minute.saturating_mul(MINUTE).max(from));
    Ok(record.into_iter().chain(minute).min())
}

/// The tallies by series, and by when their bucket begins; that is 0 without buckets.
pub(super) type Tallies = HashMap<(i64, i64), Tally>;

/// Adds up what matches. `bucket` is the length of a bucket of time in nanoseconds.
pub(super) fn tallies(
    connection: &Connection,
    filter: &Filter,
    names: &Names,
    bucket: Option<i64>,
) -> Result<Tallies, QueryError> {
    let mut adding = Adding {
        connection,
        filter,
        matching: names.matching(filter),
        bucket: bucket.filter(|bucket| *bucket > 0),
        tallies: Tallies::new(),
    };
    let (from, to) = (filter.since_nanos(), filter.until_nanos());
    let minutes_fit = adding.bucket.is_none_or(|bucket| bucket % MINUTE == 0);
    let newest = newest_rolled_up(connection)?;
    let (Some(newest), false, true) = (newest, filter.needs_records(), minutes_fit) else {
        adding.records(from, to)?;
        return Ok(adding.tallies);
    };
    // Each of these is counted from its records alone, and left out of what follows.
    for series in without_rollups(connection, filter, names)? {
        let rolled_up = adding.matching.take();
        let rolled_up = rolled_up.unwrap_or_else(|| names.series.keys().copied().collect());
        adding.matching = Some(vec![series]);
        adding.records(from, to)?;
        adding.matching = Some(rolled_up.into_iter().filter(|id| *id != series).collect());
    }
    let oldest_record: Option<i64> =
        connection.query_row("SELECT min(started_at) FROM record", [], |row| row.get(0))?;
    let oldest_record = oldest_record.unwrap_or(i64::MAX).div_euclid(MINUTE);
    // A minute that the window cuts is asked for from the records. Where these have expired, the
    // whole minute counts: less than a minute too much is better than nothing of it.
    let cut = |time: i64| (time.rem_euclid(MINUTE) != 0).then(|| time.div_euclid(MINUTE));
    let gone = |minute: i64| minute < oldest_record;
    let floor = from.div_euclid(MINUTE);
    // The first minute that counts as a whole. `i64::MIN` is no time but the lack of one.
    let first = match cut(from) {
        Some(minute) if from != i64::MIN && !gone(minute) => floor + 1,
        _ => floor,
    };
    let end = match cut(to) {
        Some(minute) if to != i64::MAX && gone(minute) => minute + 1,
        _ => to.div_euclid(MINUTE),
    };
    // The writer may not have rolled up the latest records.
    let end = end.min(newest.saturating_add(1));
    if first >= end {
        adding.records(from, to)?;
    } else {
        // Whole minutes from the roll-ups, and the two ends from the records.
        adding.rollups(first, end)?;
        adding.records(from, first.saturating_mul(MINUTE).min(to))?;
        adding.records(end.saturating_mul(MINUTE).max(from), to)?;
    }
    Ok(adding.tallies)
}

/// The series that match of which there are records alone. An app and Python's `MetricsStorage`
/// write the roll-ups of their records; another program that writes by SQL may not.
fn without_rollups(
    connection: &Connection,
    filter: &Filter,
    names: &Names,
) -> Result<Vec<i64>, QueryError> {
    let mut statement = connection.prepare(
        "SELECT id FROM series WHERE EXISTS (SELECT 1 FROM record WHERE series_id = series.id) \
         AND NOT EXISTS (SELECT 1 FROM rollup WHERE series_id = series.id) ORDER BY id",
    )?;
    let ids = statement.query_map([], |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
    let matches = |id: &i64| names.series.get(id).is_some_and(|is| filter.matches(is));
    Ok(ids.into_iter().filter(matches).collect())
}

/// The last minute that has a roll-up.
fn newest_rolled_up(connection: &Connection) -> Result<Option<i64>, QueryError> {
    let sql = "SELECT max(minute) FROM rollup";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

struct Adding<'a> {
    connection: &'a Connection,
    filter: &'a Filter,
    matching: Option<Vec<i64>>,
    bucket: Option<i64>,
    tallies: Tallies,
}

impl Adding<'_> {
    /// Adds the roll-ups of the minutes `first..end`.
    fn rollups(&mut self, first: i64, end: i64) -> Result<(), QueryError> {
        // One query for each series: the table's primary key begins with it.
        let series = match &self.matching {
            Some(series) => series.clone(),
            None => {
                let mut all = self
                    .connection
                    .prepare("SELECT id FROM series ORDER BY id")?;
                let ids = all.query_map([], |row| row.get(0))?;
                ids.collect::<rusqlite::Result<_>>()?
            }
        };
        let mut statement = self.connection.prepare(
            "SELECT minute, count, errors, slow, sum, min, max, sketch FROM rollup \
             WHERE series_id = ? AND minute >= ? AND minute < ?",
        )?;
        for series in series {
            let mut rows = statement.query(params![series, first, end])?;
            while let Some(row) = rows.next()? {
                let minute: i64 = row.get(0)?;
                let at = self.bucket_of(minute.saturating_mul(MINUTE));
                let tally = self.tallies.entry((at, series)).or_default();
                tally.rollup(row)?.ok_or_else(|| {
                    QueryError::Damaged(format!(
                        "the roll-up of minute {minute} and series {series}"
                    ))
                })?;
            }
        }
        Ok(())
    }

    /// Adds the records that start in `from..to`.
    fn records(&mut self, from: i64, to: i64) -> Result<(), QueryError> {
        if from >= to {
            return Ok(());
        }
        let (condition, values) = self.filter.condition(from, to, self.matching.as_deref());
        let sql = format!("{FIGURES} WHERE {condition}");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let at = self.bucket_of(row.get(1)?);
            let tally = self.tallies.entry((at, row.get(0)?)).or_default();
            let outcome = row.get_ref(3)?;
            let failed = is_failure(outcome.as_str().unwrap_or_default());
            let weight: f64 = row.get(5)?;
            // A weight that is no number would make every sum of its series one.
            if !(0.0..f64::INFINITY).contains(&weight) {
                let what = format!("the weight of a record, {weight}");
                return Err(QueryError::Damaged(what));
            }
            tally.record(row.get(2)?, weight, failed, row.get(4)?);
        }
        Ok(())
    }

    // `div_euclid` rounds down also before 1970, where `/` would round up.
    fn bucket_of(&self, nanos: i64) -> i64 {
        let begin = |bucket: i64| nanos.div_euclid(bucket).saturating_mul(bucket);
        self.bucket.map_or(0, begin)
    }
}

/// What is added up of records: the indexes of the slow and the failed have it.
pub(super) const FIGURES: &str =
    "SELECT series_id, started_at, duration, outcome, slow IS NOT NULL, weight FROM record";
