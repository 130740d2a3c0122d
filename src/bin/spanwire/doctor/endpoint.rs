//! The app's own endpoint.

use std::collections::BTreeMap;

use http::Uri;
use spanwire::clock::Stamp;
use spanwire::semconv::{
    ENDPOINT_REFUSED, FORBIDDEN_HOST, METRICS, RECORDER_TAKEN, SDK_LOG_EXPORTED,
    SDK_METRIC_EXPORTED, SDK_SPAN_EXPORTED, SPANS_FILTERED, SPOOL_ITEMS, SUBSCRIBER_TAKEN,
    TELEMETRY_PROBLEMS,
};

use super::client::{Answer, ClockSkew, HttpClient};
use super::exposition::Exposition;
use super::finding::{Finding, quoted};
use super::probe_error::ProbeError;
use super::targets::{MetricsTarget, Target, Targets};
use super::tauri;
use crate::text::{few, shown};

/// What identifies the app, to check whether Prometheus has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct App<'a> {
    /// Where its metrics are, or would be.
    pub(super) url: Option<&'a Uri>,
    /// Whether they were read there.
    pub(super) is_read: bool,
    /// Its `service.instance.id`.
    pub(super) id: Option<&'a str>,
}

/// What it answered.
pub(super) struct EndpointProbe {
    metrics: MetricsTarget,
    answer: Option<Result<Answer, ProbeError>>,
    exposition: Exposition,
}

pub(super) fn probe(targets: &Targets, deadline: Stamp) -> EndpointProbe {
    let metrics = targets.metrics.clone();
    let answer = match &metrics {
        MetricsTarget::At(target) => Some(HttpClient::new(target, deadline).get_base()),
        MetricsTarget::Off(_) | MetricsTarget::AnyPort => None,
    };
    let mut exposition = Exposition::default();
    if let Some(Ok(answer)) = &answer
        && answer.status == 200
    {
        // Only these are kept: an app may have thousands of series, and the other findings count
        // families.
        let mut keep: Vec<String> = EXPORTED
            .iter()
            .map(|(metric, _)| metric.prometheus_name())
            .collect();
        keep.extend([TARGET_INFO.to_owned()]);
        keep.extend(
            [&ENDPOINT_REFUSED, &TELEMETRY_PROBLEMS].map(|metric| metric.prometheus_name()),
        );
        exposition = Exposition::read(&answer.text(), &keep);
    }
    EndpointProbe {
        metrics,
        answer,
        exposition,
    }
}

