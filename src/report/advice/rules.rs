//! The rules that every client has.

use std::sync::Arc;
use std::time::Duration;

use super::ux::PageVitals;
use super::{Advice, Recommendation, Severity};
use crate::report::facts::{Facts, WireFacts};
use crate::report::optimization::{
    COALESCE, EVENT_SPANS, LARGER_BATCHES, chatty_event, has_many_events, is_backed_up,
    optimization_id,
};
use crate::report::spread::Spread;
use crate::timer::slow_threshold;

/// A rule that is a function.
struct Rule {
    id: &'static str,
    /// The finding of `grafana/findings.json` that says the same from Prometheus' data.
    finding: Option<&'static str>,
    assess: Assess,
}

/// What a rule found.
struct Hit {
    severity: Severity,
    evidence: String,
    remedy: &'static str,
    optimization: Option<String>,
}

impl Hit {
    fn new(severity: Severity, evidence: String, remedy: &'static str) -> Self {
        Self {
            severity,
            evidence,
            remedy,
            optimization: None,
        }
    }
}

impl Advice for Rule {
    fn id(&self) -> &str {
        self.id
    }

    fn assess(&self, facts: &Facts) -> Vec<Recommendation> {
        let hits = (self.assess)(facts).into_iter();
        hits.map(|of| Recommendation {
            id: self.id.to_owned(),
            severity: of.severity,
            evidence: of.evidence,
            remedy: of.remedy.to_owned(),
            optimization: of.optimization,
            finding: self.finding.map(str::to_owned),
        })
        .collect()
    }
}

pub(in crate::report) fn built_in() -> Vec<Arc<dyn Advice>> {
    // Its findings have an id for each vital, so it is no `Rule`, which has one.
    let mut rules: Vec<Arc<dyn Advice>> = vec![Arc::new(PageVitals)];
    for (id, finding, assess) in RULES {
        rules.push(Arc::new(Rule {
            id,
            finding: *finding,
            assess: *assess,
        }));
    }
    rules
}

type Assess = fn(&Facts) -> Vec<Hit>;

const RULES: &[(&str, Option<&str>, Assess)] = &[
    ("system.cpu.high", None, cpu_is_high),
    ("system.memory.growing", Some("memory-growth"), memory_grows),
    (
        "operation.failing",
        Some("operation-failing"),
        operations_fail,
    ),
    (
        "operation.slow",
        Some("operation-slow"),
        operations_are_slow,
    ),
    ("ipc.dropped", Some("messages-dropped"), |facts| {
        of_each(facts, messages_are_dropped)
    }),
    ("ipc.failed", Some("delivery-failed"), |facts| {
        of_each(facts, messages_fail)
    }),
    ("ipc.queue.backed_up", Some("queue-waits"), |facts| {
        of_each(facts, queue_is_backed_up)
    }),
    ("ipc.latency.high", Some("delivery-slow"), |facts| {
        of_each(facts, latency_is_high)
    }),
    ("ipc.event.chatty", Some("event-flood"), |facts| {
        of_each(facts, event_is_chatty)
    }),
    ("ipc.spans.many", None, |facts| {
        of_each(facts, spans_are_many)
    }),
];

fn of_each(facts: &Facts, assess: fn(&WireFacts) -> Option<Hit>) -> Vec<Hit> {
    facts.wires.iter().filter_map(assess).collect()
}

fn cpu_is_high(facts: &Facts) -> Vec<Hit> {
    // A snapshot may lack it, when no time had passed since the look before.
    let values: Vec<f64> = facts
        .snapshots
        .iter()
        .filter_map(|of| of.cpu_usage)
        .collect();
    match Spread::of(values.iter().copied()) {
        Some(Spread { mean, .. }) if values.len() >= CPU_SNAPSHOTS_MIN && mean >= CPU_PERCENT => {
            let evidence = format!("{mean:.0}% of all cores over {} snapshots", values.len());
            let remedy =
                "look which operations take the time: `stats` of the history, or the traces";
            vec![Hit::new(Severity::Warning, evidence, remedy)]
        }
        _ => Vec::new(),
    }
}

fn memory_grows(facts: &Facts) -> Vec<Hit> {
    let snapshots = &facts.snapshots;
    let (Some(first), Some(last)) = (snapshots.first(), snapshots.last()) else {
        return Vec::new();
    };
    // The webview's processes are in it. When one ends, memory shrinks.
    let grew = last.memory_usage.saturating_sub(first.memory_usage);
    let pairs = snapshots.iter().zip(snapshots.iter().skip(1));
    let rises = pairs
        .filter(|(a, b)| b.memory_usage >= a.memory_usage)
        .count();
    // One step up is a load; a leak rises nearly each time.
    let is_steady = rises * 10 >= (snapshots.len() - 1) * 8;
    if snapshots.len() < MEMORY_SNAPSHOTS_MIN
        || grew < GROWTH_BYTES_MIN
        || last.memory_usage < first.memory_usage / 2 * 3
        || !is_steady
    {
        return Vec::new();
    }
    let evidence = format!(
        "memory rose by {} MiB over {} snapshots",
        grew >> 20,
        snapshots.len()
    );
    let remedy = "look for a list or a cache without a bound";
    vec![Hit::new(Severity::Warning, evidence, remedy)]
}

