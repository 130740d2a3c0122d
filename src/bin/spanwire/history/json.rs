//! Answers for programs. Durations are milliseconds, as their names say.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use spanwire::history::query::{Certainty, Change, Record, SeriesStats};

use super::moment;

pub(super) fn ms(duration: Duration) -> Value {
    // With a fraction, so that nothing below a millisecond is lost.
    json!(duration.as_nanos() as f64 / 1e6)
}

/// A record; what is not known is left out.
pub(super) fn record(record: &Record) -> Value {
    let mut object = Map::new();
    let optional = |value: Option<Duration>| value.map(ms);
    let text = |value: &Option<String>| value.as_ref().map(|text| json!(text));
    for (key, value) in [
        ("id", Some(json!(record.id))),
        ("kind", Some(json!(record.series.kind))),
        ("name", Some(json!(record.series.name))),
        (
            "webview",
            // An operation belongs to no webview, and the history writes that as an empty text.
            Some(json!(record.series.webview)).filter(|is| is != ""),
        ),
        ("service", Some(json!(&*record.service))),
        ("version", record.version.as_ref().map(|is| json!(&**is))),
        ("timestamp", Some(time(record.started_at))),
        ("duration_ms", Some(ms(record.duration))),
        ("outcome", Some(json!(record.outcome))),
        ("error_type", text(&record.error_type)),
        ("slow", text(&record.slow)),
        ("page_wait_ms", optional(record.stages.page_wait)),
        ("transit_ms", optional(record.stages.transit)),
        ("queue_wait_ms", optional(record.stages.queue_wait)),
        ("handler_ms", optional(record.stages.handler)),
        ("response_ms", optional(record.stages.response)),
        ("size", record.size.map(|size| json!(size))),
        ("thread", text(&record.thread)),
        ("trace_id", text(&record.trace_id)),
        ("context", record.context.as_deref().map(context)),
        ("weight", Some(json!(record.weight))),
    ] {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    }
    Value::Object(object)
}

/// What the app added is JSON; if it is not, it is a text.
fn context(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

pub(super) fn stats(stats: &SeriesStats) -> Value {
    let (least, most) = stats.error_rate_interval;
    json!({
        "kind": stats.series.kind,
        "name": stats.series.name,
        "webview": stats.series.webview,
        "count": stats.count,
        "errors": stats.errors,
        "error_rate": stats.error_rate,
        "error_rate_interval_95": [least, most],
        "per_second": stats.per_second,
        "average_ms": ms(stats.average),
        "min_ms": ms(stats.min),
        "p50_ms": ms(stats.p50),
        "p95_ms": ms(stats.p95),
        "p99_ms": ms(stats.p99),
        "max_ms": ms(stats.max),
        "slow": stats.slow,
    })
}

pub(super) fn change(change: &Change, factor: f64) -> Value {
    json!({
        "before": change.before * factor,
        "after": change.after * factor,
        "certainty": certainty(change.certainty),
        "p_value": change.p_value,
    })
}

fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Likely => "likely",
        Certainty::Unclear => "unclear",
        _ => "too_few",
    }
}

pub(super) fn time(time: SystemTime) -> Value {
    json!(moment::shown(time))
}
