//! How much tail sampling keeps and holds.

use std::collections::HashMap;
use std::time::Duration;

/// How much [`Sampler::Tail`](super::super::Sampler::Tail) keeps, and how much it may hold until
/// it knows.
///
/// ```
/// use spanwire::telemetry::{TailSampling, Telemetry};
/// use std::time::Duration;
///
/// let sampling = TailSampling::new()
///     .traces_per_second(2)
///     .slow_after("render_preview", Duration::from_millis(400));
/// let telemetry = Telemetry::builder("paint-tool").tail(sampling);
/// # drop(telemetry);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "it does nothing before it is given to `TelemetryBuilder::tail`"]
pub struct TailSampling {
    pub(crate) traces_per_second: Option<u32>,
    pub(crate) failures_per_minute: u32,
    pub(crate) slow_factor: Option<u32>,
    pub(crate) slower_per_minute: u32,
    pub(crate) slow_after: HashMap<String, Duration>,
    pub(crate) spans_held_max: usize,
    pub(crate) traces_held_max: usize,
    pub(crate) spans_per_trace_max: usize,
    pub(crate) hold_max: Duration,
    pub(crate) late_wait: Duration,
}

impl TailSampling {
    /// Everything as it is by default.
    pub fn new() -> Self {
        Self {
            // Unset: the environment may still say it, and 10 holds otherwise.
            traces_per_second: None,
            failures_per_minute: 60,
            slow_factor: None,
            slower_per_minute: 20,
            slow_after: HashMap::new(),
            spans_held_max: 10_000,
            traces_held_max: 5_000,
            spans_per_trace_max: 1_000,
            hold_max: Duration::from_secs(30),
            late_wait: Duration::from_millis(100),
        }
    }

    /// How many traces a second are kept that neither failed nor were slow; as many may come at
    /// once. Default: `SPANWIRE_TRACES_PER_SECOND`, or 10.
    pub fn traces_per_second(mut self, rate: u32) -> Self {
        self.traces_per_second = Some(rate);
        self
    }

    /// How many traces a minute are kept that failed in the same way; as many may come at once.
    /// Two failed in the same way when the spans that failed have the same name and the same
    /// `error.type`: of those of a trace one counts, always the same one. 256 ways at a time have a
    /// budget each, the rest share one. Default: 60, so that a flood of one failure does not bury
    /// the others.
    pub fn failures_per_minute(mut self, traces: u32) -> Self {
        self.failures_per_minute = traces;
        self
    }

    /// From when spans of that name make their trace a slow one. For spans of the wire it is the
    /// event's name, for others their own. It beats every other threshold, that of an operation
    /// too. Default: none; the thresholds of the builder and of the operations hold.
    pub fn slow_after(mut self, name: impl Into<String>, threshold: Duration) -> Self {
        self.slow_after.insert(name.into(), threshold);
        self
    }

    /// How many times as long as usual a span takes that makes its trace one that was slower than
    /// usual, from 2 to 1,000; 0 switches it off. Usual is what 95 in 100 spans of its name took at
    /// most, of the last thousand or so, and what is shorter than 20 ms is never slower. Names that
    /// have a threshold by [`slow_after`](Self::slow_after) are not compared. Default:
    /// `SPANWIRE_SLOW_FACTOR`, or 10.
    pub fn slow_factor(mut self, factor: u32) -> Self {
        self.slow_factor = Some(factor);
        self
    }

    /// How many traces a minute are kept that were slower than usual; as many may come at once. Those
    /// beyond it count towards [`traces_per_second`](Self::traces_per_second). Default: 20, so that
    /// a machine that stalls does not keep everything.
    pub fn slower_per_minute(mut self, traces: u32) -> Self {
        self.slower_per_minute = traces;
        self
    }

    /// How many ended spans are held at most, at least one. Beyond it the trace that was complete
    /// first is decided at once, or, when none is complete, the one that holds a span the longest.
    /// Default: 10,000, of some 0.85 kB each for those of the wire.
    pub fn spans_held_max(mut self, spans: usize) -> Self {
        self.spans_held_max = spans;
        self
    }

    /// How many traces are held at most, at least one. Beyond it the trace that was complete first
    /// is decided at once, or, when none is complete, the one that began first. Default: 5,000.
    pub fn traces_held_max(mut self, traces: usize) -> Self {
        self.traces_held_max = traces;
        self
    }

    /// How many spans of one trace are held at most, at least one. Beyond it only those that
    /// failed, were slow or are the root are. Default: 1,000.
    pub fn spans_per_trace_max(mut self, spans: usize) -> Self {
        self.spans_per_trace_max = spans;
        self
    }

    /// How long a trace is held at most. Then it is decided as far as it is known, where one that
    /// is older than its root's threshold counts as slow. Default: 30 seconds.
    pub fn hold_max(mut self, time: Duration) -> Self {
        self.hold_max = time;
        self
    }

    /// How long a trace of which no span is open waits for another one. Default: 100 ms.
    pub fn late_wait(mut self, time: Duration) -> Self {
        self.late_wait = time;
        self
    }
}

impl Default for TailSampling {
    fn default() -> Self {
        Self::new()
    }
}
