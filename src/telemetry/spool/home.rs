//! The folder that several processes share: each has one of its own in it, held by a lock.
//!
//! A process takes `<id>.lock` before it makes the folder `<id>`, so a folder whose lock is free
//! is one that a process left behind, and whoever takes that lock may have what is in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::frame::Lane;

/// This process's place in the spool's folder.
#[derive(Debug)]
pub(crate) struct Home {
    root: PathBuf,
    own: PathBuf,
    lock_path: PathBuf,
    /// The lock lasts as long as the file is open.
    _lock: File,
}

/// A file of frames: when it was begun, which orders them, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) key: u64,
    pub(crate) lane: Lane,
}

impl Name {
    pub(crate) fn file(self) -> String {
        format!("{:020}.{}", self.key, self.lane.ending())
    }

    fn parse(file: &str) -> Option<Self> {
        let (key, ending) = file.split_once('.')?;
        let lane = Lane::ALL.into_iter().find(|lane| lane.ending() == ending)?;
        let key = key.parse().ok().filter(|key| *key < KEY_MAX)?;
        let name = Self { key, lane };
        (name.file() == file).then_some(name)
    }
}

impl Home {
    /// Makes the folder if need be, and a place in it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, written or locked.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        private_folders().recursive(true).create(root)?;
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = format!("{:016x}", u64::from_le_bytes(id));
        let own = root.join(&id);
        let lock_path = lock_path(&own);
        let lock = private_file().create_new(true).open(&lock_path)?;
        let taken = lock.try_lock().map_err(io::Error::from);
        if let Err(error) = taken.and_then(|()| private_folders().create(&own)) {
            let _ = fs::remove_file(&lock_path);
            return Err(error);
        }
        Ok(Self {
            root: root.to_owned(),
            own,
            lock_path,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self, name: Name) -> PathBuf {
        self.own.join(name.file())
    }

    /// Makes the names of new files as durable as the files.
    pub(crate) fn sync(&self) -> io::Result<()> {
        // Elsewhere a folder cannot be opened.
        #[cfg(unix)]
        File::open(&self.own)?.sync_all()?;
        Ok(())
    }

    /// Takes over the files of processes that have ended, of these lanes.
    ///
    /// What cannot be read or moved stays where it is: another process, or a later one, may.
    pub(crate) fn adopt(&self, lanes: &[Lane], mut free: impl FnMut(Name) -> Name) -> Vec<Name> {
        let mut adopted = Vec::new();
        let Ok(entries) = fs::read_dir(&self.root) else {
            return adopted;
        };
        for folder in entries.flatten().map(|entry| entry.path()) {
            if folder == self.own || !is_home(&folder) {
                continue;
            }
            let lock_path = lock_path(&folder);
            let Ok(lock) = private_file().create(true).open(&lock_path) else {
                continue;
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => continue,
            }
            let files = fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut names: Vec<Name> = files
                .filter_map(|file| Name::parse(file.file_name().to_str()?))
                .filter(|name| lanes.contains(&name.lane))
                .collect();
            names.sort_unstable_by_key(|name| name.key);
            for name in names {
                let ours = free(name);
                if fs::rename(folder.join(name.file()), self.path(ours)).is_ok() {
                    adopted.push(ours);
                }
            }
            // The folder first: as long as it is there, its lock says whose it is.
            if fs::remove_dir(&folder).is_ok() || !folder.exists() {
                let _ = fs::remove_file(&lock_path);
            }
        }
        adopted
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Fails while something waits in it, which then waits for the next process.
        if fs::remove_dir(&self.own).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

fn is_home(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let hex = |name: &str| name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit());
    name.is_some_and(hex) && path.is_dir()
}

/// Telemetry may tell what somebody does: it is for nobody else to read.
fn private_folders() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// The same for files.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Far in the future, and far from where counting on would overflow.
const KEY_MAX: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_no_other_way() {
        let name = Name {
            key: 1_700_000_000_000_000,
            lane: Lane::Logs,
        };
        assert_eq!(Name::parse(&name.file()), Some(name));
        for other in [
            "",
            "1.logs",
            "00000000000000000001.other",
            "+0000000000000000001.logs",
            "18446744073709551615.logs",
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
