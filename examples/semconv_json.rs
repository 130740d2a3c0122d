//! Prints every name that Spanwire emits as JSON, for tools that are not written in Rust.
//!
//! `cargo run --example semconv_json > grafana/semconv.json` writes the list that the dashboards
//! and alerts take their names from; `make check` fails when it is not what this prints.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use serde_json::{Value, json};
use spanwire::semconv::{ATTRIBUTES, ErrorType, ExportErrorType, METRICS, Metric};

fn main() {
    let names = json!({
        "metrics": METRICS.iter().copied().map(metric).collect::<Vec<_>>(),
        "attributes": ATTRIBUTES,
        "errorTypes": ErrorType::ALL.iter().map(|error| error.as_str()).collect::<Vec<_>>(),
        "exportErrorTypes":
            ExportErrorType::ALL.iter().map(|error| error.as_str()).collect::<Vec<_>>(),
    });
    println!("{names:#}");
}

fn metric(metric: &Metric) -> Value {
    json!({
        "name": metric.name,
        "prometheus": metric.prometheus_name(),
        "instrument": format!("{:?}", metric.instrument).to_lowercase(),
        "unit": metric.unit,
        "description": metric.description,
        "attributes": metric.attributes,
        "bounds": metric.bounds,
    })
}
