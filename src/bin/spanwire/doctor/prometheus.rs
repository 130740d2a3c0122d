//! What Prometheus says: its targets, rules, Alertmanagers, and a few queries.

use std::collections::BTreeMap;

use http::Uri;
use serde_json::Value;
use spanwire::clock::Stamp;
use spanwire::semconv::ERROR_RATE_THRESHOLD;

use super::client::{ClockSkew, HttpClient, seconds, wall};
use super::probe_error::ProbeError;
use super::targets::Target;
use crate::address::{is_local, origin};

/// A series of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// What it answered.
pub(super) struct PrometheusProbe {
    pub(super) target: Target,
    /// Its version, or why there is nothing else.
    pub(super) version: Result<String, ProbeError>,
    pub(super) ready: Result<bool, ProbeError>,
    pub(super) targets: Result<Vec<ScrapeTarget>, ProbeError>,
    /// How old the newest sample of an app is, in seconds, by job.
    pub(super) ages: Result<Vec<Series>, ProbeError>,
    pub(super) target_info: Result<Vec<Series>, ProbeError>,
    pub(super) rules: Result<Vec<Rule>, ProbeError>,
    /// The URLs of those that it sends alerts to.
    pub(super) alertmanagers: Result<Vec<String>, ProbeError>,
    /// One of those on this machine that cannot be reached, and why.
    pub(super) unreachable_alertmanager: Option<(String, ProbeError)>,
    /// Whether its configuration has the job, which has no target at first. Asked only then.
    pub(super) has_job: bool,
    /// The features that flags switched on.
    pub(super) features: Result<String, ProbeError>,
    clock_skew: Option<ClockSkew>,
}

/// Something that it scrapes.
#[derive(Clone, Debug)]
pub(super) struct ScrapeTarget {
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

pub(super) fn probe(target: &Target, job: &str, deadline: Stamp) -> PrometheusProbe {
    let client = HttpClient::new(target, deadline);
    let (version, mut clock_skew) = match client.json("/api/v1/status/buildinfo") {
        // VictoriaMetrics, Thanos and others answer here as well. Whatever they lack is skipped
        // below.
        Ok((info, answer)) if info["status"] == "success" => {
            (Ok(text(&info["data"]["version"])), answer.clock_skew)
        }
        Ok((_, answer)) => (Err(ProbeError::UnexpectedResponse(answer.status)), None),
        Err(error) => (Err(error), None),
    };
    // When it is not there, the other questions would only take their time.
    let gone = version.as_ref().err().cloned();
    let only_if_there = || gone.clone().map_or(Ok(()), Err);
    if gone.is_none()
        && let Ok(by_query) = clock(&client)
    {
        // More exact than the header's whole seconds.
        clock_skew = Some(by_query);
    }
    // It is there in every app, for as long as that runs.
    let presence = ERROR_RATE_THRESHOLD.prometheus_name();
    // `timestamp` is the sample's own. The result of a query always has the time of the query.
    let ages = format!("time() - max by (job) (timestamp({presence}))");
    let targets = only_if_there().and_then(|()| targets(&client));
    let is_scraped = |targets: &Vec<ScrapeTarget>| targets.iter().any(|target| target.job == job);
    let has_job = match &targets {
        // The configuration may be large, so it is read only to explain a job that is missing.
        Ok(targets) if !is_scraped(targets) => has_job(&client, job).unwrap_or(false),
        _ => false,
    };
    let alertmanagers = only_if_there().and_then(|()| alertmanagers(&client));
    // What another machine calls its own is not on this one.
    let unreachable_alertmanager = match &alertmanagers {
        Ok(known) if target.is_local() => unreachable_alertmanager(known, deadline),
        _ => None,
    };
    PrometheusProbe {
        target: target.clone(),
        version,
        ready: only_if_there()
            .and_then(|()| client.get("/-/ready"))
            .map(|answer| answer.status == 200),
        targets,
        ages: only_if_there().and_then(|()| query(&client, &ages)),
        target_info: only_if_there().and_then(|()| query(&client, &target_info(job))),
        rules: only_if_there().and_then(|()| rules(&client)),
        alertmanagers,
        unreachable_alertmanager,
        has_job,
        features: only_if_there().and_then(|()| {
            let flags = data(&client, "/api/v1/status/flags", &[])?;
            Ok(text(&flags["enable-feature"]))
        }),
        clock_skew,
    }
}

impl PrometheusProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.clock_skew
    }
}

