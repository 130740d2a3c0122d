//! Reports.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::advice::Recommendation;
use super::facts::Facts;
use super::optimization::OptimizationInfo;
use super::sampling::MIB;
use super::snapshot::Snapshot;
use super::spread::Spread;

/// What a time was like, and what could be better.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PerformanceReport {
    /// Tells it apart.
    pub id: String,
    /// As the app named it.
    pub name: String,
    /// The time that it looks at.
    pub duration: Duration,
    /// The snapshots of that time, the oldest first.
    pub snapshots: Vec<Snapshot>,
    /// What they say together.
    pub summary: ReportSummary,
    /// What can be optimised; empty where the configuration optimises nothing.
    pub optimizations: Vec<OptimizationInfo>,
    /// What could be better, the gravest first. Empty means that no rule found anything in what was
    /// measured; [`ReportSummary::not_measured`] says what was not.
    pub recommendations: Vec<Recommendation>,
}

/// What the snapshots of a report say together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReportSummary {
    /// How many snapshots there are.
    pub snapshots: usize,
    /// How many metrics of each category the last one has.
    pub metrics: BTreeMap<String, usize>,
    /// Metrics that the client had no room for since it was made.
    pub metrics_dropped: u64,
    /// Processor time in percent of all cores.
    pub cpu_percent: Option<Spread>,
    /// Physical memory in bytes.
    pub memory_bytes: Option<Spread>,
    /// The time in which operations and messages were counted. The client knows its counts at each
    /// snapshot and from when it was made: it is the time since the one of these that is closest to
    /// the report's beginning.
    pub counted_over: Duration,
    /// Operations that ended in that time; `None` when none did.
    pub operations: Option<u64>,
    /// How many of them failed.
    pub operations_failed: Option<u64>,
    /// Messages to the page and from it, on the wires that the client was given.
    pub messages: Option<u64>,
    /// How many of those to the page failed or were dropped.
    pub messages_lost: Option<u64>,
    /// What nothing is known of, so that no recommendation was possible for it.
    pub not_measured: Vec<&'static str>,
}

impl ReportSummary {
    pub(super) fn of(facts: &Facts, counted_over: Duration, metrics_dropped: u64) -> Self {
        let snapshots = &facts.snapshots;
        let mut metrics = BTreeMap::new();
        // The last one alone: each snapshot has the latest metric of each id, so a sum would count
        // them again.
        for metric in snapshots.last().into_iter().flat_map(|last| &last.metrics) {
            *metrics
                .entry(metric.category.as_str().to_owned())
                .or_default() += 1;
        }
        let wires = &facts.wires;
        let total = |of: fn(&crate::ipc::IpcMetricsDelta) -> u64| -> Option<u64> {
            // Without a wire nothing was counted, and 0 would say that no message was lost.
            (!wires.is_empty()).then(|| wires.iter().map(|wire| of(&wire.in_period)).sum())
        };
        let any_operation = facts.operations.count > 0;
        let mut summary = Self {
            snapshots: snapshots.len(),
            metrics,
            metrics_dropped,
            counted_over,
            cpu_percent: Spread::of(snapshots.iter().filter_map(|of| of.cpu_usage)),
            memory_bytes: Spread::of(snapshots.iter().map(|of| of.memory_usage as f64)),
            operations: any_operation.then_some(facts.operations.count),
            operations_failed: any_operation.then_some(facts.operations.failed),
            messages: total(|of| of.messages_sent + of.messages_received),
            messages_lost: total(|of| of.messages_failed + of.messages_dropped),
            not_measured: Vec::new(),
        };
        // A reader should not take an absent finding for a good one.
        summary.not_measured = [
            (summary.cpu_percent.is_none(), "processor time"),
            (
                snapshots.len() < 2,
                "growth of memory: there is one snapshot",
            ),
            (!any_operation, "operations: none ended"),
            (wires.is_empty(), "messages: the client was given no wire"),
            (facts.vitals.is_empty(), "web vitals: no page told any"),
        ]
        .into_iter()
        .filter_map(|(is_absent, what)| is_absent.then_some(what))
        .collect();
        summary
    }
}

impl PerformanceReport {
    /// The report as a block of text for people.
    #[must_use = "it prints nothing itself"]
    pub fn display_summary(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let summary = &self.summary;
        writeln!(text, "Performance report: {}", self.name)?;
        let seconds = self.duration.as_secs_f64();
        writeln!(
            text,
            "- Time: {seconds:.1} s, {} snapshots",
            summary.snapshots
        )?;
        if let Some(Spread { min, mean, max }) = summary.cpu_percent {
            writeln!(text, "- CPU: {mean:.1}% ({min:.1} to {max:.1}%)")?;
        }
        if let Some(Spread { min, mean, max }) = summary.memory_bytes {
            let [min, mean, max] = [min, mean, max].map(|bytes| bytes / MIB);
            writeln!(text, "- Memory: {mean:.1} MiB ({min:.1} to {max:.1} MiB)")?;
        }
        let counted_over = summary.counted_over.as_secs_f64();
        writeln!(text, "- Counted over: {counted_over:.1} s")?;
        if let (Some(all), Some(failed)) = (summary.operations, summary.operations_failed) {
            writeln!(text, "- Operations: {all}, {failed} failed")?;
        }
        if let (Some(all), Some(lost)) = (summary.messages, summary.messages_lost) {
            writeln!(text, "- Messages: {all}, {lost} lost")?;
        }
        let metrics: usize = summary.metrics.values().sum();
        writeln!(text, "- Metrics: {metrics}")?;
        for recommendation in &self.recommendations {
            writeln!(text, "- {recommendation}")?;
        }
        if self.recommendations.is_empty() {
            writeln!(text, "- Nothing to recommend from what was measured")?;
        }
        let applied = self.optimizations.iter().filter(|of| of.is_applied).count();
        let all = self.optimizations.len();
        write!(text, "- Optimizations: {all} available, {applied} applied")?;
        if !summary.not_measured.is_empty() {
            write!(
                text,
                "\n- Not measured: {}",
                summary.not_measured.join("; ")
            )?;
        }
        Ok(())
    }
}
