//! What several test binaries and examples share. Each uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses another part of it"
)]

pub mod authority;
pub mod receiver;
