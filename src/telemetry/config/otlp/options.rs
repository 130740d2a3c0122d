//! What an app says about OTLP.

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::telemetry::config::options::{Exporter, Sampler};
use crate::telemetry::export::redact::Redactor;
use crate::telemetry::sampling::TailSampling;

/// The builder's options that need an exporter.
#[derive(Clone, Default)]
pub(crate) struct OtlpOptions {
    pub(crate) endpoint: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) traces: Option<Exporter>,
    pub(crate) logs: Option<Exporter>,
    pub(crate) level: Option<LevelFilter>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) tail: TailSampling,
    pub(crate) spool_dir: Option<PathBuf>,
    pub(crate) spool_max_bytes: Option<u64>,
    pub(crate) redactor: Option<Redactor>,
}
