//! OpenMetrics as somebody else reads it: the parser of Prometheus' Python client, which is the
//! format's reference.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

/// A metric with its samples.
#[derive(Debug, Deserialize)]
pub struct Family {
    /// The metric's name.
    pub name: String,
    /// Its type, as the format writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its unit, which may be empty.
    pub unit: String,
    /// Its description.
    pub help: String,
    /// Its samples, in the order of the text.
    pub samples: Vec<FamilySample>,
}

/// A line with a value.
#[derive(Debug, Deserialize)]
pub struct FamilySample {
    /// The metric's name and the sample's ending.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value, as it is written.
    pub value: String,
    /// What follows the value, if anything does.
    pub exemplar: Option<Exemplar>,
}

/// An exemplar of a sample.
#[derive(Debug, Deserialize)]
pub struct Exemplar {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The observed value.
    pub value: f64,
    /// In seconds since 1970.
    pub timestamp: f64,
}

/// Reads a scrape; what the parser says when it is not of the format.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    let mut parser = Command::new(python())
        .args(["-c", include_str!("openmetrics.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = parser.stdin.take().unwrap();
    let text = text.to_owned();
    // It writes only when it has read all, but may end before, and then it is told below.
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = parser.wait_with_output().unwrap();
    let _ = writing.join().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

/// The Python that has the parser: the system's, where Debian's package puts it, or the one in use.
fn python() -> &'static str {
    let has_parser = |python: &&&str| {
        let import = "import prometheus_client.openmetrics.parser";
        let tried = Command::new(python).args(["-c", import]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    ["/usr/bin/python3", "python3"]
        .iter()
        .find(has_parser)
        .expect("python3-prometheus-client is missing: scripts/install-packages test brings it")
}
