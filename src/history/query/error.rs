//! What can go wrong with a history file, and what to do about it.

use std::error::Error;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::history::error::is_write_error;

/// Why a history file could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error(
        "{} does not exist: check the path; an app writes its history where SPANWIRE_HISTORY says",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is no SQLite file, or its beginning is damaged.
    #[error(
        "{} is not a SQLite database: check the path; if it was a history, it is damaged, and \
         sqlite3's .recover may save the rest",
        .0.display()
    )]
    NotADatabase(PathBuf),
    /// It is a SQLite file of another program.
    #[error(
        "{} is a SQLite database without a history: check the path; it has none of the tables \
         that an app of Spanwire or MetricsStorage writes",
        .0.display()
    )]
    Foreign(PathBuf),
    /// It was written by a newer version of Spanwire.
    #[error(
        "{} has schema version {found}, and this version of Spanwire knows up to {known}: read it \
         with the version that wrote it, or a newer one",
        .path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// Another process has locked it for longer than a reader waits.
    #[error(
        "{} is locked by another process: try again, or close the program that holds it open for \
         itself alone",
        .0.display()
    )]
    Locked(PathBuf),
    /// The operating system does not let it be read.
    #[error("{} cannot be read: check its and its folder's permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What SQLite or the operating system said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why a question to an open history file was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Another process has locked the file for longer than a reader waits.
    #[error("the file is locked by another process: try again")]
    Locked,
    /// What is in the file cannot be understood.
    #[error("the file is damaged ({0}): sqlite3's .recover may save the rest")]
    Damaged(String),
    /// The file cannot be written.
    #[error("the file cannot be written: check its and its folder's permissions")]
    ReadOnly,
    /// The disk is full.
    #[error("the disk is full: make room, and try again; nothing is lost")]
    Full,
    /// Anything else that SQLite said.
    #[error("the database refuses")]
    Database(#[source] Box<dyn Error + Send + Sync>),
}

/// Why an old system's file could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The old file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The old file is a history of Spanwire already.
    #[error("{} is a history of Spanwire already: open it as it is", .0.display())]
    AlreadyHistory(PathBuf),
    /// The new file exists.
    #[error("{} exists and is not overwritten: name a new file", .0.display())]
    Exists(PathBuf),
    /// The new file cannot be written.
    #[error("{} cannot be written: check the folder and its permissions", .path.display())]
    Unwritable {
        /// The new file.
        path: PathBuf,
        /// What the operating system or SQLite said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Reading or writing stopped on the way.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl OpenError {
    pub(super) fn new(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            // While a file is opened both mean that its first pages cannot be understood.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotADatabase(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(path),
            _ => Self::Unreadable {
                path,
                source: error.into(),
            },
        }
    }
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::DiskFull) => Self::Full,
            _ if is_write_error(&error) => Self::Full,
            _ => match error {
                // A column holds what the schema does not allow.
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..) => Self::Damaged(error.to_string()),
                error => Self::Database(error.into()),
            },
        }
    }
}
