//! From the threads of the app to the one that writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::counts::Counts;
use super::profile::stacks::{ProfilePeriod, ProfileSink};
use crate::clock::{self, Stamp};
use crate::instrument::record_sink::{Record, RecordSink, SampleValue};

/// What waits for the writer.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are records, and a box would allocate on the app's thread"
)]
pub(crate) enum Item {
    Record(Record),
    Samples {
        values: Box<[SampleValue]>,
        at: Stamp,
        epoch: u32,
    },
    Profile(Box<ProfilePeriod>),
}

/// Records that may wait. They take some 3 MB, from the start.
pub(crate) const QUEUE_MAX: usize = 16 * 1_024;

/// The queue's end at which records come in; shared by all threads of the app.
pub(crate) struct IntakeQueue {
    items: Sender<Item>,
    /// The writer is asked to come before its time.
    full: Sender<()>,
    /// Even while it records, odd in a pause. Each change adds one.
    epoch: AtomicU32,
    pub(crate) counts: Counts,
}

/// The queue's other end.
pub(crate) struct IntakeEnds {
    pub(crate) items: Receiver<Item>,
    pub(crate) full: Receiver<()>,
}

impl IntakeQueue {
    pub(crate) fn new(starts_paused: bool) -> (Arc<Self>, IntakeEnds) {
        let (items, taken) = bounded(QUEUE_MAX);
        // One call is enough: the writer takes all that waits.
        let (full, is_full) = bounded(1);
        let queue = Arc::new(Self {
            items,
            full,
            epoch: AtomicU32::new(u32::from(starts_paused)),
            counts: Counts::new(),
        });
        let ends = IntakeEnds {
            items: taken,
            full: is_full,
        };
        (queue, ends)
    }

    /// The epoch in force, also that of a pause.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn is_paused(&self) -> bool {
        !self.epoch().is_multiple_of(2)
    }

    /// Takes nothing from now on; nothing changes in a pause.
    pub(crate) fn pause(&self) {
        if !self.is_paused() {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn resume(&self) {
        if self.is_paused() {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The epoch in which something is taken in now; `None` in a pause.
    #[inline]
    fn recording(&self) -> Option<u32> {
        // Relaxed: a thread that sees a pause late marks its record with the old epoch, by which
        // the writer recognises it.
        let epoch = self.epoch.load(Ordering::Relaxed);
        epoch.is_multiple_of(2).then_some(epoch)
    }

    #[inline]
    fn push(&self, item: Item, count: u64) {
        if self.items.try_send(item).is_err() {
            self.counts.dropped(count);
            self.call_writer();
        }
    }

    #[cold]
    fn call_writer(&self) {
        // Full: it was asked already.
        let _ = self.full.try_send(());
    }
}

impl RecordSink for IntakeQueue {
    fn record(&self, mut record: Record) {
        let Some(epoch) = self.recording() else {
            return;
        };
        record.epoch = epoch;
        // The writer comes by itself, twice a second. A look at the length each time would cost as
        // much as the push; the times of ends are as good as chance for every 32nd.
        if record.ended.as_nanos().is_multiple_of(32) && self.items.len() > QUEUE_MAX / 2 {
            self.call_writer();
        }
        self.push(Item::Record(record), 1);
    }

    fn samples(&self, samples: &[SampleValue]) {
        let Some(epoch) = self.recording() else {
            return;
        };
        let item = Item::Samples {
            values: samples.into(),
            at: clock::now(),
            epoch,
        };
        self.push(item, samples.len() as u64);
    }
}

impl ProfileSink for Arc<IntakeQueue> {
    fn epoch(&self) -> u32 {
        IntakeQueue::epoch(self)
    }

    fn put(&self, period: ProfilePeriod) {
        if self.recording().is_some() {
            // A profile is no record: it is in no count of them.
            self.push(Item::Profile(Box::new(period)), 0);
        }
    }
}

impl RecordSink for Arc<IntakeQueue> {
    fn record(&self, record: Record) {
        (**self).record(record);
    }

    fn samples(&self, samples: &[SampleValue]) {
        (**self).samples(samples);
    }
}

impl fmt::Debug for IntakeQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntakeQueue")
            .field("len", &self.items.len())
            .finish_non_exhaustive()
    }
}
