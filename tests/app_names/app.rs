//! Apps that choose metric and label names at random, and what their scrapes have to show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit};
use proptest::prelude::*;
use spanwire::semconv;
use spanwire::telemetry::Telemetry;
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::scrape::scrape_as;

/// What an app does with its metrics.
#[derive(Clone, Debug)]
pub(crate) struct App(Vec<Record>);

#[derive(Clone, Debug)]
struct Record {
    kind: Kind,
    name: String,
    labels: Vec<(String, String)>,
    unit: Option<Unit>,
    help: String,
    value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Names that collide with one another, with Prometheus' own or with Spanwire's.
const NAMES: &[&str] = &[
    "a.b",
    "a_b",
    "a-b",
    "a__b",
    "x",
    "x.total",
    "x_total",
    "x.sum",
    "x_count",
    "x_bucket",
    "x_created",
    "x_info",
    "x.seconds",
    "x.bytes",
    "x.seconds.total",
    "total",
    "_total",
    "",
    "__name__",
    "9lives",
    "a:b",
    "日本",
    "up",
    "scrape.duration",
    "target",
    "target.info",
    "process_uptime_seconds",
    "spanwire.ipc.batch.size",
    "spanwire_ipc_batch_size",
    "spanwire_ipc_batch_size_count",
];

const LABELS: &[&str] = &[
    "http.method",
    "http_method",
    "http-method",
    "http.METHOD",
    "le",
    "le_",
    "quantile",
    "__name__",
    "__name",
    "name",
    "__address__",
    "",
    "9",
    "_9",
    "job",
    "instance",
    "otel.metric.overflow",
    "日本",
];

const VALUES: &[&str] = &[
    "",
    "GET",
    "GET",
    "POST",
    "a;b",
    "two\nlines",
    "\"",
    "\\",
    "\\n",
    "true",
    "日本",
    "# EOF",
    "}",
];

/// One of `known` mostly, and else whatever can be written.
fn text(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(known).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| text.chars().take(8).collect()),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let kind = prop::sample::select(&[Kind::Counter, Kind::Gauge, Kind::Histogram]);
    let unit = prop::sample::select(&[
        None,
        None,
        Some(Unit::Count),
        Some(Unit::Seconds),
        Some(Unit::Bytes),
        Some(Unit::Percent),
    ]);
    let labels = prop::collection::vec((text(LABELS), text(VALUES)), 0..4);
    let help = text(VALUES);
    (kind, text(NAMES), labels, unit, help, 0..1_000_u32).prop_map(
        |(kind, name, labels, unit, help, value)| Record {
            kind,
            name,
            labels,
            unit,
            help,
            value,
        },
    )
}

pub(crate) fn app() -> impl Strategy<Value = App> {
    prop::collection::vec(record(), 1..16).prop_map(App)
}

/// What a scrape answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) media_type: String,
    pub(crate) text: String,
}

impl App {
    /// Runs it behind an endpoint of its own; its two answers, OpenMetrics first.
    pub(crate) fn scrape(&self) -> [Answer; 2] {
        let builder = Telemetry::builder("names").environment(|_| None);
        let (telemetry, parts) = builder
            .prometheus_port(0)
            .without_system()
            .quiet()
            .build()
            .unwrap();
        with_recorder_of(&parts, || {
            for record in &self.0 {
                metrics::with_recorder(|recorder| record.write(recorder));
            }
        });
        let addr = telemetry.prometheus_addr().unwrap();
        let answers = ["application/openmetrics-text;version=1.0.0", "text/plain"].map(|accept| {
            let (media_type, text) = scrape_as(addr, accept);
            Answer { media_type, text }
        });
        telemetry.shutdown(Duration::from_secs(1));
        answers
    }

