//! A history file that is open for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction};

use super::error::{OpenError, QueryError};
use super::filter::Filter;
use super::import;
use super::open::{Origin, read_only};
use super::record::{Names, Record, Records, longest};
use super::series::Series;
use super::stats::{SeriesStats, TrendPoint};
use super::tally::{Tally, Window, first_from, tallies};
use crate::history::time::{MINUTE, time_at};

/// A history file, open for reading, while apps may write to it.
///
/// It changes nothing in the file. An old system's `metrics.db` is migrated on a temporary copy,
/// which takes as much room on the disk until the reader is dropped.
#[derive(Debug)]
pub struct HistoryReader {
    connection: Connection,
    path: PathBuf,
}

/// Each series with what was counted of it.
type Tallied = Vec<(Arc<Series>, Tally)>;

impl HistoryReader {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the file is missing, locked or unreadable, when it is no history, or of a
    /// newer version; its text says what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let (connection, origin) = read_only(path)?;
        let connection = match origin {
            Origin::Spanwire => connection,
            Origin::MetricsStorage { table } => import::temporary_copy(path, &connection, &table)?,
        };
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The records that match and are there now, the oldest first.
    ///
    /// # Errors
    ///
    /// [`QueryError`] when the file is locked or damaged; so may each record be.
    pub fn records(&self, filter: &Filter) -> Result<Records<'_>, QueryError> {
        Records::new(&self.connection, filter, Names::read(&self.connection)?)
    }

    /// The slow records that match, the slowest first.
    ///
    /// # Errors
    ///
    /// [`QueryError`] when the file is locked or damaged.
    pub fn slow(&self, filter: &Filter) -> Result<Vec<Record>, QueryError> {
        let moment = self.moment()?;
        let names = Names::read(&moment)?;
        longest(&moment, &filter.clone().slow_only(), &names)
    }

    /// Each series that matches, in numbers: first the one that took the most time in all.
    ///
    /// Whole minutes come from the roll-ups, which are exact and kept longer than the records. The
    /// records count, by their weights, where the window cuts a minute and where only they know
    /// what the filter asks for.
    ///
    /// # Errors
    ///
    /// [`QueryError`] when the file is locked or damaged.
    pub fn stats(&self, filter: &Filter) -> Result<Vec<SeriesStats>, QueryError> {
        let (window, tallied) = self.tallied(filter)?;
        let stats = tallied
            .into_iter()
            .map(|(series, tally)| SeriesStats::new(series, &tally, window));
        let mut stats: Vec<_> = stats.collect();
        stats.sort_by(|a, b| b.total().cmp(&a.total()).then(a.series.cmp(&b.series)));
        stats.truncate(filter.limit_max());
        Ok(stats)
    }

    /// Each series that matches, by buckets of time: first by series, then by time. Buckets in
    /// which nothing was measured are left out; the limit is one of points.
    ///
    /// # Errors
    ///
    /// [`QueryError`] when the file is locked or damaged.
    pub fn trend(&self, filter: &Filter, bucket: Duration) -> Result<Vec<TrendPoint>, QueryError> {
        let length = i64::try_from(bucket.as_nanos()).unwrap_or(i64::MAX).max(1);
        let moment = self.moment()?;
        let names = Names::read(&moment)?;
        let window = Window::of(&moment, filter)?;
        let mut points = Vec::new();
        // A tally holds a whole distribution, so some buckets are added up at a time.
        let (mut from, to) = (filter.since_nanos(), filter.until_nanos());
        // The same condition as in `tallies`: a roll-up cannot be split within its minute.
        let rolled_up = length % MINUTE == 0 && !filter.needs_records();
        while from < to
            && let Some(next) = first_from(&moment, from, rolled_up)?.filter(|next| *next < to)
        {
            // From a multiple of the length since the epoch, so that trends of two windows have the
            // same buckets.
            let first = next.div_euclid(length).saturating_mul(length);
            let end = first.saturating_add(length.saturating_mul(BUCKETS_AT_ONCE));
            let some = filter.clone().within(first, end);
            for ((start, series), tally) in tallies(&moment, &some, &names, Some(length))? {
                let Some(series) = names.series.get(&series) else {
                    continue;
                };
                if tally.count <= 0.0 {
                    continue;
                }
                // The window may cut the first and the last bucket. Their rates are of the part
                // within it.
                let part = Window {
                    from: start.max(window.from),
                    to: start.saturating_add(length).min(window.to),
                };
                points.push(TrendPoint {
                    start: time_at(start),
                    stats: SeriesStats::new(series.clone(), &tally, part),
                });
            }
            // An end that saturated would be found again and again.
            from = if end < i64::MAX { end } else { to };
        }
        points.sort_by(|a, b| {
            let by_series = a.stats.series.cmp(&b.stats.series);
            by_series.then(a.start.cmp(&b.start))
        });
        points.truncate(filter.limit_max());
        Ok(points)
    }

    pub(super) fn tallied(&self, filter: &Filter) -> Result<(Window, Tallied), QueryError> {
        let moment = self.moment()?;
        let names = Names::read(&moment)?;
        let window = Window::of(&moment, filter)?;
        let tallies = tallies(&moment, filter, &names, None)?;
        // A file is foreign input: a row may name a series that is not there.
        let named = tallies.into_iter().filter_map(|((_, id), tally)| {
            let series = names.series.get(&id)?;
            (tally.count > 0.0).then(|| (series.clone(), tally))
        });
        Ok((window, named.collect()))
    }

    /// For questions that are not among these.
    pub(in crate::history) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The file as it is at one moment, whatever is written meanwhile.
    fn moment(&self) -> Result<Transaction<'_>, QueryError> {
        Ok(self.connection.unchecked_transaction()?)
    }
}

/// Buckets of a trend that are added up at a time: with 20 series some 100 MB.
const BUCKETS_AT_ONCE: i64 = 256;
