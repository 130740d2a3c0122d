//! What a page measures of itself, whether an `Ipc` or an observer received it.

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind};

use super::protocol::inbound_message::PageMeasurement;
use super::recorder::Recorder;
use super::spans::page::StartedSpan;
use super::spans::timed::{ParentSpan, TimedSpan};
use crate::clock::Stamp;
use crate::measurement::record_from_page;
use crate::semconv::{self, ErrorType};

impl Recorder {
    /// Records a value that the page measured.
    pub(super) fn measured(&self, measurement: &PageMeasurement<'_>) {
        let PageMeasurement {
            name,
            value,
            unit,
            category,
        } = measurement;
        let recorded = record_from_page(name, category.as_deref(), unit.as_deref(), *value);
        if recorded.is_err() {
            self.series.protocol_error(ErrorType::InvalidName);
        }
    }

    /// Starts a span of the page's own; `None` when there is no tracer.
    pub(super) fn open_page_span(
        &self,
        name: &str,
        start: Stamp,
        parent: Option<&ParentSpan>,
    ) -> Option<Box<TimedSpan>> {
        // Without a parent it is a root: what is current on this thread has nothing to do with the
        // page.
        let context = parent.map(ParentSpan::context);
        let now = self.clock.now();
        let webview = KeyValue::new(semconv::WEBVIEW_NAME, self.webview.clone());
        // `OpenSpans::reserve_at` has checked the name. It is copied, since the page's text ends
        // with the batch.
        let span = SpanBuilder::from_name(name.to_owned())
            .with_kind(SpanKind::Internal)
            .with_attributes([webview]);
        let (tracer, clock, context) = (&self.tracer, &self.clock, context.as_ref());
        let started = StartedSpan::start(tracer, clock, span, start, parent, context, now)?;
        Some(started.into_timed())
    }
}
