//! Windows: folders are kept open, so that they cannot be exchanged; reparse points, which links
//! and junctions are, are not followed from the named folder on.
//!
//! Neither owners nor access lists are looked at, which the standard library does not show. The
//! folder has those of the one that it is made in, so it belongs into the user's own, as
//! `%LOCALAPPDATA%`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::refused;

/// A folder that is where it was as long as this lives.
#[derive(Debug)]
pub(in super::super) struct Folder {
    path: PathBuf,
    /// Open and not shared for deletion: it can be neither removed nor renamed meanwhile, nor can
    /// a folder that it is in.
    _kept: File,
}

impl Folder {
    /// Opens the folder that the user named, and makes it if need be.
    ///
    /// # Errors
    ///
    /// When it is a link or no folder, or when it cannot be made.
    pub(in super::super) fn root(named: &Path) -> io::Result<Self> {
        let path = std::path::absolute(named)?;
        fs::create_dir_all(&path)?;
        Self::open_folder(path)
    }

    /// Makes a folder with the rights of this one.
    pub(in super::super) fn make_folder(&self, name: &str) -> io::Result<Self> {
        fs::create_dir(self.path.join(name))?;
        self.folder(name)
    }

    pub(in super::super) fn folder(&self, name: &str) -> io::Result<Self> {
        Self::open_folder(self.path.join(name))
    }

    fn open_folder(path: PathBuf) -> io::Result<Self> {
        judge(&fs::symlink_metadata(&path)?, Metadata::is_dir, &path)?;
        // Without `FILE_FLAG_BACKUP_SEMANTICS` Windows opens no folder.
        // `FILE_FLAG_OPEN_REPARSE_POINT` opens a link itself and not its target.
        let mut options = OpenOptions::new();
        options
            .read(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let kept = options.open(&path)?;
        // The code judges the handle as well: the folder may have been exchanged since the first
        // look.
        judge(&kept.metadata()?, Metadata::is_dir, &path)?;
        Ok(Self { path, _kept: kept })
    }

    /// Makes a file, which must not be there.
    pub(in super::super) fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.path.join(name))
    }

    pub(in super::super) fn open_to_read(&self, name: &str) -> io::Result<File> {
        self.open(name, OpenOptions::new().read(true))
    }

    pub(in super::super) fn open_to_write(&self, name: &str) -> io::Result<File> {
        self.open(name, OpenOptions::new().read(true).write(true))
    }

    fn open(&self, name: &str, options: &mut OpenOptions) -> io::Result<File> {
        self.judge_file(name)?;
        let path = self.path.join(name);
        let file = options
            .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
            .open(&path)?;
        // The path was judged before the opening, and what is open now is judged again.
        judge(&file.metadata()?, Metadata::is_file, &path)?;
        Ok(file)
    }

    fn judge_file(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        judge(&fs::symlink_metadata(&path)?, Metadata::is_file, &path)
    }

    /// What is in it, but for names that are no text: none of ours is.
    pub(in super::super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // `Result` iterates over its `Ok`, so names that are no Unicode are passed over.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// Moves a file to that place.
    pub(in super::super) fn move_file(&self, name: &str, to: &Self, as_: &str) -> io::Result<()> {
        self.judge_file(name)?;
        fs::rename(self.path.join(name), to.path.join(as_))
    }

    /// Removes a regular file, and nothing else.
    pub(in super::super) fn remove_file(&self, name: &str) -> io::Result<()> {
        self.judge_file(name)?;
        fs::remove_file(self.path.join(name))
    }

    /// Removes a folder that is empty.
    pub(in super::super) fn remove_folder(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        judge(&fs::symlink_metadata(&path)?, Metadata::is_dir, &path)?;
        fs::remove_dir(path)
    }

    /// Nothing: a folder's handle is not synced here.
    pub(in super::super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn judge(data: &Metadata, is: fn(&Metadata) -> bool, path: &Path) -> io::Result<()> {
    if data.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(refused(format!(
            "{path:?} is a link or junction: name what it leads to"
        )));
    }
    if !is(data) {
        return Err(refused(format!(
            "{path:?} is not the kind of thing it has to be"
        )));
    }
    Ok(())
}

// From `winnt.h` and `winbase.h`.
const FILE_SHARE_READ: u32 = 0x1;
const FILE_SHARE_WRITE: u32 = 0x2;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
