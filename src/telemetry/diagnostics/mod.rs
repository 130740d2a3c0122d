//! How telemetry tells of itself: to a recorder, to the app's log or stderr, in a warning.

pub(super) mod flaw;
pub(super) mod local_recorder;
pub(super) mod problems;
#[cfg(feature = "otlp")]
pub(super) mod quiet;
pub(super) mod reporter;
