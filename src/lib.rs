//! OpenTelemetry-native instrumentation for the wire between a webview page and Rust.
//!
//! There are two doors.
//!
//! # I own the app
//!
//! Install telemetry at the start, put an [`Ipc`] on each webview, and shut down at the end.
//! Prometheus then finds everything at `http://127.0.0.1:9464/metrics`, and OTLP goes to
//! `OTEL_EXPORTER_OTLP_ENDPOINT` when that is set. Nothing of it can fail the app.
//!
//! ```
//! use spanwire::ipc::{Call, DataError};
//! use spanwire::{Ipc, Telemetry};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let telemetry = Telemetry::builder("paint-tool").prometheus_port(0).install()?;
//! for warning in telemetry.warnings() {
//!     eprintln!("{warning}");
//! }
//!
//! let ipc = Ipc::builder("main").build();
//! ipc.on("save", |call: &Call| -> Result<usize, DataError> {
//!     let layers: Vec<String> = call.data()?;
//!     Ok(layers.len())
//! })?;
//! ipc.emit("ready", &true)?;
//!
//! // … attach it to the webview and run the event loop: see the `webview` module …
//!
//! println!("{}", ipc.metrics());
//! println!("{}", telemetry.shutdown(Duration::from_secs(2)));
//! # Ok(())
//! # }
//! ```
//!
//! # I have a message layer of my own
//!
//! Take the parts: a [`MessageQueue`] with its waits and losses counted, [`ScopedTimer`] and
//! [`monitor`] for operations. They speak to the `metrics` and `tracing` facades, so they report to
//! whatever the app has installed, or with [`Telemetry`] to ours.
//!
//! ```
//! use spanwire::{MessageQueue, monitor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = MessageQueue::bounded("jobs", 1_000);
//! jobs.push("thumbnail.png")?;
//!
//! // The error is recorded with the operation, and comes back to you.
//! let size = monitor("read_size").run(|| "12x".parse::<u32>());
//! assert!(size.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What is emitted
//!
//! Every name is a constant in [`semconv`], and is explained in `docs/reference/telemetry.md`.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "history")]
pub mod history;
mod instrument;
pub mod ipc;
#[cfg(any(feature = "otlp", feature = "testing"))]
mod layer;
pub mod measurement;
pub mod queue;
#[cfg(feature = "system")]
pub mod report;
pub mod semconv;
pub mod startup;
#[cfg(feature = "system")]
pub mod system;
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timer;
#[cfg(feature = "wry")]
pub mod webview;

pub use instrument::handles::publish;
pub use ipc::Ipc;
pub use queue::MessageQueue;
#[cfg(any(feature = "prometheus", feature = "otlp"))]
pub use telemetry::Telemetry;
pub use timer::{ScopedTimer, monitor};

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "prometheus", feature = "otlp"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the quick reference.
#[cfg(all(doctest, feature = "prometheus", feature = "otlp"))]
#[doc = include_str!("../docs/reference/quick-reference.md")]
struct Reference;

/// Compiles the guide for apps with a subscriber or a recorder.
#[cfg(all(doctest, feature = "metrics-exporter-prometheus"))]
#[doc = include_str!("../docs/guide/existing.md")]
struct Existing;

/// Compiles the guide to reports.
#[cfg(all(doctest, feature = "history", feature = "otlp"))]
#[doc = include_str!("../docs/report.md")]
struct Report;

/// Compiles the page for vendors.
#[cfg(all(doctest, feature = "prometheus", feature = "otlp"))]
#[doc = include_str!("../docs/reference/privacy.md")]
struct Privacy;
