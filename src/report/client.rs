//! The client as a trait.

use std::pin::Pin;
use std::time::Duration;

use super::advice::UxImprovement;
use super::error::{
    ApplyOptimizationError, CreateSnapshotError, GenerateReportError, GetMetricError,
    GetMetricsError, GetOptimizationsError, RecordMetricError, StartProfilingError,
    StopProfilingError,
};
use super::metric::Metric;
use super::optimization::OptimizationInfo;
use super::performance_report::PerformanceReport;
use super::snapshot::Snapshot;

/// What a method of a [`PerformanceClient`] returns.
pub type ClientFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes snapshots, keeps metrics, profiles, reports and optimises.
///
/// An implementation of the app's own, for tests or for a remote process, returns
/// `Box::pin(async move { … })`.
///
/// ```
/// use spanwire::report::prelude::*;
/// use std::sync::Arc;
///
/// let client: Arc<dyn PerformanceClient> = Arc::new(create_performance_client());
/// # drop(client);
/// ```
pub trait PerformanceClient: Send + Sync {
    /// Looks at the process now. The snapshot is kept for reports, too.
    fn create_snapshot(&self) -> ClientFuture<'_, Result<Snapshot, CreateSnapshotError>>;

    /// Records a metric.
    fn record_metric(&self, metric: Metric) -> ClientFuture<'_, Result<(), RecordMetricError>>;

    /// All metrics that are kept, the oldest first.
    fn get_metrics(&self) -> ClientFuture<'_, Result<Vec<Metric>, GetMetricsError>>;

    /// The last metric that was recorded with this id.
    fn get_metric<'a>(&'a self, id: &'a str) -> ClientFuture<'a, Result<Metric, GetMetricError>>;

    /// Reports on the last `duration`: on the snapshots that are kept of it and one that is taken
    /// now, and on what was counted in it, as far as the client knows its counts at its beginning
    /// ([`ReportSummary::counted_over`](super::ReportSummary::counted_over)). It does not wait.
    fn generate_report<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> ClientFuture<'a, Result<PerformanceReport, GenerateReportError>>;

    /// Takes a snapshot at each interval from now on.
    fn start_profiling(&self) -> ClientFuture<'_, Result<(), StartProfilingError>>;

    /// Ends the session and reports on it.
    fn stop_profiling(&self) -> ClientFuture<'_, Result<PerformanceReport, StopProfilingError>>;

    /// What can be optimised, with what speaks for it if anything does.
    fn get_optimizations(
        &self,
    ) -> ClientFuture<'_, Result<Vec<OptimizationInfo>, GetOptimizationsError>>;

    /// Applies an optimisation; whether that changed anything: not when it is applied already.
    fn apply_optimization<'a>(
        &'a self,
        id: &'a str,
    ) -> ClientFuture<'a, Result<bool, ApplyOptimizationError>>;

    /// Takes an optimisation back; whether that changed anything.
    fn undo_optimization<'a>(
        &'a self,
        id: &'a str,
    ) -> ClientFuture<'a, Result<bool, ApplyOptimizationError>>;

    /// What would make the pages feel faster, from the vitals that they measured.
    fn get_ux_improvements(&self) -> ClientFuture<'_, Vec<UxImprovement>>;
}
