//! A real Prometheus, from its Debian package, for as long as a test needs it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::folder::Folder;

/// Scrapes one target every second, and stores exemplars.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    url: String,
    folder: Folder,
}

impl Prometheus {
    /// Starts one that scrapes `target`, which is `host:port`.
    pub fn scraping(target: &str) -> Self {
        Self::start(target, "")
    }

    /// Starts one that knows `target` by another name, as one in a container does: it asks for
    /// `name`, and its connections go to the target.
    pub fn scraping_as(name: &str, target: &str) -> Self {
        Self::start(name, &format!("    proxy_url: http://{target}\n"))
    }

    fn start(target: &str, scrape: &str) -> Self {
        Self::with(&format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs:\n  - job_name: spanwire\n{scrape}    static_configs:\n      - targets: ['{target}']\n"
        ))
    }

    /// Starts one with this `prometheus.yml`.
    pub fn with(text: &str) -> Self {
        Self::with_flags(text, &["--enable-feature=exemplar-storage"])
    }

    /// Starts one with this `prometheus.yml` and these flags.
    pub fn with_flags(text: &str, flags: &[&str]) -> Self {
        // Free when asked, which is all that can be known beforehand.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let folder = Folder::new("prometheus");
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, text).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={addr}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("prometheus is missing: scripts/install-packages test brings it");
        Self {
            process,
            url: format!("http://{addr}"),
            folder,
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
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
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("no {expression} in Prometheus after 30 s; its log:\n{log}");
    }

    /// Every series that an expression gives now, with its value; none while Prometheus is not up.
    pub fn series(&self, expression: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let Some(result) = self.result(expression) else {
            return Vec::new();
        };
        let found: Vec<FoundSeries> = serde_json::from_value(result).unwrap();
        let series = |found: FoundSeries| (found.metric, found.value.1.parse().unwrap());
        found.into_iter().map(series).collect()
    }

    /// The exemplars of the series that a selector names, from everything that it has stored.
    pub fn exemplars(&self, selector: &str) -> Vec<Stored> {
        let parameters = [("query", selector), ("start", "0"), ("end", "9999999999")];
        let Some(answer) = self.get("/api/v1/query_exemplars", &parameters) else {
            return Vec::new();
        };
        let found: Vec<Found> = serde_json::from_value(answer["data"].clone()).unwrap();
        let stored = |found: Found| {
            let series = found.series;
            found.exemplars.into_iter().map(move |exemplar| Stored {
                series: series.clone(),
                labels: exemplar.labels,
                value: exemplar.value.parse().unwrap(),
                timestamp: exemplar.timestamp,
            })
        };
        found.into_iter().flat_map(stored).collect()
    }

    /// What the target said of a metric.
    pub fn metadata(&self, metric: &str) -> Option<Value> {
        let answer = self.get("/api/v1/targets/metadata", &[("metric", metric)])?;
        Some(answer["data"][0].clone())
    }

    /// A metric of Prometheus' own that has no labels.
    pub fn own_metric(&self, name: &str) -> Option<f64> {
        let text = self.text("/metrics", &[])?;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.parse().ok()
    }

    /// What it says of itself; `None` while it is not up.
    pub fn own_text(&self) -> Option<String> {
        self.text("/metrics", &[])
    }

    fn result(&self, expression: &str) -> Option<Value> {
        let answer = self.get("/api/v1/query", &[("query", expression)])?;
        Some(answer["data"]["result"].clone())
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        Some(serde_json::from_str(&self.text(path, parameters)?).unwrap())
    }

    /// `None` while it is not up.
    fn text(&self, path: &str, parameters: &[(&str, &str)]) -> Option<String> {
        ureq::get(format!("{}{path}", self.url))
            .query_pairs(parameters.iter().copied())
            .config()
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .call()
            .ok()?
            .body_mut()
            .read_to_string()
            .ok()
    }
}

/// An exemplar in Prometheus' storage.
#[derive(Debug)]
pub struct Stored {
    /// The labels of its series.
    pub series: BTreeMap<String, String>,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// The observed value.
    pub value: f64,
    /// In seconds since 1970.
    pub timestamp: f64,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "seriesLabels")]
    series: BTreeMap<String, String>,
    exemplars: Vec<FoundExemplar>,
}

#[derive(Deserialize)]
struct FoundSeries {
    metric: BTreeMap<String, String>,
    /// When, and how much.
    value: (f64, String),
}

#[derive(Deserialize)]
struct FoundExemplar {
    labels: BTreeMap<String, String>,
    value: String,
    timestamp: f64,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
