//! The command `sqlite3`, which is not ours, reads a file that is.

use std::path::Path;
use std::process::Command;

/// What `sqlite3` answers: a row a line, and columns between `|`.
pub fn sql(path: &Path, query: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(path)
        .arg(query)
        .output()
        .expect("sqlite3 is there: scripts/install-packages test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{query}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
