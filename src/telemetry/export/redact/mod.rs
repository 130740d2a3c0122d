//! The app's hook over everything that spans and log records say, before they leave the process.
//!
//! It is asked where batches are exported: behind the sampler and the queues, in front of the
//! encoder. So there is one place for spans and one for log records, the spool holds what the
//! collector would get, and no thread of the app waits for the hook.

mod field;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::instrument::caught_panic::catch_panic;
use opentelemetry::logs::{AnyValue, LogRecord as _};
use opentelemetry::trace::{SpanContext, Status, TraceState};
use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;

use self::field::{Change, FieldValue};
pub use self::field::{ExportedField, FieldKind};
use super::log_records::LogRecords;
use super::sdk_processors::Log;

/// The app's hook. Clones share it.
#[derive(Clone)]
pub(crate) struct Redactor(Arc<Inner>);

struct Inner {
    hook: Box<Hook>,
    /// Fields for which it panicked, and that was not told yet.
    panics: AtomicU64,
    records: LogRecords,
}

type Hook = dyn Fn(&mut ExportedField<'_>) + Send + Sync;

impl Redactor {
    pub(crate) fn new(hook: impl Fn(&mut ExportedField<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            hook: Box::new(hook),
            panics: AtomicU64::new(0),
            records: LogRecords::new(),
        }))
    }

    /// For how many fields the hook panicked since the last look.
    pub(crate) fn take_panics(&self) -> u64 {
        self.0.panics.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn span(&self, span: &mut SpanData) {
        self.name(FieldKind::SpanName, &mut span.name);
        self.attributes(FieldKind::SpanAttribute, &mut span.attributes);
        if let Status::Error { description } = &mut span.status {
            match self.text(FieldKind::StatusDescription, description) {
                Change::Keep => {}
                Change::Replace(text) => *description = text.into(),
                Change::Remove => *description = "".into(),
            }
        }
        for event in &mut span.events.events {
            self.name(FieldKind::EventName, &mut event.name);
            self.attributes(FieldKind::EventAttribute, &mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(FieldKind::LinkAttribute, &mut link.attributes);
            // A `tracestate` comes from other services, and may hold what they put there.
            self.trace_state(&mut link.span_context);
        }
        self.trace_state(&mut span.span_context);
        self.scope(&mut span.instrumentation_scope);
    }

    pub(crate) fn log(&self, log: &mut Log) {
        let (record, scope) = &mut **log;
        let body = record.body().map_or(Change::Keep, |body| {
            self.ask(FieldKind::LogBody, None, FieldValue::Any(body))
        });
        let attribute = |(key, value): &(Key, AnyValue)| {
            self.ask(
                FieldKind::LogAttribute,
                Some(key.as_str()),
                FieldValue::Any(value),
            )
        };
        // All answers come first, since a record is made anew only when one of them changes it.
        let attributes: Vec<Change> = record.attributes_iter().map(attribute).collect();
        let is_kept = |change: &Change| *change == Change::Keep;
        if !(is_kept(&body) && attributes.iter().all(is_kept)) {
            *record = self.changed(record, body, attributes);
        }
        // It goes out as the scope's name, and the scope's own stays behind.
        if let Some(target) = record.target() {
            let mut target = target.clone();
            self.name(FieldKind::ScopeName, &mut target);
            record.set_target(target);
        }
        self.scope(scope);
    }

    /// The resource, which is the same for all that is sent.
    pub(crate) fn resource(&self, resource: &Resource) -> Resource {
        let attributes = resource.iter();
        let mut attributes: Vec<KeyValue> = attributes
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect();
        self.attributes(FieldKind::ResourceAttribute, &mut attributes);
        let builder = Resource::builder_empty();
        match resource.schema_url() {
            // The attributes that stay still follow the schema.
            Some(url) => builder.with_schema_url(attributes, url.to_owned()),
            None => builder.with_attributes(attributes),
        }
        .build()
    }

    /// A record cannot be changed in its attributes, only made anew.
    fn changed(
        &self,
        record: &SdkLogRecord,
        body: Change,
        attributes: Vec<Change>,
    ) -> SdkLogRecord {
        let body = match body {
            Change::Keep => record.body().cloned(),
            Change::Replace(text) => Some(text.into()),
            Change::Remove => None,
        };
        let attributes = record.attributes_iter().zip(attributes);
        let attributes = attributes.filter_map(|((key, value), change)| match change {
            Change::Keep => Some((key.clone(), value.clone())),
            Change::Replace(text) => Some((key.clone(), text.into())),
            Change::Remove => None,
        });
        self.0.records.like(record, body, attributes)
    }

    fn attributes(&self, kind: FieldKind, attributes: &mut Vec<KeyValue>) {
        attributes.retain_mut(|attribute| {
            let key = Some(attribute.key.as_str());
            match self.ask(kind, key, FieldValue::Value(&attribute.value)) {
                Change::Keep => true,
                Change::Replace(text) => {
                    attribute.value = text.into();
                    true
                }
                Change::Remove => false,
            }
        });
    }

    fn name(&self, kind: FieldKind, name: &mut Cow<'static, str>) {
        match self.text(kind, name) {
            Change::Keep => {}
            Change::Replace(text) => *name = text.into(),
            Change::Remove => *name = REDACTED.into(),
        }
    }

    /// What cannot be a `tracestate` any more is left out.
    fn trace_state(&self, context: &mut SpanContext) {
        let header = context.trace_state().header();
        // Nearly no span has one, and the hook is asked only about what leaves.
        if header.is_empty() {
            return;
        }
        let state = match self.text(FieldKind::TraceState, &header) {
            Change::Keep => return,
            Change::Replace(text) => text.parse().unwrap_or_default(),
            Change::Remove => TraceState::default(),
        };
        *context = SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags(),
            context.is_remote(),
            state,
        );
    }

    fn scope(&self, scope: &mut InstrumentationScope) {
        // A scope cannot be changed, so it is built again, whatever the hook says.
        let mut name: Cow<'static, str> = Cow::Owned(scope.name().to_owned());
        if !name.is_empty() {
            self.name(FieldKind::ScopeName, &mut name);
        }
        let version = scope.version().map(|version| {
            let change = self.text(FieldKind::ScopeVersion, version);
            (version, change)
        });
        let version = version.and_then(|(version, change)| match change {
            Change::Keep => Some(version.to_owned()),
            Change::Replace(text) => Some(text),
            Change::Remove => None,
        });
        let mut attributes: Vec<KeyValue> = scope.attributes().cloned().collect();
        self.attributes(FieldKind::ScopeAttribute, &mut attributes);
        let mut builder = InstrumentationScope::builder(name).with_attributes(attributes);
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        if let Some(url) = scope.schema_url() {
            builder = builder.with_schema_url(url.to_owned());
        }
        *scope = builder.build();
    }

    fn text(&self, kind: FieldKind, text: &str) -> Change {
        self.ask(kind, None, FieldValue::Text(text))
    }

    /// What the hook says. One that panics may have been about to say anything, so nothing of the
    /// field leaves.
    fn ask(&self, kind: FieldKind, key: Option<&str>, shown: FieldValue<'_>) -> Change {
        let asked = catch_panic(|| {
            let mut field = ExportedField::new(kind, key, shown);
            (self.0.hook)(&mut field);
            field.into_change()
        });
        asked.unwrap_or_else(|_| {
            // Relaxed: a number for the log, which the exporting thread reads by itself after the
            // batch.
            self.0.panics.fetch_add(1, Ordering::Relaxed);
            Change::Replace(REDACTED.to_owned())
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// What stands for a field of which nothing may leave.
const REDACTED: &str = "[redacted]";

#[cfg(test)]
mod tests;
