//! The process-wide places, and who has them already.

use std::sync::Arc;

use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use super::config::builder::{Strictness, TelemetryBuilder};
use super::config::warning::{TelemetryError, Warning};
use super::diagnostics::stderr;
use super::parts::Parts;
use super::plan::{Plan, PlanState};
use super::running::Telemetry;
use crate::instrument::handles;

pub(crate) fn install(builder: TelemetryBuilder) -> Result<Telemetry, TelemetryError> {
    let plan = Plan::new(builder)?;
    let (state, strictness) = (plan.state, plan.strictness);
    let (mut telemetry, parts) = Telemetry::start(plan)?;
    if state == PlanState::Disabled {
        telemetry.log_warnings();
        return Ok(telemetry);
    }
    let taken = put_in_place(&parts, strictness);
    if strictness == Strictness::Strict && !taken.is_empty() {
        return Err(TelemetryError::Strict(taken));
    }
    telemetry.add_warnings(taken);
    telemetry.start_sampler();
    telemetry.log_warnings();
    Ok(telemetry)
}

/// Sets what is free; returns what is not. When strict, all or nothing.
fn put_in_place(parts: &Parts, strictness: Strictness) -> Vec<Warning> {
    let mut taken = Vec::new();
    // A recorder cannot be taken back, so a strict caller must know before.
    if parts.recorder.is_some() && handles::recorder().is_some() {
        taken.push(Warning::RecorderTaken);
    }
    if strictness == Strictness::Strict && !taken.is_empty() {
        return taken;
    }
    if parts.has_layer() {
        // Nobody but us looks at spans, so where none is wanted there need be none.
        let subscriber = Registry::default().with(parts.layer()).with(parts.ours());
        if tracing::subscriber::set_global_default(subscriber).is_err() {
            taken.push(Warning::SubscriberTaken);
            if strictness == Strictness::Strict {
                return taken;
            }
        } else {
            stderr::ours_is_installed();
        }
    }
    if taken.contains(&Warning::RecorderTaken) {
        // Known already.
    } else if let Some(recorder) = &parts.recorder
        && metrics::set_global_recorder(Arc::clone(recorder)).is_err()
    {
        taken.push(Warning::RecorderTaken);
    }
    parts.set_globals();
    taken
}
