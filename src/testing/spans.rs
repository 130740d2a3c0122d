//! Finished spans, kept and printed as a tree.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanProcessor};

use super::text;
use crate::layer::integers::restore_integers;
use crate::semconv;

/// Spans kept; the rest are counted. A test that makes more wants numbers, not a tree.
const SPANS_MAX: usize = 100_000;

/// Keeps what the tracer provider of a capture ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Arc<Mutex<RecordedSpans>>);

#[derive(Debug, Default)]
struct RecordedSpans {
    /// Names of all spans that started, so that a log of a span still open has one.
    names: HashMap<SpanId, String>,
    finished: Vec<SpanData>,
    left_out: u64,
}

impl Spans {
    pub(super) fn finished(&self) -> Vec<SpanData> {
        self.lock().finished.clone()
    }

    pub(super) fn name(&self, id: SpanId) -> Option<String> {
        self.lock().names.get(&id).cloned()
    }

    pub(super) fn attribute_names(&self) -> BTreeSet<String> {
        self.lock()
            .finished
            .iter()
            .flat_map(|span| &span.attributes)
            .map(|attribute| attribute.key.to_string())
            .collect()
    }

    pub(super) fn text(&self) -> String {
        let state = self.lock();
        let mut children: HashMap<SpanId, Vec<&SpanData>> = HashMap::new();
        for span in &state.finished {
            children.entry(span.parent_span_id).or_default().push(span);
        }
        // Ids count up, so they tell the order of starts; times do not, since some spans take
        // theirs from the fake clock and some from the wall.
        for siblings in children.values_mut() {
            siblings.sort_by_key(|span| id_number(span));
        }
        let finished: BTreeSet<u64> = state.finished.iter().map(id_number).collect();
        let mut roots: Vec<&SpanData> = state
            .finished
            .iter()
            .filter(|span| !finished.contains(&number(span.parent_span_id)))
            .collect();
        roots.sort_by_key(|span| id_number(span));

        let mut out = String::new();
        // A stack of our own: a deep tree must not end in a stack overflow.
        let mut open: Vec<(usize, &SpanData)> = roots.into_iter().rev().map(|s| (0, s)).collect();
        while let Some((depth, span)) = open.pop() {
            write(&mut out, depth, span);
            if let Some(children) = children.get(&span.span_context.span_id()) {
                open.extend(children.iter().rev().map(|child| (depth + 1, *child)));
            }
        }
        if state.left_out > 0 {
            out.push_str(&format!("… and {} more\n", state.left_out));
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, RecordedSpans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(out: &mut String, depth: usize, span: &SpanData) {
    let indent = "  ".repeat(depth);
    let kind = match span.span_kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    };
    let status = match &span.status {
        Status::Unset => String::new(),
        Status::Ok => " ok".to_owned(),
        Status::Error { description } if description.is_empty() => " error".to_owned(),
        Status::Error { description } => format!(" error({})", text::word(description)),
    };
    // A root line with a parent: one from outside, or one that was not kept or has not ended.
    let parent = match (depth, span.parent_span_id, span.parent_span_is_remote) {
        (1.., ..) | (_, SpanId::INVALID, _) => "",
        (_, _, true) => " (parent: remote)",
        (_, _, false) => " (parent: not captured)",
    };
    // A line number would change with each edit of the file above it.
    let attributes = span
        .attributes
        .iter()
        .filter(|kv| kv.key.as_str() != semconv::CODE_LINE_NUMBER)
        .map(|kv| (kv.key.to_string(), text::word(&kv.value.as_str())))
        .collect();
    let name = text::word(&span.name);
    let attributes = text::pairs(attributes);
    out.push_str(&format!(
        "{indent}{name} {kind}{status}{attributes}{parent}\n"
    ));
    for event in &span.events.events {
        out.push_str(&format!("{indent}  event {}\n", text::word(&event.name)));
    }
}

impl SpanProcessor for Spans {
    // Logs may name a span before it has ended, or after a test left it open.
    fn on_start(&self, span: &mut Span, _: &Context) {
        let Some(data) = span.exported_data() else {
            return;
        };
        let mut state = self.lock();
        if state.names.len() < SPANS_MAX {
            let id = span.span_context().span_id();
            state.names.insert(id, data.name.into_owned());
        }
    }

    fn on_end(&self, mut span: SpanData) {
        // As the app's pipeline does, so that a test sees the same types.
        restore_integers(&mut span);
        let mut state = self.lock();
        if state.finished.len() < SPANS_MAX {
            state.finished.push(span);
        } else {
            state.left_out += 1;
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Ids that count up from one: the same in each run, and in the order in which spans start.
#[derive(Debug, Default)]
pub(super) struct CountingIds {
    traces: AtomicU64,
    spans: AtomicU64,
}

impl IdGenerator for CountingIds {
    fn new_trace_id(&self) -> TraceId {
        // From one: zero is the invalid id. Relaxed: each caller gets another number, and nothing
        // else hangs on it.
        TraceId::from(u128::from(self.traces.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn id_number(span: &SpanData) -> u64 {
    number(span.span_context.span_id())
}

fn number(id: SpanId) -> u64 {
    u64::from_be_bytes(id.to_bytes())
}
