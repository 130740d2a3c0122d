//! Prometheus' text format, and OpenTelemetry's names in it.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use metrics::Label;

use super::recorder::State;
use crate::semconv::Instrument;
use crate::telemetry::description::Description;

/// Writes every series of `state`, by name.
///
/// A name is written once, or a scrape would fail as a whole: a counter goes before a gauge, and
/// that before a histogram.
pub(super) fn write(out: &mut String, state: &State) {
    let mut written = BTreeSet::from(["target_info".to_owned()]);
    let mut header = |out: &mut String, name: &str, dotted: &str, kind| {
        header(out, &mut written, name, state.descriptions.of(dotted), kind)
    };
    for (name, family) in state.counters.families() {
        let Some(header) = header(out, &name, &family.name, Instrument::Counter) else {
            continue;
        };
        family.for_each(|labels, cell| {
            let labels = label_text(labels);
            line(out, &header, "", &labels, cell.load(Ordering::Acquire));
        });
    }
    for (name, family) in state.gauges.families() {
        let Some(header) = header(out, &name, &family.name, Instrument::Gauge) else {
            continue;
        };
        family.for_each(|labels, cell| {
            let labels = label_text(labels);
            let value = f64::from_bits(cell.load(Ordering::Acquire));
            line(out, &header, "", &labels, Number(value));
        });
    }
    for (name, family) in state.histograms.families() {
        let Some(header) = header(out, &name, &family.name, Instrument::Histogram) else {
            continue;
        };
        family.for_each(|labels, buckets| {
            let labels = label_text(labels);
            let comma = if labels.is_empty() { "" } else { "," };
            let (bounds, count) = buckets.cumulative();
            for (bound, count) in bounds {
                let labels = format!("{labels}{comma}le=\"{}\"", Number(bound));
                line(out, &header, "_bucket", &labels, count);
            }
            let with_le = format!("{labels}{comma}le=\"+Inf\"");
            line(out, &header, "_bucket", &with_le, count);
            line(out, &header, "_sum", &labels, Number(buckets.sum()));
            line(out, &header, "_count", &labels, count);
        });
    }
}

/// Writes a metric's HELP and TYPE, and returns its full name; `None` when that was written before.
fn header(
    out: &mut String,
    written: &mut BTreeSet<String>,
    name: &str,
    description: Description,
    kind: Instrument,
) -> Option<String> {
    let name = full_name(name, description.unit, kind);
    if !written.insert(name.clone()) {
        return None;
    }
    if !description.text.is_empty() {
        let _ = writeln!(out, "# HELP {name} {}", escape_help(&description.text));
    }
    let kind = match kind {
        Instrument::Counter => "counter",
        Instrument::Gauge => "gauge",
        Instrument::Histogram => "histogram",
    };
    let _ = writeln!(out, "# TYPE {name} {kind}");
    Some(name)
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, value: impl Display) {
    let _ = if labels.is_empty() {
        writeln!(out, "{name}{suffix} {value}")
    } else {
        writeln!(out, "{name}{suffix}{{{labels}}} {value}")
    };
}

/// The labels between their braces.
pub(super) fn label_text(labels: &[Label]) -> String {
    pairs(labels.iter().map(|label| (label.key(), label.value())))
}

/// Names and values, sorted by name, as they stand between braces.
///
/// Names that become the same share one label with all their values, as OpenTelemetry asks: a label
/// that comes twice would spoil the whole scrape.
pub(super) fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        let name = label_name(name);
        let value = escape_label(value);
        match labels.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(';');
                values.push_str(&value);
            }
            None => labels.push((name, value)),
        }
    }
    let texts: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    texts.join(",")
}

/// A counter's name without `_total`, so that one with and one without it are one metric.
pub(super) fn counter_name(name: &str) -> String {
    let name = metric_name(name);
    match name.strip_suffix("_total") {
        Some(stem) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    }
}

/// A name with what Prometheus does not allow made `_`.
pub(super) fn metric_name(name: &str) -> String {
    sanitize(name, |c| c == ':')
}

fn label_name(name: &str) -> String {
    match name {
        // A histogram's own label.
        "le" => "le_".to_owned(),
        _ => sanitize(name, |_| false),
    }
}

