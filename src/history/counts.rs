//! What became of records.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::Counter;

use super::error::HistoryError;
use crate::instrument::handles::{self, GaugeSums, Instruments, Publish};
use crate::semconv::{HISTORY_RECORDS, OUTCOME};

/// What became of the records and values that came, as [`History::report`](super::History::report)
/// and a shutdown say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryReport {
    /// They are in the file: as rows, or in the sums of their minute where there were too many for
    /// a row each.
    pub written: u64,
    /// They did not fit into the queue, or could not be written.
    pub dropped: u64,
    /// They were deleted before they were written, since recording was paused.
    pub discarded: u64,
    /// Why the last write that did not succeed did not, whether or not a later one did.
    pub last_error: Option<String>,
    /// Where a damaged history is now that this one took the place of.
    pub set_aside: Option<PathBuf>,
    /// That the run of the app before this one did not end by itself, when it was last there, and
    /// the command that makes a report of its last minute. The start after it reports it, once; one
    /// that is paused reports it when it is resumed.
    pub unclean_end: Option<String>,
}

impl fmt::Display for HistoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written, ", self.written)?;
        if self.discarded > 0 {
            write!(f, "{} discarded, ", self.discarded)?;
        }
        write!(f, "{} dropped", self.dropped)?;
        match &self.last_error {
            Some(error) if self.dropped > 0 => write!(f, " ({error})")?,
            _ => {}
        }
        match &self.set_aside {
            Some(aside) => write!(f, "; a damaged one is at {}", aside.display()),
            None => Ok(()),
        }
    }
}

/// The numbers of one history. Relaxed throughout: they order nothing.
#[derive(Debug)]
pub(crate) struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    discarded: AtomicU64,
    /// Why a write failed, and where a damaged file was put.
    told: Mutex<(Option<String>, Option<PathBuf>)>,
    instruments: Instruments<Handles>,
}

#[derive(Debug)]
struct Handles {
    written: Counter,
    dropped: Counter,
}

impl Counts {
    pub(crate) const fn new() -> Self {
        Self {
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            told: Mutex::new((None, None)),
            instruments: Instruments::new(),
        }
    }

    pub(crate) fn written(&self, count: u64) {
        self.written.fetch_add(count, Ordering::Relaxed);
    }

    // Threads of the app call this, so it is one atomic addition and takes no lock.
    pub(crate) fn dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn discarded(&self, count: u64) {
        self.discarded.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, error: &HistoryError) {
        self.told().0 = Some(said(error));
    }

    pub(crate) fn set_aside(&self, aside: &Path) {
        self.told().1 = Some(aside.to_owned());
    }

    pub(crate) fn report(&self) -> HistoryReport {
        let (last_error, set_aside) = self.told().clone();
        HistoryReport {
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            discarded: self.discarded.load(Ordering::Relaxed),
            last_error,
            set_aside,
            unclean_end: None,
        }
    }

    fn told(&self) -> MutexGuard<'_, (Option<String>, Option<PathBuf>)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error and what is behind it.
pub(crate) fn said(error: &HistoryError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Publish for Counts {
    fn publish(&self, _: &mut GaugeSums) {
        let register = || {
            let counter = |outcome| handles::counter(&HISTORY_RECORDS, &[(OUTCOME, outcome)]);
            Handles {
                written: counter("written"),
                dropped: counter("dropped"),
            }
        };
        // Totals and not increments: a recorder that is installed later still gets the whole count.
        if let Some(handles) = self.instruments.get(register) {
            handles
                .written
                .absolute(self.written.load(Ordering::Relaxed));
            handles
                .dropped
                .absolute(self.dropped.load(Ordering::Relaxed));
        }
    }
}
