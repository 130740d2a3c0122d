use super::*;
use std::collections::HashSet;

#[test]
fn names_are_unique_dotted_lowercase_without_unit_or_total() {
    let mut seen = HashSet::new();
    for metric in METRICS {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        assert!(
            metric
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
        );
        for ending in ["total", "seconds", "bytes"] {
            assert!(!metric.name.ends_with(ending), "{}", metric.name);
        }
        assert!(metric.description.ends_with('.'), "{}", metric.name);
    }
}

#[test]
fn attributes_are_in_our_namespace_or_opentelemetrys() {
    const OPENTELEMETRY: &[&str] = &[
        "browser",
        "code",
        "cpu",
        "error",
        "exception",
        "messaging",
        "otel",
        "rpc",
        "server",
        "system",
        "thread",
    ];
    for attribute in ATTRIBUTES {
        let (namespace, _) = attribute.split_once('.').expect(attribute);
        assert!(
            namespace == SCOPE || OPENTELEMETRY.contains(&namespace),
            "{attribute}"
        );
        let as_namespace = format!("{attribute}.");
        let within = ATTRIBUTES.iter().find(|a| a.starts_with(&as_namespace));
        assert_eq!(within, None, "{attribute} is a namespace too");
    }
}

#[test]
fn events_are_in_our_namespace_and_their_attributes_are_listed() {
    let mut seen = HashSet::new();
    for event in EVENTS {
        assert!(event.name.starts_with("spanwire."), "{}", event.name);
        assert!(seen.insert(event.name), "{} twice", event.name);
        for attribute in event.attributes {
            assert!(ATTRIBUTES.contains(attribute), "{attribute}");
        }
    }
}

#[test]
fn bounds_rise_and_are_a_histograms() {
    for metric in METRICS {
        assert!(
            metric.bounds.is_empty() || metric.instrument == Instrument::Histogram,
            "{}",
            metric.name
        );
        assert!(metric.bounds.is_sorted_by(|a, b| a < b), "{}", metric.name);
    }
}

#[test]
fn an_error_types_index_is_its_place() {
    for (place, error) in ErrorType::ALL.iter().enumerate() {
        assert_eq!(error.index(), place);
    }
    for (place, error) in SpoolErrorType::ALL.iter().enumerate() {
        assert_eq!(error.index(), place);
    }
    for (place, error) in PageSpanErrorType::ALL.iter().enumerate() {
        assert_eq!(error.index(), place);
    }
}
