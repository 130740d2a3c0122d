//! The writer of `/metrics`: whatever the app records, the text is of its format and says that.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit};
use opentelemetry::KeyValue;
use spanwire::fuzzing::Metrics;
use spanwire::semconv::METRICS;
use spanwire_fuzz::exposition::{self, Family, Sample};

#[derive(Arbitrary, Debug)]
struct Input {
    resource: Vec<(Name, String)>,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Describe(Kind, Name, u8, String),
    Count(Name, Labels, u64),
    Gauge(Name, Labels, f64),
    Histogram(Name, Labels, f64),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

type Labels = Vec<(Name, String)>;

/// Names that mean something in the formats come more often than by chance.
#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8),
    Joined(u8, u8),
    Any(String),
}

const KNOWN: &[&str] = &[
    "a",
    "a.b",
    "total",
    "_total",
    ".total",
    "count",
    "sum",
    "bucket",
    "created",
    "info",
    "target",
    "le",
    "quantile",
    "seconds",
    "bytes",
    "ratio",
    "__name__",
    "",
    "9",
    ":",
    "ü",
    "a\"b",
    "a\nb",
    "target_info",
    "process.uptime",
    "spanwire.ipc.messages",
    "spanwire.operation.duration",
];

const UNITS: &[Option<Unit>] = &[
    None,
    Some(Unit::Count),
    Some(Unit::Percent),
    Some(Unit::Seconds),
    Some(Unit::Milliseconds),
    Some(Unit::Bytes),
    Some(Unit::BitsPerSecond),
    Some(Unit::CountPerSecond),
];

fn pick<T>(list: &[T], at: u8) -> &T {
    &list[usize::from(at) % list.len()]
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::Known(at) => (*pick(KNOWN, *at)).to_owned(),
            Self::Joined(a, b) => format!("{}.{}", pick(KNOWN, *a), pick(KNOWN, *b)),
            Self::Any(text) => text.clone(),
        }
    }
}

/// As the documents say: what Prometheus does not allow becomes `_`, and never two of them.
fn sanitized(name: &str, also: &str) -> String {
    let mut clean = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || also.contains(c) {
            clean.push(c);
        } else if !clean.ends_with('_') {
            clean.push('_');
        }
    }
    match clean.chars().next() {
        None => "_".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{clean}"),
        Some(_) => clean,
    }
}

fn label_name(name: &str) -> String {
    match sanitized(name, "") {
        taken if taken == "le" => format!("{taken}_"),
        name => name,
    }
}

/// Names of labels, each as it was first written.
///
/// Two that become the same in Prometheus (`a.b` and `a_b`) are one label with both values: that is
/// not looked for here.
#[derive(Default)]
struct Spellings(BTreeMap<String, String>);

impl Spellings {
    fn labels(&mut self, labels: &Labels) -> BTreeMap<String, String> {
        let spelled = labels.iter().map(|(name, value)| {
            let name = name.text();
            let spelling = self.0.entry(label_name(&name)).or_insert(name);
            (spelling.clone(), value.clone())
        });
        spelled.collect()
    }
}

fn key(name: &Name, labels: &BTreeMap<String, String>) -> Key {
    let labels = labels
        .iter()
        .map(|(name, value)| Label::new(name.clone(), value.clone()));
    Key::from_parts(name.text(), labels.collect::<Vec<_>>())
}

fn as_shown(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // A label without a value counts as no label.
    let shown = labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (label_name(name), value.clone()));
    shown.collect()
}

/// What was recorded: by labels, the app's names with their last values.
#[derive(Default)]
struct Recorded {
    gauges: BTreeMap<BTreeMap<String, String>, BTreeMap<String, f64>>,
    /// By the app's own labels too: those that become the same may still be beyond a metric's limit.
    counters: BTreeMap<BTreeMap<String, String>, BTreeMap<(String, BTreeMap<String, String>), u64>>,
    helps: Vec<String>,
}

impl Recorded {
    /// A gauge of that name, with unit or not, has that value.
    fn check_gauge(&self, family: &Family, sample: &Sample) {
        let known = self.gauges.get(&sample.labels);
        let is_known = known.into_iter().flatten().any(|(name, value)| {
            let same = value.to_bits() == sample.value.to_bits();
            family.name.starts_with(&sanitized(name, ":"))
                && (same || value.is_nan() && sample.value.is_nan())
        });
        assert!(is_known, "{sample:?} was not recorded");
    }

