//! How many operations ended in the whole process, for readers that have no recorder.
//!
//! They are counted only while a reader is there: an app without one pays for a look at a flag.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Operations that ended while there was a reader.
#[cfg(feature = "system")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationTotals {
    pub(crate) count: u64,
    pub(crate) failed: u64,
    pub(crate) duration: Duration,
}

/// What an operation counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Operation,
    /// An event that the app handled outside of the wire.
    Event,
}

/// Totals are counted as long as one of these is there.
#[cfg(feature = "system")]
#[derive(Debug)]
pub(crate) struct TotalsReader(());

#[cfg(feature = "system")]
impl TotalsReader {
    pub(crate) fn new() -> Self {
        READERS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// All since the first reader of the process.
    pub(crate) fn totals(&self, kind: Kind) -> OperationTotals {
        let of = totals_of(kind);
        OperationTotals {
            count: of.count.load(Ordering::Relaxed),
            failed: of.failed.load(Ordering::Relaxed),
            duration: Duration::from_nanos(of.nanos.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(feature = "system")]
impl Drop for TotalsReader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether anything reads the totals.
#[inline]
pub(super) fn are_read() -> bool {
    READERS.load(Ordering::Relaxed) != 0
}

#[inline]
pub(super) fn count(kind: Kind, elapsed: Duration, failed: bool) {
    let of = totals_of(kind);
    // Relaxed throughout: each is read on its own and orders no other memory.
    of.count.fetch_add(1, Ordering::Relaxed);
    of.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    of.nanos.fetch_add(nanos, Ordering::Relaxed);
}

fn totals_of(kind: Kind) -> &'static Totals {
    match kind {
        Kind::Operation => &OPERATIONS,
        Kind::Event => &EVENTS,
    }
}

struct Totals {
    count: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
}

impl Totals {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        }
    }
}

static READERS: AtomicUsize = AtomicUsize::new(0);
static OPERATIONS: Totals = Totals::new();
static EVENTS: Totals = Totals::new();