fn operations_fail(facts: &Facts) -> Vec<Hit> {
    let of = facts.operations;
    let share = of.failed as f64 / of.count.max(1) as f64;
    if of.count < OPERATIONS_MIN || share <= ERROR_SHARE {
        return Vec::new();
    }
    let (failed, count) = (of.failed, of.count);
    let evidence = format!("{failed} of {count} operations failed");
    let remedy = "look at `error.type` of `spanwire.operation.duration`";
    vec![Hit::new(Severity::Critical, evidence, remedy)]
}

fn operations_are_slow(facts: &Facts) -> Vec<Hit> {
    let of = facts.operations;
    if of.count == 0 {
        return Vec::new();
    }
    let mean = of.duration.as_secs_f64() / of.count as f64;
    // The threshold in force, which the app or the environment may have set.
    let threshold = slow_threshold().as_secs_f64();
    if mean < threshold {
        return Vec::new();
    }
    let evidence = format!("an operation takes {mean:.2} s on average, slow is {threshold} s");
    let remedy = "look at the traces of the slowest, or set a threshold of its own";
    vec![Hit::new(Severity::Warning, evidence, remedy)]
}

fn messages_are_dropped(wire: &WireFacts) -> Option<Hit> {
    let dropped = wire.in_period.messages_dropped;
    let evidence = share_of_ended(wire, dropped)?;
    let remedy = "send less, or the latest only: `error.type` of `spanwire.ipc.messages` says why";
    let evidence = format!("{evidence} were dropped");
    Some(Hit::new(Severity::Critical, evidence, remedy))
}

fn messages_fail(wire: &WireFacts) -> Option<Hit> {
    let failed = wire.in_period.messages_failed;
    let evidence = share_of_ended(wire, failed)?;
    let remedy = "look at `error.type` of `spanwire.ipc.messages`: it says why";
    let evidence = format!("{evidence} failed");
    Some(Hit::new(Severity::Critical, evidence, remedy))
}

/// So many of the messages to the page; `None` for less than one in a hundred.
fn share_of_ended(wire: &WireFacts, count: u64) -> Option<String> {
    let of = &wire.in_period;
    // What still waits may yet arrive, so it is no part of the whole.
    let ended = of.messages_sent + of.messages_failed + of.messages_dropped;
    (count > 0 && count * 100 >= ended).then(|| {
        let name = &wire.name;
        format!("{count} of {ended} messages to {name}")
    })
}

fn queue_is_backed_up(wire: &WireFacts) -> Option<Hit> {
    if !is_backed_up(wire) {
        return None;
    }
    let evidence = format!(
        "up to {} messages waited for {}, a script takes {}",
        wire.metrics.peak_queue_length, wire.name, wire.batch_len_max
    );
    let remedy = "send more in one script, or less";
    let mut hit = Hit::new(Severity::Warning, evidence, remedy);
    hit.optimization = Some(optimization_id(LARGER_BATCHES, &wire.name));
    Some(hit)
}

fn latency_is_high(wire: &WireFacts) -> Option<Hit> {
    let of = &wire.metrics;
    // Since the wire is there: the counts of a period have no percentile.
    let p95 = Duration::from_micros(of.p95_latency_us);
    if of.messages_sent < LATENCY_MESSAGES_MIN || p95 < LATENCY {
        return None;
    }
    let evidence = format!(
        "5 in 100 messages to {} take {} ms or longer",
        wire.name,
        p95.as_millis()
    );
    let remedy = "open the dashboard \"Why is it laggy?\": it says which stage takes the time";
    Some(Hit::new(Severity::Warning, evidence, remedy))
}

fn event_is_chatty(wire: &WireFacts) -> Option<Hit> {
    let (event, evidence) = chatty_event(wire)?;
    let remedy = "send it with `emit_latest` if only the latest counts";
    let mut hit = Hit::new(Severity::Info, evidence, remedy);
    hit.optimization = Some(optimization_id(COALESCE, &format!("{}/{event}", wire.name)));
    Some(hit)
}

fn spans_are_many(wire: &WireFacts) -> Option<Hit> {
    let evidence = has_many_events(wire)?;
    let remedy = "give fewer events spans: calls always have theirs, and metrics count all";
    let mut hit = Hit::new(Severity::Info, evidence, remedy);
    hit.optimization = Some(optimization_id(EVENT_SPANS, &wire.name));
    Some(hit)
}

const CPU_PERCENT: f64 = 80.0;
// Fewer may all be of the app's start.
const CPU_SNAPSHOTS_MIN: usize = 3;
const MEMORY_SNAPSHOTS_MIN: usize = 5;
// As in the catalogue's `memory-growth`.
const GROWTH_BYTES_MIN: u64 = 64 << 20;
const OPERATIONS_MIN: u64 = 10;
const ERROR_SHARE: f64 = 0.1;
const LATENCY: Duration = Duration::from_millis(100);
const LATENCY_MESSAGES_MIN: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_of_a_rule_is_one_of_the_catalogue() {
        let catalogue: serde_json::Value =
            serde_json::from_str(include_str!("../../../grafana/findings.json")).unwrap();
        let known = catalogue["findings"].as_array().unwrap();
        for (id, finding, _) in RULES {
            if let Some(finding) = finding {
                assert!(known.iter().any(|of| of["id"] == *finding), "{id}");
            }
        }
    }
}
