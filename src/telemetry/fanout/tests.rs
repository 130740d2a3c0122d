//! What both exporters tell of the same records.

use std::collections::BTreeMap;
use std::process::Command;

use metrics::{Label, with_local_recorder};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, Metric as Collected, MetricData,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use super::*;
use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::handles;
use crate::semconv::{self, Instrument, METRICS, Metric, OTHER, SCOPE};
use crate::telemetry::metrics::otel_recorder::with_limits;
use crate::telemetry::prometheus::{self, Exposition};

struct Rig {
    fanout: Fanout,
    exposition: Exposition,
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Rig {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = with_limits(SdkMeterProvider::builder().with_reader(reader)).build();
        let (recorder, exposition) = prometheus::recorder(&Resource::builder_empty().build());
        Self {
            fanout: fanout(recorder, OtelRecorder::new(provider.meter(SCOPE))),
            exposition,
            provider,
            exporter,
        }
    }

    fn run(&self, f: impl FnOnce()) {
        with_local_recorder(&self.fanout, f);
    }

    fn prometheus(&self) -> BTreeMap<String, String> {
        let text = self.exposition.render();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(series, value)| (series.to_owned(), value.to_owned()))
            .collect()
    }

    fn otel(&self) -> BTreeMap<String, String> {
        self.provider.force_flush().unwrap();
        let collected = self.exporter.get_finished_metrics().unwrap();
        collected
            .last()
            .unwrap()
            .scope_metrics()
            .flat_map(|scope| scope.metrics())
            .flat_map(as_prometheus)
            .collect()
    }
}

/// What Prometheus has to show for what OpenTelemetry collected, written down anew.
fn as_prometheus(metric: &Collected) -> Vec<(String, String)> {
    fn series<'a>(
        name: &str,
        attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>,
        more: &[(&str, String)],
    ) -> String {
        let mut labels: Vec<String> = attributes
            .map(|kv| format!("{}=\"{}\"", kv.key.as_str().replace('.', "_"), kv.value))
            .collect();
        labels.extend(
            more.iter()
                .map(|(name, value)| format!("{name}=\"{value}\"")),
        );
        if labels.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{}}}", labels.join(","))
        }
    }
    let mut name = metric.name().replace('.', "_");
    name += match metric.unit() {
        "s" => "_seconds",
        "By" => "_bytes",
        "ms" => "_milliseconds",
        "1" => "_ratio",
        _ => "",
    };
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| {
                let name = format!("{name}_total");
                (
                    series(&name, point.attributes(), &[]),
                    point.value().to_string(),
                )
            })
            .collect(),
        AggregatedMetrics::I64(MetricData::Sum(sum)) if !sum.is_monotonic() => sum
            .data_points()
            .map(|point| {
                (
                    series(&name, point.attributes(), &[]),
                    point.value().to_string(),
                )
            })
            .collect(),
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| {
                (
                    series(&name, point.attributes(), &[]),
                    point.value().to_string(),
                )
            })
            .collect(),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            let mut lines = Vec::new();
            for point in histogram.data_points() {
                let mut up_to = 0;
                let bounds = point.bounds().map(|bound| bound.to_string());
                for (count, le) in point.bucket_counts().zip(bounds.chain(["+Inf".into()])) {
                    up_to += count;
                    let bucket = format!("{name}_bucket");
                    lines.push((
                        series(&bucket, point.attributes(), &[("le", le)]),
                        up_to.to_string(),
                    ));
                }
                let labelled = |suffix| series(&format!("{name}{suffix}"), point.attributes(), &[]);
                lines.push((labelled("_sum"), point.sum().to_string()));
                lines.push((labelled("_count"), point.count().to_string()));
            }
            lines
        }
        // Without buckets for Prometheus.
        AggregatedMetrics::F64(MetricData::ExponentialHistogram(histogram)) => {
            let of_point = |point: &ExponentialHistogramDataPoint<f64>| {
                let labelled = |suffix| series(&format!("{name}{suffix}"), point.attributes(), &[]);
                [
                    (labelled("_sum"), point.sum().to_string()),
                    (labelled("_count"), point.count().to_string()),
                ]
            };
            histogram.data_points().flat_map(of_point).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Of the one metric that is left out, the endpoint writes the value itself.
fn recorded_metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS
        .iter()
        .copied()
        .filter(|metric| metric.name != semconv::ENDPOINT_METRIC_CONFLICTS.name)
}

