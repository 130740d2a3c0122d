//! The folder that several processes share: each has one of its own in it, held by a lock.
//!
//! A process takes `<id>.lock` before it makes the folder `<id>`, so a folder whose lock is free
//! is one that a process left behind, and whoever takes that lock may have what is in it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, Folder};
use super::record::SpooledSignal;

/// A folder with segments that this process alone uses.
#[derive(Debug)]
pub(crate) struct SpoolDirectory {
    // Before the place, which removes it: some systems keep what is open.
    folder: Folder,
    place: LockedFolder,
    /// The shared folder, as the user named it.
    named: PathBuf,
}

/// A folder's name, and the lock that says whose it is.
#[derive(Debug)]
struct LockedFolder {
    root: Arc<Folder>,
    id: String,
    /// The lock lasts as long as the file is open.
    _lock: File,
}

/// A file of records: when it was begun, which orders them, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) key: u64,
    pub(crate) lane: SpooledSignal,
}

impl Name {
    pub(crate) fn file(self) -> String {
        // 20 digits hold every `u64`, so that names sort as their keys do.
        format!("{:020}.{}", self.key, self.lane.ending())
    }

    fn parse(file: &str) -> Option<Self> {
        let (key, ending) = file.split_once('.')?;
        let lane = SpooledSignal::ALL
            .into_iter()
            .find(|lane| lane.ending() == ending)?;
        let key = key.parse().ok()?;
        let name = Self { key, lane };
        // Exactly as `file` writes it: `u64` also reads `+1` and numbers without leading zeros.
        (name.file() == file).then_some(name)
    }
}

impl SpoolDirectory {
    /// Makes the folder that is shared if need be, and a place in it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, written or locked, or is not this user's alone.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        // The app may go to another folder before this one has to be made again.
        let named = std::path::absolute(root)?;
        let root = Arc::new(Folder::root(&named)?);
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = format!("{:016x}", u64::from_le_bytes(id));
        let lock = root.create(&lock_name(&id))?;
        let taken = lock.try_lock().map_err(io::Error::from);
        match taken.and_then(|()| root.make_folder(&id)) {
            Ok(folder) => Ok(Self {
                folder,
                place: LockedFolder {
                    root,
                    id,
                    _lock: lock,
                },
                named,
            }),
            Err(error) => {
                let _ = root.remove_file(&lock_name(&id));
                Err(error)
            }
        }
    }

    /// The shared folder, as the user named it.
    pub(crate) fn named(&self) -> &Path {
        &self.named
    }

    /// The folders of other processes, of those that live and those that ended.
    pub(crate) fn others(&self) -> Vec<String> {
        let mut ids = self.place.root.names().unwrap_or_default();
        ids.retain(|id| is_id(id) && *id != self.place.id);
        ids
    }

    /// Takes over the folder of a process that ended; `None` when it lives.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is not one that a process of this user made.
    pub(crate) fn take_over(&self, id: String) -> io::Result<Option<Self>> {
        let root = &self.place.root;
        // The folder is judged before its lock is touched, so no lock is made for what is no folder
        // of ours.
        let folder = root.folder(&id)?;
        let lock = root.open_or_create(&lock_name(&id))?;
        match lock.try_lock() {
            // The lock is kept with the folder, so no third process takes the same segments.
            Ok(()) => Ok(Some(Self {
                folder,
                place: LockedFolder {
                    root: Arc::clone(root),
                    id,
                    _lock: lock,
                },
                named: self.named.clone(),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The segments of these signals, in the order in which they were begun. What has another name
    /// is none.
    pub(crate) fn segments(&self, signals: &[SpooledSignal]) -> io::Result<Vec<Name>> {
        let files = self.folder.names()?;
        let mut names: Vec<Name> = files
            .iter()
            .filter_map(|file| Name::parse(file))
            .filter(|name| signals.contains(&name.lane))
            .collect();
        names.sort_unstable_by_key(|name| name.key);
        Ok(names)
    }

    pub(crate) fn create(&self, name: Name) -> io::Result<File> {
        self.folder.create(&name.file())
    }

    pub(crate) fn open_to_read(&self, name: Name) -> io::Result<File> {
        self.folder.open_to_read(&name.file())
    }

    pub(crate) fn open_to_write(&self, name: Name) -> io::Result<File> {
        self.folder.open_to_write(&name.file())
    }

    pub(crate) fn remove(&self, name: Name) -> io::Result<()> {
        self.folder.remove_file(&name.file())
    }

    /// Moves a segment here, under a name of this one.
    pub(crate) fn move_from(&self, directory: &Self, name: Name, ours: Name) -> io::Result<()> {
        directory
            .folder
            .move_file(&name.file(), &self.folder, &ours.file())
    }

    /// Makes the names of new files as durable as the files.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }
}

impl Drop for LockedFolder {
    fn drop(&mut self) {
        // Fails while something is in it, which then waits for the next process. The folder first:
        // as long as it is there, its lock says whose it is.
        match self.root.remove_folder(&self.id) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return,
        }
        let _ = self.root.remove_file(&lock_name(&self.id));
    }
}

/// What is in the spool's folder and was not made by a process of this user. It is left there.
#[derive(Debug, Default)]
pub(crate) struct UnknownFiles {
    pub(crate) count: u64,
    /// Why the first of them is, for a person.
    pub(crate) first: String,
}

impl UnknownFiles {
    /// Counts it, unless it only could not be opened now.
    pub(crate) fn note(&mut self, error: &io::Error) {
        if folder::is_refusal(error) {
            if self.count == 0 {
                self.first = error.to_string();
            }
            self.count += 1;
        }
    }
}

fn lock_name(id: &str) -> String {
    format!("{id}.lock")
}

fn is_id(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_no_other_way() {
        let name = Name {
            key: 1_700_000_000_000_000,
            lane: SpooledSignal::Logs,
        };
        assert_eq!(Name::parse(&name.file()), Some(name));
        for other in [
            "",
            "1.logs",
            "00000000000000000001.other",
            "+0000000000000000001.logs",
            "18446744073709551616.logs",
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
