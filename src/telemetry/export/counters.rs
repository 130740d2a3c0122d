//! What became of the items of one signal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::telemetry::diagnostics::reporter::one_line;
use crate::telemetry::shutdown_report::{SignalReport, SignalState};

/// Counts one signal's items. Each ends in exactly one of exported, spooled,
/// dropped, discarded and lost.
#[derive(Debug, Default)]
pub(crate) struct SignalCounters {
    accepted: AtomicU64,
    exported: AtomicU64,
    /// On disk now, and put there by this process.
    spooled: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    discarded: AtomicU64,
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
        // For a moment the item is in neither count. The other order would have it in both, and the
        // report would name a loss that is none.
        self.accepted.fetch_sub(1, Ordering::Relaxed);
        self.drop_items(1);
    }

    pub(crate) fn drop_items(&self, items: u64) {
        self.dropped.fetch_add(items, Ordering::Relaxed);
    }

    /// They were accepted, and deleted by a pause.
    pub(crate) fn discard(&self, items: u64) {
        self.discarded.fetch_add(items, Ordering::Relaxed);
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

    /// What was neither exported, spooled, dropped nor discarded counts as lost: call it when nothing more
    /// will be.
    pub(crate) fn report(&self) -> SignalReport {
        let exported = self.exported.load(Ordering::Relaxed);
        let spooled = self.spooled.load(Ordering::Relaxed);
        let discarded = self.discarded.load(Ordering::Relaxed);
        SignalReport {
            state: SignalState::Otlp,
            exported,
            spooled,
            dropped: self.dropped.load(Ordering::Relaxed),
            discarded,
            lost: self
                .accepted
                .load(Ordering::Relaxed)
                // The totals are read one after the other, so while something is on its way they
                // may not fit together.
                .saturating_sub(exported + spooled + discarded),
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
        // The limit counts characters, so that none is cut in two.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ShutdownReport;

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
