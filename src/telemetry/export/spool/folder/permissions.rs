//! Who may write: what is made here is this user's alone.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, Mode, Stat};

/// Makes a folder with all rights for this user and none for others, whatever the umask.
pub(super) fn make_private(at: impl AsFd, name: &Path) -> io::Result<()> {
    sys::mkdirat(&at, name, PRIVATE_FOLDER)?;
    // It follows links, and there is none: no other user can put one where it was made.
    Ok(sys::chmodat(at, name, PRIVATE_FOLDER, AtFlags::empty())?)
}

/// An access list shows in the group's rights, where the system has them in the POSIX way.
pub(super) fn others_may_write(stat: &Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP.union(Mode::WOTH))
}

/// Telemetry may tell what a person does: it is for no other user to read.
const PRIVATE_FOLDER: Mode = Mode::RWXU;
