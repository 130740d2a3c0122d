//! Names of all kinds on their way out: what `/metrics` says to Prometheus' own parser, and what a
//! collector receives, is what the app called its events.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use spanwire::ipc::{Call, Ipc, check_event_name};
use spanwire::telemetry::{MetricsExporter, Telemetry};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::openmetrics;
use spanwire_testkit::receiver::{Receiver, text};
use spanwire_testkit::scrape::scrape_as;
use tracing_subscriber::layer::SubscriberExt;

/// As many as have series of their own, those of the shared table among them.
fn names() -> BTreeSet<String> {
    let table: serde_json::Value = serde_json::from_str(include_str!("event_names.json")).unwrap();
    let mut names: BTreeSet<String> = serde_json::from_value(table["accepted"].clone()).unwrap();
    let character = prop_oneof![any::<char>(), prop::char::range(' ', '~')];
    let name = prop::collection::vec(character, 1..30).prop_map(String::from_iter);
    let mut runner = TestRunner::default();
    while names.len() < 180 {
        let name = name.new_tree(&mut runner).unwrap().current();
        if check_event_name(&name).is_ok() {
            names.insert(name);
        }
    }
    names
}

#[test]
fn a_scrape_and_a_collector_have_every_name_as_it_is() {
    let receiver = Receiver::start();
    let (telemetry, parts) = Telemetry::builder("names")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .sampler(spanwire::telemetry::Sampler::AlwaysOn)
        .without_system()
        .build()
        .unwrap();
    let names = names();
    let subscriber = tracing_subscriber::registry().with(parts.layer());
    with_recorder_of(&parts, || {
        tracing::subscriber::with_default(subscriber, || {
            let ipc = Ipc::builder("main").build();
            for name in &names {
                ipc.on(name, |_: &Call<'_>| ()).unwrap();
            }
            let mut page = ModelPage::load(&ipc, "p1");
            for name in &names {
                page.call(&ipc, name, json!(null));
                page.pump(&ipc);
            }
        });
    });

    let (_, scraped) = scrape_as(
        telemetry.prometheus_addr().unwrap(),
        "application/openmetrics-text; version=1.0.0",
    );
    telemetry.shutdown(Duration::from_secs(10));

    let families = openmetrics::parse(&scraped).unwrap();
    let messages = families
        .iter()
        .find(|family| family.name == "spanwire_ipc_messages")
        .unwrap();
    let is_call = |direction: &str| direction == "inbound";
    let of_scrape: Vec<&str> = messages
        .samples
        .iter()
        .filter(|sample| is_call(&sample.labels["spanwire_ipc_direction"]))
        .map(|sample| sample.labels["spanwire_ipc_event"].as_str())
        .collect();
    assert_eq!(of_scrape.len(), names.len());
    assert_eq!(of_scrape.into_iter().collect::<BTreeSet<_>>(), same(&names));

    let mut of_metrics = BTreeSet::new();
    for metric in receiver.metrics() {
        let (Data::Sum(sum), "spanwire.ipc.messages") =
            (metric.data.unwrap(), metric.name.as_str())
        else {
            continue;
        };
        for point in sum.data_points {
            of_metrics.extend(text(&point.attributes, "spanwire.ipc.event"));
        }
    }
    assert_eq!(of_metrics, names);
    let spans = receiver.spans();
    let of_spans = spans
        .iter()
        .filter_map(|span| text(&span.attributes, "rpc.method"));
    assert_eq!(of_spans.collect::<BTreeSet<_>>(), names);
    let named = spans.iter().map(|span| span.name.clone());
    assert!(names.is_subset(&named.collect()));
}

fn same(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}
