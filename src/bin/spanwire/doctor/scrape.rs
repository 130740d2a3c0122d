//! Whether Prometheus scrapes the app, stores its samples, and has the rules and an Alertmanager.

use std::collections::BTreeSet;

use http::Uri;

use super::alerts;
use super::endpoint::App;
use super::finding::{Finding, Status, quoted, unanswered};
use super::probe_error::ProbeError;
use super::prometheus::{PrometheusProbe, ScrapeTarget};
use super::routes::{doubled, id};
use super::targets::NamedBy;
use crate::text::{count, few, shown, versioned};

pub(super) fn evaluate(probe: &PrometheusProbe, job: &str, app: App<'_>) -> Vec<Finding> {
    let version = match &probe.version {
        Ok(version) => version,
        Err(error) => return vec![missing(probe, error)],
    };
    let url = probe.target.redacted();
    let mut findings = vec![match probe.ready {
        Ok(false) => Finding::warn(
            "prometheus",
            format!("{} is not ready yet", versioned(version, &url)),
            "after a start it reads what it has stored: wait, and look at its log",
        ),
        _ => Finding::ok("prometheus", versioned(version, &url)),
    }];
    findings.extend(scrape(probe, job, app));
    findings.extend(arrival(probe, job, app));
    findings.extend(routes(probe));
    findings.extend(alerts::evaluate(probe));
    findings.push(exemplars(probe));
    findings
}

/// Without a Prometheus there is nothing on any dashboard, so it is worth a warning.
fn missing(probe: &PrometheusProbe, error: &ProbeError) -> Finding {
    let mut finding = probe.target.missing("prometheus", error, "--prometheus");
    if probe.target.named_by == NamedBy::Default {
        finding.status = Status::Warn;
        if *error == ProbeError::Refused {
            finding.remedy = Some("start Prometheus, or --prometheus URL".into());
        }
    }
    finding
}

fn scrape(probe: &PrometheusProbe, job: &str, app: App<'_>) -> Vec<Finding> {
    let targets = match &probe.targets {
        Ok(targets) => targets,
        Err(error) => return vec![unanswered(SCRAPE, error)],
    };
    let ours: Vec<&ScrapeTarget> = targets.iter().filter(|target| target.job == job).collect();
    if ours.is_empty() {
        return vec![no_target(probe, targets, job, app)];
    }
    let up = ours.iter().filter(|target| target.health == "up").count();
    let mut findings = Vec::new();
    if up > 0 {
        let intervals: BTreeSet<&str> = ours.iter().map(|target| &*target.interval).collect();
        let intervals: Vec<&str> = intervals.into_iter().collect();
        findings.push(Finding::ok(
            SCRAPE,
            format!(
                "job {job}: {up} of {} up, every {}",
                count(ours.len(), "target"),
                few(&intervals)
            ),
        ));
        // The first is enough: the interval is mostly that of the whole job.
        let slow = ours
            .iter()
            .find(|target| interval_s(&target.interval).is_some_and(|s| s > INTERVAL_MAX_S));
        if let Some(target) = slow {
            findings.push(Finding::warn(
                SCRAPE,
                format!(
                    "{} is scraped only every {}",
                    shown(&target.url),
                    shown(&target.interval)
                ),
                "scrape_interval: 15s or less (1s for the dashboard Live): \
                 rates and alerts look at a few minutes",
            ));
        }
    }
    // The doctor reports a target that is down even if others are up: each target is an app of its
    // own.
    let down = ours.iter().filter(|target| target.health != "up");
    findings.extend(down.take(DOWN_MAX).map(|target| not_up(target)));
    findings.extend(not_targeted(probe, &ours, job, app));
    findings
}

/// An app that was read here, and that none of the job's targets seems to be. It is no more than a
/// guess: from within a container the app may have another port.
fn not_targeted(
    probe: &PrometheusProbe,
    ours: &[&ScrapeTarget],
    job: &str,
    app: App<'_>,
) -> Option<Finding> {
    let url = app.url.filter(|_| app.is_read)?;
    let port = port(url);
    let has_port =
        |target: &&ScrapeTarget| target.url.parse().is_ok_and(|url| self::port(&url) == port);
    // The port alone, since the host may have another name as Prometheus sees it. Where its id has
    // arrived, the app is there by whatever way.
    if ours.iter().any(has_port) || !jobs_of_app(probe, app).is_empty() {
        return None;
    }
    Some(Finding::warn(
        SCRAPE,
        format!("no target of the job {job} has port {port}, where the app is"),
        format!(
            "add {} to the job's targets, in the stack to targets/spanwire.yml, unless Prometheus \
             sees the app at another port",
            address(url)
        ),
    ))
}

