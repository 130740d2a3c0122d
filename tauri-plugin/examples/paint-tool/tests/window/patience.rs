//! Waits for what another process does.

use std::time::{Duration, Instant};

/// How long it may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is something, and panics with the last answer when it takes too long.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the wall clock of a test's patience"
)]
pub fn wait<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(found) => return found,
            Err(error) if began.elapsed() > PATIENCE => panic!("{what}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
