//! The report that the app gets at the end: what became of everything.

use std::fmt;

#[cfg(feature = "history")]
use crate::history::HistoryReport;

/// Where a signal went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalState {
    /// Nowhere over OTLP: no setting asks for it, or it could not be set up.
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
    /// They were deleted, since [`Telemetry::pause`](crate::telemetry::Telemetry::pause) was asked to, or since telemetry was
    /// paused at the shutdown.
    pub discarded: u64,
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
    /// Records of the history on the machine; `None` without one.
    #[cfg(feature = "history")]
    pub history: Option<HistoryReport>,
}

impl fmt::Display for SignalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state == SignalState::Off {
            return f.write_str("not exported over OTLP");
        }
        write!(f, "{} exported, ", self.exported)?;
        // Only where there is a spool, and below where there was a pause: most reports need
        // neither.
        if self.spooled > 0 {
            write!(f, "{} spooled, ", self.spooled)?;
        }
        if self.discarded > 0 {
            write!(f, "{} discarded, ", self.discarded)?;
        }
        write!(f, "{} dropped, {} lost", self.dropped, self.lost)?;
        match &self.last_error {
            // An error that a later attempt made good is not worth a line.
            Some(error) if self.lost + self.spooled > 0 => write!(f, " ({error})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "spans: {}", self.spans)?;
        writeln!(f, "logs: {}", self.logs)?;
        write!(f, "metrics: {}", self.metrics)?;
        #[cfg(feature = "history")]
        if let Some(history) = &self.history {
            write!(f, "\nhistory: {history}")?;
        }
        Ok(())
    }
}
