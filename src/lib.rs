//! OpenTelemetry-native instrumentation for the wire between a webview page and Rust.

pub mod clock;
mod instruments;
pub mod ipc;
mod names;
pub mod queue;
pub mod semconv;
pub mod system;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timer;

pub use instruments::publish;
pub use timer::{ScopedTimer, monitor};
