//! Files with what was measured: for their owner alone from the beginning, and under another name
//! until they are whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Opens for writing; a file that it makes is for its owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A hidden name beside `path`, for what is not whole yet. Each call gives another one.
pub(super) fn unfinished_beside(path: &Path) -> PathBuf {
    // Two threads may write to one path at the same time. Relaxed: it orders nothing.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (process, next) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.spanwire-{process}-{next}"))
}

/// Makes a file with a name of [`unfinished_beside`].
pub(super) fn create_unfinished(path: &Path) -> io::Result<File> {
    // Of a process that was killed and had this number, as in a container each has.
    let _ = fs::remove_file(path);
    private().create_new(true).open(path)
}

/// Gives a file that is whole its name, unless another file has that name by now. On most file
/// systems the other name stays, too.
pub(super) fn finish(unfinished: &Path, path: &Path) -> io::Result<()> {
    // A link does not take the place of what another process has written meanwhile.
    fs::hard_link(unfinished, path).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::rename(unfinished, path),
    })
}
