//! Prometheus' text format, and what it shares with OpenMetrics.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{self, Display, Write as _};

use super::exemplar::Exemplar;
use super::families::{ExposedFamily, TARGET_INFO};
use super::series::Values;

/// What the formats do differently.
pub(super) trait Format {
    /// Writes what comes before a metric's samples; `false` when they cannot be shown.
    fn head(out: &mut String, metric: &ExposedFamily) -> bool;

    /// Writes what comes before the resource's one sample.
    fn target_head(out: &mut String, metrics: &[ExposedFamily]);

    /// A bucket's bound as the value of `le`.
    fn bound(bound: f64) -> String;

    /// Whether a histogram with this sum has one to show.
    fn has_sum(sum: f64) -> bool;

    /// What follows a bucket's count.
    fn exemplar(exemplar: Option<&Exemplar>) -> impl Display;
}

/// The plain text format.
pub(super) struct Text;

impl Format for Text {
    fn head(out: &mut String, metric: &ExposedFamily) -> bool {
        let name = &metric.name;
        let help = &metric.description.text;
        // An empty text would be a line without use.
        if !help.is_empty() {
            let _ = writeln!(out, "# HELP {name} {}", escape_help(help));
        }
        let _ = writeln!(out, "# TYPE {name} {}", metric.type_name());
        true
    }

    fn target_head(out: &mut String, _: &[ExposedFamily]) {
        let _ = writeln!(out, "# HELP {TARGET_INFO} {TARGET_HELP}");
        let _ = writeln!(out, "# TYPE {TARGET_INFO} gauge");
    }

    fn bound(bound: f64) -> String {
        Number(bound).to_string()
    }

    fn has_sum(_: f64) -> bool {
        true
    }

    fn exemplar(_: Option<&Exemplar>) -> impl Display {
        ""
    }
}

/// Writes the resource, whose labels are `target` (nothing when it has none), and every series.
pub(super) fn write<F: Format>(out: &mut String, target: &str, metrics: &[ExposedFamily]) {
    if !target.is_empty() {
        F::target_head(out, metrics);
        line(out, TARGET_INFO, "", target, 1);
    }
    for metric in metrics {
        if F::head(out, metric) {
            samples::<F>(out, metric);
        }
    }
}

fn samples<F: Format>(out: &mut String, metric: &ExposedFamily) {
    let name = &metric.name;
    match &metric.values {
        Values::Counter(series) => {
            for (labels, value) in series {
                line(out, name, "", labels, value);
            }
        }
        Values::Gauge(series) => {
            for (labels, value) in series {
                line(out, name, "", labels, Number(*value));
            }
        }
        Values::Histogram(series) => {
            for (labels, distribution) in series {
                // `le` comes last, behind the labels that are a text already.
                let comma = if labels.is_empty() { "" } else { "," };
                // One for each bucket and one for `+Inf`, in the order in which the buckets are
                // written.
                let mut exemplars = distribution.exemplars.iter();
                let mut bucket = |out: &mut String, bound: &str, count: u64| {
                    let labels = format!("{labels}{comma}le=\"{bound}\"");
                    let exemplar = F::exemplar(exemplars.next().and_then(Option::as_ref));
                    line(
                        out,
                        name,
                        "_bucket",
                        &labels,
                        format_args!("{count}{exemplar}"),
                    );
                };
                for (bound, count) in &distribution.buckets {
                    bucket(out, &F::bound(*bound), *count);
                }
                // A summary has no buckets, so the loop above wrote none either.
                if !metric.is_summary {
                    bucket(out, "+Inf", distribution.count);
                }
                // OpenMetrics requires both lines or neither; the bucket of `+Inf` gives the count
                // in any case.
                if F::has_sum(distribution.sum) {
                    line(out, name, "_sum", labels, Number(distribution.sum));
                    line(out, name, "_count", labels, distribution.count);
                }
            }
        }
    }
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &str, value: impl Display) {
    let _ = if labels.is_empty() {
        writeln!(out, "{name}{suffix} {value}")
    } else {
        writeln!(out, "{name}{suffix}{{{labels}}} {value}")
    };
}

fn escape_help(text: &str) -> String {
    // Quotes stay as they are in the help of this format, unlike in OpenMetrics.
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A number as Prometheus writes it.
pub(super) struct Number(pub(super) f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        // `NaN` is written as Prometheus wants it.
        // Rust writes no exponent, which is long for large numbers and read by every parser.
        write!(f, "{}", self.0)
    }
}

pub(super) const TARGET_HELP: &str = "Target metadata.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let texts = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.000_05, 1.0]
            .map(|number| Number(number).to_string());
        assert_eq!(texts, ["+Inf", "-Inf", "NaN", "0.00005", "1"]);
    }
}
