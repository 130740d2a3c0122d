//! OpenTelemetry's names as Prometheus has them.
//!
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use crate::semconv::Instrument;

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

/// As [`metric_name`], for a label.
pub(super) fn label_name(name: &str) -> String {
    let mut name = sanitize(name, |_| false);
    // A histogram's own label, and the one that is every metric's name: Prometheus refuses a whole
    // scrape in which a metric has two names.
    if name == "le" || name == "__name__" {
        name.push('_');
    }
    name
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
pub(super) fn full_name(name: &str, unit: &str, kind: Instrument) -> String {
    let stem = match kind {
        Instrument::Counter => name
            .strip_suffix("_total")
            .filter(|stem| !stem.is_empty())
            .unwrap_or(name),
        Instrument::UpDownCounter | Instrument::Gauge | Instrument::Histogram => name,
    };
    let mut full = stem.to_owned();
    let unit = unit_name(unit, kind);
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
pub(super) fn unit_name(unit: &str, kind: Instrument) -> &'static str {
    match unit {
        "1" if kind == Instrument::Gauge => "ratio",
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
    fn labels_that_prometheus_has_itself_are_told_apart_from_the_apps() {
        for (name, shown) in [
            ("le", "le_"),
            ("__name__", "__name___"),
            ("..name..", "__name___"),
            (".le", "_le"),
            ("name", "name"),
        ] {
            assert_eq!(label_name(name), shown);
        }
    }

    #[test]
    fn names_of_ours_are_those_of_the_conventions() {
        for metric in crate::semconv::METRICS {
            let name = full_name(&metric_name(metric.name), metric.unit, metric.instrument);
            assert_eq!(name, metric.prometheus_name());
        }
    }
}
