//! Wiring: from `tracing` and `metrics` to OTLP and Prometheus.
//!
//! One line at the app's start sets everything up, as the standard environment variables say:
//!
//! ```no_run
//! use spanwire::telemetry::Telemetry;
//! use std::time::Duration;
//!
//! let telemetry = Telemetry::builder("paint-tool").install()?;
//! // … the app runs …
//! println!("{}", telemetry.shutdown(Duration::from_secs(2)));
//! # Ok::<(), spanwire::telemetry::TelemetryError>(())
//! ```
//!
//! Without any variable set, Prometheus finds the metrics at `http://127.0.0.1:9464/metrics`, and
//! nothing leaves the machine. With `OTEL_EXPORTER_OTLP_ENDPOINT`, traces go to that collector;
//! metrics follow with `OTEL_METRICS_EXPORTER=otlp` and logs with `OTEL_LOGS_EXPORTER=otlp`.
//! [`VARIABLES`] lists everything that is read. What the builder sets beats it.
//!
//! # An app that has a subscriber or a recorder
//!
//! [`TelemetryBuilder::build`] changes nothing of the process and gives the [`TelemetryParts`]: a layer for
//! any subscriber based on a `Registry`, and the rest for [`TelemetryParts::set_globals`]; an app with a
//! recorder sets it before that, with `parts.recorder` beside it. Nothing is written to stderr, so the app shows the warnings.
//!
//! ```
//! use spanwire::telemetry::Telemetry;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
//! # let builder = builder.without_system();
//! let (telemetry, parts) = builder.build()?;
//! let subscriber = tracing_subscriber::registry()
//!     .with(tracing_subscriber::fmt::layer())
//!     .with(parts.layer());
//! // tracing::subscriber::set_global_default(subscriber), and the recorder and the rest by:
//! parts.set_globals();
//! for warning in telemetry.warnings() {
//!     eprintln!("{warning}");
//! }
//! # drop((telemetry, subscriber));
//! # Ok::<(), spanwire::telemetry::TelemetryError>(())
//! ```
//!
//! # What it promises
//!
//! - **The app starts.** A bad variable, a taken port or a place that is taken is a [`Warning`],
//!   logged and kept in [`Telemetry::warnings`]; only [`TelemetryBuilder::strict`] makes it an
//!   error. [`install`](TelemetryBuilder::install) writes it to stderr if no subscriber would show
//!   it, unless [`quiet`](TelemetryBuilder::quiet).
//! - **Data goes where it was meant to, or nowhere.** A setting that decides where, how or with which
//!   trust data is sent and that cannot be used turns its signals off; it never falls back to
//!   another destination: see [`Fallback`].
//! - **The app runs.** Ending a span or logging never waits: queues are bounded (2048 by default)
//!   and drop what does not fit. Exports happen on threads of their own, with a time-out.
//! - **The app ends.** [`Telemetry::shutdown`] returns by its deadline even when a collector takes
//!   the connection and never answers.
//! - **Slow and failed traces are kept.** By default [`Sampler::Tail`] decides each trace at its
//!   end: it keeps those with a failed or slow span, and ten a second of the rest.
//!   `OTEL_TRACES_SAMPLER=parentbased_always_on` sends all.
//! - **Losses are reported.** Its [`ShutdownReport`] says what was exported, dropped and lost; while
//!   the app runs, `otel.sdk.*` metrics say it with a reason, and the log (or stderr) at most once
//!   a minute.
//! - **Telemetry is not about itself.** What the crates that carry it log or trace is left out.
//! - **Off is off.** With `OTEL_SDK_DISABLED=true` or `SPANWIRE_ENABLED=false` nothing is set up:
//!   no thread, no port, no subscriber, no recorder.
//! - **Paused is paused.** Between [`Telemetry::pause`] and [`Telemetry::resume`] nothing is
//!   recorded, sent, served or written; [`TelemetryBuilder::start_paused`] begins so, and
//!   `SPANWIRE_CONSENT` can. `docs/reference/privacy.md` is for vendors.
//!
//! # What it costs
//!
//! Up to 10,000 ended spans of traces that are not decided yet are held, see [`TailSampling`].
//! A queue takes room for `OTEL_BSP_MAX_QUEUE_SIZE` spans from the start, some 0.4 kB each.
//! Without a trace exporter there is no subscriber, and a span costs a few nanoseconds.
//!
//! An exporter tries an unreachable or overloaded collector up to four times within
//! `OTEL_EXPORTER_OTLP_TIMEOUT`, honours `Retry-After`, and then gives the batch up, unless there
//! is a spool.
//!
//! # When the collector is away
//!
//! With `SPANWIRE_SPOOL_DIR` or [`TelemetryBuilder::spool_dir`], spans and log records that cannot
//! be sent now wait on disk, up to `SPANWIRE_SPOOL_MAX_BYTES` (64 MiB), and are sent when the
//! collector is back, by this process or by the next one that uses the folder: at least once each,
//! and in order. At the bound the oldest go, and are counted.

mod assembler;
mod background;
mod config;
mod consent;
mod diagnostics;
#[cfg(feature = "otlp")]
mod export;
#[cfg(all(feature = "prometheus", feature = "otlp"))]
pub(crate) mod fanout;
#[cfg(feature = "otlp")]
mod foreign_spans;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod handle;
mod install;
pub(crate) mod metrics;
mod parts;
mod pause;
#[cfg(feature = "otlp")]
mod pipelines;
#[cfg(feature = "prometheus")]
pub(crate) mod prometheus;
#[cfg(feature = "otlp")]
mod sampling;
mod shutdown_report;
#[cfg(feature = "otlp")]
mod subscriber;
mod thresholds;

pub use config::builder::TelemetryBuilder;
pub use config::env::{VARIABLES, Variable};
pub use config::options::MetricsExporter;
#[cfg(feature = "otlp")]
pub use config::options::{Exporter, Sampler};
#[cfg(feature = "otlp")]
pub use config::otlp::destination::OtlpDestination;
pub use config::output::{OffReason, Output};
pub use config::resolved::ResolvedConfig;
pub use config::routing::Fallback;
pub use config::warning::{TelemetryError, Warning};
pub use consent::{PauseReport, Pending, PendingItems, ResumeError};
#[cfg(feature = "otlp")]
pub use export::page_spans::PageSpans;
#[cfg(feature = "otlp")]
pub use export::proxy::Proxy;
#[cfg(feature = "otlp")]
pub use export::redact::{ExportedField, FieldKind};
#[cfg(feature = "otlp")]
pub use foreign_spans::{ForeignParent, ForeignSpan, ForeignSpans};
pub use handle::Telemetry;
pub use parts::TelemetryParts;
#[cfg(feature = "otlp")]
pub use pipelines::FlushError;
#[cfg(feature = "metrics-exporter-prometheus")]
pub use prometheus::exporter::prometheus_builder;
#[cfg(feature = "otlp")]
pub use sampling::{SamplingRate, TailSampling};
pub use shutdown_report::{ShutdownReport, SignalReport, SignalState};
pub use thresholds::{ThresholdEvent, ThresholdKind, ThresholdState};
