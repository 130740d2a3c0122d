//! What Prometheus says: its targets, rules, Alertmanagers, and a few queries.

use std::collections::BTreeMap;

use http::Uri;
use serde_json::Value;

use super::places::Place;
use super::web::{Ahead, Trouble, Web, seconds, wall};
use crate::clock::Stamp;
use crate::semconv::ERROR_RATE_THRESHOLD;
use crate::telemetry::doctor::{is_local, origin};

/// A series of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// What it said.
pub(super) struct Said {
    pub(super) place: Place,
    /// Its version, or why there is nothing else.
    pub(super) version: Result<String, Trouble>,
    pub(super) ready: Result<bool, Trouble>,
    pub(super) targets: Result<Vec<Target>, Trouble>,
    /// How old the newest sample of an app is, in seconds, by job.
    pub(super) ages: Result<Vec<Series>, Trouble>,
    pub(super) target_info: Result<Vec<Series>, Trouble>,
    pub(super) rules: Result<Vec<Rule>, Trouble>,
    /// The URLs of those that it sends alerts to.
    pub(super) alertmanagers: Result<Vec<String>, Trouble>,
    /// One of those on this machine that cannot be reached, and why.
    pub(super) deaf: Option<(String, Trouble)>,
    /// Whether its configuration has the job, which has no target at first. Asked only then.
    pub(super) has_job: bool,
    /// The features that flags switched on.
    pub(super) features: Result<String, Trouble>,
    ahead: Option<Ahead>,
}

/// Something that it scrapes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) job: String,
    pub(super) instance: String,
    pub(super) url: String,
    pub(super) health: String,
    pub(super) error: String,
    pub(super) interval: String,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    pub(super) is_firing: bool,
    /// Why it cannot be evaluated.
    pub(super) error: String,
}

pub(super) fn ask(place: &Place, job: &str, until: Stamp) -> Said {
    let web = Web::new(&place.url, until);
    let (version, mut ahead) = match web.json("/api/v1/status/buildinfo") {
        Ok((info, answer)) if info["status"] == "success" => {
            (Ok(text(&info["data"]["version"])), answer.ahead)
        }
        Ok((_, answer)) => (Err(Trouble::Strange(answer.status)), None),
        Err(trouble) => (Err(trouble), None),
    };
    // When it is not there, the other questions would only take their time.
    let gone = version.as_ref().err().cloned();
    let only_if_there = || gone.clone().map_or(Ok(()), Err);
    if gone.is_none()
        && let Ok(by_query) = clock(&web)
    {
        ahead = Some(by_query);
    }
    // It is there in every app, for as long as that runs.
    let presence = ERROR_RATE_THRESHOLD.prometheus_name();
    let ages = format!("time() - max by (job) (timestamp({presence}))");
    let targets = only_if_there().and_then(|()| targets(&web));
    let is_scraped = |targets: &Vec<Target>| targets.iter().any(|target| target.job == job);
    let has_job = match &targets {
        Ok(targets) if !is_scraped(targets) => has_job(&web, job).unwrap_or(false),
        _ => false,
    };
    let alertmanagers = only_if_there().and_then(|()| alertmanagers(&web));
    // What another machine calls its own is not on this one.
    let deaf = match &alertmanagers {
        Ok(known) if place.is_local() => deaf(known, until),
        _ => None,
    };
    Said {
        place: place.clone(),
        version,
        ready: only_if_there()
            .and_then(|()| web.get("/-/ready"))
            .map(|answer| answer.status == 200),
        targets,
        ages: only_if_there().and_then(|()| query(&web, &ages)),
        target_info: only_if_there().and_then(|()| query(&web, &target_info(job))),
        rules: only_if_there().and_then(|()| rules(&web)),
        alertmanagers,
        deaf,
        has_job,
        features: only_if_there().and_then(|()| {
            let flags = data(&web, "/api/v1/status/flags", &[])?;
            Ok(text(&flags["enable-feature"]))
        }),
        ahead,
    }
}

impl Said {
    pub(super) fn ahead(&self) -> Option<Ahead> {
        self.ahead
    }
}

