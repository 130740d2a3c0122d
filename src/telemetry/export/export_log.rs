//! Failed exports in the app's log: at once, and then at most once a minute.

use std::time::Duration;

use super::result::ExportError;
use crate::clock::{self, Stamp};
use crate::telemetry::diagnostics::reporter::Reporter;

/// Logs what one signal's exporter could not do, without flooding the log.
#[derive(Debug)]
pub(crate) struct ExportFailureLog {
    signal: &'static str,
    reporter: Reporter,
    last: Stamp,
    /// A collector that comes and goes must not fill stderr.
    said: Stamp,
    unreported: u64,
    failing: bool,
    /// When it was last told that the app's redaction panicked.
    unredacted_last: Stamp,
    unredacted: u64,
}

impl ExportFailureLog {
    pub(crate) fn new(signal: &'static str, reporter: Reporter) -> Self {
        Self {
            signal,
            reporter,
            last: Stamp::NONE,
            said: Stamp::NONE,
            unreported: 0,
            failing: false,
            unredacted_last: Stamp::NONE,
            unredacted: 0,
        }
    }

    pub(crate) fn failed(&mut self, items: u64, error: &ExportError) {
        self.failing = true;
        let signal = self.signal;
        self.log(items, |lost| {
            tracing::warn!(signal, lost, error = %error.message, "telemetry is not exported");
            format!("{signal} are not exported: {} ({lost} lost)", error.message)
        });
    }

    pub(crate) fn spooled(&mut self, items: u64, error: &ExportError) {
        self.failing = true;
        let signal = self.signal;
        self.log(items, |spooled| {
            tracing::warn!(signal, spooled, error = %error.message, "telemetry waits on disk");
            format!(
                "{signal} wait on disk: {} ({spooled} spooled)",
                error.message
            )
        });
    }

    pub(crate) fn given_up(&mut self, items: u64, why: &str) {
        let signal = self.signal;
        self.log(items, |lost| {
            tracing::warn!(signal, lost, why, "telemetry on disk was given up");
            format!("{lost} spans and log records on disk were given up: {why}")
        });
    }

    /// At once: these are no items, and the spool looks for more of them once a minute.
    pub(crate) fn left_alone(&self, count: u64, first: &str) {
        tracing::warn!(count, first, "the spool's folder has strange files");
        self.reporter.report(format!(
            "{count} files or folders in the spool's folder are not Spanwire's and are left alone, \
             the first since {first}"
        ));
    }

    pub(crate) fn rejected(&mut self, items: u64, reason: &str) {
        let signal = self.signal;
        self.log(items, |lost| {
            tracing::warn!(signal, lost, reason, "the collector rejected telemetry");
            // Cut, since a collector may say as much as it likes and stderr has no level to turn
            // down.
            format!("the collector rejected {lost} {signal}: {reason:.500}")
        });
    }

    /// What a collector says beside having taken all.
    pub(crate) fn warned(&mut self, message: &str) {
        if !message.is_empty() {
            let signal = self.signal;
            // Nothing was lost, so nothing is added to the number.
            self.log(0, |_| {
                tracing::warn!(signal, message, "the collector took telemetry and warned");
                format!("the collector took {signal} and warned: {message:.500}")
            });
        }
    }

    pub(crate) fn dropped(&mut self, items: u64) {
        if items > 0 {
            let signal = self.signal;
            self.log(items, |lost| {
                tracing::warn!(signal, lost, "the queue was full: telemetry was dropped");
                format!("the queue was full: {lost} {signal} were dropped")
            });
        }
    }

    /// Nothing of these fields left the process.
    pub(crate) fn unredacted(&mut self, fields: u64) {
        self.unredacted += fields;
        if self.unredacted == 0 {
            return;
        }
        let now = clock::now();
        let last = self.unredacted_last;
        // A time of its own: a failing export must not keep this from being told, nor the other way
        // round.
        if last == Stamp::NONE || now.since(last) >= INTERVAL {
            self.unredacted_last = now;
            let (signal, fields) = (self.signal, std::mem::take(&mut self.unredacted));
            tracing::warn!(
                signal,
                fields,
                "the redaction of telemetry panicked: [redacted] is sent instead"
            );
            self.reporter.report(format_args!(
                "the redaction of {signal} panicked: [redacted] is sent instead (fields: {fields})"
            ));
        }
    }

    pub(crate) fn exported(&mut self) {
        if self.failing {
            self.failing = false;
            let (signal, lost) = (self.signal, std::mem::take(&mut self.unreported));
            // The next failure is logged at once again. `said` stays, so stderr has a line a minute
            // at most from a collector that comes and goes.
            self.last = Stamp::NONE;
            tracing::info!(signal, lost, "telemetry is exported again");
        }
    }

    fn log(&mut self, items: u64, write: impl FnOnce(u64) -> String) {
        // What is not told now is in the number of the next line.
        self.unreported += items;
        let now = clock::now();
        let due = |last: Stamp| last == Stamp::NONE || now.since(last) >= INTERVAL;
        if due(self.last) {
            self.last = now;
            let line = write(std::mem::take(&mut self.unreported));
            // Within the other limit, so that stderr has no line that the log has not.
            if due(self.said) {
                self.said = now;
                self.reporter.report(line);
            }
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(60);
