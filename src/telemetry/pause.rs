//! The pause: from the moment at which a person says no to the moment at which they say yes.

#[cfg(feature = "otlp")]
use std::sync::Arc;

#[cfg(feature = "history")]
use super::consent::PendingItems;
use super::consent::{PauseReport, Pending, ResumeError};
#[cfg(feature = "otlp")]
use super::export::spool::Spool;
#[cfg(feature = "otlp")]
use super::handle::State;
use super::handle::Telemetry;
#[cfg(feature = "history")]
use crate::history::History;
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles::publish;
use crate::instrument::later;
#[cfg(feature = "history")]
use crate::semconv::{EVENT_CONFIGURATION_WARNING, EVENT_HISTORY_FAILED};

impl Telemetry {
    /// Records, sends, serves and writes nothing from now on, until [`resume`](Self::resume).
    ///
    /// What is queued or on disk is deleted or kept, as `pending` says, and the report tells how
    /// much that was. A request that is on its way to the collector arrives; it is not repeated. The
    /// endpoint `/metrics` answers 503. With
    /// [`TelemetryBuilder::consent_file`](super::TelemetryBuilder::consent_file) it holds for the
    /// next start too. A call while telemetry is paused deletes what the first one kept, if it says
    /// so.
    ///
    /// ```
    /// use spanwire::telemetry::{Pending, Telemetry};
    ///
    /// # let builder = Telemetry::builder("paint-tool").environment(|_| None).prometheus_port(0);
    /// let telemetry = builder.build()?.0;
    /// let report = telemetry.pause(Pending::Discard);
    /// assert!(telemetry.is_paused());
    /// println!("{report}");
    /// telemetry.resume()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self, pending: Pending) -> PauseReport {
        // Held to the end, so that a resume on another thread cannot fall between the switch and
        // the file.
        let turn = self.consent.turn();
        if !self.is_paused() {
            // What happened before the pause, and was left for a moment later.
            later::finish();
            // Totals that otherwise reach their counters only when an exporter or a scrape reads.
            Self::publish();
        }
        // The switch before the file: the disk may be slow, and a no holds at once.
        let ended = turn.pause(pending);
        // Telemetry stays paused without it; the report says that the next start may not know.
        let not_saved = turn.save_pause();
        if let Some(error) = &not_saved {
            tracing::warn!(error, "the pause of telemetry cannot be saved");
        }
        #[cfg(feature = "otlp")]
        let report = self
            .pipelines
            // This call follows the switch, so that no more data follows what it deletes.
            .pause(self.spool().as_deref(), ended, pending);
        #[cfg(not(feature = "otlp"))]
        let report = {
            let _ = ended;
            PauseReport::default()
        };
        PauseReport {
            not_saved,
            #[cfg(feature = "history")]
            history: self.history.as_ref().and_then(|history| {
                let pending = history.pause(pending == Pending::Discard)?;
                Some(PendingItems {
                    discarded: pending.discarded,
                    kept: pending.kept,
                })
            }),
            ..report
        }
    }

    /// Records again, after a [`pause`](Self::pause) or a start that was paused.
    ///
    /// Counters go on from where they were, without what happened in between. Spans that began
    /// before are not recorded. What is kept leaves.
    ///
    /// # Errors
    ///
    /// [`ResumeError::Denied`] when `SPANWIRE_CONSENT` says so, and [`ResumeError::NotSaved`] when
    /// the answer cannot be written to the file that is to remember it. Telemetry stays paused then.
    pub fn resume(&self) -> Result<(), ResumeError> {
        let turn = self.consent.turn();
        // The file before the switch: a yes that cannot be written down is no yes, and nothing must
        // be recorded under it.
        turn.save_resume()?;
        // The answer is saved even if telemetry records already, since the next start reads it.
        if !self.is_paused() {
            return Ok(());
        }
        #[cfg(feature = "otlp")]
        let spool = self.spool();
        #[cfg(feature = "otlp")]
        {
            // While the switch is still off, so that nothing new can come between.
            self.pipelines.before_resume();
            // Not a reason to stay paused: telemetry works without a spool, only what cannot be
            // sent is lost.
            if let Some(Err(error)) = spool.as_ref().map(|spool| spool.reopen()) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "the spool cannot be opened: what cannot be sent is lost"
                );
            }
        }
        // What was counted in the pause goes where nothing is recorded.
        Self::publish();
        turn.resume();
        #[cfg(feature = "history")]
        let unclean_end = self.history.as_ref().and_then(resumed);
        #[cfg(feature = "otlp")]
        self.pipelines.resumed(spool.as_deref());
        #[cfg(feature = "history")]
        // The warning comes last, when telemetry records again and can export it.
        if let Some(unclean_end) = unclean_end {
            tracing::warn!(name: EVENT_CONFIGURATION_WARNING, "{unclean_end}");
            self.reporter.report(unclean_end);
        }
        Ok(())
    }

    /// As a scrape does.
    fn publish() {
        // It reads queues and pages, and a bug there must not keep telemetry from its pause.
        let _ = catch_panic(publish);
    }

    #[cfg(feature = "otlp")]
    fn spool(&self) -> Option<Arc<Spool>> {
        match &*self.state() {
            // A clone, so that the state's lock is not held over the disk.
            State::Running(running) => running.providers.spool.clone(),
            State::Ending | State::Ended(_) => None,
        }
    }
}

/// Has the history record again. Returns what it finds out only now, where telemetry started paused:
/// that the run before this one did not end by itself.
#[cfg(feature = "history")]
fn resumed(history: &History) -> Option<String> {
    // The report is read first: a history that recorded before gave this warning at its start.
    let was_known = history.report().unclean_end.is_some();
    if let Err(error) = history.resume() {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(name: EVENT_HISTORY_FAILED, error, "the history cannot be opened");
    }
    let unclean_end = history.report().unclean_end;
    unclean_end.filter(|_| !was_known)
}
