//! Prints every name that Spanwire emits as JSON, for tools that are not written in Rust.
//!
//! `make semconv ARGS=--write` writes it to `grafana/semconv.json`, the list that the dashboards and
//! alerts take their names from; `make check` fails when that is not what this prints.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use serde::Serialize;
use spanwire::semconv::{ATTRIBUTES, ErrorType, ExportErrorType, METRICS};

/// Structs and not `json!`, whose keys are in another order when some crate asks serde_json for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    metrics: Vec<Metric>,
    attributes: &'static [&'static str],
    error_types: Vec<&'static str>,
    export_error_types: Vec<&'static str>,
}

#[derive(Serialize)]
struct Metric {
    name: &'static str,
    prometheus: String,
    instrument: &'static str,
    unit: &'static str,
    description: &'static str,
    attributes: &'static [&'static str],
    bounds: &'static [f64],
}

fn main() -> Result<(), serde_json::Error> {
    let names = Names {
        metrics: METRICS.iter().map(|metric| Metric::of(metric)).collect(),
        attributes: ATTRIBUTES,
        error_types: ErrorType::ALL.iter().map(|error| error.as_str()).collect(),
        export_error_types: ExportErrorType::ALL
            .iter()
            .map(|error| error.as_str())
            .collect(),
    };
    println!("{}", serde_json::to_string_pretty(&names)?);
    Ok(())
}

impl Metric {
    fn of(metric: &spanwire::semconv::Metric) -> Self {
        Self {
            name: metric.name,
            prometheus: metric.prometheus_name(),
            instrument: metric.instrument.as_str(),
            unit: metric.unit,
            description: metric.description,
            attributes: metric.attributes,
            bounds: metric.bounds,
        }
    }
}
