//! A real Prometheus, from its Debian package, for as long as a test needs it.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Scrapes one target every second.
pub struct Prometheus {
    process: Child,
    url: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one that scrapes `target`, which is `host:port`.
    pub fn scraping(target: &str) -> Self {
        // Free when asked, which is all that can be known beforehand.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let name = format!("spanwire-prometheus-{}-{}", std::process::id(), addr.port());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs:\n  - job_name: spanwire\n    static_configs:\n      - targets: ['{target}']\n"
        );
        fs::write(&config, text).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={addr}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .expect("prometheus is missing: scripts/install-packages test brings it");
        Self {
            process,
            url: format!("http://{addr}"),
            folder,
        }
    }

    /// The number that a query gives; `None` when there is nothing, or Prometheus is not up yet.
    pub fn query(&self, expression: &str) -> Option<f64> {
        let result = self.result(expression)?;
        result[0]["value"][1].as_str()?.parse().ok()
    }

    /// Waits until a query has a result, and returns it.
    pub fn wait_for(&self, expression: &str) -> Value {
        for _ in 0..300 {
            match self.result(expression) {
                Some(result) if result[0].is_object() => return result,
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("no {expression} in Prometheus after 30 s; its log:\n{log}");
    }

    fn result(&self, expression: &str) -> Option<Value> {
        let text = ureq::get(format!("{}/api/v1/query", self.url))
            .query("query", expression)
            .config()
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .call()
            .ok()?
            .body_mut()
            .read_to_string()
            .ok()?;
        let answer: Value = serde_json::from_str(&text).unwrap();
        Some(answer["data"]["result"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