/// Every app that has Spanwire's metrics, whatever its job: those of the job alone would not show
/// what comes a second time under another.
fn target_info(job: &str) -> String {
    let presence = ERROR_RATE_THRESHOLD.prometheus_name();
    let job = job.replace('\\', r"\\").replace('"', r#"\""#);
    format!(r#"target_info and on (job, instance) ({presence} or up{{job="{job}"}})"#)
}

fn data(web: &Web, path: &str, pairs: &[(&str, &str)]) -> Result<Value, Trouble> {
    let (mut value, answer) = web.json_with(path, pairs)?;
    match value["status"].as_str() {
        Some("success") => Ok(value["data"].take()),
        _ => Err(Trouble::Strange(answer.status)),
    }
}

fn query(web: &Web, expression: &str) -> Result<Vec<Series>, Trouble> {
    let data = data(web, "/api/v1/query", &[("query", expression)])?;
    let result = data["result"].as_array();
    let series = result.into_iter().flatten().filter_map(|series| {
        let labels = serde_json::from_value(series["metric"].clone()).ok()?;
        let value = series["value"][1].as_str()?.parse().ok()?;
        Some(Series { labels, value })
    });
    Ok(series.collect())
}

/// Its clock to the millisecond, where a `Date` has whole seconds.
fn clock(web: &Web) -> Result<Ahead, Trouble> {
    let sent = seconds(wall());
    let data = data(web, "/api/v1/query", &[("query", "time()")])?;
    let received = seconds(wall());
    let time = data["result"][1]
        .as_str()
        .and_then(|time| time.parse().ok());
    let time: f64 = time.ok_or(Trouble::Strange(200))?;
    Ok(Ahead::between(time, time, sent, received))
}

fn targets(web: &Web) -> Result<Vec<Target>, Trouble> {
    let data = data(web, "/api/v1/targets", &[("state", "active")])?;
    let targets = data["activeTargets"].as_array();
    Ok(targets
        .into_iter()
        .flatten()
        .map(|target| Target {
            job: text(&target["labels"]["job"]),
            instance: text(&target["labels"]["instance"]),
            url: text(&target["scrapeUrl"]),
            health: text(&target["health"]),
            error: text(&target["lastError"]),
            interval: text(&target["scrapeInterval"]),
        })
        .collect())
}

fn rules(web: &Web) -> Result<Vec<Rule>, Trouble> {
    let data = data(web, "/api/v1/rules", &[])?;
    let groups = data["groups"].as_array().into_iter().flatten();
    let rules = groups.filter_map(|group| group["rules"].as_array());
    Ok(rules
        .flatten()
        .map(|rule| Rule {
            name: text(&rule["name"]),
            is_alert: rule["type"] == "alerting",
            is_firing: rule["state"] == "firing",
            error: text(&rule["lastError"]),
        })
        .collect())
}

fn alertmanagers(web: &Web) -> Result<Vec<String>, Trouble> {
    let data = data(web, "/api/v1/alertmanagers", &[])?;
    let active = data["activeAlertmanagers"].as_array().into_iter().flatten();
    Ok(active.map(|one| text(&one["url"])).collect())
}

/// The first of the Alertmanagers on this machine that is not there. Others are not asked: their
/// names may be known to Prometheus alone, from within a container.
fn deaf(known: &[String], until: Stamp) -> Option<(String, Trouble)> {
    let local = known.iter().filter_map(|url| {
        let parsed: Uri = url.parse().ok()?;
        is_local(&parsed).then_some((url, parsed))
    });
    local.take(ALERTMANAGERS_MAX).find_map(|(url, parsed)| {
        let base: Uri = origin(&parsed).parse().ok()?;
        let trouble = Web::new(&base, until).get("/-/healthy").err()?;
        // With TLS of a private CA it is there all the same.
        let is_deaf = matches!(trouble, Trouble::Refused | Trouble::Timeout);
        is_deaf.then(|| (url.clone(), trouble))
    })
}

/// Looks for the job in the configuration as Prometheus writes it.
fn has_job(web: &Web, job: &str) -> Result<bool, Trouble> {
    let config = text(&data(web, "/api/v1/status/config", &[])?["yaml"]);
    let mut names = config.lines().filter_map(|line| {
        let name = line.trim_start_matches([' ', '-']);
        let name = name.strip_prefix("job_name:")?.trim();
        Some(name.trim_matches(['"', '\'']))
    });
    Ok(names.any(|name| name == job))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// So many Alertmanagers are asked whether they are there.
const ALERTMANAGERS_MAX: usize = 3;
