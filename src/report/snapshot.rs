//! The process at one moment.

use std::time::SystemTime;

use serde::Serialize;

use super::metric::Metric;

/// The process and its metrics at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Tells it apart.
    pub id: String,
    /// When it was taken.
    pub timestamp: SystemTime,
    /// Of each id the last metric that was recorded within the retention, and what the app's
    /// [`MetricSource`](super::MetricSource)s gave.
    pub metrics: Vec<Metric>,
    /// Physical memory in use, in bytes, by this process and its webview's processes.
    pub memory_usage: u64,
    /// Processor time that they used since the client looked last, in percent of all cores; `None`
    /// when there was no time in between.
    pub cpu_usage: Option<f64>,
}

impl Snapshot {
    /// How many metrics it has.
    #[must_use]
    pub fn metric_count(&self) -> usize {
        self.metrics.len()
    }
}