impl EndpointProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.answer.as_ref()?.as_ref().ok()?.clock_skew
    }

    /// The app, as Prometheus should know it.
    pub(super) fn app(&self) -> App<'_> {
        let info = self.exposition.named(TARGET_INFO).next();
        App {
            url: match &self.metrics {
                MetricsTarget::At(target) => Some(&target.url),
                MetricsTarget::Off(_) | MetricsTarget::AnyPort => None,
            },
            // By a metric of ours, since another program on the port may have a `target_info` as
            // well.
            is_read: self.exposition.families.iter().any(|name| is_ours(name)),
            id: info
                .and_then(|info| info.labels.get("service_instance_id"))
                .map(String::as_str),
        }
    }

    /// The service's name.
    pub(super) fn service(&self) -> Option<&str> {
        let info = self.exposition.named(TARGET_INFO).next()?;
        info.labels.get("service_name").map(String::as_str)
    }

    pub(super) fn evaluate(&self) -> Vec<Finding> {
        let target = match &self.metrics {
            MetricsTarget::At(target) => target,
            MetricsTarget::Off(by) => {
                let detail = format!("the environment switches it off: {by}");
                return vec![Finding::skip(
                    WHAT,
                    detail,
                    "--metrics URL probes it anyway",
                )];
            }
            MetricsTarget::AnyPort => {
                let detail = "OTEL_EXPORTER_PROMETHEUS_PORT=0 takes any port, so it is unknown";
                let remedy = "--metrics URL, with the port that Telemetry::prometheus_addr says";
                return vec![Finding::skip(WHAT, detail, remedy)];
            }
        };
        match &self.answer {
            Some(Ok(answer)) if answer.status == 200 => self.examine(target),
            Some(Ok(answer)) => vec![refused(target, answer)],
            // A failure even at the default address: an app that runs here serves its metrics by
            // default.
            Some(Err(error)) => vec![unreachable(target, error)],
            None => Vec::new(),
        }
    }

    fn examine(&self, target: &Target) -> Vec<Finding> {
        if !self.exposition.families.iter().any(|name| is_ours(name)) {
            let url = target.redacted();
            return vec![Finding::fail(
                WHAT,
                format!("{url}: something else answers there, without metrics of Spanwire's"),
                "another program has the port: give the app another by \
                 OTEL_EXPORTER_PROMETHEUS_PORT, and the doctor by --metrics",
            )];
        }
        let mut findings = vec![self.reachable(target)];
        let known: Vec<String> = METRICS
            .iter()
            .map(|metric| metric.prometheus_name())
            .collect();
        // A newer app has names that the dashboards and alerts of this command do not know.
        let unknown: Vec<&String> = self
            .exposition
            .families
            .iter()
            .filter(|family| is_ours(family))
            .filter(|family| !known.contains(family))
            .collect();
        if !unknown.is_empty() {
            findings.push(Finding::warn(
                "version",
                format!(
                    "the app has metrics that spanwire {} does not know: {}",
                    env!("CARGO_PKG_VERSION"),
                    few(&unknown)
                ),
                "cargo install spanwire --features cli, in the version that the app uses, \
                 and export dashboards and alerts anew",
            ));
        }
        let info = self.exposition.named(TARGET_INFO).next();
        findings.extend(info.and_then(|info| tauri::evaluate(&info.labels)));
        findings.extend(self.problems());
        findings.extend(self.lost());
        findings.extend(self.refused_hosts());
        findings
    }

    fn reachable(&self, target: &Target) -> Finding {
        let info = self.exposition.named(TARGET_INFO).next();
        let label = |name| {
            let value = info.and_then(|info| info.labels.get(name));
            value.map_or(String::new(), |value| format!("{} ", shown(value)))
        };
        let (name, version) = (label("service_name"), label("service_version"));
        let series = self.exposition.series;
        Finding::ok(
            WHAT,
            format!("{name}{version}at {}: {series} series", target.redacted()),
        )
    }

    /// What is not in place, by the app's own word.
    fn problems(&self) -> impl Iterator<Item = Finding> {
        let name = TELEMETRY_PROBLEMS.prometheus_name();
        let samples = self.exposition.samples.iter();
        let found = samples.filter(move |sample| sample.name == name && sample.value > 0.0);
        found.map(|sample| {
            let problem = sample.labels.get("error_type").map_or("", String::as_str);
            let (what, detail, remedy) = match problem {
                RECORDER_TAKEN => (
                    WHAT,
                    "the app's metrics are not there: it has a metrics recorder of its own, which \
                     has them",
                    "TelemetryBuilder::build and a fan-out to TelemetryParts::recorder; \
                     docs/guide/existing.md",
                ),
                SUBSCRIBER_TAKEN => (
                    TRACES,
                    "the app's tracing subscriber has no layer of Spanwire's, so its handlers and \
                     operations are in no trace",
                    "TelemetryBuilder::build and TelemetryParts::layer in that subscriber; \
                     docs/guide/existing.md",
                ),
                SPANS_FILTERED => (
                    TRACES,
                    "a filter of the app's whole tracing subscriber, such as RUST_LOG=warn, turns \
                     down handlers' spans, so they are in no trace",
                    "give that filter to the app's own layer, by Layer::with_filter; \
                     docs/guide/existing.md",
                ),
                other => {
                    let detail = format!("the app says: {}", shown(other));
                    return Finding::warn(WHAT, detail, "see its log");
                }
            };
            Finding::warn(what, detail, remedy)
        })
    }

    /// What the app could not send.
    fn lost(&self) -> Option<Finding> {
        let mut lost: BTreeMap<String, f64> = BTreeMap::new();
        for (metric, noun) in EXPORTED {
            let name = metric.prometheus_name();
            for sample in self.exposition.named(&name) {
                // The conventions leave `error.type` out where an export succeeded.
                if let Some(why) = sample
                    .labels
                    .get("error_type")
                    .filter(|why| !why.is_empty())
                {
                    *lost.entry(format!("{noun} ({})", shown(why))).or_default() += sample.value;
                }
            }
        }
        for sample in self.exposition.named(&SPOOL_ITEMS.prometheus_name()) {
            let label = |name| sample.labels.get(name).map_or("", String::as_str);
            // Only what the spool gave up. What waits there, or was sent later, is not lost.
            if label("spanwire_outcome") == "dropped" {
                let what = format!("items on disk ({})", shown(label("error_type")));
                *lost.entry(what).or_default() += sample.value;
            }
        }
        // A counter may be there at zero.
        lost.retain(|_, number| *number > 0.0);
        let list: Vec<String> = lost.iter().map(|(what, n)| format!("{n} {what}")).collect();
        (!list.is_empty()).then(|| {
            Finding::warn(
                "losses",
                format!("since its start the app could not send {}", few(&list)),
                "see the collector below, and runbooks/SpanwireTelemetryLost.md, which \
                 `spanwire alerts export DIR` writes",
            )
        })
    }

    /// Requests that the endpoint refused for their `Host`.
    fn refused_hosts(&self) -> Option<Finding> {
        let name = ENDPOINT_REFUSED.prometheus_name();
        let mut refused = self.exposition.named(&name);
        // One for each reason. The others, such as a full house, are no matter of configuration.
        let forbidden = refused.find(|sample| {
            sample.labels.get("error_type").map(String::as_str) == Some(FORBIDDEN_HOST)
        })?;
        let many = forbidden.value;
        (many > 0.0).then(|| {
            Finding::warn(
                WHAT,
                format!("since its start it refused {many} requests for their Host"),
                ALLOW,
            )
        })
    }
}

