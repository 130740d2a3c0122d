//! Samples of the system, the operations and the events.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::system::{SystemProbe, SystemSample};

/// The system, the operations and the events at one moment; of a
/// [`RollingHistory`](super::RollingHistory).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RollingSample {
    /// When it was taken.
    pub timestamp: SystemTime,
    /// The process and its webview's processes; `None` where the operating system tells nothing.
    pub system: Option<SystemMetrics>,
    /// Operations, which others call actions.
    pub actions: ActionMetrics,
    /// Messages between page and host, and events that the app recorded.
    pub events: EventMetrics,
}

/// This process and its webview's processes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SystemMetrics {
    /// Processor time since the sample before, in percent of all cores; `None` for the first.
    pub cpu_percent: Option<f64>,
    /// Physical memory in MiB. Memory that processes share is counted once for each.
    pub memory_mb: f64,
    /// The same in percent of the host's memory.
    pub memory_percent: Option<f64>,
    /// Threads of this process. Linux only.
    pub threads: Option<u64>,
    /// How many processes they are.
    pub processes: u64,
}

impl SystemMetrics {
    pub(super) fn of(sample: &SystemSample) -> Self {
        let webviews = || sample.webview_processes.iter();
        let bytes = memory_bytes(sample);
        Self {
            cpu_percent: cpu_percent(sample),
            memory_mb: bytes as f64 / MIB,
            memory_percent: sample
                .host_memory_bytes
                .map(|host| bytes as f64 * 100.0 / host as f64),
            threads: sample.threads,
            processes: 1 + webviews().map(|of| of.count).sum::<u64>(),
        }
    }
}

/// Of this process and its webview's processes.
pub(super) fn memory_bytes(sample: &SystemSample) -> u64 {
    let webviews = sample.webview_processes.iter();
    sample.memory_bytes + webviews.map(|of| of.memory_bytes).sum::<u64>()
}

/// Of this process and its webview's processes, as far as they were there at the look before.
pub(super) fn cpu_percent(sample: &SystemSample) -> Option<f64> {
    let webviews = sample.webview_processes.iter();
    let webviews: f64 = webviews.filter_map(|of| of.cpu_utilization).sum();
    // A webview's process that is new has no utilisation yet and counts from the next look on.
    sample.cpu_utilization.map(|own| (own + webviews) * 100.0)
}

/// Looks at the system, where that is possible.
#[derive(Debug)]
pub(super) struct SystemLook(Option<SystemProbe>);

impl SystemLook {
    /// Looks once, so that the next look knows the processor time in between.
    pub(super) fn start() -> Self {
        // Processor time is a difference, so the first look alone has none.
        let mut look = Self(SystemProbe::new().ok());
        look.take();
        look
    }

    pub(super) fn take(&mut self) -> Option<SystemSample> {
        self.0.as_mut()?.sample_once().ok()
    }
}

/// Operations since the history was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ActionMetrics {
    /// How many ended.
    pub total: u64,
    /// How many of them ended in the last minute, as far back as the history reaches.
    pub per_minute: u64,
    /// How long one took on average; `None` while none ended.
    pub average: Option<Duration>,
    /// The one that [`set_current_operation`](crate::timer::set_current_operation) named, or else
    /// that of which most are running; `None` when none is.
    pub current: Option<String>,
    /// What [`set_action_queue_depth`](super::set_action_queue_depth) said last.
    pub queue_depth: Option<u64>,
    /// Share that did not fail, 0 to 100; `None` while none ended.
    pub success_rate: Option<f64>,
    /// How many failed.
    pub errors: u64,
}

/// Events since the history was made: messages of the wires that it watches, and those that
/// [`record_event`](super::record_event) told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventMetrics {
    /// How many there were: those that ended and those that still wait.
    pub queued: u64,
    /// How many were delivered, received or recorded as a success.
    pub processed: u64,
    /// How many failed or were dropped.
    pub failed: u64,
    /// How long one took on average: to the page until it was acknowledged, and as recorded.
    pub average: Option<Duration>,
    /// How many wait: in the watched wires, and what
    /// [`set_event_queue_depth`](super::set_event_queue_depth) said last. `None` when neither is
    /// known.
    pub queue_depth: Option<u64>,
}

pub(super) const MIB: f64 = 1_048_576.0;
