//! Ids of what a client makes.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// 32 hexadecimal digits that no other has.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness it is still the only one of this process.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        bytes[8..].copy_from_slice(&next.to_be_bytes());
    }
    bytes.iter().fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}