/// Every app that has Spanwire's metrics, whatever its job: those of the job alone would not show
/// what comes a second time under another.
fn target_info(job: &str) -> String {
    let presence = ERROR_RATE_THRESHOLD.prometheus_name();
    // The job is an argument of the command: a quote in it must not end the string.
    let job = job.replace('\\', r"\\").replace('"', r#"\""#);
    format!(r#"target_info and on (job, instance) ({presence} or up{{job="{job}"}})"#)
}

fn data(client: &HttpClient, path: &str, pairs: &[(&str, &str)]) -> Result<Value, ProbeError> {
    let (mut value, answer) = client.json_with(path, pairs)?;
    match value["status"].as_str() {
        Some("success") => Ok(value["data"].take()),
        _ => Err(ProbeError::UnexpectedResponse(answer.status)),
    }
}

pub(super) fn query(client: &HttpClient, expression: &str) -> Result<Vec<Series>, ProbeError> {
    let data = data(client, "/api/v1/query", &[("query", expression)])?;
    let result = data["result"].as_array();
    let series = result.into_iter().flatten().filter_map(|series| {
        let labels = serde_json::from_value(series["metric"].clone()).ok()?;
        // Prometheus writes numbers as text, since JSON has no NaN and no infinity.
        let value = series["value"][1].as_str()?.parse().ok()?;
        Some(Series { labels, value })
    });
    Ok(series.collect())
}

/// Its clock to the millisecond, where a `Date` has whole seconds.
fn clock(client: &HttpClient) -> Result<ClockSkew, ProbeError> {
    let sent = seconds(wall());
    let data = data(client, "/api/v1/query", &[("query", "time()")])?;
    let received = seconds(wall());
    let time = data["result"][1]
        .as_str()
        .and_then(|time| time.parse().ok());
    let time: f64 = time.ok_or(ProbeError::UnexpectedResponse(200))?;
    Ok(ClockSkew::between(time, time, sent, received))
}

fn targets(client: &HttpClient) -> Result<Vec<ScrapeTarget>, ProbeError> {
    // Without those that relabelling dropped: in a cluster they are thousands.
    let data = data(client, "/api/v1/targets", &[("state", "active")])?;
    let targets = data["activeTargets"].as_array();
    Ok(targets
        .into_iter()
        .flatten()
        .map(|target| ScrapeTarget {
            job: text(&target["labels"]["job"]),
            instance: text(&target["labels"]["instance"]),
            url: text(&target["scrapeUrl"]),
            health: text(&target["health"]),
            error: text(&target["lastError"]),
            interval: text(&target["scrapeInterval"]),
        })
        .collect())
}

fn rules(client: &HttpClient) -> Result<Vec<Rule>, ProbeError> {
    let data = data(client, "/api/v1/rules", &[])?;
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

fn alertmanagers(client: &HttpClient) -> Result<Vec<String>, ProbeError> {
    let data = data(client, "/api/v1/alertmanagers", &[])?;
    let active = data["activeAlertmanagers"].as_array().into_iter().flatten();
    Ok(active.map(|one| text(&one["url"])).collect())
}

/// The first of the Alertmanagers on this machine that is not there. Others are not asked: their
/// names may be known to Prometheus alone, from within a container.
fn unreachable_alertmanager(known: &[String], deadline: Stamp) -> Option<(String, ProbeError)> {
    let local = known.iter().filter_map(|url| {
        let parsed: Uri = url.parse().ok()?;
        is_local(&parsed).then_some((url, parsed))
    });
    local.take(ALERTMANAGERS_MAX).find_map(|(url, parsed)| {
        let base: Uri = origin(&parsed).parse().ok()?;
        // Any answer will do, also a 404 behind a path prefix.
        let error = HttpClient::local(&base, deadline).get("/-/healthy").err()?;
        // With TLS of a private CA it is there all the same.
        let is_unreachable = matches!(error, ProbeError::Refused | ProbeError::Timeout);
        is_unreachable.then(|| (url.clone(), error))
    })
}

/// Looks for the job in the configuration as Prometheus writes it.
fn has_job(client: &HttpClient, job: &str) -> Result<bool, ProbeError> {
    let config = text(&data(client, "/api/v1/status/config", &[])?["yaml"]);
    // By lines: Prometheus writes its configuration anew, one key a line, and a YAML parser for
    // this one question would be one more dependency.
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
// Each of them may take its time limit.
const ALERTMANAGERS_MAX: usize = 3;
