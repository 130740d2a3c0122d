//! What there is to export.

use std::io::{self, Write};

use crate::Outcome;
use crate::bundle::{ALERTS, DASHBOARDS};

/// A dashboard, as its JSON says.
#[derive(Debug)]
pub(super) struct Dashboard {
    pub(super) uid: String,
    pub(super) title: String,
    description: String,
}

/// Every dashboard.
pub(super) fn every_dashboard() -> Vec<Dashboard> {
    let files = DASHBOARDS.folder("dashboards");
    files
        // Every file of the bundle has these fields, so nothing is left out.
        .filter_map(|file| {
            let json: serde_json::Value = serde_json::from_slice(&file.bytes).ok()?;
            let text = |key| json[key].as_str().map(str::to_owned);
            Some(Dashboard {
                uid: text("uid")?,
                title: text("title")?,
                description: text("description")?,
            })
        })
        .collect()
}

/// An alert, as its rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) name: String,
    severity: String,
    /// How long its condition must hold; at once when it need not.
    held: Option<String>,
}

/// Every alert. The rules are written by a generator, one key a line.
pub(super) fn every_alert() -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    for file in ALERTS.folder("rules") {
        // By lines: a YAML parser would be a dependency for three keys of files that the generator
        // writes.
        let lines = file.text().lines();
        for line in lines.map(|line| line.trim_start().trim_start_matches("- ")) {
            if let Some(name) = line.strip_prefix("alert: ") {
                alerts.push(Alert {
                    name: name.to_owned(),
                    severity: String::new(),
                    held: None,
                });
            }
            // Recording rules before the first alert have neither of the keys below.
            let Some(alert) = alerts.last_mut() else {
                continue;
            };
            if let Some(severity) = line.strip_prefix("severity: ") {
                severity.clone_into(&mut alert.severity);
            } else if let Some(held) = line.strip_prefix("for: ") {
                alert.held = Some(held.to_owned());
            }
        }
    }
    alerts
}

pub(super) fn dashboards(out: &mut impl Write) -> io::Result<Outcome> {
    for dashboard in every_dashboard() {
        let Dashboard {
            uid,
            title,
            description,
        } = dashboard;
        writeln!(out, "{uid:<20}  {title}")?;
        writeln!(out, "{:<20}  {description}", "")?;
    }
    Ok(Outcome::Good)
}

pub(super) fn alerts(out: &mut impl Write) -> io::Result<Outcome> {
    for alert in every_alert() {
        let Alert {
            name,
            severity,
            held,
        } = alert;
        let when = held.map_or("at once".to_owned(), |held| format!("after {held}"));
        writeln!(out, "{name:<32}  {severity:<8}  {when}")?;
    }
    Ok(Outcome::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read() {
        assert_eq!(
            every_dashboard().len(),
            DASHBOARDS.folder("dashboards").count()
        );
        let alerts = every_alert();
        let runbooks = ALERTS.folder("runbooks");
        let runbooks = runbooks.filter(|file| !file.path.ends_with("README.md"));
        assert_eq!(alerts.len(), runbooks.count());
        for alert in alerts {
            assert!(
                ["warning", "critical"].contains(&alert.severity.as_str()),
                "{alert:?}"
            );
        }
    }
}
