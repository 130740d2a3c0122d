//! An app that calls what apps call, measures each call, and ends.

use std::io::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanwire::clock;
use spanwire::ipc::Ipc;
use spanwire::telemetry::{MetricsExporter, Sampler, Telemetry};
use spanwire_testkit::model_page::ModelPage;

pub(crate) const URL: &str = "SPANWIRE_RELIABILITY_URL";
pub(crate) const FOLDER: &str = "SPANWIRE_RELIABILITY_FOLDER";
pub(crate) const CALLS: &str = "SPANWIRE_RELIABILITY_CALLS";
pub(crate) const BYTES: &str = "SPANWIRE_RELIABILITY_BYTES";

/// What its shutdown may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);

/// What the parent hears of it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Said {
    pub(crate) span: Percentiles,
    pub(crate) record: Percentiles,
    pub(crate) emit: Percentiles,
    pub(crate) exported: u64,
    pub(crate) spooled: u64,
    pub(crate) dropped: u64,
    pub(crate) lost: u64,
    /// From the call of `shutdown` to its return.
    pub(crate) shutdown_ms: u64,
}

/// How long a call took, in microseconds.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) median: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let at = ((times.len() - 1) as f64 * share).round() as usize;
            times[at].as_micros() as u64
        };
        Self {
            median: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// Makes a span, a record and an emit in two milliseconds.
pub(crate) fn be_the_app() {
    let text = |name| std::env::var(name).unwrap();
    let mut builder = Telemetry::builder("reliability")
        .environment(|_| None)
        .metrics(MetricsExporter::Prometheus)
        .prometheus_port(0)
        .otlp_endpoint(text(URL))
        .sampler(Sampler::ParentBasedAlwaysOn)
        .without_system()
        .strict()
        .quiet();
    if let Ok(folder) = std::env::var(FOLDER) {
        builder = builder.spool_dir(folder);
    }
    let telemetry = builder.install().unwrap();
    let ipc = Ipc::builder("main").build();
    let mut page = ModelPage::load(&ipc, "00000000000000000000000000000001");
    let calls: usize = text(CALLS).parse().unwrap();
    let fill = "x".repeat(text(BYTES).parse().unwrap());

    let (mut spans, mut records, mut emits) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..calls {
        spans.push(time(|| {
            let name = format!("call{n}");
            tracing::info_span!("work", otel.name = name, fill).in_scope(|| ());
        }));
        records.push(time(|| spanwire::measurement::record("zoom", n as f64)));
        emits.push(time(|| {
            ipc.emit("tick", &n).unwrap();
        }));
        page.pump(&ipc);
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(ipc);
    println!("ends");
    std::io::stdout().flush().unwrap();
    let began = clock::now();
    let report = telemetry.shutdown(DEADLINE).spans;
    let said = Said {
        span: Percentiles::of(spans),
        record: Percentiles::of(records),
        emit: Percentiles::of(emits),
        exported: report.exported,
        spooled: report.spooled,
        dropped: report.dropped,
        lost: report.lost,
        shutdown_ms: clock::now().since(began).as_millis() as u64,
    };
    println!("said {}", serde_json::to_string(&said).unwrap());
}

fn time(call: impl FnOnce()) -> Duration {
    let began = clock::now();
    call();
    clock::now().since(began)
}
