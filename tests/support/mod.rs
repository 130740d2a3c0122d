//! What several test binaries and examples share. Each uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses another part of it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

pub mod authority;
pub mod folder;
pub mod openmetrics;
pub mod prometheus;
pub mod receiver;
pub mod scrape;
