//! The OTLP exporters over our client, one for each signal.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::batch_processor::Export;
use super::http_client::{Client, Connection, ExportError, Receipt};
use super::redact::Redactor;
use super::sdk_processors::Log;
use super::shutdown_deadline::Patience;
use super::spool::{Lane, Spool};
use crate::clock::Clock;
use crate::semconv::ExportErrorType;
use crate::telemetry::config::settings::Compression;
use crate::telemetry::prometheus::Exemplars;

/// Where one signal goes, and how.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) url: String,
    pub(crate) connection: Connection,
    pub(crate) compression: Compression,
}

/// Nothing is left to the exporter, which would ask the process environment and the features that
/// other crates enable.
macro_rules! exporter {
    ($builder:expr, $route:expr, $client:expr) => {{
        let builder = $builder
            .with_http()
            .with_http_client($client)
            .with_endpoint(&$route.url)
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout($route.connection.timeout)
            .with_headers(HashMap::new())
            .with_retry_policy(RetryPolicy::disabled());
        match $route.compression {
            Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
            Compression::None => builder,
        }
        .build()
    }};
}

/// Sends spans.
#[derive(Debug)]
pub(crate) struct SpanSender {
    exporter: SpanExporter,
    client: Client,
    value_len_max: Option<usize>,
    exemplars: Option<Exemplars>,
    redactor: Option<Redactor>,
}

impl SpanSender {
    /// Spans that arrive become `exemplars`.
    pub(crate) fn new(
        route: &Route,
        patience: Arc<Patience>,
        spool: Option<Arc<Spool>>,
        resource: &Resource,
        value_len_max: Option<usize>,
        exemplars: Option<Exemplars>,
        redactor: Option<Redactor>,
    ) -> Result<Self, ExporterBuildError> {
        let connection = route.connection.clone();
        let client = Client::spooling(connection, patience, spool, Lane::Traces);
        let mut exporter = exporter!(SpanExporter::builder(), route, client.clone())?;
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            client,
            value_len_max,
            exemplars,
            redactor,
        })
    }
}

impl Export<SpanData> for SpanSender {
    fn export(&mut self, mut batch: Vec<SpanData>) -> Result<Receipt, ExportError> {
        // Before values are changed or cut, since they name series.
        let exemplars = self.exemplars.as_ref();
        let candidates = exemplars.map(|exemplars| exemplars.candidates(&batch));
        // Before values are cut, since half of a secret is not found.
        if let Some(redactor) = &self.redactor {
            batch.iter_mut().for_each(|span| redactor.span(span));
        }
        if let Some(len_max) = self.value_len_max {
            batch.iter_mut().for_each(|span| shorten(span, len_max));
        }
        self.client.announce(batch.len());
        let verdict = verdict(&self.client, self.exporter.export(batch));
        // Nobody says which spans were rejected, so none of such a batch can be offered; nor can
        // one that waits on disk, where nobody can look it up.
        let taken = |receipt: &Receipt| receipt.rejected == 0 && receipt.spooled.is_none();
        if let Some(candidates) = candidates
            && verdict.as_ref().is_ok_and(taken)
        {
            let (_, now) = Clock::current().now_and_wall();
            candidates.keep(now);
        }
        verdict
    }

    fn unredacted(&self) -> u64 {
        self.redactor.as_ref().map_or(0, Redactor::take_panics)
    }
}

/// Sends log records.
#[derive(Debug)]
pub(crate) struct LogSender {
    exporter: LogExporter,
    client: Client,
    redactor: Option<Redactor>,
}

impl LogSender {
    pub(crate) fn new(
        route: &Route,
        patience: Arc<Patience>,
        spool: Option<Arc<Spool>>,
        resource: &Resource,
        redactor: Option<Redactor>,
    ) -> Result<Self, ExporterBuildError> {
        let connection = route.connection.clone();
        let client = Client::spooling(connection, patience, spool, Lane::Logs);
        let mut exporter = exporter!(LogExporter::builder(), route, client.clone())?;
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            client,
            redactor,
        })
    }
}

impl Export<Log> for LogSender {
    fn export(&mut self, mut batch: Vec<Log>) -> Result<Receipt, ExportError> {
        if let Some(redactor) = &self.redactor {
            batch.iter_mut().for_each(|log| redactor.log(log));
        }
        let records: Vec<(&SdkLogRecord, &InstrumentationScope)> =
            batch.iter().map(|log| (&log.0, &log.1)).collect();
        self.client.announce(batch.len());
        verdict(&self.client, self.exporter.export(LogBatch::new(&records)))
    }

    fn unredacted(&self) -> u64 {
        self.redactor.as_ref().map_or(0, Redactor::take_panics)
    }
}

/// The metric exporter, and its client that knows what became of a request.
pub(crate) fn metric_exporter(
    route: &Route,
    patience: Arc<Patience>,
    temporality: Temporality,
) -> Result<(MetricExporter, Client), ExporterBuildError> {
    let client = Client::new(route.connection.clone(), patience);
    let builder = MetricExporter::builder().with_temporality(temporality);
    let exporter = exporter!(builder, route, client.clone())?;
    Ok((exporter, client))
}

/// Runs an export to its end and asks the client what became of it.
pub(crate) fn verdict(
    client: &Client,
    export: impl Future<Output = Result<(), OTelSdkError>>,
) -> Result<Receipt, ExportError> {
    // Our client blocks, and nothing else is awaited: one poll is the whole export.
    let outcome = export.now_or_never();
    let internal = |message: String| ExportError::new(ExportErrorType::Internal, message);
    match (client.take_verdict(), outcome) {
        (Some(verdict), _) => verdict,
        (None, Some(Err(error))) => Err(internal(error.to_string())),
        (None, _) => Err(internal("the exporter sent nothing".into())),
    }
}

/// Cuts long values, which the SDK has no limit for.
fn shorten(span: &mut SpanData, len_max: usize) {
    shorten_all(&mut span.attributes, len_max);
    for event in &mut span.events.events {
        shorten_all(&mut event.attributes, len_max);
    }
    for link in &mut span.links.links {
        shorten_all(&mut link.attributes, len_max);
    }
}

fn shorten_all(attributes: &mut [KeyValue], len_max: usize) {
    for attribute in attributes {
        if let Value::String(text) = &attribute.value
            && let Some((end, _)) = text.as_str().char_indices().nth(len_max)
        {
            let short = text.as_str().get(..end).unwrap_or_default().to_owned();
            attribute.value = Value::String(StringValue::from(short));
        }
    }
}
