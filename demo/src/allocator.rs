//! What glibc's allocator holds.

use spanwire::system::AllocatorFigures;

/// The figures of the allocator that a Rust program on Linux has unless it chooses another.
pub(crate) fn figures() -> AllocatorFigures {
    #[expect(unsafe_code, reason = "the standard library has no call for it")]
    // SAFETY: the function takes no argument and returns a plain value; glibc documents it as safe
    // for threads.
    let info = unsafe { libc::mallinfo2() };
    // A large block is mapped by itself, and is in none of the arenas.
    let of_its_own = info.hblkhd;
    let allocated = info.uordblks + of_its_own;
    AllocatorFigures::allocated(allocated as u64).mapped((info.arena + of_its_own) as u64)
}
