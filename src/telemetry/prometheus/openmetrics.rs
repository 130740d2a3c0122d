//! The OpenMetrics text format, which has exemplars.
//!
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>

use std::fmt::{self, Display, Write as _};

use super::exemplar::Exemplar;
use super::families::ExposedFamily;
use super::labels::escape_quoted;
use super::names::unit_name;
use super::series::Values;
use super::text::{self, Format, Number, TARGET_HELP};

/// Writes the resource, every series, and the end.
pub(super) fn write(out: &mut String, target: &str, metrics: &[ExposedFamily]) {
    text::write::<OpenMetrics>(out, target, metrics);
    // Required: without it a scraper takes the body for one that was cut off.
    out.push_str("# EOF\n");
}

struct OpenMetrics;

impl Format for OpenMetrics {
    fn head(out: &mut String, metric: &ExposedFamily) -> bool {
        let (name, kind) = match metric.values {
            // The name without `_total` is somebody else's, and the samples are worth more than
            // their type.
            Values::Counter(_) if metric.clashes => (metric.name.as_str(), "unknown"),
            // Without its type a histogram's buckets could not be read as one.
            Values::Histogram(_) if metric.clashes => return false,
            _ => (metric.stem(), metric.type_name()),
        };
        let _ = writeln!(out, "# TYPE {name} {kind}");
        // The format allows a unit only where the name ends with it.
        let unit = unit_name(metric.description.unit, metric.kind());
        let stem = name.strip_suffix(unit);
        if !unit.is_empty() && stem.is_some_and(|stem| stem.ends_with('_')) {
            let _ = writeln!(out, "# UNIT {name} {unit}");
        }
        let help = &metric.description.text;
        if !help.is_empty() {
            let _ = writeln!(out, "# HELP {name} {}", escape_quoted(help));
        }
        true
    }

    fn target_head(out: &mut String, metrics: &[ExposedFamily]) {
        // A metric of the app's may be called `target`, and a name may have one type.
        let (name, kind) = match metrics.iter().any(|metric| metric.stem() == TARGET) {
            true => ("target_info", "gauge"),
            false => (TARGET, "info"),
        };
        let _ = writeln!(out, "# TYPE {name} {kind}");
        let _ = writeln!(out, "# HELP {name} {TARGET_HELP}");
    }

    /// In the canonical form, since a label's value is compared as text.
    ///
    /// The plain format writes `1` where this writes `1.0`, and stays so, since it is compared as
    /// text too. A Prometheus asks for one format and stays with it, and from version 3 on it makes
    /// every bound canonical itself.
    fn bound(bound: f64) -> String {
        canonical(bound)
    }

    /// A sum that may fall is none: negative values were recorded.
    fn has_sum(sum: f64) -> bool {
        // The format says that a sum must not be there if values may be negative, and Prometheus
        // would take a fall for a restart.
        sum >= 0.0
    }

    fn exemplar(exemplar: Option<&Exemplar>) -> impl Display {
        Exemplified(exemplar.copied())
    }
}

/// An exemplar as it follows a sample's value.
struct Exemplified(Option<Exemplar>);

impl Display for Exemplified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(exemplar) = &self.0 else {
            return Ok(());
        };
        write!(
            f,
            " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
            exemplar.trace,
            exemplar.span,
            Number(exemplar.value),
            exemplar.millis / 1_000,
            exemplar.millis % 1_000,
        )
    }
}

/// A finite number as Go's `%g` writes it, with `.0` where neither point nor exponent is.
fn canonical(number: f64) -> String {
    // `-1.5e-7`, with the fewest digits that are the number.
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // From a million on and below a ten-thousandth, the canonical form has an exponent.
    if (-4..6).contains(&exponent) || number == 0.0 {
        return format!("{number:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The resource's metric without `_info`.
const TARGET: &str = "target";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_canonical() {
        // The examples of the specification's section "Canonical numbers", and some of ours.
        for text in [
            "0.0",
            "0.001",
            "0.002",
            "0.01",
            "0.1",
            "0.9",
            "0.95",
            "0.99",
            "0.999",
            "1.0",
            "1.7",
            "10.0",
            "1e-10",
            "1e-09",
            "1e-05",
            "0.0001",
            "100000.0",
            "1e+06",
            "1e+10",
            "5e-05",
            "0.00025",
            "2.5",
            "60.0",
            "262144.0",
            "1.048576e+06",
            "1.048576e+07",
            "1e+100",
            "-1.5",
        ] {
            assert_eq!(canonical(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn every_bound_of_ours_is_the_same_number_again() {
        for metric in crate::semconv::METRICS {
            for bound in metric.bounds {
                let text = canonical(*bound);
                assert_eq!(text.parse(), Ok(*bound));
                assert!(text.contains(['.', 'e']), "{text}");
            }
        }
    }
}
