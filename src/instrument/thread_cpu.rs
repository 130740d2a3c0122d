//! CPU time of the thread that runs code of the app, for a span: whether that code computes or waits.

use std::time::Duration;

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::clock::thread_cpu_time;
use crate::semconv;

/// Whether a span says how much CPU time its thread took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuTime {
    /// It does not.
    #[default]
    Ignored,
    /// A span that is recorded does. The operating system is asked twice for it, 0.2 µs each time.
    Recorded,
}

/// What a thread had used when code of the app began to run on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadCpu(Duration);

/// Says on the span how long its thread computed.
pub(crate) fn set_cpu_time(span: &Span, used: Duration) {
    let used = KeyValue::new(semconv::CPU_TIME_S, used.as_secs_f64());
    span.context().span().set_attribute(used);
}

impl ThreadCpu {
    /// Begins within `span`, which was entered; nothing where it is not recorded, or where the
    /// operating system does not tell.
    pub(crate) fn begin(cpu_time: CpuTime, span: &Span) -> Option<Self> {
        if cpu_time == CpuTime::Ignored || span.is_disabled() {
            return None;
        }
        // A span that is not recorded would drop the attribute, so the operating system is not
        // asked. `span` was entered, so it is the current one: this spares the look into its
        // extensions.
        if !Context::map_current(|context| context.span().is_recording()) {
            return None;
        }
        thread_cpu_time().map(Self)
    }

    /// What was used since, on the same thread.
    pub(crate) fn used(self) -> Option<Duration> {
        // On another thread the difference would be meaningless, and may be negative.
        thread_cpu_time()?.checked_sub(self.0)
    }
}
