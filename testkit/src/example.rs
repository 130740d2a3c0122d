//! Examples of a package, as programs. Cargo builds them beside the tests.

use std::path::PathBuf;
use std::process::Command;

/// The example's program. Cargo has built it beside the tests, unless one test is run alone.
pub fn program(package: &str, example: &str) -> PathBuf {
    let program = path(example);
    if program.exists() {
        return program;
    }
    build(package, example)
}

// With the package's own features alone: where the workspace was built with more, it is all built anew.
fn build(package: &str, example: &str) -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", package, "--example", example])
        .status()
        .unwrap();
    assert!(status.success(), "{example} does not compile");
    path(example)
}

fn path(example: &str) -> PathBuf {
    // The test's own program is in `deps`, which is beside `examples`.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join(example)
}
