//! Where a thread must not be sampled, since to walk its stack could wait for a lock that it holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use memchr::memmem;

/// Parts of the names of libraries: a thread that is in one of these is not sampled.
///
/// The unwinder asks where a function's frames are described. Where it must take a lock of the
/// loader for that, a thread that was stopped in the allocator might wait for another one that
/// loads a library and waits for the allocator. So the C library is left out there. With glibc from
/// 2.35 and GCC's unwinder from 12 it takes none. The unwinder and the loader are left out in any
/// case, and the kernel's library, which is often described wrongly.
pub(super) fn libraries_to_skip() -> Vec<&'static str> {
    let mut skipped = ALWAYS.to_vec();
    if !unwinds_without_lock() {
        skipped.extend(WITH_LOCKS);
    }
    skipped
}

/// Whether the unwinder of this process asks glibc in the way that takes no lock.
fn unwinds_without_lock() -> bool {
    // macOS has no such file: there the C library is left out.
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return false;
    };
    let paths = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let unwinders: BTreeSet<&str> = paths.filter(|path| is_unwinder(path)).collect();
    // A program that links its unwinder statically shows none here, so nothing is known of it.
    !unwinders.is_empty()
        && unwinders.iter().all(|path| {
            let bytes = fs::read(Path::new(path));
            bytes.is_ok_and(|bytes| memmem::find(&bytes, LOCK_FREE).is_some())
        })
}

fn is_unwinder(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("libgcc_s") || name.starts_with("libunwind")
}

/// What the unwinder imports where it needs no lock.
const LOCK_FREE: &[u8] = b"_dl_find_object";
const ALWAYS: &[&str] = &["libgcc", "libunwind", "ld-linux", "ld-musl", "dyld", "vdso"];
const WITH_LOCKS: &[&str] = &["libc.", "libc-", "libpthread", "libsystem"];
