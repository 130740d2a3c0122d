//! A folder on a machine that other users share.
//!
//! A [`Folder`] is opened once and stays the same folder, whatever its path leads to later. What
//! it opens is a regular file or a folder of this user, judged on the open handle; a symbolic link
//! is never followed, and nothing that is opened can block. It removes nothing else either.
//!
//! Whatever is not as Spanwire writes it is an [`InvalidData`](std::io::ErrorKind::InvalidData)
//! error, and is left where it is.

#[cfg(unix)]
mod path;
#[cfg(unix)]
mod permissions;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::io::{self, ErrorKind};

#[cfg(unix)]
pub(super) use self::unix::Folder;
#[cfg(windows)]
pub(super) use self::windows::Folder;

impl Folder {
    /// Opens a file of this user, or makes it.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<File> {
        match self.open_to_write(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        match self.create(name) {
            // Another process was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.open_to_write(name),
            outcome => outcome,
        }
    }
}

/// Whether the error says that a thing is not as Spanwire writes it, and not that it could not be
/// looked at.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
}

/// The reason is for a person, who may not know what to do about it.
fn refused(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
