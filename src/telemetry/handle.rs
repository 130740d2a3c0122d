//! Telemetry at work, and its end.

use std::fmt;
#[cfg(feature = "prometheus")]
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::bounded;

use super::background::in_background;
use super::config::builder::TelemetryBuilder;
use super::config::warning::Warning;
use super::consent::Consent;
use super::diagnostics::local_recorder::SharedRecorder;
use super::diagnostics::reporter::{self, Reporter};
#[cfg(feature = "otlp")]
use super::export::page_spans::PageSpans;
use super::metrics::problem_gauges::ProblemGauges;
use super::metrics::threshold_gauges::ThresholdGauges;
#[cfg(feature = "otlp")]
use super::pipelines::{FlushError, Pipelines, Providers};
#[cfg(feature = "prometheus")]
use super::prometheus::Endpoint;
#[cfg(feature = "otlp")]
use super::sampling::SamplingRate;
use super::shutdown_report::ShutdownReport;
#[cfg(feature = "otlp")]
use super::subscriber::Place;
use crate::clock;
#[cfg(feature = "history")]
use crate::history::History;
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::later;
use crate::semconv::EVENT_CONFIGURATION_WARNING;
use crate::startup;
#[cfg(feature = "system")]
use crate::system::{Allocator, SystemSampler};

/// Telemetry at work. Keep it as long as the app runs.
///
/// [`shutdown`](Self::shutdown) sends what is queued and says what was lost; dropping does the same
/// within a short time. After shutdown, recording is a no-op.
#[must_use = "dropping it ends telemetry"]
pub struct Telemetry {
    pub(super) warnings: Vec<Warning>,
    pub(super) consent: Consent,
    pub(super) reporter: Reporter,
    #[cfg(feature = "system")]
    pub(super) system_interval: Option<Duration>,
    /// Until the sampler has it.
    #[cfg(feature = "system")]
    pub(super) allocator: Option<Arc<dyn Allocator>>,
    pub(super) shutdown_deadline: Duration,
    #[cfg(feature = "prometheus")]
    pub(super) prometheus_addr: Option<SocketAddr>,
    #[cfg(feature = "otlp")]
    pub(super) pipelines: Pipelines,
    /// Also after the shutdown, for its report.
    #[cfg(feature = "history")]
    pub(super) history: Option<History>,
    #[cfg(feature = "history")]
    pub(super) report_rules: crate::history::report::Rules,
    pub(super) state: Mutex<State>,
    pub(super) ended: Condvar,
}

pub(super) enum State {
    Running(Components),
    /// A call of `shutdown` is at it, without the lock.
    Ending,
    Ended(Box<ShutdownReport>),
}

/// What ends with the shutdown.
#[derive(Default)]
pub(super) struct Components {
    #[cfg(feature = "system")]
    pub(super) sampler: Option<SystemSampler>,
    #[cfg(feature = "prometheus")]
    pub(super) endpoint: Option<Endpoint>,
    #[cfg(feature = "otlp")]
    pub(super) providers: Providers,
    pub(super) thresholds: Option<Arc<ThresholdGauges>>,
    pub(super) problems: Option<Arc<ProblemGauges>>,
    /// That of the process's subscriber.
    #[cfg(feature = "otlp")]
    pub(super) place: Option<Place>,
    /// The exporters count themselves with it and hold it weakly.
    pub(super) recorder: Option<Arc<SharedRecorder>>,
}

/// Once in a process is enough: what was set up may have ended since.
static IS_SET_UP: AtomicBool = AtomicBool::new(false);

impl Telemetry {
    /// Whether this process has set telemetry up, by [`install`](TelemetryBuilder::install) or
    /// [`build`](TelemetryBuilder::build), and whatever became of it since.
    ///
    /// A library that acts [on behalf of an app](TelemetryBuilder::on_behalf_of_app) asks it, and
    /// leaves telemetry to an app that has its own.
    #[must_use]
    pub fn is_set_up() -> bool {
        // Relaxed: the flag orders no other memory.
        IS_SET_UP.load(Ordering::Relaxed)
    }

    /// Whether the app has a `tracing` subscriber of its own, which shows warnings. The one that
    /// Spanwire sets with the first span does not count: it exports, and prints nothing.
    ///
    /// A library that has something to say writes it to stderr where this is `false`, as Spanwire
    /// itself does.
    #[must_use]
    pub fn app_has_subscriber() -> bool {
        reporter::app_listens()
    }

    /// Says that it is at work.
    pub(super) fn set_up(self) -> Self {
        IS_SET_UP.store(true, Ordering::Relaxed);
        self
    }

    /// Begins to set up telemetry for the app of that name.
    ///
    /// The name is the default for `service.name`: `OTEL_SERVICE_NAME` and
    /// `OTEL_RESOURCE_ATTRIBUTES` may give another.
    pub fn builder(service_name: impl Into<String>) -> TelemetryBuilder {
        TelemetryBuilder::new(service_name.into())
    }

