//! Why a history file cannot be used.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a history file cannot be opened or written.
///
/// A file that is not a history is left as it is, in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file is there and is no SQLite database.
    #[error("{} is not a database", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is a database, and no history of Spanwire's.
    #[error("{} is a database of another program: name another file, or make a history of it with `spanwire history import` if it is a metrics.db of MetricsStorage", .path.display())]
    ForeignDatabase {
        /// The file.
        path: PathBuf,
    },
    /// A later version of Spanwire wrote it.
    #[error("{} has schema {version}, and this version of Spanwire reads {known}: use a newer Spanwire, or another file", .path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema's version.
        version: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// What it holds is damaged.
    #[error("{} is damaged", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Another process keeps it locked.
    #[error("{} is locked by another process: try again when it has finished", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is at its bound, and a program that holds on to what it read keeps its log from being
    /// emptied.
    #[error("{} is at its bound, and a program that reads it holds its log: end that transaction", .path.display())]
    HeldByReader {
        /// The file.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("{} cannot be written: check its and its folder's permissions", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The disk, or the file's bound, is full.
    #[error("the disk has no space left for {}: free some", .path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened, read or written.
    #[error("{} cannot be used", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This process has a history already.
    #[error("this process already has a history: use that one, or end it first")]
    AlreadyOpen,
    /// The system gave no thread to write with.
    #[error("the system starts no thread for the history's writer")]
    NoThread(#[source] io::Error),
}

impl HistoryError {
    /// What an error of SQLite's at that file means.
    pub(crate) fn of(path: &std::path::Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            // SQLite says this of any file whose header it cannot read. Such a file may be
            // anything, so the store does not set it aside.
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DiskFull) => Self::NoSpace { path },
            _ if is_write_error(&error) => Self::NoSpace { path },
            _ => Self::Io {
                path,
                source: Box::new(error),
            },
        }
    }

    pub(crate) fn io(path: &std::path::Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io {
                path,
                source: Box::new(error),
            },
        }
    }
}

/// A limit on the size of files, or a quota, shows as a write that fails.
pub(super) fn is_write_error(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(rusqlite::ffi::SQLITE_IOERR_WRITE | rusqlite::ffi::SQLITE_IOERR_TRUNCATE)
    )
}
