//! Grafana: is it there, and does it have the dashboards, as far as somebody without a password
//! may see.

use serde_json::Value;

use super::super::listing::every_dashboard;
use super::super::text::{count, few, versioned};
use super::finding::Finding;
use super::places::Place;
use super::web::{Ahead, Trouble, Web};
use crate::clock::Stamp;

/// What it said.
pub(super) struct Said {
    place: Place,
    health: Result<Value, Trouble>,
    /// The uids of its dashboards.
    dashboards: Result<Vec<String>, Trouble>,
    /// The types of its data sources.
    sources: Result<Vec<String>, Trouble>,
    ahead: Option<Ahead>,
}

pub(super) fn ask(place: &Place, until: Stamp) -> Said {
    let web = Web::new(&place.url, until);
    let (health, ahead) = match web.json("/api/health") {
        Ok((health, answer)) if health["database"].is_string() => (Ok(health), answer.ahead),
        Ok((_, answer)) => (Err(Trouble::Strange(answer.status)), None),
        Err(trouble) => (Err(trouble), None),
    };
    let gone = health.as_ref().err().cloned();
    let only_if_there = || gone.clone().map_or(Ok(()), Err);
    Said {
        place: place.clone(),
        health,
        dashboards: only_if_there().and_then(|()| dashboards(&web)),
        sources: only_if_there().and_then(|()| sources(&web)),
        ahead,
    }
}

fn dashboards(web: &Web) -> Result<Vec<String>, Trouble> {
    let pairs = [
        ("type", "dash-db"),
        ("query", "Spanwire"),
        ("limit", "1000"),
    ];
    let (found, answer) = web.json_with("/api/search", &pairs)?;
    let found = found.as_array().ok_or(Trouble::Strange(answer.status))?;
    let uids = found.iter().filter_map(|one| one["uid"].as_str());
    Ok(uids.map(str::to_owned).collect())
}

fn sources(web: &Web) -> Result<Vec<String>, Trouble> {
    let (settings, answer) = web.json("/api/frontend/settings")?;
    let sources = settings["datasources"].as_object();
    let sources = sources.ok_or(Trouble::Strange(answer.status))?;
    let kinds = sources.values().filter_map(|one| one["type"].as_str());
    Ok(kinds.map(str::to_owned).collect())
}

impl Said {
    pub(super) fn ahead(&self) -> Option<Ahead> {
        self.ahead
    }

    pub(super) fn judge(&self) -> Vec<Finding> {
        let url = self.place.shown();
        let health = match &self.health {
            Ok(health) => health,
            Err(trouble) => return vec![self.place.missing(WHAT, trouble, "--grafana")],
        };
        let version = health["version"].as_str().unwrap_or_default();
        let mut findings = vec![match health["database"].as_str() {
            Some("ok") => Finding::ok(WHAT, versioned(version, &url)),
            _ => Finding::warn(WHAT, format!("its database fails, at {url}"), "see its log"),
        }];
        findings.push(self.shows());
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
            Err(Trouble::Strange(401 | 403)) => {
                let detail = "it shows its dashboards to nobody without a password";
                return Finding::skip(WHAT, detail, "look there yourself");
            }
            Err(Trouble::Strange(301 | 302 | 307 | 308)) => {
                let detail = "it sends who asks for its dashboards by this name to another";
                let mend = "--grafana URL with the name that it answers to: [server] domain of its \
                    file, which enforce_domain makes the only one";
                return Finding::warn(WHAT, detail, mend);
            }
            Err(trouble) => {
                let detail = format!("its dashboards cannot be seen: {}", trouble.says());
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
