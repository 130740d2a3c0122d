//! A process that makes spans and has a spool, to be killed; and the process that comes after it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spanwire::telemetry::{
    MetricsExporter, Sampler, SignalReport, Telemetry, TelemetryBuilder, TelemetryParts,
};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::faulty_collector::{Answer, FaultyCollector};
use crate::scrape::scrape_text;

const URL: &str = "SPANWIRE_TEST_URL";
const FOLDER: &str = "SPANWIRE_TEST_FOLDER";
const PREFIX: &str = "SPANWIRE_TEST_PREFIX";
const SPANS: &str = "SPANWIRE_TEST_SPANS";
const BYTES: &str = "SPANWIRE_TEST_BYTES";

/// Everything that decides about time is as it is by default, and every span is decided at its end.
pub fn builder(url: &str, folder: &Path) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(|_| None)
        .metrics(MetricsExporter::Prometheus)
        .prometheus_port(0)
        .otlp_endpoint(url)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .spool_dir(folder)
        .without_system()
        .quiet()
}

/// What the spans of a process are called, and how many it makes.
#[derive(Clone, Copy, Debug)]
pub struct Spans<'a> {
    /// The beginning of each name; a number from 1 on follows.
    pub prefix: &'a str,
    /// After so many the process shuts down, within two seconds.
    pub count: u64,
    /// How large an attribute each has.
    pub bytes: usize,
}

/// The process: a span in five milliseconds, and a line for each that has ended. Returns at once in
/// one that [`SpoolingProcess::start`] did not start.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub fn be_one() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let text = |name| std::env::var(name).unwrap();
    let spans: u64 = text(SPANS).parse().unwrap();
    let (folder, prefix) = (text(FOLDER), text(PREFIX));
    let fill = "x".repeat(text(BYTES).parse().unwrap());
    // Not strict: a folder that cannot be had is a warning.
    let (telemetry, parts) = builder(&url, folder.as_ref()).build().unwrap();
    for n in 1..=spans {
        let name = format!("{prefix}{n}");
        span(&parts, &name, &fill);
        println!("\nspan {name} {}", nanos(wall_clock()));
        std::thread::sleep(Duration::from_millis(5));
    }
    println!(
        "\nreport {}",
        telemetry.shutdown(Duration::from_secs(2)).spans
    );
}

fn span(parts: &TelemetryParts, name: &str, fill: &str) {
    tracing::subscriber::with_default(Registry::default().with(parts.layer()), || {
        tracing::info_span!("work", otel.name = name, fill).in_scope(|| ());
    });
}

/// A span that ended, and when.
#[derive(Clone, Debug)]
pub struct Made {
    /// The span's name.
    pub name: String,
    /// By the clock that all processes share.
    pub at: SystemTime,
}

/// The other process, as its parent sees it.
#[derive(Debug)]
pub struct SpoolingProcess {
    child: Child,
    said: Arc<Said>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Said {
    made: Mutex<Vec<Made>>,
    more: Condvar,
    report: Mutex<Option<String>>,
}

impl SpoolingProcess {
    /// Starts it with a command after which the process calls [`be_one`].
    pub fn start(mut command: Command, url: &str, folder: &Path, spans: Spans<'_>) -> Self {
        let mut child = command
            .env(URL, url)
            .env(FOLDER, folder)
            .env(PREFIX, spans.prefix)
            .env(SPANS, spans.count.to_string())
            .env(BYTES, spans.bytes.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Arc<Said> = Arc::default();
        let reader = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in lines.map_while(Result::ok) {
                    said.hear(&line);
                }
            }
        });
        Self {
            child,
            said,
            reader,
        }
    }

    /// Waits until so many spans have ended, at most half a minute.
    pub fn wait_for_spans(&self, count: usize) {
        let made = self.said.made.lock().unwrap();
        let half_a_minute = Duration::from_secs(30);
        let more = &self.said.more;
        let (made, timeout) = more
            .wait_timeout_while(made, half_a_minute, |made| made.len() < count)
            .unwrap();
        assert!(!timeout.timed_out(), "{} spans ended", made.len());
    }

    /// Ends it with a signal that leaves it no time for anything. Its spans, and when it was.
    pub fn kill(mut self) -> (Vec<Made>, SystemTime) {
        let killed = wall_clock();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
        (std::mem::take(&mut *self.said.made.lock().unwrap()), killed)
    }

    /// Waits until it ends by itself. What its shutdown reported of spans.
    pub fn report(mut self) -> String {
        self.child.wait().unwrap();
        self.reader.join().unwrap();
        let report = self.said.report.lock().unwrap().take();
        report.expect("it ends with a report")
    }
}

impl Said {
    fn hear(&self, line: &str) {
        if let Some(report) = line.strip_prefix("report ") {
            *self.report.lock().unwrap() = Some(report.to_owned());
        }
        let span = line.strip_prefix("span ");
        // A line of a killed process may be cut.
        let Some((name, at)) = span.and_then(|span| span.split_once(' ')) else {
            return;
        };
        let Ok(at) = at.parse() else { return };
        self.made.lock().unwrap().push(Made {
            name: name.to_owned(),
            at: UNIX_EPOCH + Duration::from_nanos(at),
        });
        self.more.notify_all();
    }
}

/// What the next process that has the folder makes of it.
#[derive(Debug)]
pub struct Next {
    /// The spans that its collector, which is well, took: request by request.
    pub requests: Vec<Vec<String>>,
    /// Spans that it gave up as damaged, as far as it could tell how many they were.
    pub corrupt: u64,
    /// What its shutdown reported.
    pub report: SignalReport,
}

/// Opens the spool, strictly, and sends what is in it, within half a minute.
pub fn next_process(folder: &Path) -> Next {
    let collector = FaultyCollector::start(Answer::Taken);
    let built = builder(&collector.url(), folder).strict().build();
    let (telemetry, _parts) = built.unwrap();
    let addr = telemetry.prometheus_addr().unwrap();
    let value = |series: &str| {
        let text = scrape_text(addr);
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = values.next().unwrap_or_else(|| panic!("no {series}"));
        value.parse::<f64>().unwrap()
    };
    let is_sent = || segments(folder) == 0 && value("spanwire_spool_size_bytes") == 0.0;
    for _ in 0..1_500 {
        if is_sent() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_sent(), "not sent in time: {folder:?}");
    let corrupt =
        value("spanwire_spool_items_total{error_type=\"corrupt\",spanwire_outcome=\"dropped\"}");
    let report = telemetry.shutdown(Duration::from_secs(5)).spans;
    Next {
        requests: collector.taken_requests(),
        corrupt: corrupt as u64,
        report,
    }
}

/// How many files there are that hold spans.
fn segments(folder: &Path) -> usize {
    let files = crate::folder::files(folder);
    let is_segment = |file: &&std::path::PathBuf| file.extension().is_some_and(|e| e == "traces");
    files.iter().filter(is_segment).count()
}

/// The time, by the clock that all processes share.
#[allow(clippy::disallowed_methods, reason = "a clock that processes share")]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

fn nanos(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).unwrap().as_nanos()
}
