//! Failed exports in the app's log: at once, and then at most once a minute.

use std::time::Duration;

use super::client::ExportError;
use crate::clock::{self, Stamp};

/// Logs what one signal's exporter could not do, without flooding the log.
#[derive(Debug)]
pub(crate) struct Complaints {
    signal: &'static str,
    last: Stamp,
    untold: u64,
    failing: bool,
}

impl Complaints {
    pub(crate) fn new(signal: &'static str) -> Self {
        Self {
            signal,
            last: Stamp::NONE,
            untold: 0,
            failing: false,
        }
    }

    pub(crate) fn failed(&mut self, items: u64, error: &ExportError) {
        self.failing = true;
        let signal = self.signal;
        self.log(items, |lost| {
            tracing::warn!(signal, lost, error = %error.message, "telemetry is not exported");
        });
    }

    pub(crate) fn rejected(&mut self, items: u64, reason: &str) {
        let signal = self.signal;
        self.log(items, |lost| {
            tracing::warn!(signal, lost, reason, "the collector rejected telemetry");
        });
    }

    pub(crate) fn dropped(&mut self, items: u64) {
        if items > 0 {
            let signal = self.signal;
            self.log(items, |lost| {
                tracing::warn!(signal, lost, "the queue was full: telemetry was dropped");
            });
        }
    }

    pub(crate) fn exported(&mut self) {
        if self.failing {
            self.failing = false;
            let (signal, lost) = (self.signal, std::mem::take(&mut self.untold));
            self.last = Stamp::NONE;
            tracing::info!(signal, lost, "telemetry is exported again");
        }
    }

    fn log(&mut self, items: u64, write: impl FnOnce(u64)) {
        self.untold += items;
        let now = clock::now();
        if self.last == Stamp::NONE || now.since(self.last) >= INTERVAL {
            self.last = now;
            write(std::mem::take(&mut self.untold));
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(60);
