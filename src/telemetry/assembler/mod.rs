//! From a resolved configuration to telemetry at work.

#[cfg(feature = "history")]
mod history;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "prometheus")]
mod prometheus;

use std::sync::{Arc, Condvar, Mutex, Weak};

use metrics::Recorder;

use super::config::options::Strictness;
use super::config::resolved::{ResolvedConfig, State as ConfigState};
use super::config::warning::{TelemetryError, Warning};
use super::consent::{Consent, Switch, Unreadable, pausable};
use super::diagnostics::local_recorder::{LocalRecorder, SharedRecorder};
#[cfg(feature = "otlp")]
use super::export::spool::ReplayTarget;
#[cfg(all(feature = "prometheus", feature = "otlp"))]
use super::fanout::fanout;
use super::handle::{Components, State, Telemetry};
use super::metrics::problem_gauges::ProblemGauges;
use super::metrics::threshold_gauges::ThresholdGauges;
use super::parts::{TelemetryParts, propagator};
#[cfg(feature = "otlp")]
use super::pipelines::Pipelines;
#[cfg(all(feature = "prometheus", feature = "otlp"))]
use super::prometheus::Exemplars;
use super::thresholds::{ThresholdRules, ThresholdWatch};
use crate::instrument::handles::{self, Publish};

/// Starts everything that needs no process-wide place.
///
/// # Errors
///
/// When the configuration is strict and something cannot be done.
pub(super) fn assemble(
    mut config: ResolvedConfig,
) -> Result<(Telemetry, TelemetryParts), TelemetryError> {
    let mut warnings = std::mem::take(&mut config.warnings);
    // The consent precedes every other part: the spool, the history and the batches ask the switch
    // while they are made.
    let (consent, unreadable) = Consent::new(std::mem::take(&mut config.consent));
    warnings.extend(unreadable.map(unreadable_consent));
    // Before anything has it, the target info of `/metrics` included.
    #[cfg(feature = "otlp")]
    if let Some(redactor) = &config.otlp.redactor {
        config.resource = redactor.resource(&config.resource);
    }
    let mut telemetry = Telemetry {
        warnings: Vec::new(),
        consent,
        reporter: config.reporter,
        #[cfg(feature = "system")]
        system_interval: None,
        #[cfg(feature = "system")]
        allocator: config.allocator.take(),
        shutdown_deadline: config.shutdown_deadline,
        #[cfg(feature = "prometheus")]
        prometheus_addr: None,
        #[cfg(feature = "otlp")]
        pipelines: Pipelines::off(),
        #[cfg(feature = "history")]
        history: None,
        #[cfg(feature = "history")]
        report_rules: std::mem::take(&mut config.report_rules),
        // With telemetry disabled nothing replaces this state, so `flush` and `shutdown` return at
        // once.
        state: Mutex::new(State::Ended(Box::default())),
        ended: Condvar::new(),
    };
    let mut parts = TelemetryParts {
        recorder: None,
        #[cfg(feature = "otlp")]
        tracer_provider: None,
        #[cfg(feature = "otlp")]
        logger_provider: None,
        propagator: propagator(&config.settings.propagators),
        // The composite propagator is no `Clone`, so `set_globals` makes another from this list.
        propagators: config.settings.propagators.clone(),
        slow_threshold: config.settings.slow_threshold,
        #[cfg(feature = "otlp")]
        level: config.otlp.level,
    };
    #[cfg(feature = "otlp")]
    {
        // The folder is set even if nothing is exported: a pause that deletes then finds what
        // earlier processes left.
        let spool = config.otlp.spool.as_ref();
        telemetry.pipelines.spool_folder = spool.map(|spool| spool.folder.clone());
    }
    if config.state == ConfigState::Enabled {
        let mut assembler = Assembler {
            config: &config,
            warnings: &mut warnings,
            switch: Arc::clone(&telemetry.consent.switch),
            local_recorder: LocalRecorder::default(),
            #[cfg(all(feature = "prometheus", feature = "otlp"))]
            exemplars: None,
            #[cfg(feature = "otlp")]
            replay_targets: Vec::new(),
            running: Components::default(),
            telemetry: &mut telemetry,
        };
        // First, since spans become their exemplars.
        assembler.metrics();
        #[cfg(feature = "otlp")]
        assembler.pipelines();
        #[cfg(feature = "history")]
        assembler.history();
        let running = assembler.running;
        parts.recorder.clone_from(&running.recorder);
        #[cfg(feature = "otlp")]
        {
            let providers = &running.providers;
            parts.tracer_provider.clone_from(&providers.tracer);
            parts.logger_provider.clone_from(&providers.logger);
        }
        #[cfg(feature = "system")]
        {
            // The sampler's thread starts only where something reads what it measures.
            let is_measured = config.asks_for_metrics() || config.keeps_history();
            telemetry.system_interval = config.settings.system_interval.filter(|_| is_measured);
        }
        telemetry.state = Mutex::new(State::Running(running));
    }
    if config.strictness == Strictness::Strict && warnings.iter().any(Warning::is_refusal) {
        // This drops `telemetry`, whose `Drop` ends the threads and frees the port taken above.
        return Err(TelemetryError::Strict(warnings));
    }
    telemetry.warnings = warnings;
    Ok((telemetry, parts))
}

