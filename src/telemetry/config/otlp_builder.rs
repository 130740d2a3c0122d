//! The builder's options that need an exporter.

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::builder::TelemetryBuilder;
use super::options::{Exporter, Sampler};
use crate::telemetry::export::redact::{ExportedField, Redactor};
use crate::telemetry::sampling::TailSampling;

impl TelemetryBuilder {
    /// The collector's base URL, to which `/v1/traces` and so on are added. Default:
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` or a signal's own; without either nothing is sent.
    ///
    /// Traces are sent as soon as there is an endpoint. With one that cannot be used, for example
    /// with a query, nothing is sent: not to the environment's either.
    pub fn otlp_endpoint(mut self, url: impl Into<String>) -> Self {
        self.otlp.endpoint = Some(url.into());
        self
    }

    /// A header of each OTLP request, for example a token. It replaces one of that name from the
    /// environment. Default: `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// With a name or value that HTTP does not allow, nothing is sent. A header that describes the
    /// request or the connection, like `Content-Length`, is left out. Both are warnings.
    pub fn otlp_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.otlp.headers.push((name.into(), value.into()));
        self
    }

    /// How long one OTLP export may take, repetitions included. Default:
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, or 10 seconds.
    pub fn otlp_timeout(mut self, timeout: Duration) -> Self {
        self.otlp.timeout = Some(timeout);
        self
    }

    /// Where traces go. Default: `OTEL_TRACES_EXPORTER`, or OTLP when there is an endpoint.
    pub fn traces(mut self, exporter: Exporter) -> Self {
        self.otlp.traces = Some(exporter);
        self
    }

    /// Where the app's `tracing` events go. Default: `OTEL_LOGS_EXPORTER`, or nowhere.
    pub fn logs(mut self, exporter: Exporter) -> Self {
        self.otlp.logs = Some(exporter);
        self
    }

    /// Which traces are sent. Default: `OTEL_TRACES_SAMPLER`, or [`Sampler::Tail`].
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.otlp.sampler = Some(sampler);
        self
    }

    /// How much [`Sampler::Tail`] keeps and holds. It does not choose that sampler: one that
    /// `OTEL_TRACES_SAMPLER` asks for has no use for it. Default: [`TailSampling::new`].
    pub fn tail(mut self, sampling: TailSampling) -> Self {
        self.otlp.tail = sampling;
        self
    }

    /// Where spans and log records wait while the collector is away, until it is back or another
    /// process that uses the folder is started. Default: `SPANWIRE_SPOOL_DIR`, or nowhere: then
    /// they are lost.
    ///
    /// With it, what is decided is delivered or on disk within a second, whatever the collector
    /// does, so a process that is killed loses at most that second and what
    /// [`Sampler::Tail`] has not decided: a trace until
    /// [`late_wait`](TailSampling::late_wait) after its last span, one that stays open until
    /// [`hold_max`](TailSampling::hold_max). A shutdown decides first. A request that is not answered
    /// within [`otlp_timeout`](Self::otlp_timeout) is sent again, and may arrive twice.
    ///
    /// It is made if need be, and its files are for their owner alone to read; what they hold is
    /// what would have been sent, without the headers. Processes of the same user may share it. One
    /// that is a symbolic link, or that another user owns, may write or could exchange is not used,
    /// with a [`Warning`](crate::telemetry::Warning).
    pub fn spool_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.otlp.spool_dir = Some(folder.into());
        self
    }

    /// How much may wait there, for each process; from then on the oldest goes. Default:
    /// `SPANWIRE_SPOOL_MAX_BYTES`, or 64 MiB.
    pub fn spool_max_bytes(mut self, bytes: u64) -> Self {
        self.otlp.spool_max_bytes = Some(bytes);
        self
    }

    /// Has `redact` look at everything that spans and log records say before it leaves the process,
    /// whether to a collector or to the spool: attributes, names, bodies, what failed spans say. It
    /// may replace or remove any of them. Default: all is sent as it is.
    ///
    /// ```
    /// use spanwire::telemetry::{FieldKind, Telemetry};
    ///
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// # let builder = builder.without_system();
    /// let builder = builder.redact(|field| match (field.kind(), field.key()) {
    ///     // Errors of the app's quote what the user wrote.
    ///     (_, Some("exception.message")) => field.remove(),
    ///     (FieldKind::LogBody, _) if field.text().contains("token=") => field.replace("[token]"),
    ///     _ => {}
    /// });
    /// # let (telemetry, _) = builder.build()?;
    /// # Ok::<(), spanwire::telemetry::TelemetryError>(())
    /// ```
    ///
    /// It runs on the threads that export, never on one of the app's, and only for what is sampled;
    /// an export waits for it, so keep it quick. What it logs is not shown. Attributes of the
    /// resource are offered once, when telemetry starts, on the thread that starts it.
    ///
    /// When it panics, `[redacted]` is sent instead of the value, and that is logged like an export
    /// that fails; an attribute's key stays.
    ///
    /// It is not asked about ids, times, kinds and severities, which hold no text of the app's, nor
    /// about metrics, whose labels are capped names. What is in the spool already is sent as it was
    /// put there.
    pub fn redact(
        mut self,
        redact: impl Fn(&mut ExportedField<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.otlp.redactor = Some(Redactor::new(redact));
        self
    }

    /// Spans and events up to this level become telemetry. Default: [`LevelFilter::INFO`], since
    /// below it libraries speak of themselves.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.otlp.level = Some(level);
        self
    }
}
