//! An example of a finding in Jaeger: the longest of the newest traces that show it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::{Case, with_labels};
use crate::doctor::client::{HttpClient, seconds, wall};
use crate::doctor::targets::Target;
use crate::doctor::window::Window;

/// Where a trace is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Example {
    pub(super) trace_id: String,
    pub(super) url: String,
}

/// Asks Jaeger for an example of a case. `None` where it has none, or does not answer.
pub(super) fn example(
    client: &HttpClient,
    target: &Target,
    case: &Case,
    service: &str,
    window: Window,
) -> Option<Example> {
    let wanted = case.of.trace.as_ref()?;
    let label = |name: &str| case.label(name).map(str::to_owned);
    let operation = wanted
        .operation
        .as_ref()
        .map(|text| with_labels(text, label));
    let tags: BTreeMap<&str, String> = wanted
        .tags
        .iter()
        .map(|(name, value)| (name.as_str(), with_labels(value, label)))
        .collect();
    let end = seconds(wall());
    let start = end - window.seconds() as f64;
    // Jaeger's interface takes microseconds since 1970.
    let micros = |seconds: f64| format!("{:.0}", seconds * 1e6);
    let tags = serde_json::to_string(&tags).ok()?;
    let (start, end) = (micros(start), micros(end));
    let mut pairs = vec![
        ("service", service),
        ("start", &start),
        ("end", &end),
        ("limit", TRACES_MAX),
    ];
    if let Some(operation) = &operation {
        pairs.push(("operation", operation));
    }
    if tags != "{}" {
        pairs.push(("tags", &tags));
    }
    // An example is an extra: without it the finding stands.
    let (answer, _) = client.json_with("/api/traces", &pairs).ok()?;
    let trace_id = longest(&answer, operation.as_deref())?;
    Some(Example {
        url: format!("{}/trace/{trace_id}", target.redacted()),
        trace_id,
    })
}

/// The trace whose span of that operation, or whose longest span, took the most time.
fn longest(answer: &Value, operation: Option<&str>) -> Option<String> {
    let traces = answer["data"].as_array()?;
    let length = |trace: &&Value| {
        let spans = trace["spans"].as_array().into_iter().flatten();
        spans
            .filter(|span| operation.is_none_or(|name| span["operationName"] == name))
            .filter_map(|span| span["duration"].as_u64())
            .max()
            .unwrap_or_default()
    };
    let trace_id = traces.iter().max_by_key(length)?["traceID"].as_str()?;
    // It goes into a URL that is printed, so a server must not choose more than an id.
    let is_id = trace_id.len() <= 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| trace_id.to_owned())
}

// The newest so many. The longest of them is long enough to learn from.
const TRACES_MAX: &str = "20";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn longest_span_of_the_operation_decides() {
        let span = |name: &str, duration: u64| json!({"operationName": name, "duration": duration});
        let answer = json!({"data": [
            {"traceID": "aa", "spans": [span("save", 5), span("other", 900)]},
            {"traceID": "bb", "spans": [span("save", 70)]},
            {"traceID": "cc", "spans": []},
        ]});
        assert_eq!(longest(&answer, Some("save")).unwrap(), "bb");
        assert_eq!(longest(&answer, None).unwrap(), "aa");
        assert_eq!(longest(&json!({"data": []}), None), None);
        assert_eq!(
            longest(&json!({"data": [{"traceID": "\u{1b}[1m"}]}), None),
            None
        );
    }
}