/// The person's answer is not known, so it is taken for a no.
fn unreadable_consent(unreadable: Unreadable) -> Warning {
    let Unreadable { path, error } = unreadable;
    Warning::value(
        "consent_file",
        &path,
        "a file that `pause` or `resume` wrote",
        format!("telemetry is paused: {error}"),
    )
}

/// Telemetry on its way from a configuration to work.
struct Assembler<'a> {
    config: &'a ResolvedConfig,
    warnings: &'a mut Vec<Warning>,
    switch: Arc<Switch>,
    local_recorder: LocalRecorder,
    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    exemplars: Option<Exemplars>,
    /// What leads out of the spool.
    #[cfg(feature = "otlp")]
    replay_targets: Vec<ReplayTarget>,
    running: Components,
    telemetry: &'a mut Telemetry,
}

impl Assembler<'_> {
    fn metrics(&mut self) {
        if let Some(recorder) = self.recorder() {
            self.local_recorder.use_recorder(&recorder);
            self.running.recorder = Some(recorder);
        } else if !self.serves_other_recorder() {
            // Where the endpoint serves the app's own recorder, that one gets the gauges below: an
            // empty `local_recorder` stands for the recorder in force.
            return;
        }
        let settings = &self.config.settings;
        let rules = ThresholdRules {
            error_rate: settings.error_rate_threshold,
            slow_rate: settings.slow_rate_threshold,
            window: settings.window,
        };
        let watch = ThresholdWatch::new(rules, self.config.on_threshold.clone());
        let thresholds = Arc::new(ThresholdGauges::new(
            settings.ipc_slow_threshold,
            settings.error_rate_threshold,
            self.local_recorder.clone(),
            watch,
            Arc::clone(&self.switch),
        ));
        // Weak, since the list of sources is process-wide and must not publish telemetry that has
        // ended. `running` has the strong references.
        let source: Weak<dyn Publish> = Arc::downgrade(&thresholds) as Weak<dyn Publish>;
        handles::register(source);
        self.running.thresholds = Some(thresholds);
        let problems = Arc::new(ProblemGauges(self.local_recorder.clone()));
        handles::register(Arc::downgrade(&problems) as Weak<dyn Publish>);
        self.running.problems = Some(problems);
    }

    /// Whether the endpoint serves the app's recorder.
    fn serves_other_recorder(&self) -> bool {
        #[cfg(feature = "metrics-exporter-prometheus")]
        return self.config.prometheus_exporter.is_some() && self.running.endpoint.is_some();
        #[cfg(not(feature = "metrics-exporter-prometheus"))]
        false
    }

    /// Records nothing while telemetry is paused.
    fn pausable(&self, recorder: impl Recorder + Send + Sync + 'static) -> Arc<SharedRecorder> {
        Arc::new(pausable(recorder, &self.switch))
    }

    #[cfg(all(feature = "prometheus", feature = "otlp"))]
    fn recorder(&mut self) -> Option<Arc<SharedRecorder>> {
        let otel = self.otel_recorder();
        match (self.prometheus_recorder(), otel) {
            // The switch stands in front of the fan-out, so one look at it is enough for both.
            (Some(prometheus), Some(otel)) => Some(self.pausable(fanout(prometheus, otel))),
            (Some(prometheus), None) => Some(self.pausable(prometheus)),
            (None, Some(otel)) => Some(self.pausable(otel)),
            (None, None) => None,
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn recorder(&mut self) -> Option<Arc<SharedRecorder>> {
        let recorder = self.prometheus_recorder()?;
        Some(self.pausable(recorder))
    }

    #[cfg(not(feature = "prometheus"))]
    fn recorder(&mut self) -> Option<Arc<SharedRecorder>> {
        let recorder = self.otel_recorder()?;
        Some(self.pausable(recorder))
    }
}
