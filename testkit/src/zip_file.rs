//! Python's `zipfile`, which is not ours, reads a ZIP file that is.

use std::path::Path;
use std::process::Command;

/// What is in the ZIP file under that name.
pub fn unzipped(zip: &Path, name: &str) -> Vec<u8> {
    let script = "import sys,zipfile\n\
                  z=zipfile.ZipFile(sys.argv[1])\n\
                  assert z.testzip() is None\n\
                  sys.stdout.buffer.write(z.read(sys.argv[2]))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(zip)
        .arg(name)
        .output()
        .expect("python3 is there: scripts/install-packages test");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {stderr}");
    output.stdout
}

/// The same as text.
pub fn text_in(zip: &Path, name: &str) -> String {
    String::from_utf8(unzipped(zip, name)).unwrap()
}
