//! The catalogue of findings, which the alerts are made from too: `grafana/src/findings/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Every finding, causes before what they bring about.
pub(super) fn every_finding() -> Result<Vec<CatalogueEntry>, serde_json::Error> {
    let catalogue: Catalogue = serde_json::from_str(FILE)?;
    Ok(catalogue.findings)
}

// Built in: the alerts of the same version come from the same file.
const FILE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/grafana/findings.json"
));

#[derive(Debug, Deserialize)]
struct Catalogue {
    findings: Vec<CatalogueEntry>,
}

/// What the catalogue says of a finding.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CatalogueEntry {
    pub(super) id: String,
    pub(super) question: String,
    /// Where in the app the time or the message is lost.
    pub(super) stage: String,
    pub(super) severity: Severity,
    /// With labels, and `value`, in braces.
    pub(super) says: String,
    pub(super) unit: Unit,
    /// PromQL with a series for each case in which it holds.
    pub(super) evidence: String,
    pub(super) culprit: Option<Culprit>,
    pub(super) explains: Vec<Explanation>,
    pub(super) remedy: String,
    pub(super) trace: Option<TraceQuery>,
    pub(super) alerts: Vec<String>,
    pub(super) runbook: Option<String>,
}

/// The worse one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Critical,
    Warning,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// What takes the most of what the finding is about.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Culprit {
    pub(super) says: String,
    pub(super) unit: Unit,
    pub(super) evidence: String,
}

/// Findings that another brings about, where they have these labels in common.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Explanation {
    pub(super) ids: Vec<String>,
    pub(super) same: Vec<String>,
    /// What the other calls such a label, where it is not the same.
    #[serde(default, rename = "as")]
    pub(super) called: BTreeMap<String, String>,
    /// Only where nothing is named as the other's culprit.
    #[serde(default, rename = "ifUnblamed")]
    pub(super) if_unblamed: bool,
    /// Only where the other's value is below this.
    pub(super) below: Option<f64>,
}

/// The spans to show an example of, with labels in braces.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TraceQuery {
    pub(super) operation: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "1")]
    Share,
    #[serde(rename = "By")]
    Bytes,
    // UCUM's names, as the catalogue has them. `{}` is a count of anything.
    #[serde(rename = "{}")]
    Count,
    #[serde(rename = "{}/s")]
    PerSecond,
    #[serde(rename = "By/s")]
    BytesPerSecond,
}

impl Unit {
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 1.0 => format!("{} ms", digits(value * 1e3)),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Share => format!("{} %", digits(value * 100.0)),
            Self::Bytes => bytes(value),
            Self::Count => digits(value),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
        }
    }
}

fn bytes(value: f64) -> String {
    let mut left = value;
    let mut units = ["B", "KiB", "MiB", "GiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        // The last unit takes whatever is left, so a larger value has more digits.
        if left < 1024.0 {
            break;
        }
        left /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", digits(left))
}

/// Two or three digits that count.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 10.0 => 0,
        _ => 1,
    };
    let text = format!("{value:.decimals$}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::ALERTS;
    use crate::listing::every_alert;

    #[test]
    fn catalogue_has_a_finding_and_a_runbook_for_every_alert() {
        let findings = every_finding().unwrap();
        let named: Vec<&String> = findings.iter().flat_map(|of| &of.alerts).collect();
        for alert in every_alert() {
            assert!(named.contains(&&alert.name), "{alert:?}");
        }
        let runbooks: Vec<String> = ALERTS.folder("runbooks").map(|file| file.path).collect();
        for of in findings {
            if let Some(runbook) = of.runbook {
                assert!(runbooks.contains(&runbook), "{runbook}");
            }
        }
    }

    #[test]
    fn value_is_written_with_its_unit() {
        for (unit, value, text) in [
            (Unit::Seconds, 0.0042, "4.2 ms"),
            (Unit::Seconds, 0.48, "480 ms"),
            (Unit::Seconds, 2.0, "2 s"),
            (Unit::Share, 0.925, "92 %"),
            (Unit::Bytes, 6_500_000.0, "6.2 MiB"),
            (Unit::Bytes, 12.0, "12 B"),
            (Unit::Count, 3.0, "3"),
            (Unit::PerSecond, 1_234.4, "1234/s"),
            (Unit::BytesPerSecond, 2_048.0, "2 KiB/s"),
        ] {
            assert_eq!(unit.text(value), text);
        }
    }
}
