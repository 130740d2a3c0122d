//! What is not written yet: the rows that are kept, and the sums of all.

use std::time::{Duration, SystemTime};

use super::flight::Look;
use super::profile::stacks::ProfilePeriod;
use super::rollup::{RollupKey, Rollups};
use super::sampling::Chance;
use super::series::SeriesTable;
use super::slowness::{SlowReason, Slowness};
use super::time::{MINUTE, nanos_since_epoch};
use crate::clock::{Clock, Stamp};
use crate::instrument::record_sink::{Record, RecordKind, RecordOutcome, SampleValue};

/// A record that is kept.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) series: usize,
    /// Nanoseconds since the Unix epoch.
    pub(crate) started_at: i64,
    pub(crate) weight: f64,
    pub(crate) slow: Option<SlowReason>,
    pub(crate) record: Record,
}

/// A value of the process or the host.
#[derive(Debug)]
pub(crate) struct SampleRow {
    pub(crate) series: usize,
    pub(crate) taken_at: i64,
    pub(crate) value: f64,
}

/// What goes into the file together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) samples: Vec<SampleRow>,
    pub(crate) rollups: Rollups,
    /// What the flight recorder saw.
    pub(crate) looks: Vec<Look>,
    /// What it saw before this time goes.
    pub(crate) prune_before: Option<i64>,
    /// What the CPU's profiler saw.
    pub(crate) profile: Vec<ProfilePeriod>,
    /// How many records and values this is of, kept or summed up.
    pub(crate) count: u64,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        // `prune_before` is only ever set together with a look, so it is not asked here.
        self.rows.is_empty()
            && self.samples.is_empty()
            && self.rollups.is_empty()
            && self.looks.is_empty()
            && self.profile.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.samples.clear();
        self.rollups.clear();
        self.looks.clear();
        self.profile.clear();
        self.prune_before = None;
        self.count = 0;
    }
}

/// By how much the monotonic clock differs from the wall clock, read once for many records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallAnchor {
    now: Stamp,
    wall: SystemTime,
}

impl WallAnchor {
    pub(crate) fn now() -> Self {
        // The anchor reads both clocks at once. Records of one pass keep their distances, even if
        // the wall clock is set meanwhile.
        let (now, wall) = Clock::system().now_and_wall();
        Self { now, wall }
    }

    /// Nanoseconds since the Unix epoch, `before` that stamp.
    fn nanos(self, stamp: Stamp, before: Duration) -> i64 {
        let ago = self.now.since(stamp).saturating_add(before);
        // A duration may come from anywhere and be longer than the time since 1970. Such a record
        // counts as one of 1970.
        let at = self.wall.checked_sub(ago);
        nanos_since_epoch(at.unwrap_or(SystemTime::UNIX_EPOCH)).max(0)
    }

    pub(crate) fn wall_nanos(self) -> i64 {
        nanos_since_epoch(self.wall).max(0)
    }
}

/// Makes batches of what comes out of the queue.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) series: SeriesTable,
    chance: Chance,
    records_per_second: u32,
    slowness: Slowness,
}

impl Intake {
    pub(crate) fn new(records_per_second: u32, slowness: Slowness) -> Self {
        Self {
            series: SeriesTable::default(),
            chance: Chance::new(),
            records_per_second,
            slowness,
        }
    }

    pub(crate) fn take(&mut self, record: Record, anchor: WallAnchor, batch: &mut Batch) {
        let place = self
            .series
            .place(record.kind, &record.name, record.webview.as_deref());
        // A record has its end on the monotonic clock. Its start on the wall clock is counted back
        // from there.
        let started_at = anchor.nanos(record.ended, record.duration);
        let is_error = is_error(record.outcome);
        let key = RollupKey {
            series: place,
            // The minute of the start and not of the end: where a window cuts a minute, the reader
            // replaces this roll-up by the records that start in the window.
            minute: started_at / MINUTE,
        };
        let nanos = u64::try_from(record.duration.as_nanos()).unwrap_or(u64::MAX);
        let series = self.series.get_mut(place);
        let slow = self.slowness.of(&record, &mut series.usual);
        let count = u64::from(record.count);
        // The sums come before the sampling below, so they are exact however many rows are kept.
        batch
            .rollups
            .add(key, count, nanos, is_error, slow.is_some());
        batch.count += 1;
        // The failed and the slow are sampled apart, so frequent good records cannot push them out.
        let stratum = match is_error || slow.is_some() {
            true => &mut series.notable,
            false => &mut series.ordinary,
        };
        // The monotonic clock. After the wall clock is put back, all records would count for its
        // old second until that has passed again.
        let second = Duration::from_nanos(record.ended.as_nanos()).as_secs();
        let chance = &mut self.chance;
        let weight = stratum.admit(second, self.records_per_second, || chance.next());
        if let Some(weight) = weight {
            batch.rows.push(Row {
                series: place,
                started_at,
                // The page reports some records as a number of alike ones.
                weight: weight * f64::from(record.count),
                slow,
                record,
            });
        }
    }

    pub(crate) fn take_samples(
        &mut self,
        samples: &[SampleValue],
        at: Stamp,
        anchor: WallAnchor,
        batch: &mut Batch,
    ) {
        let taken_at = anchor.nanos(at, Duration::ZERO);
        // SQLite stores a NaN as NULL. The column is NOT NULL, so one NaN would fail the whole
        // batch.
        for sample in samples.iter().filter(|sample| sample.value.is_finite()) {
            let series = self
                .series
                .place_of(RecordKind::System, sample.name, sample.part);
            batch.count += 1;
            batch.samples.push(SampleRow {
                series,
                taken_at,
                value: sample.value,
            });
        }
    }
}

/// Whether it counts as an error: who gives something up does not fail.
fn is_error(outcome: RecordOutcome) -> bool {
    !matches!(outcome, RecordOutcome::Ok | RecordOutcome::Cancelled)
}
