//! Why there is no report.

use std::error::Error;
use std::path::PathBuf;

use crate::history::FlushError;
use crate::history::query::{OpenError, QueryError};

/// Why a report was not written. Nothing is left of it then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The history cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// This telemetry keeps no history.
    #[error(
        "there is no history: name its file with `TelemetryBuilder::history` or SPANWIRE_HISTORY"
    )]
    NoHistory,
    /// What waits could not be written into the history.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// The report's file exists.
    #[error("{} exists and is not overwritten: name a new file", .0.display())]
    Exists(PathBuf),
    /// The report cannot be written.
    #[error("{} cannot be written: check the folder, its permissions and the disk's room", .path.display())]
    Unwritable {
        /// The report's file.
        path: PathBuf,
        /// What the operating system or SQLite said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The history cannot be read at all.
    #[error(transparent)]
    Query(#[from] QueryError),
}
