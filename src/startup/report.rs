//! What is emitted of a start: a gauge for each phase, and one trace.

use metrics::Gauge;
use opentelemetry::trace::{Span, SpanBuilder, SpanId, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};

use super::phase::Phase;
use super::timeline::Reached;
use crate::clock::{Clock, Stamp};
use crate::instrument::handles::{self, Instruments};
use crate::semconv::{self, STARTUP_DURATION, STARTUP_PHASE};

/// A gauge for each phase, registered with its value: one without shows a zero.
static GAUGES: [Instruments<Gauge>; Phase::COUNT] = [const { Instruments::new() }; Phase::COUNT];

/// Sets the gauges of what was reached.
pub(super) fn record(reached: &Reached) {
    // No labels but the phase: a process has one start.
    for (phase, after) in &reached.phases {
        let register = || handles::gauge(&STARTUP_DURATION, &[(STARTUP_PHASE, phase.as_str())]);
        if let Some(gauge) = GAUGES[*phase as usize].get(register) {
            gauge.set(after.as_secs_f64());
        }
    }
}

/// Makes the trace: each phase from the one before it until it was reached. False when there is no
/// tracer.
pub(super) fn trace(reached: &Reached, now: Stamp) -> bool {
    let Some((last, took)) = reached.phases.last() else {
        return true;
    };
    // One look at the wall clock, and all times counted from it: a clock that was set during the
    // start shifts the trace and does not tear it.
    let wall = Clock::current().wall_by(now, now);
    let age = reached.process_age(now);
    let started = wall.checked_sub(age).unwrap_or(wall);
    let tracer = global::tracer(semconv::SCOPE);
    let root = span("startup", *last).with_start_time(started);
    let mut root = tracer.build_with_context(root, &Context::new());
    // The no-op tracer makes no ids. The caller then owes the trace still.
    if root.span_context().span_id() == SpanId::INVALID {
        return false;
    }
    let within = Context::new().with_remote_span_context(root.span_context().clone());
    // Each phase's span ends where the next begins, so together they are the whole start.
    let mut begin = started;
    for (phase, after) in &reached.phases {
        let end = started.checked_add(*after).unwrap_or(started);
        let child = span(phase.span_name(), *phase).with_start_time(begin);
        tracer
            .build_with_context(child, &within)
            .end_with_timestamp(end);
        begin = end;
    }
    root.end_with_timestamp(started.checked_add(*took).unwrap_or(started));
    true
}

/// A span that says which phase was reached at its end.
fn span(name: &'static str, phase: Phase) -> SpanBuilder {
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Internal)
        .with_attributes([KeyValue::new(STARTUP_PHASE, phase.as_str())])
}
