use std::sync::mpsc::sync_channel;
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;

use metrics::{Level, with_local_recorder};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, InMemoryMetricExporterBuilder, PeriodicReader, SdkMeterProvider,
    Temporality,
};

use super::*;

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

struct Rig {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Rig {
    fn new() -> Self {
        Self::with_temporality(Temporality::Cumulative)
    }

    fn with_temporality(temporality: Temporality) -> Self {
        let exporter = InMemoryMetricExporterBuilder::new()
            .with_temporality(temporality)
            .build();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let builder = SdkMeterProvider::builder().with_reader(reader);
        Self {
            provider: with_limits(builder).build(),
            exporter,
        }
    }

    fn recorder(&self) -> OtelRecorder {
        OtelRecorder::new(self.provider.meter(SCOPE))
    }

    /// Each point as `name[unit] attributes = value`, of the collection that this call makes.
    fn collect(&self) -> Vec<String> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let mut lines = Vec::new();
        for resource in self.exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                for (attributes, value) in points(metric.data()) {
                    lines.push(format!(
                        "{}[{}] {attributes:?} = {value}",
                        metric.name(),
                        metric.unit()
                    ));
                }
            }
        }
        lines.sort();
        lines
    }
}

fn points(data: &AggregatedMetrics) -> Vec<(Vec<(String, String)>, String)> {
    fn text<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<(String, String)> {
        attributes
            .map(|kv| (kv.key.to_string(), format!("{:?}", kv.value)))
            .collect()
    }
    match data {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| (text(point.attributes()), point.value().to_string()))
            .collect(),
        AggregatedMetrics::I64(MetricData::Sum(sum)) if !sum.is_monotonic() => sum
            .data_points()
            .map(|point| {
                (
                    text(point.attributes()),
                    format!("{}, up or down", point.value()),
                )
            })
            .collect(),
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| (text(point.attributes()), point.value().to_string()))
            .collect(),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|point| {
                let value = format!(
                    "{} of sum {} in {}, range {:?}",
                    point.count(),
                    point.sum(),
                    point.bucket_counts().count(),
                    (point.min(), point.max())
                );
                (text(point.attributes()), value)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gauges_that_the_conventions_add_up_are_sums_that_can_fall() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let rig = Rig::with_temporality(temporality);
        let recorder = rig.recorder();
        with_local_recorder(&recorder, || {
            metrics::gauge!("process.memory.usage").set(4096.0);
            metrics::gauge!("process.uptime").set(1.5);
            metrics::gauge!("app.size").set(3.0);
        });
        rig.collect();
        with_local_recorder(&recorder, || {
            metrics::gauge!("process.memory.usage").set(1024.0);
        });
        // The value itself and not what it changed by, whatever the temporality.
        assert_eq!(
            rig.collect(),
            [
                "app.size[] [] = 3",
                "process.memory.usage[By] [] = 1024, up or down",
                "process.uptime[s] [] = 1.5",
            ],
            "{temporality:?}"
        );
    }
}

#[test]
fn units_bounds_and_descriptions_come_from_semconv_and_for_the_apps_own_from_describe() {
    let rig = Rig::new();
    let recorder = rig.recorder();
    with_local_recorder(&recorder, || {
        metrics::counter!("spanwire.ipc.retries", "spanwire.webview.name" => "main").increment(2);
        metrics::gauge!("process.uptime").set(1.5);
        metrics::histogram!("spanwire.ipc.batch.size").record(3.0);
        metrics::describe_histogram!("app.load", Unit::Milliseconds, "Load.");
        metrics::histogram!("app.load").record(3.0);
        metrics::describe_histogram!("app.load", Unit::Seconds, "Too late.");
        metrics::counter!("app: odd name").increment(1);
    });
    assert_eq!(
        rig.collect(),
        [
            "app.load[ms] [] = 1 of sum 3 in 23, range (None, None)",
            "app__odd_name[] [] = 1",
            "process.uptime[s] [] = 1.5",
            "spanwire.ipc.batch.size[{message}] [] = 1 of sum 3 in 11, range (None, None)",
            "spanwire.ipc.retries[{retry}] [(\"spanwire.webview.name\", \"String(Owned(\\\"main\\\"))\")] = 2",
        ]
    );
}

#[test]
fn absolute_never_goes_back_and_mixes_with_increments() {
    let rig = Rig::new();
    let recorder = rig.recorder();
    let counter = recorder.register_counter(&Key::from_name("app.absolute"), &METADATA);
    for step in 0..3 {
        match step {
            0 => counter.absolute(5),
            1 => counter.increment(2),
            _ => counter.absolute(6),
        }
    }
    assert_eq!(rig.collect(), ["app.absolute[] [] = 7"]);
    counter.absolute(9);
    assert_eq!(rig.collect(), ["app.absolute[] [] = 9"]);
}

#[test]
fn a_reader_of_deltas_gets_deltas() {
    let rig = Rig::with_temporality(Temporality::Delta);
    let recorder = rig.recorder();
    let counter = recorder.register_counter(&Key::from_name("app.runs"), &METADATA);
    counter.increment(5);
    assert_eq!(rig.collect(), ["app.runs[] [] = 5"]);
    counter.increment(2);
    assert_eq!(rig.collect(), ["app.runs[] [] = 2"]);
}