fn is_ours(family: &str) -> bool {
    family.starts_with("spanwire_")
}

fn refused(target: &Target, answer: &Answer) -> Finding {
    let (url, status) = (target.redacted(), answer.status);
    let words = answer.text();
    // It is ours, and its words are our own.
    if status == 403 && words.contains("DNS rebinding") {
        let host = target.url.host().unwrap_or_default();
        return Finding::fail(
            WHAT,
            format!("{url}: the app refuses the Host {host}"),
            format!("TelemetryBuilder::allowed_host({host:?}), or ask it by 127.0.0.1"),
        );
    }
    // A proxy answers 503 too, so the words decide.
    if status == 503 && words.starts_with("telemetry is paused") {
        return Finding::warn(
            WHAT,
            format!("{url}: telemetry is paused, so nothing is recorded, served or sent"),
            "the app resumes it (Telemetry::resume), unless SPANWIRE_CONSENT=denied; docs/reference/privacy.md",
        );
    }
    let detail = quoted(&format!("{url}: HTTP {status}"), &words);
    let remedy = match status {
        404 => "the path is /metrics; if it is that, another program has the port",
        500..=599 => "the app has a bug in what it measures: see its log",
        _ => "another program has the port, or a proxy stands before it",
    };
    Finding::fail(WHAT, detail, remedy)
}

fn unreachable(target: &Target, error: &ProbeError) -> Finding {
    let detail = format!("{}: {error}", target.redacted());
    let remedy = match error {
        ProbeError::Refused => {
            "start the app; if it runs, its log or Telemetry::warnings says why it does not \
             listen, and Telemetry::prometheus_addr where it does: --metrics URL"
        }
        // Nothing on the way to this machine itself drops packets, so the app is the cause.
        ProbeError::Timeout if target.is_local() => {
            "the app is stopped or hangs, or its 16 connections are taken"
        }
        ProbeError::Timeout => {
            "the app hangs, or a firewall drops the way to it; by default it listens on \
             127.0.0.1 alone (OTEL_EXPORTER_PROMETHEUS_HOST)"
        }
        ProbeError::UnknownHost => "correct the host of --metrics or OTEL_EXPORTER_PROMETHEUS_HOST",
        ProbeError::TooLarge => "an app of Spanwire's has far less: another program has the port",
        ProbeError::Tls(_) => "the endpoint has no TLS: http://, or see to what stands before it",
        _ => "another program has the port: OTEL_EXPORTER_PROMETHEUS_PORT gives the app another",
    };
    Finding::fail(WHAT, detail, remedy)
}

const WHAT: &str = "endpoint";
const TRACES: &str = "traces";
const TARGET_INFO: &str = "target_info";
const ALLOW: &str = "TelemetryBuilder::allowed_host with the name by which the app is scraped, \
    if those were yours";
/// The counters of exports, and what they count.
const EXPORTED: [(&spanwire::semconv::Metric, &str); 3] = [
    (&SDK_SPAN_EXPORTED, "spans"),
    (&SDK_LOG_EXPORTED, "log records"),
    (&SDK_METRIC_EXPORTED, "metric points"),
];
