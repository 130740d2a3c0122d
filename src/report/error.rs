//! What can go wrong: one error for each operation of the client.

/// A metric was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordMetricError {
    /// A field has a value that is not allowed. The value is not shown.
    #[error("the metric's {field} {reason}")]
    InvalidMetric {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// There are no metrics to get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetMetricsError {
    /// The configuration keeps none, so an empty list would mislead.
    #[error("the configuration keeps no metrics: use PerformanceConfig::with_metrics(true)")]
    Off,
}

/// There is no such metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetMetricError {
    /// The configuration keeps none.
    #[error("the configuration keeps no metrics: use PerformanceConfig::with_metrics(true)")]
    Off,
    /// No metric of that id is kept: none was recorded, or it is older than the retention.
    #[error("no metric with this id is kept")]
    NotFound,
}

/// No snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateSnapshotError {
    /// The operating system tells nothing about the process.
    #[error("the operating system reports nothing about this process")]
    NotSampled,
}

/// No report was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateReportError {
    /// No snapshot could be taken.
    #[error("the report has no snapshot")]
    Snapshot(#[from] CreateSnapshotError),
}

/// No profiling session began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartProfilingError {
    /// One is running.
    #[error("a profiling session is already running: stop it first")]
    AlreadyProfiling,
    /// The configuration does not profile.
    #[error("the configuration does not profile: use PerformanceConfig::with_profiling(true)")]
    Off,
    /// No first snapshot could be taken.
    #[error("the session has no snapshot")]
    Snapshot(#[from] CreateSnapshotError),
    /// The operating system gave no thread.
    #[error("the system starts no thread for the session")]
    NoThread(#[source] std::io::Error),
}

/// No profiling session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopProfilingError {
    /// None is running.
    #[error("no profiling session is running: start one first")]
    NotProfiling,
    /// The session ended, but its last snapshot could not be taken.
    #[error("the report has no snapshot")]
    Snapshot(#[from] CreateSnapshotError),
}

/// There are no optimisations to get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetOptimizationsError {
    /// The configuration optimises nothing.
    #[error("the configuration optimises nothing: use PerformanceConfig::with_optimizations(true)")]
    Off,
}

/// An optimisation was neither applied nor undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyOptimizationError {
    /// The configuration optimises nothing.
    #[error("the configuration optimises nothing: use PerformanceConfig::with_optimizations(true)")]
    Off,
    /// No optimisation has this id, or what it was for is gone.
    #[error("no optimisation has this id")]
    NotFound,
    /// The app's own optimisation panicked.
    #[error("the optimisation panicked")]
    Panicked,
}
