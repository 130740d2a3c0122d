//! The real Collector as `scripts/stack build collector` makes it, on a port of its own. What it
//! takes it has passed on before it says so: there is no queue in it that a kill could empty.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use spanwire_testkit::folder::Folder;

#[derive(Debug)]
pub(crate) struct Otelcol {
    program: PathBuf,
    folder: Folder,
    addr: SocketAddr,
    process: Option<Child>,
}

impl Otelcol {
    /// Starts it; it passes spans on to that URL.
    pub(crate) fn start(passes_on_to: &str) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stack/bin/otelcol");
        assert!(
            program.exists(),
            "no Collector at {}: `scripts/stack build collector` makes it",
            program.display()
        );
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let folder = Folder::new("otelcol");
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{addr}'}}}}}}}}
exporters:
  otlp_http:
    endpoint: {passes_on_to}
    compression: none
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
service:
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}
  telemetry: {{metrics: {{level: none}}}}
"
        );
        std::fs::write(folder.path().join("collector.yml"), config).unwrap();
        let mut collector = Self {
            program,
            folder,
            addr,
            process: None,
        };
        collector.start_again();
        collector
    }

    /// With the same configuration at the same port; it is ready when this returns.
    pub(crate) fn start_again(&mut self) {
        let log = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut process = Command::new(&self.program)
            .arg("--config")
            .arg(self.folder.path().join("collector.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(self.addr).is_err() {
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(60),
                "the Collector does not start: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        self.process = Some(process);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Otelcol {
    fn drop(&mut self) {
        self.kill();
    }
}
