//! What is asked for about OTLP: exporters, sampling, the spool.

mod checks;
pub(in crate::telemetry) mod destination;
mod endpoint;
mod headers;
pub(super) mod options;
mod overrides;
pub(super) mod parse;
mod proxies;
pub(in crate::telemetry) mod resolved;
pub(in crate::telemetry) mod router;
pub(in crate::telemetry) mod settings;
