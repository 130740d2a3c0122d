//! What an app knows of its own performance, without a server: a client with snapshots, reports and
//! optimisations, and a rolling history in memory.
//!
//! ```
//! use spanwire::report::prelude::*;
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let client = create_performance_client();
//! client
//!     .record_metric(Metric::new("texture_upload", MetricCategory::Rendering, 12.5, "ms"))
//!     .await?;
//! let snapshot = client.create_snapshot().await?;
//! assert_eq!(snapshot.metric_count(), 1);
//!
//! let report = client.generate_report("warm-up", Duration::from_secs(60)).await?;
//! println!("{}", report.display_summary());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The client
//!
//! [`PerformanceClient`] is the trait, [`LocalPerformanceClient`] what
//! [`create_performance_client`] makes. It needs no [`Telemetry`](crate::Telemetry); with it the
//! metrics that it records are also series of `spanwire.measurement`.
//! The trait's methods return [`ClientFuture`]s, boxed futures: so `dyn PerformanceClient` works,
//! which a native `async fn` in a trait does not allow yet, and no macro is needed. No method of the
//! local client waits for another task: a future is done at its first poll, so any executor will do.
//!
//! # The rolling history
//!
//! [`RollingHistory`] keeps the last 300 samples of the system, the operations and the events.
//! [`record_action`], [`record_event`] and their siblings take what the app measured itself.
//!
//! # Limits
//!
//! | limit | at the limit |
//! |---|---|
//! | 10,000 metrics of a client, and its retention | the oldest go, and are counted in the summary |
//! | 300 snapshots of a client, and its retention | the oldest go |
//! | 20,000 metrics in all kept snapshots | the oldest snapshots go |
//! | 300 samples of a rolling history, unless told otherwise | the oldest go |

mod advice;
mod client;
mod config;
mod error;
mod facts;
mod id;
mod local;
mod metric;
mod optimization;
mod performance_report;
mod recording;
mod rolling;
mod sampling;
mod snapshot;
mod spread;
mod store;
mod ticker;

pub use advice::{Advice, Recommendation, Severity, UxImprovement};
pub use client::{ClientFuture, PerformanceClient};
pub use config::PerformanceConfig;
pub use error::{
    ApplyOptimizationError, CreateSnapshotError, GenerateReportError, GetMetricError,
    GetMetricsError, GetOptimizationsError, RecordMetricError, StartProfilingError,
    StopProfilingError,
};
pub use facts::{Facts, OperationFacts, VitalFact, WireFacts};
pub use local::{
    LocalPerformanceClient, create_performance_client, create_performance_client_with_config,
};
pub use metric::{Metric, MetricCategory, MetricSource};
pub use optimization::{Optimization, OptimizationInfo};
pub use performance_report::{PerformanceReport, ReportSummary};
pub use recording::{
    record_action, record_event, set_action_queue_depth, set_current_action, set_event_queue_depth,
};
pub use rolling::{RollingHistory, RollingHistoryBuilder};
pub use sampling::{ActionMetrics, EventMetrics, RollingSample, SystemMetrics};
pub use snapshot::Snapshot;
pub use spread::Spread;

/// What a user of the client needs.
pub mod prelude {
    pub use super::{
        Metric, MetricCategory, PerformanceClient, PerformanceConfig, PerformanceReport, Snapshot,
        create_performance_client, create_performance_client_with_config,
    };
}
