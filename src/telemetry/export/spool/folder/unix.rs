//! Unix: everything below a folder is reached from its handle.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::process::geteuid;

use super::path;
use super::permissions::{make_private, others_may_write};

use super::refused;

/// A folder that this user owns and no other may write.
#[derive(Debug)]
pub(in super::super) struct Folder {
    handle: File,
    /// For messages alone: the handle says which folder it is.
    path: PathBuf,
}

impl Folder {
    /// Opens the folder that the user named, and makes it if need be.
    ///
    /// # Errors
    ///
    /// When another user owns it or may write it, or could exchange it; when it is a symbolic
    /// link; when it cannot be made.
    pub(in super::super) fn root(named: &Path) -> io::Result<Self> {
        let path = path::resolve(named)?;
        open_folder(CWD, &path, path.clone())
    }

    /// Makes a folder for this user alone.
    pub(in super::super) fn make_folder(&self, name: &str) -> io::Result<Self> {
        make_private(&self.handle, name.as_ref())?;
        self.folder(name)
    }

    pub(in super::super) fn folder(&self, name: &str) -> io::Result<Self> {
        open_folder(&self.handle, name.as_ref(), self.path.join(name))
    }

    /// Makes a file for this user alone, which must not be there.
    pub(in super::super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | HARMLESS;
        let file = File::from(sys::openat(&self.handle, name, flags, PRIVATE_FILE)?);
        // The umask may have taken the owner's rights, too.
        sys::fchmod(&file, PRIVATE_FILE)?;
        Ok(file)
    }

    pub(in super::super) fn open_to_read(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::RDONLY)
    }

    pub(in super::super) fn open_to_write(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::RDWR)
    }

    fn open(&self, name: &str, access: OFlags) -> io::Result<File> {
        // Opening a device may do something, so it is looked at before, too.
        self.judge_file(name)?;
        let file = File::from(sys::openat(
            &self.handle,
            name,
            access | HARMLESS,
            Mode::empty(),
        )?);
        judge(&sys::fstat(&file)?, FileType::RegularFile, || {
            self.path.join(name)
        })?;
        Ok(file)
    }

    fn judge_file(&self, name: &str) -> io::Result<()> {
        let stat = sys::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        judge(&stat, FileType::RegularFile, || self.path.join(name))
    }

    /// What is in it, but for names that are no text: none of ours is.
    pub(in super::super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            if let Ok(name) = entry?.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Moves a file of this user to that place.
    pub(in super::super) fn move_file(&self, name: &str, to: &Self, as_: &str) -> io::Result<()> {
        self.judge_file(name)?;
        Ok(sys::renameat(&self.handle, name, &to.handle, as_)?)
    }

    /// Removes a file of this user, and nothing else.
    pub(in super::super) fn remove_file(&self, name: &str) -> io::Result<()> {
        // Between the two no other user can put something else there: the folder is not theirs to
        // write.
        self.judge_file(name)?;
        Ok(sys::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Removes a folder that is empty.
    pub(in super::super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(sys::unlinkat(&self.handle, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the names of new files as durable as the files.
    pub(in super::super) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

fn open_folder(at: impl AsFd, name: &Path, path: PathBuf) -> io::Result<Folder> {
    // Without it a link and a file are the same error.
    let stat = sys::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    judge(&stat, FileType::Directory, || path.clone())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | HARMLESS;
    let handle = File::from(sys::openat(at, name, flags, Mode::empty())?);
    judge(&sys::fstat(&handle)?, FileType::Directory, || path.clone())?;
    Ok(Folder { handle, path })
}

/// Whether it is what it has to be, this user's and no other's.
fn judge(stat: &Stat, kind: FileType, path: impl Fn() -> PathBuf) -> io::Result<()> {
    let is = FileType::from_raw_mode(stat.st_mode);
    if is == FileType::Symlink {
        return Err(refused(format!(
            "{:?} is a symbolic link: name what it leads to",
            path()
        )));
    }
    if is != kind {
        let (path, kind) = (path(), noun(kind));
        return Err(refused(format!("{path:?} is no {kind}")));
    }
    let user = geteuid().as_raw();
    if stat.st_uid != user {
        return Err(refused(format!(
            "{:?} belongs to user {} and the app runs as user {user}: choose a folder that is made \
             by the app or its user",
            path(),
            stat.st_uid
        )));
    }
    if others_may_write(stat) {
        let path = path();
        // Its sticky bit says that it is meant to be shared.
        let shared = Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
        let remedy = match kind {
            FileType::Directory if shared => ": choose a folder of its own in it".to_owned(),
            FileType::Directory => format!(": run `chmod 700 {path:?}`, or choose another folder"),
            _ => String::new(),
        };
        return Err(refused(format!(
            "other users may write to {path:?}{remedy}"
        )));
    }
    // The same file under another name may be anything that this user has.
    if kind == FileType::RegularFile && stat.st_nlink != 1 {
        return Err(refused(format!("{:?} has more than one name", path())));
    }
    Ok(())
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "folder",
        _ => "regular file",
    }
}

/// Telemetry may tell what a person does: it is for no other user to read.
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// No link is followed, a FIFO is not waited for, a terminal is not taken over, and no child
/// process inherits it.
const HARMLESS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