/// The jobs under which Prometheus has the very app that was read.
fn jobs_of_app<'a>(probe: &'a PrometheusProbe, app: App<'_>) -> BTreeSet<&'a str> {
    let series = probe.target_info.iter().flatten();
    series
        // Two apps without an id would be equal.
        .filter(|series| app.id.is_some() && id(series) == app.id)
        .filter_map(|series| Some(series.labels.get("job")?.as_str()))
        .collect()
}

/// As a target is written: host and port, without user and password.
fn address(url: &Uri) -> String {
    format!("{}:{}", url.host().unwrap_or_default(), port(url))
}

fn port(url: &Uri) -> u16 {
    let usual = match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    url.port_u16().unwrap_or(usual)
}

fn not_up(target: &ScrapeTarget) -> Finding {
    let url = shown(&target.url);
    // Prometheus spreads first scrapes over an interval.
    if target.health == "unknown" {
        return Finding::warn(
            SCRAPE,
            format!("{url} was not scraped yet"),
            "ask again after a scrape interval",
        );
    }
    let detail = quoted(&format!("{url} is down"), &target.error);
    Finding::fail(SCRAPE, detail, cause(target))
}

/// From Prometheus' words to what to do.
fn cause(target: &ScrapeTarget) -> String {
    let error = &target.error;
    // Prometheus has no codes for it: these are texts of Go's network library and of its scraper.
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["connection refused"]) {
        "nothing listens there as Prometheus sees it: start the app, or take it out of the \
         targets when it sends its metrics over OTLP alone; from within a container, \
         127.0.0.1 is the container and the machine is host.docker.internal"
            .into()
    } else if says(&["403"]) {
        // The name that the scrape has in its `Host` is what the app must allow.
        let host = target.url.parse::<Uri>().ok();
        let host = host
            .as_ref()
            .and_then(Uri::host)
            .unwrap_or(&target.instance);
        format!(
            "TelemetryBuilder::allowed_host({host:?}): the app refuses a Host that it does not know"
        )
    } else if says(&["503"]) {
        "the app's telemetry is paused, or a proxy stands before it: docs/reference/privacy.md"
            .into()
    } else if says(&["404"]) {
        "metrics_path: /metrics, and the port of the app".into()
    } else if says(&["deadline exceeded", "timeout", "i/o timeout"]) {
        "the app hangs, a firewall drops the way to it, or scrape_timeout is too short".into()
    } else if says(&["no such host", "server misbehaving"]) {
        "the target's host is unknown to Prometheus: correct the target".into()
    } else if says(&["HTTP response to HTTPS", "tls:", "x509"]) {
        "scheme: http, unless something with TLS stands before the app".into()
    } else {
        "look at the target's address; the words are Prometheus' own".into()
    }
}

fn no_target(
    probe: &PrometheusProbe,
    targets: &[ScrapeTarget],
    job: &str,
    app: App<'_>,
) -> Finding {
    // Whoever sends metrics over OTLP needs no target.
    let arriving: Vec<&str> = jobs(probe).collect();
    if !arriving.is_empty() {
        let others = format!(
            "no target has the job {job}, and metrics of Spanwire's come as {}",
            few(&arriving)
        );
        return match &probe.target_info {
            // The app that was read is known by its id, and nothing of it has arrived.
            Ok(_) if app.id.is_some() && jobs_of_app(probe, app).is_empty() => Finding::warn(
                SCRAPE,
                format!("{others}, and not those of the app that was read"),
                "--job NAME, if that is a scrape; nothing, if the app sends over OTLP and has \
                 only just started; else add it to the targets",
            ),
            _ => Finding::skip(
                SCRAPE,
                others,
                "--job NAME, if that is a scrape; nothing, if they come over OTLP",
            ),
        };
    }
    if probe.has_job {
        return Finding::warn(
            SCRAPE,
            format!("the job {job} is configured, and has no targets yet"),
            "after a start of Prometheus, ask again in a few seconds; else the file with its \
             targets is empty or is not there (in the stack targets/spanwire.yml)",
        );
    }
    let jobs: BTreeSet<&str> = targets.iter().map(|target| &*target.job).collect();
    let jobs: Vec<&str> = jobs.into_iter().collect();
    let there = match jobs.is_empty() {
        true => "there is none at all".to_owned(),
        false => format!("there are {}", few(&jobs)),
    };
    let address = app.url.map_or("127.0.0.1:9464".to_owned(), address);
    Finding::fail(
        SCRAPE,
        format!("no target has the job {job}; {there}"),
        format!(
            "in prometheus.yml below scrape_configs: {{job_name: {job}, scrape_interval: 1s, \
             static_configs: [{{targets: ['{address}']}}]}}, and reload it"
        ),
    )
}