    /// What could not be done as asked.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether telemetry is paused: nothing is recorded, sent, served or written.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.consent.switch.is_paused()
    }

    /// Where Prometheus finds `/metrics`; `None` when the endpoint is off.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn prometheus_addr(&self) -> Option<SocketAddr> {
        self.prometheus_addr
    }

    /// The history on the machine; `None` where there is none.
    ///
    /// It ends with telemetry, even while the app holds a handle to it.
    #[cfg(feature = "history")]
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Writes all that waits into the history, and a report of it to the new file `path`:
    /// "why is it laggy?" as one ZIP file to send to the app's support.
    ///
    /// It takes up to some seconds where the history is large, so do not call it on the UI thread.
    /// [`ReportOptions`](crate::history::report::ReportOptions) makes one of a period, or with error
    /// texts.
    ///
    /// # Errors
    ///
    /// A [`ReportError`](crate::history::report::ReportError) when there is no history, or it or the
    /// report cannot be written.
    #[cfg(feature = "history")]
    pub fn report(
        &self,
        path: impl AsRef<std::path::Path>,
    ) -> Result<crate::history::report::Report, crate::history::report::ReportError> {
        use crate::history::report::{ReportError, ReportOptions};
        let history = self.history().ok_or(ReportError::NoHistory)?;
        // The report reads the file, and the last half second is still in memory.
        history.flush(REPORT_FLUSH_MAX)?;
        ReportOptions::new()
            .rules(&self.report_rules)
            .write(history.path(), path)
    }

    /// Where the spans of an OpenTelemetry SDK in a page go, for
    /// [`IpcBuilder::page_spans`](crate::ipc::IpcBuilder::page_spans).
    ///
    /// The first call starts the thread that reads them. Without an exporter for traces there is none,
    /// and what comes is counted as `off`.
    ///
    /// ```
    /// use spanwire::{Ipc, Telemetry};
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// # let telemetry = builder.without_system().build()?.0;
    ///
    /// let ipc = Ipc::builder("main").page_spans(telemetry.page_spans()).build();
    /// # Ok::<(), spanwire::telemetry::TelemetryError>(())
    /// ```
    #[cfg(feature = "otlp")]
    pub fn page_spans(&self) -> PageSpans {
        self.pipelines.page_spans.started()
    }

    /// The rate of kept traces, to be read and set while telemetry runs; `None` where another sampler
    /// than [`Sampler::Tail`](super::Sampler::Tail) is in force, or no traces are exported.
    ///
    /// ```
    /// use spanwire::Telemetry;
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// # let telemetry = builder.without_system().build()?.0;
    ///
    /// if let Some(rate) = telemetry.sampling_rate() {
    ///     rate.set_traces_per_second(2);
    /// }
    /// # Ok::<(), spanwire::telemetry::TelemetryError>(())
    /// ```
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn sampling_rate(&self) -> Option<SamplingRate> {
        self.pipelines.tail.as_ref().map(SamplingRate::of)
    }

    /// Exports what is queued now, and waits for it.
    ///
    /// With a spool, what was put there instead is done, too.
    ///
    /// # Errors
    ///
    /// [`FlushError::TimedOut`] after `deadline`, [`FlushError::Lost`] when something was given up,
    /// [`FlushError::Paused`] while telemetry is paused.
    #[cfg(feature = "otlp")]
    pub fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        // Before the lock: what it does is the app's code in the end.
        later::finish();
        // The provider is cloned, so that the lock is not held while the flush waits.
        let meter = match &*self.state() {
            State::Running(running) => running.providers.meter.clone(),
            State::Ending => None,
            State::Ended(_) => return Ok(()),
        };
        if self.is_paused() {
            return Err(FlushError::Paused);
        }
        self.pipelines.flush(meter, deadline)
    }

    /// Exports what is queued, ends everything, and says what was exported, dropped and lost.
    ///
    /// It returns by `deadline`, whatever the collector does: what was not confirmed by then counts
    /// as lost. While telemetry is paused nothing is exported: what is in memory is deleted, and what
    /// is on disk stays there. A second call waits for the first one's report, but by its own `deadline`: then it
    /// says what is known by then.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = clock::now().plus(deadline);
        let mut state = self.state();
        loop {
            match &mut *state {
                State::Ended(report) => return (**report).clone(),
                State::Ending => {
                    let left = until.since(clock::now());
                    if left.is_zero() {
                        return self.shutdown_report();
                    }
                    let waited = self.ended.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                State::Running(running) => {
                    // The handle takes the state out, so that the lock is free while telemetry
                    // ends: `flush`, `pause` and a second `shutdown` take it.
                    let running = std::mem::take(running);
                    *state = State::Ending;
                    drop(state);
                    startup::conclude();
                    self.end(running, deadline);
                    let report = self.shutdown_report();
                    *self.state() = State::Ended(Box::new(report.clone()));
                    self.ended.notify_all();
                    return report;
                }
            }
        }
    }

    #[cfg_attr(
        not(any(feature = "otlp", feature = "system")),
        expect(unused_mut, reason = "what ends step by step is not built in")
    )]
    fn end(&self, mut running: Components, deadline: Duration) {
        later::finish();
        let now = clock::now();
        let until = now.plus(deadline);
        // On this thread, which may be the one that alone has our subscriber.
        #[cfg(feature = "otlp")]
        drop(running.place.take());
        // It writes on a thread of its own, beside the exports.
        #[cfg(feature = "history")]
        let history = self.history.as_ref().map(History::begin_shutdown);
        // On the caller's thread: when this returns, nothing more is taken in.
        #[cfg(feature = "otlp")]
        self.pipelines.close(&running.providers, now, deadline);
        #[cfg(feature = "otlp")]
        let (pipelines, spool) = (self.pipelines.clone(), running.providers.spool.clone());
        // Nothing is sent: the drop of `done` disconnects `ended`, also when the thread panics.
        let (done, ended) = bounded::<()>(1);
        let end = move || {
            #[cfg(feature = "system")]
            drop(running.sampler.take());
            // Batches and spool get three fifths of the time. Metrics come after them, so that they
            // count what became of spans and log records, and get the rest.
            #[cfg(feature = "otlp")]
            pipelines.end(&mut running.providers, now.plus(deadline / 5 * 3), until);
            drop(running);
            #[cfg(feature = "otlp")]
            pipelines.wait_for_points(until);
            drop(done);
        };
        // On a thread of its own, since the SDK's reader waits up to 5 s for the last export of
        // metrics, whatever the deadline is.
        match in_background("spanwire-shutdown", end) {
            Ok(()) => {
                let _ = ended.recv_timeout(until.since(clock::now()));
            }
            // Without a thread the batches still end by themselves.
            #[cfg(feature = "otlp")]
            Err(_) => {
                self.pipelines.wait_ended(until);
                if let Some(spool) = spool {
                    spool.close(until);
                }
            }
            #[cfg(not(feature = "otlp"))]
            Err(_) => {}
        }
        #[cfg(feature = "history")]
        if let Some(history) = history {
            // The writer has worked since `begin_shutdown`, beside the exports.
            history.wait(until);
        }
    }

    fn shutdown_report(&self) -> ShutdownReport {
        #[cfg(feature = "otlp")]
        let report = self.pipelines.report();
        #[cfg(not(feature = "otlp"))]
        let report = ShutdownReport::default();
        #[cfg(feature = "history")]
        let report = ShutdownReport {
            history: self.history.as_ref().map(History::report),
            ..report
        };
        report
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_warnings(&mut self, warnings: Vec<Warning>) {
        self.warnings.extend(warnings);
    }

    pub(crate) fn log_warnings(&self) {
        for warning in &self.warnings {
            self.with_subscriber(|| {
                tracing::warn!(name: EVENT_CONFIGURATION_WARNING, "{warning}");
            });
            self.reporter.report(warning);
        }
    }

    /// Runs `f` with our subscriber in force, if it is to take a place that is free yet.
    #[cfg(feature = "otlp")]
    fn with_subscriber(&self, f: impl FnOnce()) {
        match &*self.state() {
            State::Running(Components {
                place: Some(place), ..
            }) => place.within(f),
            _ => f(),
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn with_subscriber(&self, f: impl FnOnce()) {
        f();
    }

    /// Keeps the place of the process's subscriber until the end.
    #[cfg(feature = "otlp")]
    pub(super) fn keep(&mut self, place: Option<Place>) {
        // `get_mut` takes no lock: no thread shares the handle before `install` or `build` returns.
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(running) = state {
            running.place = place;
        }
    }

    /// After the recorder is in place, so that the first sample is not lost.
    #[cfg(feature = "system")]
    pub(crate) fn start_sampler(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (State::Running(running), Some(interval)) = (state, self.system_interval) {
            let switch = Arc::clone(&self.consent.switch);
            let sampler = SystemSampler::start_unless(interval, self.allocator.take(), move || {
                switch.is_paused()
            });
            running.sampler = Some(sampler);
        }
    }

    #[cfg(not(feature = "system"))]
    pub(crate) fn start_sampler(&mut self) {}
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // A second panic while one unwinds would abort the app.
        let _ = catch_panic(|| self.shutdown(self.shutdown_deadline));
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Telemetry");
        #[cfg(feature = "prometheus")]
        f.field("prometheus_addr", &self.prometheus_addr);
        #[cfg(feature = "otlp")]
        f.field("spans", &self.pipelines.spans)
            .field("logs", &self.pipelines.logs)
            .field("metrics", &self.pipelines.points.is_some());
        f.field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

/// How long a report waits for what is not in the history yet.
#[cfg(feature = "history")]
const REPORT_FLUSH_MAX: Duration = Duration::from_secs(5);
