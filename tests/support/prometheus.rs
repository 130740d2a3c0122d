//! A real Prometheus, from its Debian package, for as long as a test needs it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Scrapes one target every second; ends with the test.
pub struct Prometheus {
    process: Child,
    addr: SocketAddr,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one and waits until it is ready.
    pub fn scraping(target: SocketAddr) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let folder = std::env::temp_dir().join(format!(
            "spanwire-prometheus-{}-{}",
            std::process::id(),
            addr.port()
        ));
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("prometheus.yml");
        fs::write(
            &config,
            format!(
                "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: spanwire\n  static_configs: [{{targets: ['{target}']}}]\n"
            ),
        )
        .unwrap();
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
            .expect(
                "prometheus is missing: `make test` installs it, or `apt-get install prometheus`",
            );
        let prometheus = Self {
            process,
            addr,
            folder,
        };
        prometheus.wait("ready", || {
            prometheus
                .get("/-/ready")
                .is_some_and(|text| text.contains("200 OK"))
        });
        prometheus
    }

    /// Waits until `metric` has a sample, and returns what the query API says of it.
    pub fn wait_for(&self, metric: &str) -> String {
        let mut answer = String::new();
        self.wait(metric, || {
            answer = self.query(metric);
            answer.contains("\"value\":[")
        });
        answer
    }

    /// What the query API answers.
    pub fn query(&self, expression: &str) -> String {
        let encoded: String = expression
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || byte == b'_' {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            })
            .collect();
        self.get(&format!("/api/v1/query?query={encoded}"))
            .unwrap_or_default()
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.addr).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..300 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("no {what} from Prometheus after 30 s; its log:\n{log}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
