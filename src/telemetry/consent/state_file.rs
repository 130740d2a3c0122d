//! The file in which the answer of the person who uses the app survives restarts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Whether telemetry records, as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Recording,
    Paused,
}

impl Answer {
    const fn text(self) -> &'static str {
        match self {
            Self::Recording => "recording\n",
            Self::Paused => "paused\n",
        }
    }
}

/// The file, which need not be there yet.
#[derive(Clone, Debug)]
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    /// The app may go to another folder later, and the file stays the same.
    pub(crate) fn new(path: &Path) -> Self {
        Self(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The answer; `None` when none was given yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read, holds something else, or may have been written by another user: then
    /// it does not count as an answer of the person who uses the app.
    pub(crate) fn read(&self) -> io::Result<Option<Answer>> {
        // Not `metadata`, which follows a link to a file whose folder was not judged.
        let found = match fs::symlink_metadata(&self.0) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !found.is_file() {
            return Err(refused("it is no regular file"));
        }
        // The folder is judged as well: a user who may write to it can replace the file.
        judge(&found, &fs::metadata(self.folder())?)?;
        let mut text = String::new();
        // A file that is too large is cut, and then is none of the answers.
        File::open(&self.0)?
            .take(LEN_MAX)
            .read_to_string(&mut text)?;
        [Answer::Recording, Answer::Paused]
            .into_iter()
            .find(|answer| answer.text() == text)
            .map(Some)
            .ok_or_else(|| refused("it holds something else than an answer"))
    }

    /// Replaces what is there, all at once, for this user alone.
    ///
    /// # Errors
    ///
    /// When the disk does not take it. Then the old answer is still there.
    pub(crate) fn write(&self, answer: Answer) -> io::Result<()> {
        let folder = self.folder();
        make_folder(folder)?;
        let name = self.0.file_name().ok_or(ErrorKind::InvalidInput)?;
        // The name is another one each time, so that two processes never write the same file.
        // `create_new` also follows no link that stands in its place.
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let mut temporary = name.to_owned();
        temporary.push(format!(".{:016x}.tmp", u64::from_le_bytes(id)));
        let temporary = folder.join(temporary);
        let written = create(&temporary).and_then(|mut file| {
            file.write_all(answer.text().as_bytes())?;
            // The sync precedes the rename: after a loss of power the name could otherwise lead to
            // an empty file, which counts as paused.
            file.sync_all()
        });
        let replaced = written.and_then(|()| fs::rename(&temporary, &self.0));
        if replaced.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        replaced?;
        // The name is as durable as the file. Some systems cannot open a folder.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn folder(&self) -> &Path {
        match self.0.parent() {
            Some(folder) => folder,
            None => Path::new("/"),
        }
    }
}

fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}

/// One user has the file and its folder, and no other may write either: otherwise another user could
/// have given the answer.
#[cfg(unix)]
fn judge(file: &fs::Metadata, folder: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_WRITE: u32 = 0o022;
    if file.uid() != folder.uid() {
        return Err(refused("it belongs to another user than its folder"));
    }
    if (file.mode() | folder.mode()) & OTHERS_WRITE != 0 {
        return Err(refused(
            "other users may write it or its folder: run `chmod go-w` on both",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn judge(_: &fs::Metadata, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // The umask can only take rights away from this mode.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// No answer is longer.
const LEN_MAX: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let mut id = [0; 8];
            getrandom::fill(&mut id).unwrap();
            let name = format!("spanwire-consent-{:016x}", u64::from_le_bytes(id));
            let folder = std::env::temp_dir().join(name);
            make_folder(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> StateFile {
            StateFile::new(&self.0.join("consent"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left_in_the_folder() {
        let folder = Folder::new();
        let file = folder.file();
        assert_eq!(file.read().unwrap(), None);
        for answer in [Answer::Paused, Answer::Recording, Answer::Paused] {
            file.write(answer).unwrap();
            assert_eq!(file.read().unwrap(), Some(answer));
        }
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_made() {
        let folder = Folder::new();
        let file = StateFile::new(&folder.0.join("a/b/consent"));
        file.write(Answer::Recording).unwrap();
        assert_eq!(file.read().unwrap(), Some(Answer::Recording));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let folder = Folder::new();
        let file = folder.file();
        for text in ["", "recording", "recording\nrecording\n", "yes\n", "\u{0}"] {
            fs::write(file.path(), text).unwrap();
            assert!(file.read().is_err(), "{text:?}");
        }
        fs::write(file.path(), [0xff; 200]).unwrap();
        assert!(file.read().is_err());
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(file.read().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_other_users_may_have_written_is_an_error() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let file = folder.file();
        file.write(Answer::Recording).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for (of_file, of_folder, is_read) in [
            (0o600, 0o700, true),
            (0o644, 0o755, true),
            (0o622, 0o700, false),
            (0o600, 0o770, false),
        ] {
            mode(file.path(), of_file);
            mode(&folder.0, of_folder);
            assert_eq!(file.read().is_ok(), is_read, "{of_file:o} {of_folder:o}");
        }
        mode(&folder.0, 0o700);
        mode(file.path(), 0o600);
        let link = StateFile::new(&folder.0.join("link"));
        std::os::unix::fs::symlink(file.path(), link.path()).unwrap();
        assert!(link.read().is_err());
    }
}
