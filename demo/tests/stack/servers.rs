//! The servers, started and ended by the same script that `make stack` runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All of them, from an empty disk; they end with this.
pub struct Servers {
    folder: PathBuf,
}

impl Servers {
    pub fn up() -> Self {
        let servers = Self {
            folder: root().join("target/test-stack"),
        };
        // What a run that was killed left behind.
        servers.script(&["down"]);
        for left in ["data", "log", "report", "run", "spool"] {
            let _ = fs::remove_dir_all(servers.folder(left));
        }
        assemble_prometheus(&servers.folder("prometheus"));
        servers.script(&["up"]);
        servers
    }

    pub fn stop(&self, server: &str) {
        self.script(&["down", server]);
    }

    pub fn start(&self, server: &str) {
        self.script(&["up", server]);
    }

    /// One of the test's own, empty at its start.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn script(&self, arguments: &[&str]) {
        let status = Command::new(root().join("scripts/stack"))
            .args(arguments)
            .env("SPANWIRE_STACK_DIR", &self.folder)
            .env(
                "SPANWIRE_STACK_PROMETHEUS_YML",
                self.folder.join("prometheus/prometheus.yml"),
            )
            .status()
            .expect("there is scripts/stack");
        assert!(status.success(), "scripts/stack {arguments:?} failed");
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.script(&["down"]);
    }
}

/// Prometheus' own file and targets, which look at rules every second; the rules with shorter times
/// are there already.
fn assemble_prometheus(folder: &Path) {
    let rules = folder.join("rules");
    assert!(
        rules.join("messages.yml").exists(),
        "no rules in {}: `make test-stack` writes them, and then runs this",
        rules.display()
    );
    let shipped = root().join("deploy/prometheus");
    let text = fs::read_to_string(shipped.join("prometheus.yml")).expect("it is there");
    let often = text.replace("evaluation_interval: 15s", "evaluation_interval: 1s");
    assert_ne!(text, often, "the interval of rules is to be found");
    fs::write(folder.join("prometheus.yml"), often).expect("it can be written");
    let targets = folder.join("targets");
    fs::create_dir_all(&targets).expect("it can be made");
    for target in fs::read_dir(shipped.join("targets")).expect("it is there") {
        let target = target.expect("it can be read");
        fs::copy(target.path(), targets.join(target.file_name())).expect("it can be copied");
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the demo is in the repository")
        .to_path_buf()
}