    /// What has to be on `/metrics`, by the rules in docs/reference/telemetry.md and told without Spanwire's
    /// code.
    pub(crate) fn expected(&self) -> Expected {
        let mut units: BTreeMap<&str, &str> = BTreeMap::new();
        for record in &self.0 {
            let unit = semconv::metric(&record.name).map_or_else(
                || match record.unit {
                    Some(Unit::Seconds) => "s",
                    Some(Unit::Bytes) => "By",
                    Some(Unit::Percent) => "%",
                    _ => "",
                },
                |metric| metric.unit,
            );
            units.entry(&record.name).or_insert(unit);
        }
        let mut expected = Expected::default();
        for record in &self.0 {
            let name = shown_name(record.kind, &record.name, units[&*record.name]);
            let labels = shown_labels(&record.labels);
            match record.kind {
                Kind::Counter => {
                    let sum = expected.counters.entry((name, labels)).or_default();
                    *sum += f64::from(record.value);
                }
                Kind::Gauge => {
                    let of = expected.gauges.entry((name, labels)).or_default();
                    of.insert(record.name.clone(), f64::from(record.value));
                }
                Kind::Histogram => {
                    let of = expected.histograms.entry((name, labels)).or_default();
                    of.count += 1.0;
                    of.sum += f64::from(record.value);
                    of.names.insert(record.name.clone());
                }
            }
        }
        expected
    }
}

impl Record {
    fn write(&self, recorder: &dyn Recorder) {
        let name = || KeyName::from(self.name.clone());
        let help = SharedString::from(self.help.clone());
        let labels = self.labels.iter();
        let labels = labels.map(|(name, value)| Label::new(name.clone(), value.clone()));
        let key = Key::from_parts(self.name.clone(), labels.collect::<Vec<_>>());
        let value = f64::from(self.value);
        match self.kind {
            Kind::Counter => {
                recorder.describe_counter(name(), self.unit, help);
                let counter = recorder.register_counter(&key, &METADATA);
                counter.increment(u64::from(self.value));
            }
            Kind::Gauge => {
                recorder.describe_gauge(name(), self.unit, help);
                recorder.register_gauge(&key, &METADATA).set(value);
            }
            Kind::Histogram => {
                recorder.describe_histogram(name(), self.unit, help);
                recorder.register_histogram(&key, &METADATA).record(value);
            }
        }
    }
}

const METADATA: Metadata<'static> = Metadata::new("app", Level::INFO, None);

/// A series: its name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// What has to be on `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    counters: BTreeMap<Series, f64>,
    /// The last value by each name of the app's that becomes this series.
    gauges: BTreeMap<Series, BTreeMap<String, f64>>,
    /// By the name without a sample's ending.
    histograms: BTreeMap<Series, Distribution>,
}

#[derive(Debug, Default)]
struct Distribution {
    count: f64,
    sum: f64,
    /// The app's names for it.
    names: BTreeSet<String>,
}

impl Expected {
    /// Compares with what was read, which has labels as `rename` leaves them.
    pub(crate) fn check(
        &self,
        found: &BTreeMap<Series, f64>,
        rename: impl Fn(&BTreeMap<String, String>) -> BTreeMap<String, String>,
    ) {
        let value = |name: &str, labels: &BTreeMap<String, String>| {
            found.get(&(name.to_owned(), rename(labels))).copied()
        };
        let mut left_out = BTreeSet::new();
        for ((name, labels), sum) in &self.counters {
            assert_eq!(value(name, labels), Some(*sum), "{name} {labels:?}");
        }
        for (series @ (name, labels), of) in &self.gauges {
            match value(name, labels) {
                // That of another metric, which goes before it.
                Some(_) if self.counters.contains_key(series) || self.is_count_of_ours(series) => {
                    left_out.extend(of.keys().map(|of| (Kind::Gauge, of.clone())));
                }
                Some(found) => {
                    let first = of.values().next().copied();
                    assert_eq!(Some(found), first, "{name} {labels:?}");
                    let others = of.keys().skip(1);
                    left_out.extend(others.map(|other| (Kind::Gauge, other.clone())));
                }
                None => {
                    assert!(
                        self.is_taken(Kind::Gauge, name),
                        "{name} {labels:?} is missing"
                    );
                    left_out.extend(of.keys().map(|of| (Kind::Gauge, of.clone())));
                }
            }
        }
        for ((name, labels), of) in &self.histograms {
            let [count, sum] =
                ["_count", "_sum"].map(|ending| value(&format!("{name}{ending}"), labels));
            if self.is_taken(Kind::Histogram, name) || self.has_several_bounds(name) {
                left_out.extend(of.names.iter().map(|of| (Kind::Histogram, of.clone())));
            } else {
                assert_eq!(count, Some(of.count), "{name} {labels:?}");
                assert_eq!(sum, Some(of.sum), "{name} {labels:?}");
            }
        }
        let conflicts = value("spanwire_endpoint_metric_conflicts", &BTreeMap::new());
        assert_eq!(conflicts > Some(0.0), !left_out.is_empty(), "{left_out:?}");
    }

