//! The OTLP exporters over our client, one for each signal.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter as _;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::batch_processor::Export;
use super::component::Server;
use super::delivery::Delivery;
use super::encoder::Encoder;
use super::http_client::Connection;
use super::log_records::LogRecords;
use super::on_exported::OnExported;
use super::redact::Redactor;
use super::result::{ExportError, Outcome, Sent};
use super::sdk_processors::Log;
use super::shutdown_deadline::ShutdownDeadline;
use super::split::SplitKind;
use super::spool::{Spool, SpooledSignal};
use super::value_length::{shorten_log, shorten_span};
use crate::clock::{self, Clock, Stamp};
use crate::telemetry::consent::Epoch;

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
            // Without it the feature `http-json`, which another crate may enable, changes the
            // encoding.
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout($route.connection.timeout)
            // The exporter reads headers from the process environment all the same. `http_client`
            // drops them.
            .with_headers(HashMap::new())
            // `Encoder` never fails. Repetition is the work of `http_client`.
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
    encoder: Encoder,
    delivery: Delivery,
    epoch: Epoch,
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
        let connection = route.connection.clone();
        let epoch = shutdown_deadline.switch().now();
        let delivery = Delivery::new(
            connection,
            shutdown_deadline,
            Some(SplitKind::Traces),
            spool,
        );
        let encoder = Encoder::default();
        let mut exporter = exporter!(SpanExporter::builder(), route, encoder.clone())?;
        // The SDK's processor would set it. Ours does not know the exporter.
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            encoder,
            delivery,
            epoch,
            server: route.server(),
            value_len_max,
            on_exported,
            redactor,
        })
    }
}

impl Export<SpanData> for SpanSender {
    fn export(&mut self, mut batch: Vec<SpanData>, queued: Stamp) -> Vec<Sent> {
        let items = batch.len() as u64;
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
            batch
                .iter_mut()
                .for_each(|span| shorten_span(span, len_max));
        }
        let request = self.encoder.request(self.exporter.export(batch));
        let sent = delivered(&self.delivery, request, items, queued, self.epoch);
        // Nobody says which spans were rejected, so none of such a batch can be offered; nor can
        // one that waits on disk, where nobody can look it up.
        if let Some(taken) = taken
            && sent.iter().all(|sent| sent.outcome.is_complete())
            && !self.delivery.is_paused()
        {
            let (_, now) = Clock::current().now_and_wall();
            taken(now);
        }
        sent
    }

    fn begin(&mut self, epoch: Epoch) {
        self.epoch = epoch;
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
    encoder: Encoder,
    delivery: Delivery,
    epoch: Epoch,
    server: Option<Server>,
    value_len_max: Option<usize>,
    records: LogRecords,
    redactor: Option<Redactor>,
}

impl LogSender {
    pub(crate) fn new(
        route: &Route,
        shutdown_deadline: Arc<ShutdownDeadline>,
        spool: Option<Arc<Spool>>,
        resource: &Resource,
        value_len_max: Option<usize>,
        redactor: Option<Redactor>,
    ) -> Result<Self, ExporterBuildError> {
        let spool = spool.map(|spool| (spool, SpooledSignal::Logs));
        let connection = route.connection.clone();
        let epoch = shutdown_deadline.switch().now();
        let delivery = Delivery::new(connection, shutdown_deadline, Some(SplitKind::Logs), spool);
        let encoder = Encoder::default();
        let mut exporter = exporter!(LogExporter::builder(), route, encoder.clone())?;
        exporter.set_resource(resource);
        Ok(Self {
            exporter,
            encoder,
            delivery,
            epoch,
            server: route.server(),
            value_len_max,
            records: LogRecords::new(),
            redactor,
        })
    }
}

impl Export<Log> for LogSender {
    fn export(&mut self, mut batch: Vec<Log>, queued: Stamp) -> Vec<Sent> {
        let items = batch.len() as u64;
        if let Some(redactor) = &self.redactor {
            batch.iter_mut().for_each(|log| redactor.log(log));
        }
        if let Some(len_max) = self.value_len_max {
            // The record's attributes alone: the body has no limit in the specification.
            for log in &mut batch {
                shorten_log(&mut log.0, len_max, &self.records);
            }
        }
        let records: Vec<(&SdkLogRecord, &InstrumentationScope)> =
            batch.iter().map(|log| (&log.0, &log.1)).collect();
        let batch = LogBatch::new(&records);
        let request = self.encoder.request(self.exporter.export(batch));
        delivered(&self.delivery, request, items, queued, self.epoch)
    }

    fn begin(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    fn unredacted(&self) -> u64 {
        self.redactor.as_ref().map_or(0, Redactor::take_panics)
    }
}

/// Sends metrics.
#[derive(Debug)]
pub(crate) struct MetricSender {
    exporter: MetricExporter,
    encoder: Encoder,
    delivery: Delivery,
}

impl MetricSender {
    pub(crate) fn new(
        route: &Route,
        shutdown_deadline: Arc<ShutdownDeadline>,
        temporality: Temporality,
    ) -> Result<Self, ExporterBuildError> {
        let encoder = Encoder::default();
        let builder = MetricExporter::builder().with_temporality(temporality);
        Ok(Self {
            exporter: exporter!(builder, route, encoder.clone())?,
            encoder,
            // Totals are sent again by the next export, so nothing is split or put on disk.
            delivery: Delivery::new(route.connection.clone(), shutdown_deadline, None, None),
        })
    }

    /// Sends so many data points, as one request; `None` while telemetry is paused.
    pub(crate) fn export(&self, metrics: &ResourceMetrics, points: u64) -> Option<Vec<Sent>> {
        // The epoch is read before the encoding: a pause that begins meanwhile then keeps the
        // request back.
        let epoch = self.delivery.recording()?;
        let request = self.encoder.request(self.exporter.export(metrics));
        // Points wait in no queue, so their request begins now.
        let now = clock::now();
        Some(delivered(&self.delivery, request, points, now, epoch))
    }

    pub(crate) fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

/// What became of a request, or of a batch that could not be made into one.
fn delivered(
    delivery: &Delivery,
    request: Result<Request<Bytes>, ExportError>,
    items: u64,
    queued: Stamp,
    epoch: Epoch,
) -> Vec<Sent> {
    match request {
        Ok(request) => delivery.deliver(request, items, queued, epoch),
        Err(error) => vec![Sent {
            items,
            outcome: Outcome::Lost(error),
        }],
    }
}