#[test]
fn a_key_registered_twice_is_one_series() {
    let rig = Rig::new();
    let recorder = rig.recorder();
    for labels in [[("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]] {
        let key = Key::from(("app.metric", &labels));
        recorder.register_counter(&key, &METADATA).increment(1);
        let key = Key::from(("app.time", &labels));
        recorder.register_histogram(&key, &METADATA).record(1.0);
    }
    let lines = rig.collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].ends_with("= 2"), "{lines:#?}");
    assert!(lines[1].contains("2 of sum 2"), "{lines:#?}");
}

#[test]
fn series_beyond_the_limit_are_summed_in_the_overflow_series() {
    let rig = Rig::new();
    let recorder = rig.recorder();
    let beyond = 7;
    for n in 0..crate::telemetry::metrics::registry::APP_SERIES_MAX + beyond {
        let labels = vec![Label::new("n", n.to_string())];
        let key = Key::from_parts("app.metric", labels.clone());
        recorder.register_counter(&key, &METADATA).increment(1);
        let key = Key::from_parts("app.time", labels);
        recorder.register_histogram(&key, &METADATA).record(1.0);
    }
    let lines = rig.collect();
    assert_eq!(
        lines.len(),
        2 * (crate::telemetry::metrics::registry::APP_SERIES_MAX + 1)
    );
    let overflow: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("otel.metric.overflow\", \"Bool(true)"))
        .collect();
    assert_eq!(overflow.len(), 2, "{overflow:#?}");
    assert!(
        overflow[0].ends_with(&format!("= {beyond}")),
        "{overflow:#?}"
    );
    assert!(
        overflow[1].contains(&format!("= {beyond} of")),
        "{overflow:#?}"
    );
}

#[test]
fn values_that_are_not_finite_are_left_out() {
    let rig = Rig::new();
    let recorder = rig.recorder();
    let histogram = recorder.register_histogram(&Key::from_name("app.time"), &METADATA);
    for value in [f64::NAN, f64::INFINITY, 2.0] {
        histogram.record(value);
    }
    let lines = rig.collect();
    assert!(lines[0].contains("1 of sum 2"), "{lines:#?}");
}

#[test]
fn each_collection_publishes_before_it_observes() {
    static GAUGE: Mutex<Option<Gauge>> = Mutex::new(None);
    let rig = Rig::new();
    let recorder = OtelRecorder::publishing(rig.provider.meter(SCOPE), || {
        if let Some(gauge) = GAUGE.lock().unwrap().as_ref() {
            gauge.increment(1.0);
        }
    });
    let gauge = recorder.register_gauge(&Key::from_name("spanwire.queue.size"), &METADATA);
    *GAUGE.lock().unwrap() = Some(gauge);
    assert_eq!(
        rig.collect(),
        ["spanwire.queue.size[{message}] [] = 1, up or down"]
    );
    assert_eq!(
        rig.collect(),
        ["spanwire.queue.size[{message}] [] = 2, up or down"]
    );
}

#[test]
fn a_panic_while_publishing_does_not_end_collection() {
    let rig = Rig::new();
    let recorder = OtelRecorder::publishing(rig.provider.meter(SCOPE), || {
        std::panic::resume_unwind(Box::new("a bug"));
    });
    let counter = recorder.register_counter(&Key::from_name("app.runs"), &METADATA);
    for run in 1..=2 {
        counter.increment(1);
        assert_eq!(rig.collect(), [format!("app.runs[] [] = {run}")]);
    }
}

/// The SDK holds its lock while we publish. Publishing registers series of ours, as a queue does
/// that was built before telemetry was installed, while another thread makes instruments.
#[test]
fn publishing_may_register_while_other_threads_do() {
    static RECORDER: OnceLock<OtelRecorder> = OnceLock::new();
    static BOTH: Barrier = Barrier::new(2);
    fn register_ours(n: usize) {
        let recorder = RECORDER.get().unwrap();
        for metric in METRICS {
            let key = Key::from_parts(metric.name, vec![Label::new("n", n.to_string())]);
            match metric.instrument {
                Instrument::Counter => recorder.register_counter(&key, &METADATA).increment(1),
                Instrument::Gauge | Instrument::UpDownCounter => {
                    recorder.register_gauge(&key, &METADATA).set(1.0)
                }
                Instrument::Histogram => recorder.register_histogram(&key, &METADATA).record(1.0),
            }
        }
    }
    // Leaked, since its shutdown would wait for the lock that a deadlock never frees.
    let rig = Box::leak(Box::new(Rig::new()));
    let recorder = OtelRecorder::publishing(rig.provider.meter(SCOPE), || {
        BOTH.wait();
        for n in 0..20 {
            register_ours(n);
        }
    });
    RECORDER.set(recorder).unwrap();
    let (done, was_done) = sync_channel(2);
    let flushed = done.clone();
    thread::spawn(move || {
        rig.provider.force_flush().unwrap();
        flushed.send(()).unwrap();
    });
    thread::spawn(move || {
        let recorder = RECORDER.get().unwrap();
        BOTH.wait();
        for n in 0..200 {
            let key = Key::from_name(format!("app.metric{n}"));
            recorder.register_counter(&key, &METADATA).increment(1);
            let key = Key::from_name(format!("app.time{n}"));
            recorder.register_histogram(&key, &METADATA).record(1.0);
        }
        done.send(()).unwrap();
    });
    for _ in 0..2 {
        was_done
            .recv_timeout(std::time::Duration::from_secs(30))
            .expect("no deadlock");
    }
}
