//! Both exporters tell the same story: after a mixed run of 10,000 messages the sums on `/metrics`
//! and in the OTLP data received equal the ledger, histograms bucket by bucket.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::queue::Overflow;
use spanwire::semconv::Instrument;
use spanwire::telemetry::{MetricsExporter, Telemetry};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::{Receiver, text};
use spanwire_testkit::scrape::{Sample, scrape};

/// Direction, event, outcome and `error.type` of messages that ended, and how many.
type Ledger = BTreeMap<(&'static str, &'static str, &'static str, &'static str), u64>;

/// Ten thousand messages of all kinds; what became of each is known beforehand.
fn mixed_run() -> Ledger {
    let mut ledger = Ledger::new();
    let mut count = |direction, event, outcome, error, by| {
        *ledger
            .entry((direction, event, outcome, error))
            .or_default() += by;
    };
    let ipc = Ipc::builder("main")
        .queue_capacity(50)
        .overflow(Overflow::DropNewest)
        .build();
    ipc.on("good", |_: &Call| ()).unwrap();
    ipc.on("bad", |_: &Call| Err::<(), _>("no")).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    for round in 0..1_000 {
        for (event, outcome, error) in [
            ("good", "ok", ""),
            ("bad", "failed", "handler_error"),
            ("nobody", "failed", "unknown_event"),
        ] {
            page.call(&ipc, event, json!({"round": round}));
            page.emit(&ipc, event, json!("x".repeat(round)));
            count("inbound", event, outcome, error, 2);
            // The call's reply.
            count("outbound", event, "ok", "", 1);
        }
        page.pump(&ipc);
        if round % 20 == 0 {
            for n in 0..60 {
                let taken = ipc.emit("burst", &n).is_ok();
                assert_eq!(taken, n < 50);
            }
            page.pump(&ipc);
            count("outbound", "burst", "ok", "", 50);
            count("outbound", "burst", "dropped", "queue_full", 10);
        }
    }
    ledger
}

fn is_wire(name: &str) -> bool {
    let is_ours = name.starts_with("spanwire.ipc.") || name == "spanwire.queue.wait.duration";
    // A gauge has the value of the moment when an exporter read it.
    is_ours
        && spanwire::semconv::metric(name).is_some_and(|metric| {
            matches!(
                metric.instrument,
                Instrument::Counter | Instrument::Histogram
            )
        })
}

