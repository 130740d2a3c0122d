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
use super::component::Server;
use super::http_client::Connection;
use super::on_exported::OnExported;
use super::redact::Redactor;
use super::result::{ExportError, ExportResponse};
use super::sdk_processors::Log;
use super::shutdown_deadline::ShutdownDeadline;
use super::spool::{Spool, SpooledSignal};
use super::spooling_client::SpoolingClient;
use crate::clock::Clock;
use crate::semconv::ExportErrorType;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
}

/// Where one signal goes, and how.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) url: String,
    pub(crate) connection: Connection,
    pub(crate) compression: Compression,
}

impl Route {
    pub(crate) fn server(&self) -> Option<Server> {
        Server::of(&self.url.parse().ok()?)
    }
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
    client: SpoolingClient,
    server: Option<Server>,
    value_len_max: Option<usize>,
    on_exported: Option<Arc<dyn OnExported>>,
    redactor: Option<Redactor>,
}

impl SpanSender {
    /// `on_exported` learns of the spans that arrive.
    pub(crate) fn new(
        route: &Route,
        shutdown_deadline: Arc<ShutdownDeadline>,
        spool: Option<Arc<Spool>>,
        resource: &Resource,
        value_len_max: Option<usize>,
        on_exported: Option<Arc<dyn OnExported>>,
        redactor: Option<Redactor>,
    ) -> Result<Self, ExporterBuildError> {
        let spool = spool.map(|spool| (spool, SpooledSignal::Traces));
        let client = SpoolingClient::new(route.connection.clone(), shutdown_deadline, spool);
        let mut exporter = exporter!(SpanExporter::builder(), route, client.clone())?;
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            client,
            server: route.server(),
            value_len_max,
            on_exported,
            redactor,
        })
    }
}

impl Export<SpanData> for SpanSender {
    fn export(&mut self, mut batch: Vec<SpanData>) -> Result<ExportResponse, ExportError> {
        // Before values are changed or cut, since they name series.
        let taken = self
            .on_exported
            .as_ref()
            .map(|listener| listener.before(&batch));
        // Before values are cut, since half of a secret is not found.
        if let Some(redactor) = &self.redactor {
            batch.iter_mut().for_each(|span| redactor.span(span));
        }
        if let Some(len_max) = self.value_len_max {
            batch.iter_mut().for_each(|span| shorten(span, len_max));
        }
        self.client.announce(batch.len());
        let result = last_result(&self.client, self.exporter.export(batch));
        // Nobody says which spans were rejected, so none of such a batch can be offered; nor can
        // one that waits on disk, where nobody can look it up.
        let took_all =
            |response: &ExportResponse| response.rejected == 0 && response.spooled.is_none();
        if let Some(taken) = taken
            && result.as_ref().is_ok_and(took_all)
        {
            let (_, now) = Clock::current().now_and_wall();
            taken(now);
        }
        result
    }

    fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    fn unredacted(&self) -> u64 {
        self.redactor.as_ref().map_or(0, Redactor::take_panics)
    }
}

/// Sends log records.
#[derive(Debug)]
pub(crate) struct LogSender {
    exporter: LogExporter,
    client: SpoolingClient,
    server: Option<Server>,
    redactor: Option<Redactor>,
}

impl LogSender {
    pub(crate) fn new(
        route: &Route,
        shutdown_deadline: Arc<ShutdownDeadline>,
        spool: Option<Arc<Spool>>,
        resource: &Resource,
        redactor: Option<Redactor>,
    ) -> Result<Self, ExporterBuildError> {
        let spool = spool.map(|spool| (spool, SpooledSignal::Logs));
        let client = SpoolingClient::new(route.connection.clone(), shutdown_deadline, spool);
        let mut exporter = exporter!(LogExporter::builder(), route, client.clone())?;
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            client,
            server: route.server(),
            redactor,
        })
    }
}

impl Export<Log> for LogSender {
    fn export(&mut self, mut batch: Vec<Log>) -> Result<ExportResponse, ExportError> {
        if let Some(redactor) = &self.redactor {
            batch.iter_mut().for_each(|log| redactor.log(log));
        }
        let records: Vec<(&SdkLogRecord, &InstrumentationScope)> =
            batch.iter().map(|log| (&log.0, &log.1)).collect();
        self.client.announce(batch.len());
        last_result(&self.client, self.exporter.export(LogBatch::new(&records)))
    }

    fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    fn unredacted(&self) -> u64 {
        self.redactor.as_ref().map_or(0, Redactor::take_panics)
    }
}

/// The metric exporter, and its client that knows what became of a request.
pub(crate) fn metric_exporter(
    route: &Route,
    shutdown_deadline: Arc<ShutdownDeadline>,
    temporality: Temporality,
) -> Result<(MetricExporter, SpoolingClient), ExporterBuildError> {
    let client = SpoolingClient::new(route.connection.clone(), shutdown_deadline, None);
    let builder = MetricExporter::builder().with_temporality(temporality);
    let exporter = exporter!(builder, route, client.clone())?;
    Ok((exporter, client))
}

/// Runs an export to its end and asks the client what became of it.
pub(crate) fn last_result(
    client: &SpoolingClient,
    export: impl Future<Output = Result<(), OTelSdkError>>,
) -> Result<ExportResponse, ExportError> {
    // Our client blocks, and nothing else is awaited: one poll is the whole export.
    let outcome = export.now_or_never();
    let internal = |message: String| ExportError::new(ExportErrorType::Internal, message);
    match (client.take_last_result(), outcome) {
        (Some(result), _) => result,
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