fn sanitize(name: &str, also: impl Fn(char) -> bool) -> String {
    let mut clean: String = name
        .chars()
        .map(|c| match c {
            '_' => c,
            c if c.is_ascii_alphanumeric() || also(c) => c,
            _ => '_',
        })
        .collect();
    if !clean.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic() || also(c)) {
        clean.insert(0, '_');
    }
    clean
}

/// Appends unit and `_total` where they are not there yet.
fn full_name(name: &str, unit: &str, kind: Instrument) -> String {
    let stem = match kind {
        Instrument::Counter => name.strip_suffix("_total").unwrap_or(name),
        Instrument::Gauge | Instrument::Histogram => name,
    };
    let mut full = stem.to_owned();
    let unit = match unit {
        "1" if kind == Instrument::Gauge => "ratio",
        unit => unit_name(unit),
    };
    let told = full == unit
        || full
            .strip_suffix(unit)
            .is_some_and(|rest| rest.ends_with('_'));
    if !unit.is_empty() && !told {
        full.push('_');
        full.push_str(unit);
    }
    if kind == Instrument::Counter {
        full.push_str("_total");
    }
    full
}

/// Prometheus' word for a UCUM unit; empty when it is not part of the name.
fn unit_name(unit: &str) -> &'static str {
    match unit {
        "%" => "percent",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "TiBy" => "tebibytes",
        "GiBy" => "gibibytes",
        "MiBy" => "mebibytes",
        "KiBy" => "kibibytes",
        "By" => "bytes",
        "Tbit/s" => "terabits_per_second",
        "Gbit/s" => "gigabits_per_second",
        "Mbit/s" => "megabits_per_second",
        "kbit/s" => "kilobits_per_second",
        "bit/s" => "bits_per_second",
        "1/s" => "per_second",
        // Annotations such as `{message}` and what has no unit.
        _ => "",
    }
}

fn escape_label(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn escape_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A number as Prometheus writes it.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        // `NaN` is written as Prometheus wants it.
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_unit_and_total_once() {
        let name = |name, unit, kind| full_name(&metric_name(name), unit, kind);
        let (counter, gauge, histogram) = (
            Instrument::Counter,
            Instrument::Gauge,
            Instrument::Histogram,
        );
        assert_eq!(
            name("spanwire.ipc.messages", "{message}", counter),
            "spanwire_ipc_messages_total"
        );
        assert_eq!(
            name("process.cpu.utilization", "1", gauge),
            "process_cpu_utilization_ratio"
        );
        assert_eq!(
            name("spanwire.ipc.message.size", "By", histogram),
            "spanwire_ipc_message_size_bytes"
        );
        assert_eq!(
            name("process.thread.count", "{thread}", gauge),
            "process_thread_count"
        );
        assert_eq!(name("app.load_seconds", "s", histogram), "app_load_seconds");
        assert_eq!(
            name("app.load.seconds.total", "s", counter),
            "app_load_seconds_total"
        );
        assert_eq!(
            name("app.milliseconds", "s", gauge),
            "app_milliseconds_seconds"
        );
        assert_eq!(name("app.runs", "1", counter), "app_runs_total");
        assert_eq!(name("9 lives", "", gauge), "_9_lives");
    }

    #[test]
    fn names_of_ours_are_those_of_the_conventions() {
        for metric in crate::semconv::METRICS {
            let name = full_name(&metric_name(metric.name), metric.unit, metric.instrument);
            assert_eq!(name, metric.prometheus_name());
        }
    }

    #[test]
    fn label_values_keep_every_character() {
        let labels = [
            Label::new("path", "\\\\server\\c$"),
            Label::new("says", "\"hi\"\n"),
            Label::new("ünï", "ü"),
        ];
        assert_eq!(
            label_text(&labels),
            r#"path="\\\\server\\c$",says="\"hi\"\n",_n_="ü""#
        );
    }

    #[test]
    fn labels_that_become_the_same_are_joined() {
        let labels = [
            Label::new("a.b", "1"),
            Label::new("a_b", "2"),
            Label::new("le", "3"),
        ];
        assert_eq!(label_text(&labels), r#"a_b="1;2",le_="3""#);
    }

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let texts = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.000_05, 1.0]
            .map(|number| Number(number).to_string());
        assert_eq!(texts, ["+Inf", "-Inf", "NaN", "0.00005", "1"]);
    }
}