#[test]
fn sums_and_buckets_of_both_exporters_equal_the_ledger() {
    let receiver = Receiver::start();
    let (telemetry, parts) = Telemetry::builder("agree")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .without_system()
        .build()
        .unwrap();
    let ledger = with_recorder_of(&parts, mixed_run);
    assert!(ledger.values().sum::<u64>() >= 10_000);

    let scraped = scrape(telemetry.prometheus_addr().unwrap());
    telemetry.shutdown(Duration::from_secs(10));

    // The ledger against what was scraped.
    let counted: Ledger = ledger.clone();
    for ((direction, event, outcome, error), expected) in &counted {
        let found: f64 = scraped
            .iter()
            .filter(|sample| sample.name == "spanwire_ipc_messages_total")
            .filter(|sample| {
                sample.label("spanwire_ipc_direction") == *direction
                    && sample.label("spanwire_ipc_event") == *event
                    && sample.label("spanwire_outcome") == *outcome
                    && sample.label("error_type") == *error
            })
            .map(|sample| sample.value)
            .sum();
        assert_eq!(
            found, *expected as f64,
            "{direction} {event} {outcome} {error}"
        );
    }
    let all: f64 = scraped
        .iter()
        .filter(|sample| sample.name == "spanwire_ipc_messages_total")
        .map(|sample| sample.value)
        .sum();
    assert_eq!(all, ledger.values().sum::<u64>() as f64);

    // The ledger against the histograms: each message was measured once, where it should be.
    let measured = |name: &str, label: &str, value: &str| -> f64 {
        scraped
            .iter()
            .filter(|sample| sample.name == name && sample.label(label) == value)
            .map(|sample| sample.value)
            .sum()
    };
    let ended = |direction: &str, event: &str, outcome: &str| -> f64 {
        let of = |key: &&(&str, &str, &str, &str)| {
            key.0 == direction && (event.is_empty() || key.1 == event) && key.2 == outcome
        };
        ledger.keys().filter(of).map(|key| ledger[key] as f64).sum()
    };
    let handler = "spanwire_ipc_handler_duration_seconds_count";
    assert_eq!(
        measured(handler, "spanwire_ipc_event", "good"),
        ended("inbound", "good", "ok")
    );
    assert_eq!(
        measured(handler, "spanwire_ipc_event", "bad"),
        ended("inbound", "bad", "failed")
    );
    assert_eq!(measured(handler, "spanwire_ipc_event", "nobody"), 0.0);
    for event in ["good", "bad", "nobody", "burst"] {
        let delivered = measured(
            "spanwire_ipc_delivery_duration_seconds_count",
            "spanwire_ipc_event",
            event,
        );
        assert_eq!(delivered, ended("outbound", event, "ok"), "{event}");
    }
    let inbound = ended("inbound", "", "ok") + ended("inbound", "", "failed");
    let outbound = ended("outbound", "", "ok");
    for (direction, messages) in [("inbound", inbound), ("outbound", outbound)] {
        let size = measured(
            "spanwire_ipc_message_size_bytes_count",
            "spanwire_ipc_direction",
            direction,
        );
        assert_eq!(size, messages, "{direction}");
        let batches = measured(
            "spanwire_ipc_batch_size_sum",
            "spanwire_ipc_direction",
            direction,
        );
        assert_eq!(batches, messages, "{direction}");
    }
    let waits = measured(
        "spanwire_queue_wait_duration_seconds_count",
        "spanwire_queue_name",
        "main",
    );
    assert_eq!(waits, ended("outbound", "burst", "ok"));

    // What was scraped against what was received over OTLP.
    let (mut counters, mut histograms) = (0, 0);
    for metric in receiver.metrics() {
        if !is_wire(&metric.name) {
            continue;
        }
        match metric.data.unwrap() {
            Data::Sum(sum) => {
                for point in sum.data_points {
                    let labels = labels(&point.attributes);
                    let Some(Number::AsInt(value)) = point.value else {
                        panic!("{point:?}")
                    };
                    let name = prometheus_name(&metric.name);
                    assert_eq!(
                        value_of(&scraped, &name, &labels),
                        value as f64,
                        "{name} {labels:?}"
                    );
                    counters += 1;
                }
            }
            Data::Histogram(histogram) => {
                for point in histogram.data_points {
                    let labels = labels(&point.attributes);
                    let name = prometheus_name(&metric.name);
                    let count = value_of(&scraped, &format!("{name}_count"), &labels);
                    assert_eq!(count, point.count as f64, "{name} {labels:?}");
                    let sum = value_of(&scraped, &format!("{name}_sum"), &labels);
                    assert!(
                        (sum - point.sum.unwrap()).abs() <= 1e-9 * sum.abs(),
                        "{name} {labels:?}"
                    );
                    // Prometheus adds up bucket by bucket, OpenTelemetry does not.
                    let mut cumulative = 0;
                    let bounds = point.explicit_bounds.iter().map(|bound| bound.to_string());
                    for (bound, bucket) in bounds.chain(["+Inf".into()]).zip(&point.bucket_counts) {
                        cumulative += bucket;
                        let mut labels = labels.clone();
                        labels.insert("le".into(), bound);
                        let found = value_of(&scraped, &format!("{name}_bucket"), &labels);
                        assert_eq!(found, cumulative as f64, "{name} {labels:?}");
                    }
                    histograms += 1;
                }
            }
            Data::ExponentialHistogram(histogram) => {
                for point in histogram.data_points {
                    let labels = labels(&point.attributes);
                    let name = prometheus_name(&metric.name);
                    let count = value_of(&scraped, &format!("{name}_count"), &labels);
                    assert_eq!(count, point.count as f64, "{name} {labels:?}");
                    let sum = value_of(&scraped, &format!("{name}_sum"), &labels);
                    assert!(
                        (sum - point.sum.unwrap()).abs() <= 1e-9 * sum.abs(),
                        "{name} {labels:?}"
                    );
                    let buckets = point.positive.map_or(0, |positive| {
                        positive.bucket_counts.iter().sum::<u64>() + point.zero_count
                    });
                    assert_eq!(buckets, point.count, "{name} {labels:?}");
                    histograms += 1;
                }
            }
            other => panic!("{} is {other:?}", metric.name),
        }
    }
    // Nothing was left out on either side.
    let scraped_of = |ending: &str| {
        scraped
            .iter()
            .filter(|sample| {
                (sample.name.starts_with("spanwire_ipc_")
                    || sample.name.starts_with("spanwire_queue_wait"))
                    && sample.name.ends_with(ending)
            })
            .count()
    };
    assert_eq!(
        (counters, histograms),
        (scraped_of("_total"), scraped_of("_count"))
    );
    assert_eq!((counters, histograms), (8, 25));
}

fn labels(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|attribute| {
            (
                attribute.key.replace('.', "_"),
                text(attributes, &attribute.key).unwrap(),
            )
        })
        .collect()
}

fn prometheus_name(name: &str) -> String {
    spanwire::semconv::metric(name).unwrap().prometheus_name()
}

fn value_of(scraped: &[Sample], name: &str, labels: &BTreeMap<String, String>) -> f64 {
    let mut found = scraped
        .iter()
        .filter(|sample| sample.name == name && sample.labels == *labels);
    let value = found
        .next()
        .unwrap_or_else(|| panic!("no {name} {labels:?}"))
        .value;
    assert!(found.next().is_none(), "{name} {labels:?} twice");
    value
}
