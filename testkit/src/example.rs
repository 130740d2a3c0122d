//! Examples of a package, as programs. Cargo builds them beside the tests.

use std::path::PathBuf;
use std::process::Command;

/// Where the example's program is, or would be once it is built.
pub fn program(example: &str) -> PathBuf {
    // The test's own program is in `deps`, which is beside `examples`.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join(example)
}

/// Builds an example, which a test that is run alone does not.
pub fn build(package: &str, example: &str) {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", package, "--example", example])
        .status()
        .unwrap();
    assert!(status.success(), "{example} does not compile");
}
