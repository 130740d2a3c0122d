//! OpenTelemetry-native instrumentation for the wire between a webview page and Rust.

pub mod clock;
mod instruments;
mod names;
pub mod queue;
pub mod semconv;
pub mod system;
pub mod telemetry;

pub use instruments::publish;
