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
    assess: fn(&Facts) -> Vec<Finding>,
}

struct Finding {
    severity: Severity,
    evidence: String,
    remedy: &'static str,
    optimization: Option<String>,
}

impl Finding {
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
        let findings = (self.assess)(facts).into_iter();
        findings
            .map(|of| Recommendation {
                id: self.id.to_owned(),
                severity: of.severity,
                evidence: of.evidence,
                remedy: of.remedy.to_owned(),
                optimization: of.optimization,
            })
            .collect()
    }
}

pub(in crate::report) fn built_in() -> Vec<Arc<dyn Advice>> {
    let mut rules: Vec<Arc<dyn Advice>> = vec![Arc::new(PageVitals)];
    for (id, assess) in RULES {
        rules.push(Arc::new(Rule {
            id,
            assess: *assess,
        }));
    }
    rules
}

type Assess = fn(&Facts) -> Vec<Finding>;

const RULES: &[(&str, Assess)] = &[
    ("system.cpu.high", cpu_is_high),
    ("system.memory.growing", memory_grows),
    ("operation.failing", operations_fail),
    ("operation.slow", operations_are_slow),
    ("ipc.lost", |facts| of_each(facts, messages_are_lost)),
    ("ipc.queue.backed_up", |facts| {
        of_each(facts, queue_is_backed_up)
    }),
    ("ipc.latency.high", |facts| of_each(facts, latency_is_high)),
    ("ipc.event.chatty", |facts| of_each(facts, event_is_chatty)),
    ("ipc.spans.many", |facts| of_each(facts, spans_are_many)),
];

fn of_each(facts: &Facts, assess: fn(&WireFacts) -> Option<Finding>) -> Vec<Finding> {
    facts.wires.iter().filter_map(assess).collect()
}

fn cpu_is_high(facts: &Facts) -> Vec<Finding> {
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
            vec![Finding::new(Severity::Warning, evidence, remedy)]
        }
        _ => Vec::new(),
    }
}

fn memory_grows(facts: &Facts) -> Vec<Finding> {
    let snapshots = &facts.snapshots;
    let (Some(first), Some(last)) = (snapshots.first(), snapshots.last()) else {
        return Vec::new();
    };
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
    vec![Finding::new(Severity::Warning, evidence, remedy)]
}

fn operations_fail(facts: &Facts) -> Vec<Finding> {
    let of = facts.operations;
    let share = of.failed as f64 / of.count.max(1) as f64;
    if of.count < OPERATIONS_MIN || share <= ERROR_SHARE {
        return Vec::new();
    }
    let (failed, count) = (of.failed, of.count);
    let evidence = format!("{failed} of {count} operations failed");
    let remedy = "look at `error.type` of `spanwire.operation.duration`";
    vec![Finding::new(Severity::Critical, evidence, remedy)]
}

fn operations_are_slow(facts: &Facts) -> Vec<Finding> {
    let of = facts.operations;
    if of.count == 0 {
        return Vec::new();
    }
    let mean = of.duration.as_secs_f64() / of.count as f64;
    let threshold = slow_threshold().as_secs_f64();
    if mean < threshold {
        return Vec::new();
    }
    let evidence = format!("an operation takes {mean:.2} s on average, slow is {threshold} s");
    let remedy = "look at the traces of the slowest, or set a threshold of its own";
    vec![Finding::new(Severity::Warning, evidence, remedy)]
}

fn messages_are_lost(wire: &WireFacts) -> Option<Finding> {
    let of = &wire.metrics;
    let lost = of.messages_failed + of.messages_dropped;
    let ended = of.messages_sent + lost;
    if lost == 0 || lost * 100 < ended {
        return None;
    }
    let evidence = format!(
        "of {ended} messages to {} {} failed and {} were dropped",
        wire.name, of.messages_failed, of.messages_dropped
    );
    let remedy = "look at `error.type` of `spanwire.ipc.messages`: it says why";
    Some(Finding::new(Severity::Critical, evidence, remedy))
}

fn queue_is_backed_up(wire: &WireFacts) -> Option<Finding> {
    if !is_backed_up(wire) {
        return None;
    }
    let evidence = format!(
        "up to {} messages waited for {}, a script takes {}",
        wire.metrics.peak_queue_length, wire.name, wire.batch_len_max
    );
    let remedy = "send more in one script, or less";
    let mut finding = Finding::new(Severity::Warning, evidence, remedy);
    finding.optimization = Some(optimization_id(LARGER_BATCHES, &wire.name));
    Some(finding)
}

fn latency_is_high(wire: &WireFacts) -> Option<Finding> {
    let of = &wire.metrics;
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
    Some(Finding::new(Severity::Warning, evidence, remedy))
}

fn event_is_chatty(wire: &WireFacts) -> Option<Finding> {
    let (event, evidence) = chatty_event(wire)?;
    let remedy = "send it with `emit_latest` if only the latest counts";
    let mut finding = Finding::new(Severity::Info, evidence, remedy);
    finding.optimization = Some(optimization_id(COALESCE, &format!("{}/{event}", wire.name)));
    Some(finding)
}

fn spans_are_many(wire: &WireFacts) -> Option<Finding> {
    let evidence = has_many_events(wire)?;
    let remedy = "give fewer events spans: calls always have theirs, and metrics count all";
    let mut finding = Finding::new(Severity::Info, evidence, remedy);
    finding.optimization = Some(optimization_id(EVENT_SPANS, &wire.name));
    Some(finding)
}

const CPU_PERCENT: f64 = 80.0;
const CPU_SNAPSHOTS_MIN: usize = 3;
const MEMORY_SNAPSHOTS_MIN: usize = 5;
const GROWTH_BYTES_MIN: u64 = 64 << 20;
const OPERATIONS_MIN: u64 = 10;
const ERROR_SHARE: f64 = 0.1;
const LATENCY: Duration = Duration::from_millis(100);
const LATENCY_MESSAGES_MIN: u64 = 20;
