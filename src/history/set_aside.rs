//! A damaged history gives its place to a new one, and stays beside it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Renames a damaged file, and what SQLite has beside it; returns its new name.
///
/// `at` are seconds since the Unix epoch, which become part of the name.
pub(crate) fn set_aside(path: &Path, at: i64) -> io::Result<PathBuf> {
    let mut aside = with_suffix(path, &format!(".corrupt-{at}"));
    let mut attempt = 1;
    while aside.exists() {
        attempt += 1;
        aside = with_suffix(path, &format!(".corrupt-{at}-{attempt}"));
    }
    // With the log the old file may be read further than without. It goes first: as soon as the
    // file has its new name, another process may make a file and a log of the old ones.
    for part in ["-wal", "-shm"] {
        let moved = fs::rename(with_suffix(path, part), with_suffix(&aside, part));
        if let Err(error) = moved
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Whether the file says of itself that it is a history, as far as that can still be read.
pub(crate) fn says_it_is(path: &Path, application_id: i32) -> bool {
    let mut header = [0; 72];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    // SQLite's header has the application id at byte 68, big-endian. SQLite itself may refuse to
    // open a damaged file, so the header is read without it.
    read.is_ok() && header[68..72] == application_id.to_be_bytes()
}

/// What tells a file from another of the same name, where the system says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// The file that has that name now.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// A file that is open keeps its name there.
    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        path.exists().then_some(Self(0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_damaged_file_of_the_same_second_does_not_replace_the_first() {
        let folder = std::env::temp_dir().join(format!("spanwire-aside-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("history.db");
        for text in ["one", "two"] {
            fs::write(&path, text).unwrap();
            fs::write(with_suffix(&path, "-wal"), text).unwrap();
            set_aside(&path, 7).unwrap();
        }
        for (name, text) in [
            ("history.db.corrupt-7", "one"),
            ("history.db.corrupt-7-wal", "one"),
            ("history.db.corrupt-7-2", "two"),
            ("history.db.corrupt-7-2-wal", "two"),
        ] {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
        }
        assert!(!path.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