    /// Whether a gauge's series is that of a histogram of Spanwire's own.
    fn is_count_of_ours(&self, (name, labels): &Series) -> bool {
        let name = name.strip_suffix("_count").unwrap_or_default().to_owned();
        let histogram = self.histograms.get(&(name, labels.clone()));
        histogram.is_some_and(|of| of.names.iter().any(|name| is_ours(name)))
    }

    /// Whether it comes with buckets that cannot be added up.
    fn has_several_bounds(&self, name: &str) -> bool {
        let of_name = self.histograms.iter().filter(|((of, _), _)| of == name);
        let names = || of_name.clone().flat_map(|(_, of)| &of.names);
        names().any(|name| is_ours(name)) && !names().all(|name| is_ours(name))
    }

    /// Whether a metric of that kind and name has to make room for one of another.
    fn is_taken(&self, kind: Kind, name: &str) -> bool {
        let names = |kind: Kind, name: &str| -> Vec<String> {
            match kind {
                Kind::Counter | Kind::Gauge => vec![name.to_owned()],
                Kind::Histogram => ["", "_bucket", "_sum", "_count", "_created"]
                    .map(|ending| format!("{name}{ending}"))
                    .into(),
            }
        };
        let mine = names(kind, name);
        let is_mine = |name: &String| mine.contains(name);
        let ours = ["target_info", "spanwire_endpoint_metric_conflicts"];
        let counters = self.counters.keys().map(|(name, _)| (Kind::Counter, name));
        let gauges = self.gauges.keys().map(|(name, _)| (Kind::Gauge, name));
        let histograms = self.histograms.keys();
        let histograms = histograms.map(|(name, _)| (Kind::Histogram, name));
        let mut others = counters.chain(gauges).chain(histograms);
        ours.iter().any(|name| is_mine(&(*name).to_owned()))
            || others.any(|(other_kind, other)| {
                (other_kind, other.as_str()) != (kind, name)
                    && names(other_kind, other).iter().any(is_mine)
            })
    }
}

fn is_ours(name: &str) -> bool {
    semconv::metric(name).is_some()
}

/// With `_` for what Prometheus does not know, and never two of them.
fn shown_word(text: &str, colons: bool) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || (c == ':' && colons) {
            shown.push(c);
        } else if !shown.ends_with('_') {
            shown.push('_');
        }
    }
    if shown.is_empty() || shown.starts_with(|c: char| c.is_ascii_digit()) {
        shown.insert(0, '_');
    }
    shown
}

fn shown_name(kind: Kind, name: &str, unit: &str) -> String {
    let mut shown = shown_word(name, true);
    if kind == Kind::Counter && shown.len() > "_total".len() {
        shown = shown.strip_suffix("_total").unwrap_or(&shown).to_owned();
    }
    let unit = match unit {
        "s" => "seconds",
        "By" => "bytes",
        "%" => "percent",
        "1" if kind == Kind::Gauge => "ratio",
        _ => "",
    };
    let has_unit = shown == unit || shown.ends_with(&format!("_{unit}"));
    if !unit.is_empty() && !has_unit {
        shown = format!("{shown}_{unit}");
    }
    match kind {
        Kind::Counter => shown + "_total",
        // Prometheus' own.
        Kind::Gauge if shown == "up" || shown == "scrape_duration_seconds" => shown + "_",
        Kind::Gauge | Kind::Histogram => shown,
    }
}

/// A label that comes twice has its last value, those that become one have all, in the order of
/// their names, and one without a value is none.
fn shown_labels(labels: &[(String, String)]) -> BTreeMap<String, String> {
    let labels: BTreeMap<&String, &String> =
        labels.iter().map(|(name, value)| (name, value)).collect();
    let mut shown: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in labels {
        let mut name = shown_word(name, false);
        if name == "le" {
            name.push('_');
        }
        shown.entry(name).or_default().push(value);
    }
    let joined = shown
        .into_iter()
        .map(|(name, values)| (name, values.join(";")));
    joined.filter(|(_, value)| !value.is_empty()).collect()
}