    fn check_counter(&self, family: &Family, sample: &Sample) {
        // Counters whose names become the same are summed; units keep some of them apart.
        let mut sums = BTreeSet::from([0_u64]);
        for ((name, _), value) in self.counters.get(&sample.labels).into_iter().flatten() {
            if family.name.starts_with(&stem(name)) {
                let more: Vec<u64> = sums.iter().map(|sum| sum + value).collect();
                sums.extend(more);
            }
        }
        let is_known = sums.iter().any(|sum| sum.to_string() == sample.text);
        assert!(is_known, "{sample:?} was not recorded");
    }

    fn check(&self, families: &[Family]) {
        for family in families
            .iter()
            .filter(|family| !family.name.starts_with("target") && family.name != CONFLICTS)
        {
            // Series beyond a metric's limit share one, with a sum of theirs.
            let is_own = |sample: &&Sample| !sample.labels.contains_key("otel_metric_overflow");
            for sample in family.samples.iter().filter(is_own) {
                match family.kind.as_str() {
                    "gauge" => self.check_gauge(family, sample),
                    "counter" => self.check_counter(family, sample),
                    _ => {}
                }
            }
            if let Some(help) = &family.help {
                // Metrics of Spanwire's own have its texts, whoever records them.
                let is_ours = METRICS.iter().any(|metric| metric.description == help);
                assert!(
                    is_ours || self.helps.contains(help),
                    "{help:?} was not told"
                );
            }
        }
    }
}

/// With and without `_total` a name is one counter.
fn stem(name: &str) -> String {
    let name = sanitized(name, ":");
    match name.strip_suffix("_total") {
        Some(stem) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    }
}

/// What is left out is counted by a metric of Spanwire's own.
const CONFLICTS: &str = "spanwire_endpoint_metric_conflicts";

const METADATA: Metadata<'static> = Metadata::new("fuzz", Level::INFO, None);

fuzz_target!(|input: Input| {
    let mut spellings = Spellings::default();
    let resource = spellings.labels(&input.resource);
    let of_resource = resource
        .iter()
        .map(|(k, v)| KeyValue::new(k.clone(), v.clone()));
    let (recorder, metrics) = Metrics::new(of_resource.collect());
    let mut spellings = Spellings::default();
    let mut recorded = Recorded::default();
    for step in &input.steps {
        match step {
            Step::Describe(kind, name, unit, help) => {
                let (name, unit) = (KeyName::from(name.text()), *pick(UNITS, *unit));
                recorded.helps.push(help.clone());
                let help = SharedString::from(help.clone());
                match kind {
                    Kind::Counter => recorder.describe_counter(name, unit, help),
                    Kind::Gauge => recorder.describe_gauge(name, unit, help),
                    Kind::Histogram => recorder.describe_histogram(name, unit, help),
                }
            }
            Step::Count(name, labels, value) => {
                let labels = spellings.labels(labels);
                let counter = recorder.register_counter(&key(name, &labels), &METADATA);
                // Below where a sum could wrap around.
                let value = value >> 16;
                counter.increment(value);
                let series = recorded.counters.entry(as_shown(&labels)).or_default();
                *series.entry((name.text(), labels)).or_default() += value;
            }
            Step::Gauge(name, labels, value) => {
                let labels = spellings.labels(labels);
                let gauge = recorder.register_gauge(&key(name, &labels), &METADATA);
                gauge.set(*value);
                let series = recorded.gauges.entry(as_shown(&labels)).or_default();
                series.insert(name.text(), *value);
            }
            Step::Histogram(name, labels, value) => {
                let labels = spellings.labels(labels);
                let histogram = recorder.register_histogram(&key(name, &labels), &METADATA);
                histogram.record(*value);
            }
        }
    }
    let families = exposition::openmetrics(&metrics.openmetrics());
    recorded.check(&families);
    let target = families
        .iter()
        .find(|family| family.name.starts_with("target"));
    assert!(as_shown(&resource).is_empty() || target.is_some());
    let samples = exposition::prometheus(&metrics.text());
    // OpenMetrics leaves out histograms that clash with another metric, and sums that may fall.
    let count: usize = families.iter().map(|family| family.samples.len()).sum();
    assert!(samples.len() >= count);
});
