//! Consent: telemetry that the person who uses the app has not allowed is not recorded.
//!
//! Everything asks one [`Switch`]: the recorder in front of ours, the sampler in front of the one
//! that was chosen, what takes ended spans and log records in, what reads the spans of pages, what
//! exports, what writes to the spool or reads it, and the endpoint. The history is told of each
//! pause and resume: what it has is deleted or kept with what is queued.

mod recorder;
#[cfg(feature = "otlp")]
mod sampler;
mod state_file;
mod switch;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use recorder::pausable;
#[cfg(feature = "otlp")]
pub(super) use sampler::PausableSampler;
pub(super) use state_file::{Answer, StateFile};
#[cfg(feature = "otlp")]
pub(super) use switch::Epoch;
pub(super) use switch::Switch;

/// What becomes of telemetry that is queued or on disk when [`Telemetry::pause`] is called, the
/// history on the machine included.
///
/// [`Telemetry::pause`]: crate::telemetry::Telemetry::pause
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// It stays where it is, and leaves after [`Telemetry::resume`]. What is in memory is gone when
    /// the process ends before; what is on disk stays there.
    ///
    /// [`Telemetry::resume`]: crate::telemetry::Telemetry::resume
    Keep,
    /// It is deleted, and with it what earlier processes left in the spool's folder and in the
    /// history's file.
    Discard,
}

/// What became of queued telemetry, as [`Telemetry::pause`] says it.
///
/// A request that was on its way to the collector is in neither count: what became of it is in the
/// [`ShutdownReport`](crate::telemetry::ShutdownReport). Metrics are totals, which wait nowhere.
///
/// [`Telemetry::pause`]: crate::telemetry::Telemetry::pause
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PauseReport {
    /// Of spans.
    pub spans: PendingItems,
    /// Of log records.
    pub logs: PendingItems,
    /// Of the history's records. What is kept is what was not written yet, and what is discarded is
    /// that and what was in the file; `None` without a history.
    pub history: Option<PendingItems>,
    /// Why the answer could not be written to the file of
    /// [`TelemetryBuilder::consent_file`](crate::telemetry::TelemetryBuilder::consent_file).
    /// Telemetry is paused all the same, and may not be after a restart.
    pub not_saved: Option<String>,
}

/// What waited in memory or on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingItems {
    /// It was deleted.
    pub discarded: u64,
    /// It waits on.
    pub kept: u64,
}

/// Why [`Telemetry::resume`](crate::telemetry::Telemetry::resume) did not resume.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// `SPANWIRE_CONSENT` is `denied`, or is set to what cannot be used.
    #[error("SPANWIRE_CONSENT keeps telemetry paused: unset it, or set granted")]
    Denied,
    /// The answer could not be written to the file of
    /// [`TelemetryBuilder::consent_file`](crate::telemetry::TelemetryBuilder::consent_file).
    #[error("the consent cannot be saved, so telemetry stays paused")]
    NotSaved(#[source] io::Error),
}

/// What the environment says of consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EnvironmentConsent {
    /// Telemetry records, unless something else says no.
    #[default]
    Granted,
    /// Telemetry is paused until the app resumes it.
    Ask,
    /// Telemetry is paused, whatever the app says.
    Denied,
}

/// Consent as the configuration has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsentConfig {
    pub(crate) environment: EnvironmentConsent,
    /// The builder's word.
    pub(crate) starts_paused: bool,
    pub(crate) file: Option<StateFile>,
}

/// The switch, and who may turn it.
#[derive(Debug)]
pub(super) struct Consent {
    pub(super) switch: Arc<Switch>,
    is_denied: bool,
    file: Option<StateFile>,
    /// Turned by one at a time.
    turn: Mutex<()>,
}

/// What cannot be read as consent.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: String,
    pub(super) error: io::Error,
}

impl Consent {
    /// Off wins over every on: telemetry records only if no setting says no. Where the app or its
    /// environment wants the person to be asked, it records only if the answer is on file. A file
    /// that cannot be read is a no.
    pub(super) fn new(config: ConsentConfig) -> (Self, Option<Unreadable>) {
        let ConsentConfig {
            environment,
            starts_paused,
            file,
        } = config;
        let must_ask = starts_paused || environment == EnvironmentConsent::Ask;
        let mut unreadable = None;
        let records = match file.as_ref().map(StateFile::read) {
            // No file is configured, or the person was not asked yet.
            None | Some(Ok(None)) => !must_ask,
            // An answer on file beats `must_ask`, since the person was asked in an earlier run.
            Some(Ok(Some(answer))) => answer == Answer::Recording,
            Some(Err(error)) => {
                let path = file.as_ref().map(StateFile::path);
                unreadable = Some(Unreadable {
                    path: path.map_or_else(String::new, |path| path.to_string_lossy().into()),
                    error,
                });
                false
            }
        };
        // This value is separate from the switch, since it also forbids every later resume.
        let is_denied = environment == EnvironmentConsent::Denied;
        let switch = match records && !is_denied {
            true => Switch::default(),
            false => Switch::paused(),
        };
        let consent = Self {
            switch: Arc::new(switch),
            is_denied,
            file,
            turn: Mutex::new(()),
        };
        (consent, unreadable)
    }

    /// Waits for another thread that turns the switch.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn {
            consent: self,
            _turn: self.turn.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The right to turn the switch.
pub(super) struct Turn<'a> {
    consent: &'a Consent,
    // Held for the whole of a pause or a resume. Two of them at once could leave the file with the
    // one answer and the switch with the other.
    _turn: MutexGuard<'a, ()>,
}

impl Turn<'_> {
    /// Pauses, and says which epoch ended by it.
    pub(super) fn pause(&self, pending: Pending) -> Option<switch::Epoch> {
        self.consent.switch.pause(pending)
    }

    pub(super) fn save_pause(&self) -> Option<String> {
        let file = self.consent.file.as_ref()?;
        // The switch is turned already: a no holds for this run although it cannot be saved.
        let error = file.write(Answer::Paused).err()?;
        Some(error.to_string())
    }

    /// Writes down that telemetry may record, if it may.
    pub(super) fn save_resume(&self) -> Result<(), ResumeError> {
        if self.consent.is_denied {
            return Err(ResumeError::Denied);
        }
        match &self.consent.file {
            // `Telemetry::resume` calls this before it turns the switch. A yes that cannot be saved
            // would hold for this run and be forgotten by the next, so it counts as none.
            Some(file) => file.write(Answer::Recording).map_err(ResumeError::NotSaved),
            None => Ok(()),
        }
    }

    pub(super) fn resume(&self) {
        self.consent.switch.resume();
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

impl fmt::Display for PauseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PendingItems { discarded, kept } = self.spans;
        write!(f, "spans: {discarded} discarded, {kept} kept; ")?;
        let PendingItems { discarded, kept } = self.logs;
        write!(f, "logs: {discarded} discarded, {kept} kept")?;
        if let Some(PendingItems { discarded, kept }) = self.history {
            write!(f, "; history: {discarded} discarded, {kept} kept")?;
        }
        match &self.not_saved {
            Some(error) => write!(f, "; not saved: {error}"),
            None => Ok(()),
        }
    }
}
