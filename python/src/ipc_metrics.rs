//! `IpcMetrics` and `IpcMetricsDelta`: counts of one window's messages.

use pyo3::prelude::*;
use spanwire::ipc::{IpcMetrics as Core, IpcMetricsDelta as CoreDelta};

/// What both a snapshot and the difference of two have.
#[pyclass(module = "spanwire._core", frozen, subclass, get_all)]
#[derive(Debug)]
pub(crate) struct IpcCounts {
    /// Messages that the page acknowledged.
    messages_sent: u64,
    /// Messages that the page could not run, or that ended with it.
    messages_failed: u64,
    /// Messages that never left.
    messages_dropped: u64,
    /// How often a message was sent once more.
    retry_attempts: u64,
    /// Messages from the page.
    messages_received: u64,
    /// Mean time to the page's acknowledgement, in microseconds.
    avg_latency_us: u64,
}

/// The core has two structs with these fields.
macro_rules! counts {
    ($of:expr) => {
        IpcCounts {
            messages_sent: $of.messages_sent,
            messages_failed: $of.messages_failed,
            messages_dropped: $of.messages_dropped,
            retry_attempts: $of.retry_attempts,
            messages_received: $of.messages_received,
            avg_latency_us: $of.avg_latency_us,
        }
    };
}

/// Counts of one window's messages, at one moment.
#[pyclass(module = "spanwire._core", frozen, extends = IpcCounts)]
#[derive(Debug)]
pub(crate) struct IpcMetrics {
    // The whole core stays here, since `since` compares two of them.
    core: Core,
    /// Messages that did not end yet.
    #[pyo3(get)]
    messages_open: u64,
    /// Share of ended messages that were sent, 0 to 100; 100 while none ended.
    #[pyo3(get)]
    success_rate: f64,
    /// Median time to the page's acknowledgement, in microseconds.
    #[pyo3(get)]
    p50_latency_us: u64,
    /// 95th percentile of the same.
    #[pyo3(get)]
    p95_latency_us: u64,
    /// 99th percentile of the same.
    #[pyo3(get)]
    p99_latency_us: u64,
    /// Most messages that waited at once.
    #[pyo3(get)]
    peak_queue_length: usize,
}

/// A snapshot for Python.
pub(crate) fn snapshot(py: Python<'_>, core: Core) -> PyResult<Py<IpcMetrics>> {
    let counts = counts!(core);
    let metrics = IpcMetrics {
        messages_open: core.messages_open,
        success_rate: core.success_rate,
        p50_latency_us: core.p50_latency_us,
        p95_latency_us: core.p95_latency_us,
        p99_latency_us: core.p99_latency_us,
        peak_queue_length: core.peak_queue_length,
        core,
    };
    Py::new(py, (metrics, counts))
}

#[pymethods]
impl IpcMetrics {
    /// The eight counts as a block of text.
    fn format(&self) -> String {
        self.core.to_string()
    }

    /// What happened since an earlier snapshot.
    fn since(&self, py: Python<'_>, earlier: &IpcMetrics) -> PyResult<Py<IpcMetricsDelta>> {
        let core = self.core.since(&earlier.core);
        Py::new(py, (IpcMetricsDelta::new(&core), counts!(core)))
    }

    fn __repr__(&self) -> String {
        format!(
            "IpcMetrics(messages_sent={}, messages_failed={}, messages_dropped={}, messages_received={})",
            self.core.messages_sent,
            self.core.messages_failed,
            self.core.messages_dropped,
            self.core.messages_received
        )
    }

    fn __str__(&self) -> String {
        self.format()
    }
}

/// What happened between two snapshots.
#[pyclass(module = "spanwire._core", frozen, get_all, extends = IpcCounts)]
#[derive(Debug)]
pub(crate) struct IpcMetricsDelta {
    /// Seconds between the snapshots.
    elapsed_seconds: f64,
    /// Messages in both directions for each second.
    throughput: f64,
}

impl IpcMetricsDelta {
    fn new(core: &CoreDelta) -> Self {
        Self {
            elapsed_seconds: core.elapsed.as_secs_f64(),
            throughput: core.throughput(),
        }
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<IpcCounts>()?;
    module.add_class::<IpcMetrics>()?;
    module.add_class::<IpcMetricsDelta>()
}
