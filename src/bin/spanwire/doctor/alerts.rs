//! Whether Prometheus has the alerts, which of them fire, and whether they reach an Alertmanager.

use super::finding::{Finding, quoted, unanswered};
use super::prometheus::PrometheusProbe;
use crate::listing::every_alert;
use crate::text::{count, few, shown};

pub(super) fn evaluate(probe: &PrometheusProbe) -> Vec<Finding> {
    let mut findings = rules(probe);
    findings.push(alertmanagers(probe));
    findings
}

/// The alerts of Spanwire's that fire: something is wrong with an app, and not with its telemetry.
pub(super) fn firing(probe: &PrometheusProbe) -> Vec<String> {
    let ours = every_alert();
    let is_ours = |name: &str| ours.iter().any(|alert| alert.name == name);
    let rules = probe.rules.iter().flatten();
    rules
        // By the names of this version: a Prometheus has the alerts of other systems too.
        .filter(|rule| rule.is_alert && rule.is_firing && is_ours(&rule.name))
        .map(|rule| rule.name.clone())
        .collect()
}

fn rules(probe: &PrometheusProbe) -> Vec<Finding> {
    let rules = match &probe.rules {
        Ok(rules) => rules,
        Err(error) => return vec![unanswered(RULES, error)],
    };
    let alerts = every_alert();
    let loaded = |name: &str| rules.iter().any(|rule| rule.is_alert && rule.name == name);
    let (there, missing): (Vec<&str>, Vec<&str>) = alerts
        .iter()
        .map(|alert| alert.name.as_str())
        .partition(|name| loaded(name));
    let firing = firing(probe);
    let broken: Vec<_> = rules
        .iter()
        // Recording rules are among them, whose names are like `spanwire:…`.
        .filter(|rule| !rule.error.is_empty() && rule.name.to_lowercase().contains("spanwire"))
        .collect();
    let remedy = "spanwire alerts export DIR, which says what to put into prometheus.yml";
    let mut findings = vec![match (there.len(), missing.len()) {
        // A warning and no failure: metrics and traces are there without alerts.
        (0, _) => Finding::warn(RULES, "none of Spanwire's alerts is loaded", remedy),
        (_, 0) if firing.is_empty() => Finding::ok(
            RULES,
            format!("{} loaded, none fires", count(there.len(), "alert")),
        ),
        (_, 0) => Finding::ok(
            RULES,
            format!(
                "{} loaded; firing: {}",
                count(there.len(), "alert"),
                few(&firing)
            ),
        ),
        _ => Finding::warn(
            RULES,
            format!("of another version: not loaded are {}", few(&missing)),
            remedy,
        ),
    }];
    // One is enough: a feature or a function that this Prometheus lacks breaks several at once.
    if let Some(rule) = broken.first() {
        findings.push(Finding::warn(
            RULES,
            quoted(
                &format!("{} cannot be evaluated", shown(&rule.name)),
                &rule.error,
            ),
            remedy,
        ));
    }
    findings
}

fn alertmanagers(probe: &PrometheusProbe) -> Finding {
    let what = "alerting";
    match &probe.alertmanagers {
        Ok(known) if known.is_empty() => Finding::warn(
            what,
            "Prometheus has no Alertmanager, so alerts notify no one",
            "in prometheus.yml: alerting: {alertmanagers: [{static_configs: \
             [{targets: ['127.0.0.1:9093']}]}]}",
        ),
        Ok(known) => match &probe.unreachable_alertmanager {
            Some((url, error)) => Finding::warn(
                what,
                format!(
                    "alerts go to {}, and as this machine sees it: {}",
                    shown(url),
                    error
                ),
                "start the Alertmanager, or take its address out of what Prometheus has \
                 (alerting in prometheus.yml, targets/alertmanager.yml)",
            ),
            None => Finding::ok(what, format!("alerts go to {}", few(known))),
        },
        Err(error) => unanswered(what, error),
    }
}

const RULES: &str = "rules";
