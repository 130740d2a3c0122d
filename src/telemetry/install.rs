//! From a builder to telemetry at work: for the whole process, or as parts.

use std::sync::Arc;

#[cfg(feature = "otlp")]
use tracing_subscriber::Registry;
#[cfg(feature = "otlp")]
use tracing_subscriber::layer::SubscriberExt;

use super::assembler::assemble;
use super::config::builder::TelemetryBuilder;
#[cfg(feature = "otlp")]
use super::config::options::Exporter;
use super::config::options::Strictness;
use super::config::resolved::{ResolvedConfig, State};
use super::config::warning::{TelemetryError, Warning};
use super::diagnostics::problems::Problem;
use super::handle::Telemetry;
use super::parts::TelemetryParts;
#[cfg(feature = "otlp")]
use super::subscriber::{Place, TakenBy};
use crate::instrument::handles;
#[cfg(feature = "otlp")]
use crate::instrument::span_delivery;
use crate::startup::{self, Phase};

impl TelemetryBuilder {
    /// Sets everything up for the whole process: the `metrics` recorder, OpenTelemetry's tracer
    /// provider and its propagator, and with the first span the `tracing` subscriber.
    ///
    /// The place of the subscriber is left to the app until a second after the first span: a
    /// `tracing_subscriber::fmt::init()` that comes before, on the thread of that span, works
    /// whatever the environment says. When spans are exported it panics later, and once another
    /// thread has had a span. Where the app's subscriber is in place by then, and has no layer of
    /// Spanwire's, a warning comes with the first message. With [`logs`](Self::logs) the first event
    /// counts as the first span does.
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
        // Only the builder counts. If a variable could have events take the place, the environment
        // would make an app panic that calls `init()` after its first event: see docs/adr/0007.
        #[cfg(feature = "otlp")]
        let taken_by = match self.otlp.logs {
            Some(Exporter::Otlp) => TakenBy::SpanOrEvent,
            _ => TakenBy::Span,
        };
        let config = ResolvedConfig::checked(self)?;
        let (state, strictness) = (config.state, config.strictness);
        let (mut telemetry, parts) = assemble(config)?;
        if state == State::Disabled {
            telemetry.log_warnings();
            return Ok(telemetry.set_up());
        }
        #[cfg(feature = "otlp")]
        let place = match parts.has_layer() {
            true => Place::want(
                Registry::default()
                    .with(parts.layer())
                    .with(parts.subscriber_filter()),
                parts.subscriber_filter(),
                taken_by,
                telemetry.reporter,
            ),
            false => None,
        };
        #[cfg(feature = "otlp")]
        let has_subscriber = parts.has_layer() && place.is_none();
        #[cfg(not(feature = "otlp"))]
        let has_subscriber = false;
        let taken = install_globals(&parts, strictness, has_subscriber);
        if strictness == Strictness::Strict && !taken.is_empty() {
            // This drops `telemetry`, whose `Drop` ends what was started.
            return Err(TelemetryError::Strict(taken));
        }
        #[cfg(feature = "otlp")]
        telemetry.keep(place);
        telemetry.add_warnings(taken);
        startup::reached_by_any(Phase::Telemetry);
        telemetry.start_sampler();
        telemetry.log_warnings();
        Ok(telemetry.set_up())
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
        // The app's subscriber comes later, so the reporter would take every warning for unseen.
        // The app shows them.
        let config = ResolvedConfig::checked(self.quiet())?;
        let (mut telemetry, parts) = assemble(config)?;
        startup::reached_by_any(Phase::Telemetry);
        telemetry.start_sampler();
        telemetry.log_warnings();
        Ok((telemetry.set_up(), parts))
    }
}

/// Sets the globals that are free; returns those that are not. When strict, all or nothing.
fn install_globals(
    parts: &TelemetryParts,
    strictness: Strictness,
    has_subscriber: bool,
) -> Vec<Warning> {
    let mut taken = Vec::new();
    // A recorder cannot be taken back, so a strict caller must know before.
    if parts.recorder.is_some() && handles::has_global_recorder() {
        taken.push(Warning::RecorderTaken);
    }
    if has_subscriber {
        taken.push(Warning::SubscriberTaken);
    }
    if strictness == Strictness::Strict && !taken.is_empty() {
        return taken;
    }
    if taken.contains(&Warning::RecorderTaken) {
        // Known already.
    } else if let Some(recorder) = &parts.recorder
        && metrics::set_global_recorder(Arc::clone(recorder)).is_err()
    {
        taken.push(Warning::RecorderTaken);
    }
    parts.set_globals();
    if taken.contains(&Warning::RecorderTaken) {
        Problem::RecorderTaken.found();
    }
    #[cfg(feature = "otlp")]
    if has_subscriber {
        Problem::SubscriberTaken.found();
        // It is told now, and not once more by the first span.
        span_delivery::expect_none();
    }
    taken
}
