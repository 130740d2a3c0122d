//! Grafana: whether it answers, and whether it has the dashboards, as far as it shows them without a
//! login.

use serde_json::Value;
use spanwire::clock::Stamp;

use super::client::{ClockSkew, HttpClient};
use super::finding::Finding;
use super::probe_error::ProbeError;
use super::targets::Target;
use crate::listing::every_dashboard;
use crate::text::{count, few, versioned};

/// What it answered.
pub(super) struct GrafanaProbe {
    target: Target,
    health: Result<Value, ProbeError>,
    /// The uids of its dashboards.
    dashboards: Result<Vec<String>, ProbeError>,
    /// The types of its data sources.
    sources: Result<Vec<String>, ProbeError>,
    clock_skew: Option<ClockSkew>,
}

pub(super) fn probe(target: &Target, deadline: Stamp) -> GrafanaProbe {
    let client = HttpClient::new(target, deadline);
    let (health, clock_skew) = match client.json("/api/health") {
        // Many programs have a path `/api/health`. This field is Grafana's.
        Ok((health, answer)) if health["database"].is_string() => (Ok(health), answer.clock_skew),
        Ok((_, answer)) => (Err(ProbeError::UnexpectedResponse(answer.status)), None),
        Err(error) => (Err(error), None),
    };
    let gone = health.as_ref().err().cloned();
    // The other questions would only take their time limits.
    let only_if_there = || gone.clone().map_or(Ok(()), Err);
    GrafanaProbe {
        target: target.clone(),
        health,
        dashboards: only_if_there().and_then(|()| dashboards(&client)),
        sources: only_if_there().and_then(|()| sources(&client)),
        clock_skew,
    }
}

fn dashboards(client: &HttpClient) -> Result<Vec<String>, ProbeError> {
    let pairs = [
        ("type", "dash-db"),
        ("query", "Spanwire"),
        ("limit", "1000"),
    ];
    let (found, answer) = client.json_with("/api/search", &pairs)?;
    let found = found
        .as_array()
        .ok_or(ProbeError::UnexpectedResponse(answer.status))?;
    let uids = found.iter().filter_map(|one| one["uid"].as_str());
    Ok(uids.map(str::to_owned).collect())
}

fn sources(client: &HttpClient) -> Result<Vec<String>, ProbeError> {
    // `/api/datasources` needs rights that a viewer has not. These settings go to each page of
    // Grafana's.
    let (settings, answer) = client.json("/api/frontend/settings")?;
    let sources = settings["datasources"].as_object();
    let sources = sources.ok_or(ProbeError::UnexpectedResponse(answer.status))?;
    let kinds = sources.values().filter_map(|one| one["type"].as_str());
    Ok(kinds.map(str::to_owned).collect())
}

impl GrafanaProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.clock_skew
    }

    pub(super) fn evaluate(&self) -> Vec<Finding> {
        let url = self.target.redacted();
        let health = match &self.health {
            Ok(health) => health,
            Err(error) => return vec![self.target.missing(WHAT, error, "--grafana")],
        };
        let version = health["version"].as_str().unwrap_or_default();
        let mut findings = vec![match health["database"].as_str() {
            Some("ok") => Finding::ok(WHAT, versioned(version, &url)),
            _ => Finding::warn(WHAT, format!("its database fails, at {url}"), "see its log"),
        }];
        findings.push(self.shows());
        // Where they cannot be seen, nothing is said: the finding above has the reason.
        if let Ok(kinds) = &self.sources
            && !kinds.iter().any(|kind| kind == "prometheus")
        {
            findings.push(Finding::warn(
                WHAT,
                "no data source of the type prometheus is seen",
                PROVISION,
            ));
        }
        findings
    }

    fn shows(&self) -> Finding {
        let found = match &self.dashboards {
            Ok(found) => found,
            Err(ProbeError::UnexpectedResponse(401 | 403)) => {
                let detail = "it shows its dashboards only after a login";
                return Finding::skip(WHAT, detail, "look there yourself");
            }
            // The client follows no redirects. Grafana's own `enforce_domain` answers any other
            // name so.
            Err(ProbeError::UnexpectedResponse(301 | 302 | 307 | 308)) => {
                let detail =
                    "it redirects requests for its dashboards under this name to another name";
                let remedy = "--grafana URL with the name that it answers to: [server] domain of its \
                    file, which enforce_domain makes the only one";
                return Finding::warn(WHAT, detail, remedy);
            }
            Err(error) => {
                let detail = format!("its dashboards cannot be seen: {error}");
                return Finding::skip(WHAT, detail, "look there yourself");
            }
        };
        let every = every_dashboard();
        let missing: Vec<&str> = every
            .iter()
            .map(|dashboard| &*dashboard.uid)
            .filter(|uid| !found.iter().any(|one| one == uid))
            .collect();
        if missing.is_empty() {
            return Finding::ok(WHAT, format!("it has {}", count(every.len(), "dashboard")));
        }
        let detail = format!("it does not show {}", few(&missing));
        Finding::warn(WHAT, detail, PROVISION)
    }
}

const WHAT: &str = "grafana";
const PROVISION: &str = "spanwire dashboards export DIR, which says what to set";
