//! A strict reader of the OpenMetrics text format, and of Prometheus' own, line by line.
//!
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>
//!
//! It panics at whatever the formats do not allow, with the line.

use std::collections::{BTreeMap, BTreeSet};

/// A metric with its samples.
#[derive(Debug, Default)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: Option<String>,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    /// As it was written.
    pub text: String,
}

/// Reads OpenMetrics.
pub fn openmetrics(text: &str) -> Vec<Family> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    assert!(!body.contains("# EOF\n"), "one end: {body}");
    let mut families: Vec<Family> = Vec::new();
    for line in lines(body) {
        match line.strip_prefix("# ") {
            Some(descriptor) => describe(&mut families, descriptor, line),
            None => {
                let sample = sample(line);
                let family = families.last_mut().expect("metadata come before samples");
                let suffix = sample.name.strip_prefix(family.name.as_str());
                let allowed = suffixes(&family.kind);
                assert!(
                    suffix.is_some_and(|suffix| allowed.contains(&suffix)),
                    "not of {}: {line}",
                    family.name
                );
                family.samples.push(sample);
            }
        }
    }
    check_names(&families);
    for family in &families {
        check_samples(family);
    }
    families
}

/// Reads the samples of Prometheus' text format.
pub fn prometheus(text: &str) -> Vec<Sample> {
    let samples: Vec<Sample> = lines(text)
        .filter(|line| !line.starts_with('#'))
        .map(sample)
        .collect();
    check_unique(&samples);
    samples
}

/// The lines, each of which has its end. A carriage return is a character like any other.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the last line ends"
    );
    text.split_terminator('\n')
}

fn describe(families: &mut Vec<Family>, descriptor: &str, line: &str) {
    let (what, rest) = descriptor.split_once(' ').expect(line);
    let (name, value) = rest.split_once(' ').expect(line);
    assert!(is_metric_name(name), "{line}");
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family {
            name: name.to_owned(),
            ..Family::default()
        });
    }
    let family = families.last_mut().expect("it was pushed");
    assert!(family.samples.is_empty(), "metadata after samples: {line}");
    match what {
        "TYPE" => {
            assert!(family.kind.is_empty(), "a second type: {line}");
            assert!(!suffixes(value).is_empty(), "no type: {line}");
            family.kind = value.to_owned();
        }
        "UNIT" => {
            assert!(name.ends_with(&format!("_{value}")), "{line}");
            assert!(family.unit.replace(value.to_owned()).is_none(), "{line}");
        }
        "HELP" => {
            let help = unescape(value);
            assert!(family.help.replace(help).is_none(), "{line}");
        }
        _ => panic!("neither a type nor a unit nor a help text: {line}"),
    }
}

/// What the names of a family's samples may end with.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" | "unknown" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "summary" => &["_sum", "_count"],
        "info" => &["_info"],
        _ => &[],
    }
}

/// A family keeps the names of all samples that it could have.
fn check_names(families: &[Family]) {
    let mut taken = BTreeSet::new();
    for family in families {
        let reserved: &[&str] = match family.kind.as_str() {
            "counter" => &["", "_total", "_created"],
            "histogram" => &["", "_bucket", "_sum", "_count", "_created"],
            "summary" => &["", "_sum", "_count", "_created"],
            "info" => &["", "_info"],
            _ => &[""],
        };
        for suffix in reserved {
            let name = format!("{}{suffix}", family.name);
            assert!(taken.insert(name), "{}{suffix} twice", family.name);
        }
    }
}

fn check_samples(family: &Family) {
    check_unique(&family.samples);
    match family.kind.as_str() {
        "counter" => {
            for sample in &family.samples {
                assert!(sample.value >= 0.0, "a counter: {sample:?}");
            }
        }
        "histogram" => check_histogram(family),
        _ => {}
    }
}

fn check_unique(samples: &[Sample]) {
    let mut seen = BTreeSet::new();
    for sample in samples {
        let series = (&sample.name, &sample.labels);
        assert!(seen.insert(series), "{sample:?} twice");
    }
}

fn check_histogram(family: &Family) {
    let mut by_series: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        by_series.entry(labels).or_default().push(sample);
    }
    for samples in by_series.values() {
        let of = |suffix: &str| {
            let name = format!("{}{suffix}", family.name);
            samples.iter().filter(move |sample| sample.name == name)
        };
        let bound = |sample: &Sample| number(sample.labels.get("le").expect("a bound"));
        let buckets: Vec<_> = of("_bucket").map(|one| (bound(one), one.value)).collect();
        let rise = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        assert!(buckets.windows(2).all(rise), "{samples:?}");
        let last = buckets.last().expect("buckets");
        assert_eq!(last.0, f64::INFINITY, "{samples:?}");
        let (sums, counts): (Vec<_>, Vec<_>) = (of("_sum").collect(), of("_count").collect());
        assert_eq!(sums.len(), counts.len(), "{samples:?}");
        assert!(sums.len() <= 1, "{samples:?}");
        assert!(
            counts.iter().all(|count| count.value == last.1),
            "{samples:?}"
        );
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect(line);
    let (name, rest) = line.split_at(end);
    assert!(is_metric_name(name), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ').expect(line);
    Sample {
        name: name.to_owned(),
        labels,
        value: number(value),
        text: value.to_owned(),
    }
}

/// The labels, and what follows their brace.
fn labels<'a>(mut rest: &'a str, line: &str) -> (BTreeMap<String, String>, &'a str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect(line);
        assert!(is_label_name(name), "{name:?} in {line}");
        let end = closing_quote(value).expect(line);
        let known = labels.insert(name.to_owned(), unescape(&value[..end]));
        assert!(known.is_none(), "{name} twice: {line}");
        rest = &value[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').expect(line);
    }
}

fn closing_quote(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// Backslash, quote and line feed are the only characters with an escape.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                other => panic!("{other:?} after a backslash: {text}"),
            },
            '"' => panic!("a quote without a backslash: {text}"),
            c => c,
        });
    }
    plain
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            assert!(digits.starts_with(|c: char| c.is_ascii_digit()), "{text}");
            text.parse().expect(text)
        }
    }
}

fn is_metric_name(name: &str) -> bool {
    is_name(name, |c| c == '_' || c == ':')
}

/// `__name__` is the metric's own name: as a label it makes the whole scrape fail.
fn is_label_name(name: &str) -> bool {
    is_name(name, |c| c == '_') && name != "__name__"
}

fn is_name(name: &str, also: impl Fn(char) -> bool) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || also(c))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || also(c))
}
