//! OpenTelemetry's names as Prometheus has them.
//!
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use crate::semconv::Instrument;

/// What Prometheus calls an instrument.
pub(super) fn kind_name(kind: Instrument) -> &'static str {
    match kind {
        Instrument::Counter => "counter",
        Instrument::Gauge | Instrument::UpDownCounter => "gauge",
        Instrument::Histogram => "histogram",
    }
}

/// A name with `_` for what Prometheus does not allow, and never two of them.
pub(super) fn metric_name(name: &str) -> String {
    sanitize(name, |c| c == ':')
}

/// As [`metric_name`], for a label.
pub(super) fn label_name(name: &str) -> String {
    // What begins with two `_`, as Prometheus' own `__name__` does, begins with one now.
    // A colon is allowed in a metric's name alone.
    let mut name = sanitize(name, |_| false);
    if name == BUCKET_LABEL {
        name.push('_');
    }
    name
}

/// Whether [`label_name`] leaves the name as it is.
pub(super) fn is_label_name(name: &str) -> bool {
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    !name.is_empty()
        && name != BUCKET_LABEL
        && name.chars().all(is_word)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        // `sanitize` makes one of two, and Prometheus keeps names that begin with two for itself.
        && !name.contains("__")
}

/// A histogram's own label.
const BUCKET_LABEL: &str = "le";

fn sanitize(name: &str, also: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || also(c) {
            clean.push(c);
        // Several in a row become one, as OpenTelemetry's specification asks.
        } else if !clean.ends_with('_') {
            clean.push('_');
        }
    }
    if !clean.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic() || also(c)) {
        // A name must not begin with a digit, and must not be empty.
        clean.insert(0, '_');
    }
    clean
}

/// Appends unit and `_total` where they are not there yet, and `_` to a gauge that is called like
/// one of [`OF_PROMETHEUS`].
pub(super) fn full_name(name: &str, unit: &str, kind: Instrument) -> String {
    // The function takes the suffix off first and puts it back last, so that the unit stands before
    // `_total`.
    let stem = match kind {
        Instrument::Counter => name
            .strip_suffix("_total")
            .filter(|stem| !stem.is_empty())
            .unwrap_or(name),
        Instrument::UpDownCounter | Instrument::Gauge | Instrument::Histogram => name,
    };
    let mut full = stem.to_owned();
    let unit = unit_name(unit, kind);
    // As a whole word: the unit of `kiloseconds` is not told by its last letters.
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
    // Gauges alone: counters and histograms have suffixes that none of these names has.
    if kind == Instrument::Gauge && OF_PROMETHEUS.contains(&full.as_str()) {
        full.push('_');
    }
    full
}

/// What Prometheus itself says of each scrape; an app's sample of that name would take its place.
const OF_PROMETHEUS: [&str; 8] = [
    "up",
    "scrape_body_size_bytes",
    "scrape_duration_seconds",
    "scrape_sample_limit",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "scrape_series_added",
    "scrape_timeout_seconds",
];

/// Prometheus' word for a UCUM unit; empty when it is not part of the name.
pub(super) fn unit_name(unit: &str, kind: Instrument) -> &'static str {
    match unit {
        // A counter of unit `1` counts things, which is no ratio.
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
        assert_eq!(name("a.__.b", "", gauge), "a_b");
        assert_eq!(name("total", "", counter), "total_total");
        assert_eq!(name("up", "", gauge), "up_");
        assert_eq!(name("up", "", counter), "up_total");
    }

    #[test]
    fn labels_that_prometheus_has_itself_are_told_apart_from_the_apps() {
        for (name, shown) in [
            ("le", "le_"),
            ("__name__", "_name_"),
            ("..name..", "_name_"),
            (".le", "_le"),
            ("name", "name"),
            ("a.__b", "a_b"),
            ("", "_"),
            ("9", "_9"),
            ("日本", "_"),
        ] {
            assert_eq!(label_name(name), shown);
            assert_eq!(is_label_name(name), name == shown);
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
