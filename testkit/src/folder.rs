//! A folder that is gone with its value.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new folder for temporary files, its owner's alone.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder with that name in its own.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("spanwire-{name}-{process}-{next}"));
        // For its owner alone, whatever the umask: a spool takes no other.
        #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// Where it is, without links on the way.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All files in it and in its folders.
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.0)
    }

    /// The same without locks.
    pub fn segments(&self) -> Vec<PathBuf> {
        let mut files = self.files();
        files.retain(|file| file.extension().is_none_or(|ending| ending != "lock"));
        files
    }

    /// The text with this folder's path replaced, so that it can be compared.
    pub fn hide_in(&self, text: &str) -> String {
        text.replace(self.0.to_str().unwrap(), "{folder}")
    }
}

/// All files in the folder and in those below it. What another process removes meanwhile is left
/// out.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    files
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
