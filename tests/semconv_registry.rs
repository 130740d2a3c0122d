//! The registry in `semconv/`, which OpenTelemetry's tools read, says what `src/semconv.rs` says.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use spanwire::semconv::{
    self, ATTRIBUTE_INFO, AttributeInfo, EVENTS, ErrorType, METRICS, PageSpanErrorType, SPANS,
    SpoolErrorType,
};

const MANIFEST: &str = include_str!("../semconv/manifest.yaml");
const ATTRIBUTES: &str = include_str!("../semconv/attributes.yaml");
const METRICS_FILE: &str = include_str!("../semconv/metrics.yaml");
const SPANS_FILE: &str = include_str!("../semconv/spans.yaml");
const EVENTS_FILE: &str = include_str!("../semconv/events.yaml");

/// What begins otherwise is OpenTelemetry's, whose registry ours depends on.
const OURS: &str = "spanwire.";

/// The parts of the syntax that are used here; any other key is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    #[expect(dead_code, reason = "read so that its form is checked")]
    description: String,
    schema_url: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    schema_url: String,
    registry_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
    imports: Option<Imports>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Imports {
    metrics: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    brief: String,
    stability: Option<String>,
    display_name: Option<String>,
    metric_name: Option<String>,
    instrument: Option<String>,
    unit: Option<String>,
    span_kind: Option<String>,
    name: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    id: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    kind: Option<AttributeType>,
    brief: Option<String>,
    stability: Option<String>,
    #[serde(default)]
    examples: Vec<Example>,
    #[expect(dead_code, reason = "read so that its form is checked")]
    requirement_level: Option<RequirementLevel>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AttributeType {
    Open(String),
    Closed { members: Vec<Member> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    id: String,
    value: String,
    brief: String,
    stability: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Example {
    Int(#[expect(dead_code, reason = "its type alone matters")] i64),
    Double(#[expect(dead_code, reason = "its type alone matters")] f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementLevel {
    #[expect(dead_code, reason = "read so that its form is checked")]
    conditionally_required: String,
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

impl Group {
    fn references(&self) -> BTreeSet<&str> {
        let names: Vec<_> = self.attributes.iter().map(Attribute::reference).collect();
        let set: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(set.len(), names.len(), "{} has one twice", self.id);
        set
    }
}

impl Attribute {
    fn reference(&self) -> &str {
        assert!(self.id.is_none() && self.kind.is_none() && self.brief.is_none());
        self.reference.as_deref().unwrap()
    }

    fn texts(&self) -> BTreeSet<&str> {
        fn text(example: &Example) -> &str {
            match example {
                Example::Text(text) => text,
                Example::Int(_) | Example::Double(_) => panic!("a number"),
            }
        }
        self.examples.iter().map(text).collect()
    }
}

fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

/// Groups by name, each of them of that kind and in development.
fn named<'a>(
    groups: &'a [Group],
    kind: &str,
    name: impl Fn(&'a Group) -> &'a str,
) -> BTreeMap<&'a str, &'a Group> {
    let mut named = BTreeMap::new();
    for group in groups {
        assert_eq!(group.kind, kind, "{}", group.id);
        assert_eq!(
            group.stability.as_deref(),
            Some("development"),
            "{}",
            group.id
        );
        assert!(
            named.insert(name(group), group).is_none(),
            "{} twice",
            group.id
        );
    }
    named
}

#[test]
fn the_manifest_names_this_registry_and_the_one_it_builds_on() {
    let manifest: Manifest = read(MANIFEST);
    assert_eq!(manifest.name, semconv::SCOPE);
    let version = concat!("/schemas/", env!("CARGO_PKG_VERSION"));
    assert!(manifest.schema_url.ends_with(version), "{version}");
    let [opentelemetry] = &manifest.dependencies[..] else {
        panic!("one dependency");
    };
    let (_, version) = opentelemetry.schema_url.rsplit_once('/').unwrap();
    let tag = format!("@v{version}[model]");
    assert!(opentelemetry.registry_path.ends_with(&tag), "{tag}");
}

#[test]
fn our_attributes_have_their_types_and_closed_sets() {
    let file: File = read(ATTRIBUTES);
    let [group] = &file.groups[..] else {
        panic!("one group");
    };
    assert_eq!(
        (&*group.kind, &*group.id),
        ("attribute_group", "registry.spanwire")
    );
    assert!(group.display_name.is_some() && !group.brief.is_empty());
    let is_ours = |info: &&AttributeInfo| info.name.starts_with(OURS);
    let ours: Vec<_> = ATTRIBUTE_INFO.iter().filter(is_ours).collect();
    let found: Vec<_> = group
        .attributes
        .iter()
        .map(|one| one.id.as_deref().unwrap())
        .collect();
    let expected: Vec<_> = ours.iter().map(|info| info.name).collect();
    assert_eq!(found, expected);
    for (attribute, info) in group.attributes.iter().zip(ours) {
        let name = info.name;
        assert_eq!(
            attribute.stability.as_deref(),
            Some("development"),
            "{name}"
        );
        // Rustdoc's links are no Markdown.
        let brief = info.description.replace("[`", "`").replace("`]", "`");
        assert_eq!(attribute.brief.as_deref(), Some(&*brief), "{name}");
        match attribute.kind.as_ref().unwrap() {
            AttributeType::Open(kind) => {
                assert_eq!(kind, info.value_type.as_str(), "{name}");
                assert_eq!(info.values, &[] as &[&str], "{name}");
                let is_of_type = |example: &Example| {
                    kind == match example {
                        Example::Int(_) => "int",
                        Example::Double(_) => "double",
                        Example::Text(_) => "string",
                    }
                };
                assert!(attribute.examples.iter().all(is_of_type), "{name}");
                // The syntax asks for some where the values are texts.
                assert!(kind != "string" || !attribute.examples.is_empty(), "{name}");
            }
            AttributeType::Closed { members } => {
                let values: Vec<_> = members.iter().map(|member| &*member.value).collect();
                assert_eq!(values, info.values, "{name}");
                for member in members {
                    assert_eq!(member.id, member.value, "{name}");
                    assert_eq!(member.stability, "development", "{name}");
                    assert!(member.brief.ends_with('.'), "{name}");
                }
            }
        }
    }
}

#[test]
fn our_metrics_have_their_instruments_units_and_attributes_and_others_are_imported() {
    let file: File = read(METRICS_FILE);
    let found = named(&file.groups, "metric", |group| {
        group.metric_name.as_deref().unwrap()
    });
    let imported: Vec<_> = file.imports.unwrap().metrics;
    let mut imported: BTreeSet<_> = imported.iter().map(String::as_str).collect();
    for metric in METRICS {
        let name = metric.name;
        if !name.starts_with(OURS) {
            assert!(imported.remove(name), "{name} is not imported");
            continue;
        }
        let group = found
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in semconv/metrics.yaml"));
        assert_eq!(group.id, format!("metric.{name}"));
        assert_eq!(
            group.instrument.as_deref(),
            Some(metric.instrument.as_str()),
            "{name}"
        );
        assert_eq!(group.unit.as_deref(), Some(metric.unit), "{name}");
        assert_eq!(group.brief, metric.description, "{name}");
        assert_eq!(group.references(), set(metric.attributes), "{name}");
        for attribute in &group.attributes {
            let expected = match attribute.reference() {
                semconv::ERROR_TYPE => error_types(name),
                _ => BTreeSet::new(),
            };
            assert_eq!(attribute.texts(), expected, "{name}");
        }
    }
    assert_eq!(imported, BTreeSet::new());
    let ours = METRICS
        .iter()
        .filter(|metric| metric.name.starts_with(OURS));
    assert_eq!(found.len(), ours.count());
}

/// The values of `error.type` on that metric.
fn error_types(metric: &str) -> BTreeSet<&'static str> {
    match metric {
        "spanwire.page.spans" => PageSpanErrorType::ALL.iter().map(|e| e.as_str()).collect(),
        "spanwire.spool.items" => SpoolErrorType::ALL.iter().map(|e| e.as_str()).collect(),
        "spanwire.endpoint.refused" => set(&[semconv::CONNECTION_LIMIT, semconv::FORBIDDEN_HOST]),
        "spanwire.telemetry.problems" => set(&[
            semconv::RECORDER_TAKEN,
            semconv::SUBSCRIBER_TAKEN,
            semconv::SPANS_FILTERED,
        ]),
        // Beside these, what the app names.
        "spanwire.operation.duration" => set(&["panic", "cancelled", semconv::OTHER]),
        _ => ErrorType::ALL.iter().map(|e| e.as_str()).collect(),
    }
}

#[test]
fn our_spans_have_their_kinds_and_attributes() {
    let file: File = read(SPANS_FILE);
    let found = named(&file.groups, "span", |group| &group.id);
    let mut listed: BTreeMap<(&str, &str), (&str, BTreeSet<&str>)> = BTreeMap::new();
    for group in found.values() {
        assert!(group.id.starts_with("span.spanwire."), "{}", group.id);
        let name = &*group.annotations["span_name"];
        let kind = group.span_kind.as_deref().unwrap();
        listed.insert((name, kind), (&group.brief, group.references()));
    }
    let expected: BTreeMap<_, _> = SPANS
        .iter()
        .map(|span| {
            (
                (span.name, span.kind),
                (span.description, set(span.attributes)),
            )
        })
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn our_events_have_their_severities_and_attributes() {
    let file: File = read(EVENTS_FILE);
    let found = named(&file.groups, "event", |group| {
        group.name.as_deref().unwrap()
    });
    for event in EVENTS {
        let name = event.name;
        let group = found
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in semconv/events.yaml"));
        assert_eq!(group.id, format!("event.{name}"));
        assert_eq!(group.annotations["severity"], event.severity, "{name}");
        assert_eq!(group.brief, event.description, "{name}");
        assert_eq!(group.references(), set(event.attributes), "{name}");
    }
    assert_eq!(found.len(), EVENTS.len());
}