fn record_each_metric() {
    for metric in recorded_metrics() {
        let labels: Vec<(&str, &str)> = metric.attributes.iter().map(|name| (*name, "x")).collect();
        match metric.instrument {
            Instrument::Counter => {
                handles::counter(metric, &labels).increment(3);
                handles::counter(metric, &labels).absolute(2);
            }
            Instrument::Gauge | Instrument::UpDownCounter => {
                let gauge = handles::gauge(metric, &labels);
                gauge.set(2.5);
                gauge.decrement(0.5);
            }
            Instrument::Histogram => {
                let histogram = handles::histogram(metric, &labels);
                // Below, on and above each bound. Both add in the same order, so sums are equal too.
                for bound in metric.bounds {
                    histogram.record(*bound);
                    histogram.record(bound / 2.0);
                    histogram.record(bound * 2.0);
                }
                histogram.record(0.0);
                histogram.record(f64::NAN);
                histogram.record_many(0.0, 4);
            }
        }
    }
}

#[test]
fn both_exporters_tell_the_same_of_every_metric() {
    let rig = Rig::new();
    rig.run(|| {
        record_each_metric();
        metrics::describe_histogram!("app.load", metrics::Unit::Milliseconds, "Load.");
        metrics::histogram!("app.load", "b" => "2", "a" => "1").record(10.0);
        metrics::counter!("app.runs").increment(1);
        // Registered and never touched.
        let _ = metrics::counter!("app.errors", "kind" => "none");
        let _ = metrics::gauge!("app.level");
    });
    let (prometheus, otel) = (rig.prometheus(), rig.otel());
    assert_eq!(prometheus, otel);
    assert_eq!(prometheus["app_runs_total"], "1");
    let on_bound = &prometheus[r#"spanwire_operation_duration_seconds_bucket{error_type="x",spanwire_operation_name="x",le="0.01"}"#];
    // Five times 0, then 0.0005, 0.001, 0.002, 0.0025, twice 0.005, and twice 0.01 itself.
    assert_eq!(on_bound, "13");
}

#[test]
fn a_hundred_thousand_names_are_the_cap_and_other_in_both() {
    let rig = Rig::new();
    rig.run(|| {
        let register = |name: &str| {
            (
                handles::counter(&semconv::IPC_MESSAGES, &[(semconv::IPC_EVENT, name)]),
                handles::histogram(
                    &semconv::IPC_HANDLER_DURATION,
                    &[(semconv::IPC_EVENT, name)],
                ),
                handles::gauge(
                    &semconv::OPERATION_ACTIVE,
                    &[(semconv::OPERATION_NAME, name)],
                ),
            )
        };
        let names = CappedNames::new(|name| register(name));
        for n in 0..100_000 {
            let origin = if n < 50_000 {
                NameSource::External
            } else {
                NameSource::Registered
            };
            let handles = names.get(&format!("n{n}"), origin, |name| register(name));
            handles.0.increment(1);
            handles.1.record(0.5);
            handles.2.increment(1.0);
        }
    });
    let cap = semconv::REGISTERED_NAMES_MAX + semconv::OTHER_NAMES_MAX + 1;
    let (prometheus, otel) = (rig.prometheus(), rig.otel());
    assert_eq!(prometheus, otel);
    for name in [
        "spanwire_ipc_messages_total",
        "spanwire_ipc_handler_duration_seconds_count",
        "spanwire_operation_active",
    ] {
        let series: Vec<_> = prometheus
            .keys()
            .filter(|series| series.starts_with(&format!("{name}{{")))
            .collect();
        assert_eq!(series.len(), cap, "{name}");
        assert!(series.iter().any(|series| series.contains(OTHER)), "{name}");
    }
    assert!(!prometheus.keys().any(|series| series.contains("overflow")));
}

#[test]
fn a_metric_has_all_the_series_that_its_caps_allow() {
    let rig = Rig::new();
    rig.run(|| {
        for webview in 0..8 {
            for event in 0..=semconv::REGISTERED_NAMES_MAX + semconv::OTHER_NAMES_MAX {
                for error in &semconv::ErrorType::ALL[..2] {
                    let labels = [
                        (semconv::WEBVIEW_NAME, format!("w{webview}")),
                        (semconv::IPC_EVENT, format!("e{event}")),
                        (semconv::ERROR_TYPE, error.as_str().to_owned()),
                    ];
                    let labels = labels
                        .each_ref()
                        .map(|(name, value)| (*name, value.as_str()));
                    handles::counter(&semconv::IPC_MESSAGES, &labels).increment(1);
                    handles::histogram(&semconv::IPC_HANDLER_DURATION, &labels).record(1.0);
                }
            }
        }
    });
    let (prometheus, otel) = (rig.prometheus(), rig.otel());
    assert_eq!(prometheus, otel);
    assert!(!prometheus.keys().any(|series| series.contains("overflow")));
}

#[test]
fn the_text_is_that_of_the_well_known_exporter() {
    let rig = Rig::new();
    let mut builder =
        metrics_exporter_prometheus::PrometheusBuilder::new().with_recommended_naming(true);
    for metric in METRICS.iter().filter(|metric| !metric.bounds.is_empty()) {
        let matcher = metrics_exporter_prometheus::Matcher::Full(metric.name.into());
        builder = builder
            .set_buckets_for_metric(matcher, metric.bounds)
            .unwrap();
    }
    let theirs = builder.build_recorder();
    let record = || {
        for metric in recorded_metrics() {
            record_simply(metric);
        }
    };
    rig.run(record);
    with_local_recorder(&theirs, record);
    let lines = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    // Theirs keeps samples of what has no bounds, for quantiles.
    let mut theirs = lines(&theirs.handle().render());
    theirs.retain(|line| !line.contains("quantile="));
    assert_eq!(lines(&rig.exposition.render()), theirs);
}

/// One value each: theirs adds up a sum in an order of its own.
fn record_simply(metric: &'static Metric) {
    let mut labels: Vec<(&str, &str)> = metric
        .attributes
        .iter()
        .map(|name| (*name, "a \"b\"\nc"))
        .collect();
    labels.sort_unstable();
    match metric.instrument {
        Instrument::Counter => handles::counter(metric, &labels).increment(3),
        Instrument::Gauge | Instrument::UpDownCounter => handles::gauge(metric, &labels).set(2.5),
        Instrument::Histogram => handles::histogram(metric, &labels).record(0.25),
    }
}

/// What `promtool check metrics` may say, and why that stays.
const PROMTOOL_EXCEPTIONS: &[(&str, &str)] = &[
    (
        "process_thread_count non-histogram and non-summary metrics should not have \"_count\" suffix",
        "OpenTelemetry's name",
    ),
    (
        "process_unix_file_descriptor_count non-histogram and non-summary metrics should not have \"_count\" suffix",
        "OpenTelemetry's name",
    ),
    (
        "spanwire_queue_worker_count non-histogram and non-summary metrics should not have \"_count\" suffix",
        "named as OpenTelemetry names its counts",
    ),
    (
        "spanwire_webview_process_count non-histogram and non-summary metrics should not have \"_count\" suffix",
        "named as OpenTelemetry names its counts",
    ),
];

#[test]
fn promtool_has_nothing_to_say_beyond_the_exceptions() {
    let resource = Resource::builder_empty()
        .with_service_name("spanwire \"test\"\\\n")
        .build();
    let (recorder, exposition) = prometheus::recorder(&resource);
    with_local_recorder(&recorder, record_each_metric);
    let said = promtool_check_metrics(&exposition.render());
    let allowed = |line: &&str| !PROMTOOL_EXCEPTIONS.iter().any(|(known, _)| known == line);
    let unexpected: Vec<&str> = said.lines().filter(allowed).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    for (known, _) in PROMTOOL_EXCEPTIONS {
        assert!(
            said.lines().any(|line| line == *known),
            "is not said: {known}"
        );
    }
}

fn promtool_check_metrics(text: &str) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install prometheus");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

/// Five million records of each kind, in a process of its own so that nothing else uses memory.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_flat_when_nobody_scrapes_or_collects() {
    const CHILD: &str = "SPANWIRE_TEST_MEMORY_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("telemetry::fanout::tests::memory_stays_flat_when_nobody_scrapes_or_collects")
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}");
        assert!(said.contains("grew by"), "the child ran no test: {said}");
        return;
    }
    let rig = Rig::new();
    let mut handles = Vec::new();
    rig.run(|| {
        for n in 0..semconv::REGISTERED_NAMES_MAX {
            let name = format!("event{n}");
            let labels = [(semconv::IPC_EVENT, name.as_str())];
            handles.push((
                handles::counter(&semconv::IPC_MESSAGES, &labels),
                handles::histogram(&semconv::IPC_HANDLER_DURATION, &labels),
            ));
        }
    });
    let before = resident_bytes();
    for (n, (counter, histogram)) in (0..5_000_000u32).zip(handles.iter().cycle()) {
        counter.increment(1);
        histogram.record(f64::from(n) / 1e6);
    }
    let grown = resident_bytes().saturating_sub(before);
    println!("grew by {grown} bytes");
    assert!(grown < 10_000_000, "grew by {grown} bytes");
    let counted: u64 = rig
        .prometheus()
        .iter()
        .filter(|(series, _)| series.starts_with("spanwire_ipc_handler_duration_seconds_count"))
        .map(|(_, count)| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(counted, 5_000_000);
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn labels_of_both_come_from_one_key() {
    let rig = Rig::new();
    let key = Key::from_parts("app.metric", vec![Label::new("a.b", "1")]);
    let metadata = Metadata::new("test", metrics::Level::INFO, None);
    rig.fanout.register_counter(&key, &metadata).increment(1);
    assert_eq!(rig.prometheus(), rig.otel());
}
