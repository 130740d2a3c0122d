//! What became of the items of one signal.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::telemetry::diagnostics::reporter::one_line;

/// Counts one signal's items. Each ends in exactly one of exported, spooled, dropped and lost.
#[derive(Debug, Default)]
pub(crate) struct SignalCounters {
    accepted: AtomicU64,
    exported: AtomicU64,
    /// On disk now, and put there by this process.
    spooled: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    last_error: LastError,
}

// Relaxed everywhere: each total is read on its own and orders no other memory.
impl SignalCounters {
    /// Before the item is published, so that no export is ever counted ahead of it.
    pub(crate) fn accept(&self, items: u64) {
        self.accepted.fetch_add(items, Ordering::Relaxed);
    }

    /// The item did not fit after all.
    pub(crate) fn drop_accepted(&self) {
        self.accepted.fetch_sub(1, Ordering::Relaxed);
        self.drop_items(1);
    }

    pub(crate) fn drop_items(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn export(&self, items: u64) {
        self.exported.fetch_add(items, Ordering::Relaxed);
    }

    /// They wait on disk.
    pub(crate) fn spool(&self, items: u64, why: &str) {
        self.spooled.fetch_add(items, Ordering::Relaxed);
        self.last_error.set(why);
    }

    /// They wait on disk no more.
    pub(crate) fn unspool(&self, items: u64) {
        self.spooled.fetch_sub(items, Ordering::Relaxed);
    }

    /// The export of these did not succeed.
    pub(crate) fn fail(&self, items: u64, why: &str) {
        self.failed.fetch_add(items, Ordering::Relaxed);
        self.last_error.set(why);
    }

    /// Items whose export did not succeed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// What was neither exported, spooled nor dropped counts as lost: call it when nothing more
    /// will be.
    pub(crate) fn report(&self) -> SignalReport {
        let exported = self.exported.load(Ordering::Relaxed);
        let spooled = self.spooled.load(Ordering::Relaxed);
        SignalReport {
            state: SignalState::Otlp,
            exported,
            spooled,
            dropped: self.dropped.load(Ordering::Relaxed),
            lost: self
                .accepted
                .load(Ordering::Relaxed)
                .saturating_sub(exported + spooled),
            last_error: self.last_error.get(),
        }
    }
}

/// Why the last export that did not succeed did not.
#[derive(Debug, Default)]
pub(crate) struct LastError(Mutex<Option<String>>);

impl LastError {
    /// A collector may say as much as it likes.
    const LEN_MAX: usize = 500;

    pub(crate) fn set(&self, why: &str) {
        let short: String = why.chars().take(Self::LEN_MAX).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(one_line(&short));
    }

    pub(crate) fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Where a signal went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalState {
    /// Nowhere over OTLP: nobody asked for it, or it could not be set up.
    #[default]
    Off,
    /// Over OTLP.
    Otlp,
}

/// What became of one signal's items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalReport {
    /// Whether it was exported at all.
    pub state: SignalState,
    /// A collector confirmed them. With a spool, what an earlier process left there and this one
    /// sent is among them.
    pub exported: u64,
    /// They wait on disk, and are sent by the next process that uses the same spool.
    pub spooled: u64,
    /// They did not fit into the queue, or came after the shutdown; or a page's, there was no time
    /// left to read.
    pub dropped: u64,
    /// They were queued, but no collector confirmed them, and they are not on disk either.
    pub lost: u64,
    /// Why the last export that did not succeed did not, whether or not a later one did.
    pub last_error: Option<String>,
}

/// What telemetry sent, what waits on disk and what it did not send, from its start to its shutdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Spans.
    pub spans: SignalReport,
    /// Log records.
    pub logs: SignalReport,
    /// Metric data points over OTLP. Totals are sent again by the next export, so only what the
    /// last one could not deliver counts as lost.
    pub metrics: SignalReport,
}

impl fmt::Display for SignalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state == SignalState::Off {
            return f.write_str("not exported over OTLP");
        }
        write!(f, "{} exported, ", self.exported)?;
        if self.spooled > 0 {
            write!(f, "{} spooled, ", self.spooled)?;
        }
        write!(f, "{} dropped, {} lost", self.dropped, self.lost)?;
        match &self.last_error {
            Some(error) if self.lost + self.spooled > 0 => write!(f, " ({error})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "spans: {}", self.spans)?;
        writeln!(f, "logs: {}", self.logs)?;
        write!(f, "metrics: {}", self.metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_ends_in_one_place() {
        let counters = SignalCounters::default();
        counters.accept(1);
        counters.drop_accepted();
        counters.accept(5);
        counters.export(3);
        counters.drop_items(1);
        let report = counters.report();
        assert_eq!(report.to_string(), "3 exported, 2 dropped, 2 lost");
    }

    #[test]
    fn what_is_spooled_is_not_lost() {
        let counters = SignalCounters::default();
        counters.accept(9);
        counters.export(2);
        counters.spool(6, "nobody there");
        counters.unspool(1);
        let report = ShutdownReport {
            spans: counters.report(),
            ..ShutdownReport::default()
        };
        expect_test::expect![[r#"
            spans: 2 exported, 5 spooled, 0 dropped, 2 lost (nobody there)
            logs: not exported over OTLP
            metrics: not exported over OTLP"#]]
        .assert_eq(&report.to_string());
    }

    #[test]
    fn a_loss_has_its_cause_and_what_is_off_says_so() {
        let counters = SignalCounters::default();
        counters.accept(1);
        counters.fail(1, "nobody\nthere");
        let report = ShutdownReport {
            spans: counters.report(),
            ..ShutdownReport::default()
        };
        assert_eq!(
            report.to_string(),
            "spans: 0 exported, 0 dropped, 1 lost (nobody there)\n\
             logs: not exported over OTLP\n\
             metrics: not exported over OTLP"
        );
    }
}
