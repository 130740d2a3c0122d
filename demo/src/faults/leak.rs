//! Memory that the app keeps and does not need.

use std::io;
use std::time::Duration;

use super::repeat::Repeat;

/// Grows by 64 MiB each half second, up to 256 MiB.
pub(super) fn leak() -> io::Result<Repeat> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    Repeat::every(Duration::from_millis(500), move |_| {
        if kept.len() < PIECES {
            // Not zeros: those would take no memory before they are written.
            kept.push(vec![1; PIECE]);
        }
    })
}

/// Beyond what an allocator takes from its heap (32 MiB at most in glibc): it comes from the
/// system by itself, and goes back there when it is freed.
const PIECE: usize = 64 << 20;
const PIECES: usize = 4;