/// The jobs of which metrics of Spanwire's arrive.
fn jobs(probe: &PrometheusProbe) -> impl Iterator<Item = &str> {
    let series = probe.ages.iter().flatten();
    series.filter_map(|series| Some(series.labels.get("job")?.as_str()))
}

/// Whether samples of an app arrive. A target that is up may be another program.
fn arrival(probe: &PrometheusProbe, job: &str, app: App<'_>) -> Option<Finding> {
    let targets = probe.targets.as_ref().ok()?;
    let is_up = |target: &ScrapeTarget| target.job == job && target.health == "up";
    let expected = targets.iter().any(is_up);
    let ages = match &probe.ages {
        Ok(ages) => ages,
        Err(error) => return Some(unanswered(DATA, error)),
    };
    let age = ages
        .iter()
        .find(|series| series.labels.get("job").map(String::as_str) == Some(job))
        .map(|series| series.value);
    match age {
        Some(age) => Some(Finding::ok(
            DATA,
            format!("the newest sample of an app is {age:.0} s old"),
        )),
        None if expected => Some(Finding::fail(
            DATA,
            format!("job {job} is up, and has none of Spanwire's metrics"),
            "the target is another program's port, metric_relabel_configs drop them, \
             or it was scraped for the first time just now",
        )),
        None if targets.iter().any(|target| target.job == job) && !ages.is_empty() => {
            let arriving: Vec<&str> = jobs(probe).collect();
            let own: Vec<&str> = jobs_of_app(probe, app).into_iter().collect();
            Some(match own.is_empty() {
                // They may be anybody's.
                true => Finding::skip(
                    DATA,
                    format!(
                        "none of the job {job}; what arrives is of {}",
                        few(&arriving)
                    ),
                    match &probe.target_info {
                        Ok(_) if app.id.is_some() => "that is not the app that was read",
                        _ => "whether that is your app cannot be seen while it is down",
                    },
                ),
                false => Finding::ok(DATA, format!("the app's metrics arrive as {}", few(&own))),
            })
        }
        None => None,
    }
}

fn routes(probe: &PrometheusProbe) -> Option<Finding> {
    let series = probe.target_info.as_ref().ok()?;
    let doubled = doubled(series);
    // One is named as an example. They mostly have the same cause.
    let (id, ways) = doubled.iter().next()?;
    let ways: Vec<String> = ways
        .iter()
        .map(|(job, instance)| format!("{job} {instance}"))
        .collect();
    Some(Finding::warn(
        "routes",
        format!(
            "the metrics of {} come in more than once: {} as {}",
            count(doubled.len(), "app"),
            shown(id),
            few(&ways)
        ),
        "one way for each app: scrape it once, or OTEL_METRICS_EXPORTER=otlp and no scrape; \
         until then sums over jobs count twice",
    ))
}

fn exemplars(probe: &PrometheusProbe) -> Finding {
    let what = "exemplars";
    match &probe.features {
        // The flag is one text with commas.
        Ok(features) if features.contains("exemplar-storage") => {
            Finding::ok(what, "Prometheus stores them")
        }
        Ok(_) => Finding::warn(
            what,
            "Prometheus does not store them, so no point of a panel leads to its trace",
            "start it with --enable-feature=exemplar-storage",
        ),
        Err(error) => unanswered(what, error),
    }
}

/// Prometheus' durations: `15s`, `1m30s`, `500ms`.
fn interval_s(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        // A number without a unit is no duration of Prometheus'.
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit_s = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            // Weeks and years are no scrape interval. An unknown interval gives no finding.
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit_s;
        rest = after;
    }
    Some(total)
}

const SCRAPE: &str = "scrape";
const DATA: &str = "data";
/// So many targets that are down are named.
const DOWN_MAX: usize = 5;
/// Rules look at five minutes, and need a few samples of them.
const INTERVAL_MAX_S: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_prometheus_writes_them() {
        assert_eq!(interval_s("1m30s"), Some(90.0));
        assert_eq!(interval_s("500ms"), Some(0.5));
        assert_eq!(interval_s("soon"), None);
    }
}
