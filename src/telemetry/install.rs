//! From a builder to telemetry at work: for the whole process, or as parts.

use std::sync::Arc;

#[cfg(feature = "otlp")]
use tracing_subscriber::Registry;
#[cfg(feature = "otlp")]
use tracing_subscriber::layer::SubscriberExt;

use super::assembler::assemble;
use super::config::builder::TelemetryBuilder;
use super::config::options::Strictness;
use super::config::resolved::{ResolvedConfig, State};
use super::config::warning::{TelemetryError, Warning};
#[cfg(feature = "otlp")]
use super::diagnostics::reporter;
use super::handle::Telemetry;
use super::parts::TelemetryParts;
use crate::instrument::handles;

impl TelemetryBuilder {
    /// Sets everything up for the whole process: the `tracing` subscriber, the `metrics` recorder,
    /// OpenTelemetry's tracer provider and its propagator.
    ///
    /// A subscriber and a recorder that the process has already stay, with a
    /// [`Warning`](crate::telemetry::Warning): then [`build`](Self::build) gives the parts to add to them. A
    /// tracer provider and a propagator are replaced, since OpenTelemetry cannot tell whether there
    /// are any; so is the threshold of slow operations. When there is nothing to send traces or
    /// logs to, no subscriber and no tracer provider is set, and spans cost next to nothing.
    ///
    /// Warnings go to `tracing`, at `warn`, and to stderr when the app has no subscriber; so do
    /// exports that fail, at most once a minute for each signal. [`quiet`](Self::quiet) keeps
    /// stderr clean.
    ///
    /// # Errors
    ///
    /// Only when [`strict`](Self::strict): all warnings.
    pub fn install(self) -> Result<Telemetry, TelemetryError> {
        let config = ResolvedConfig::checked(self)?;
        let (state, strictness) = (config.state, config.strictness);
        let (mut telemetry, parts) = assemble(config)?;
        if state == State::Disabled {
            telemetry.log_warnings();
            return Ok(telemetry);
        }
        let taken = install_globals(&parts, strictness);
        if strictness == Strictness::Strict && !taken.is_empty() {
            return Err(TelemetryError::Strict(taken));
        }
        telemetry.add_warnings(taken);
        telemetry.start_sampler();
        telemetry.log_warnings();
        Ok(telemetry)
    }

    /// Sets everything up and changes nothing of the process: the parts are to be put in place by
    /// the app.
    ///
    /// Nothing is written to stderr, and the app's subscriber may not be in place yet: show
    /// [`Telemetry::warnings`] afterwards.
    ///
    /// # Errors
    ///
    /// Only when [`strict`](Self::strict): all warnings.
    pub fn build(self) -> Result<(Telemetry, TelemetryParts), TelemetryError> {
        let config = ResolvedConfig::checked(self.quiet())?;
        let (mut telemetry, parts) = assemble(config)?;
        telemetry.start_sampler();
        telemetry.log_warnings();
        Ok((telemetry, parts))
    }
}

/// Sets the globals that are free; returns those that are not. When strict, all or nothing.
fn install_globals(parts: &TelemetryParts, strictness: Strictness) -> Vec<Warning> {
    let mut taken = Vec::new();
    // A recorder cannot be taken back, so a strict caller must know before.
    if parts.recorder.is_some() && handles::recorder().is_some() {
        taken.push(Warning::RecorderTaken);
    }
    if strictness == Strictness::Strict && !taken.is_empty() {
        return taken;
    }
    #[cfg(feature = "otlp")]
    if parts.has_layer() && !install_subscriber(parts) {
        taken.push(Warning::SubscriberTaken);
        if strictness == Strictness::Strict {
            return taken;
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

/// Whether the process had no subscriber and has ours now.
#[cfg(feature = "otlp")]
fn install_subscriber(parts: &TelemetryParts) -> bool {
    // Only our layers look at spans, so where none is wanted there need be none.
    let subscriber = Registry::default()
        .with(parts.layer())
        .with(parts.subscriber_filter());
    let is_ours = tracing::subscriber::set_global_default(subscriber).is_ok();
    if is_ours {
        reporter::own_subscriber_is_installed();
    }
    is_ours
}
