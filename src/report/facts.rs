//! What the process knows of itself: what advice and optimisations judge by.

use std::time::Duration;

use super::snapshot::Snapshot;
use crate::clock::Stamp;
use crate::ipc::{Ipc, IpcMetrics, IpcMetricsDelta};
use crate::timer::OperationTotals;

/// What the process knows of itself.
///
/// What was not measured is absent: an empty list or `None`, never a zero.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// The snapshots of the time that is looked at, the oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The operations that ended in that time.
    pub operations: OperationFacts,
    /// The wires that the client was given, as far as they still are.
    pub wires: Vec<WireFacts>,
    /// The web vitals that their pages told last.
    pub vitals: Vec<VitalFact>,
}

/// Operations of the time that is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationFacts {
    /// How many ended.
    pub count: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How long they took in all.
    pub duration: Duration,
}

/// One wire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WireFacts {
    /// Its name.
    pub name: String,
    /// What crossed it since it is there.
    pub metrics: IpcMetrics,
    /// What crossed it in the time that is looked at.
    pub in_period: IpcMetricsDelta,
    /// How long the client has known it.
    pub known_for: Duration,
    /// How many messages may wait in its queue.
    pub queue_capacity: usize,
    /// How many messages one script has at most.
    pub batch_len_max: usize,
    /// How many events a second of each direction may have spans.
    pub event_spans_per_second_max: u32,
    /// The events that were emitted to the page, with how often; the most frequent first.
    pub emitted: Vec<(String, u64)>,
}

impl WireFacts {
    pub(super) fn of(ipc: &Ipc, known_for: Duration, before: &CountsBefore) -> Self {
        let metrics = ipc.metrics();
        let name = ipc.name().to_owned();
        // By name, since the counts are kept while the wires are not.
        let known = before.wires.iter().find(|(known, _)| *known == name);
        Self {
            // The client had every wire from its beginning on.
            in_period: metrics.since(known.map_or(&metrics, |(_, before)| before)),
            name,
            metrics,
            known_for,
            queue_capacity: ipc.queue_capacity_and_len().0,
            batch_len_max: ipc.batch_len_max(),
            event_spans_per_second_max: ipc.event_spans_per_second_max(),
            emitted: ipc.emitted_events(),
        }
    }

    /// Messages of both directions a second in the time that is looked at; `None` when that is too
    /// short.
    pub(super) fn messages_per_second(&self) -> Option<f64> {
        let seconds = self.in_period.elapsed.as_secs_f64();
        let messages = self.in_period.messages_sent + self.in_period.messages_received;
        // In less than a second one burst looks like a high rate.
        (seconds >= 1.0).then(|| messages as f64 / seconds)
    }
}

/// What had been counted at a time, so that later counts can be told from it.
#[derive(Clone, Debug)]
pub(super) struct CountsBefore {
    pub(super) at: Stamp,
    pub(super) operations: OperationTotals,
    /// By the wires' names.
    pub(super) wires: Vec<(String, IpcMetrics)>,
}

/// A web vital of a page.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VitalFact {
    /// The wire of the page.
    pub webview: String,
    /// `ttfb`, `fcp`, `lcp` or `inp`.
    pub name: &'static str,
    /// Its value.
    pub seconds: f64,
}
