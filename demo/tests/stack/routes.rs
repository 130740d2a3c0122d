//! The same series by both routes: scraped, and over OTLP through the Collector.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::prometheus::{Series, query, wait_for};
use crate::step;

/// What an app counts while it runs, and what it measures.
const NAMES: &[&str] = &[
    "spanwire_ipc_messages_total",
    "spanwire_ipc_handler_duration_seconds_count",
    "spanwire_ipc_handler_duration_seconds_bucket",
    "spanwire_ipc_delivery_duration_seconds_sum",
    "spanwire_ipc_message_size_bytes_sum",
    "spanwire_operation_duration_seconds_bucket",
    "spanwire_queue_wait_duration_seconds_count",
];

/// An app that sends its metrics by both, which no app should do, is running: each value that came
/// over OTLP lies between the scrape before it and the scrape after it.
pub fn agree() {
    step!("scraped and sent over OTLP, a series is the same");
    wait_for(
        "count_over_time(spanwire_error_rate_threshold_ratio{job=\"spanwire-demo\"}[1m]) >= 20",
        Duration::from_secs(90),
    );
    let mut compared = 0;
    for name in NAMES {
        let scraped = by_labels(name, "spanwire");
        let sent = by_labels(name, "spanwire-demo");
        for (labels, sent) in &sent {
            let Some(scraped) = scraped.get(labels) else {
                // One that has just begun may not have been scraped yet.
                assert!(sent.len() < 4, "{name}{labels:?} is not scraped");
                continue;
            };
            for (time, value) in sent {
                let before = scraped.iter().rfind(|(at, _)| *at < time - 1.0);
                let after = scraped.iter().find(|(at, _)| *at > time + 1.0);
                if let (Some((_, before)), Some((_, after))) = (before, after) {
                    // Each adds up its floats in its own order.
                    let sum_error = 1e-9 * after;
                    assert!(
                        before - sum_error <= *value && *value <= after + sum_error,
                        "{name}{labels:?}: {value} was sent, {before} and {after} were scraped"
                    );
                    compared += 1;
                }
            }
        }
        for (labels, scraped) in &scraped {
            assert!(
                sent.contains_key(labels) || scraped.len() < 4,
                "{name}{labels:?} was scraped and not sent"
            );
        }
    }
    step!("  in {compared} samples");
    assert!(compared > 200, "only {compared} samples were compared");
}

type Samples = Vec<(f64, f64)>;

/// The samples of the last 10 s, by the labels that do not say by which route they came.
fn by_labels(name: &str, job: &str) -> BTreeMap<BTreeMap<String, String>, Samples> {
    let found = query(&format!("{name}{{job=\"{job}\"}}[10s]")).expect("Prometheus answers");
    assert!(!found.is_empty(), "{name} of {job}");
    let own = |series: Series| {
        let mut labels = series.labels;
        labels.retain(|label, _| {
            !matches!(label.as_str(), "__name__" | "job" | "instance")
                && !label.starts_with("otel_scope_")
        });
        // Prometheus writes 5e-05 when it scraped, and 0.00005 when it was sent.
        if let Some(bound) = labels.get_mut("le") {
            let number: f64 = bound.parse().expect("a bound is a number");
            *bound = number.to_string();
        }
        (labels, series.samples)
    };
    found.into_iter().map(own).collect()
}
