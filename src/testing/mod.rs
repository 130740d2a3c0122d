//! Spans, metrics and logs captured in memory and printed as text, under a clock moved by hand.
//!
//! What an app emits is a contract with its dashboards, so it deserves tests. A [`Capture`] puts a
//! recorder, a subscriber and a clock in force on one thread, so tests that run side by side do not
//! see each other's telemetry, and prints what was emitted in a form that suits snapshots: no ids,
//! no times, attributes in alphabetical order.
//!
//! ```
//! use spanwire::testing::Capture;
//!
//! let capture = Capture::new();
//! capture.run(|| {
//!     let _load = tracing::info_span!("load", files = 2).entered();
//!     tracing::info!("half way");
//!     metrics::counter!("files.read", "kind" => "scene").increment(2);
//! });
//!
//! assert_eq!(
//!     capture.text(),
//!     r#"spans:
//! load internal files=2
//!   event "half way"
//! metrics:
//! files.read{kind="scene"} 2
//! logs:
//! INFO "half way" span=load
//! "#
//! );
//! ```

mod capture;
mod clock;
mod logs;
mod recorder;
mod spans;
#[cfg(test)]
mod tests;
mod text;

pub use capture::Capture;
pub use clock::FakeClock;
