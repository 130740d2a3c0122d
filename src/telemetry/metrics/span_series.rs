//! Which histograms a span was measured in.

use opentelemetry::Value;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use crate::semconv::{self, Metric};

/// A series, and the value that a span has in it.
#[derive(Debug, PartialEq)]
pub(crate) struct SpanSeries<'a> {
    pub(crate) metric: &'static Metric,
    /// Sorted by name.
    pub(crate) labels: Vec<(&'static str, &'a str)>,
    pub(crate) value_s: f64,
}

/// The series that the span was measured in, as far as its kind and attributes tell.
///
/// A span that somebody else made to look like ours leads to a series that does not exist, or is an
/// example in one that it does not count in; in either case it is a span that can be looked at.
pub(crate) fn span_series(span: &SpanData) -> impl Iterator<Item = SpanSeries<'_>> {
    measured(span)
        .into_iter()
        .flatten()
        .map(|(metric, value_s)| {
            let label = |name: &&'static str| Some((*name, text(span, on_span(name))?));
            let mut labels: Vec<_> = metric.attributes.iter().filter_map(label).collect();
            labels.sort_unstable();
            SpanSeries {
                metric,
                labels,
                value_s,
            }
        })
}

/// The histograms, and the span's value in each.
fn measured(span: &SpanData) -> [Option<(&'static Metric, f64)>; 2] {
    let duration = span.end_time.duration_since(span.start_time);
    let (Ok(duration), semconv::SCOPE) = (duration, span.instrumentation_scope.name()) else {
        return [None; 2];
    };
    let took = |metric| Some((metric, duration.as_secs_f64()));
    if text(span, semconv::OPERATION_NAME).is_some() {
        return [took(&semconv::OPERATION_DURATION), None];
    }
    if text(span, semconv::RPC_SYSTEM_NAME) != Some(semconv::RPC_SYSTEM) {
        return [None; 2];
    }
    let delivered = match text(span, semconv::ERROR_TYPE) {
        // What waited for its page to be loaded is not among them.
        None if value(span, semconv::PAGE_LOADING).is_some() => return [None; 2],
        None => took(&semconv::IPC_DELIVERY_DURATION),
        Some(_) => None,
    };
    match span.span_kind {
        SpanKind::Server => [took(&semconv::IPC_HANDLER_DURATION), None],
        // The page's own work. No event has a space in its name.
        SpanKind::Consumer if span.name.starts_with("process ") => {
            [took(&semconv::IPC_PROCESS_DURATION), None]
        }
        SpanKind::Consumer => [took(&semconv::IPC_HANDLER_DURATION), None],
        // What the page sends has waited in no queue of ours, and is measured where it arrives.
        SpanKind::Producer => match number(span, semconv::WAIT_S) {
            Some(wait_s) => [delivered, Some((&semconv::QUEUE_WAIT_DURATION, wait_s))],
            None => [None; 2],
        },
        // A reply. It waits as well, but not in the queue.
        SpanKind::Internal => [delivered, None],
        SpanKind::Client => [None; 2],
    }
}

/// What a metric's attribute is called on spans.
fn on_span(attribute: &'static str) -> &'static str {
    match attribute {
        semconv::IPC_EVENT => semconv::RPC_METHOD,
        // A queue of `Ipc` has the webview's name.
        semconv::QUEUE_NAME => semconv::WEBVIEW_NAME,
        same => same,
    }
}

fn text<'a>(span: &'a SpanData, name: &str) -> Option<&'a str> {
    match value(span, name)? {
        Value::String(text) => Some(text.as_str()),
        _ => None,
    }
}

fn number(span: &SpanData, name: &str) -> Option<f64> {
    match value(span, name)? {
        Value::F64(number) => Some(*number),
        _ => None,
    }
}

/// The last value that was set.
fn value<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    let mut attributes = span.attributes.iter().rev();
    let found = attributes.find(|attribute| attribute.key.as_str() == name)?;
    Some(&found.value)
}

#[cfg(test)]
mod tests;
