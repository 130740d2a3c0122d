use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwire::telemetry::{FlushError, Sampler, TelemetryBuilder};
use spanwire::timer::monitor;

use crate::app::{App, SECOND, builder, hex, wall_s};
use spanwire_testkit::prometheus::{Prometheus, Stored};
use spanwire_testkit::receiver::{Answer, Receiver};

/// The histograms that have exemplars here.
const EXEMPLIFIED: &[&str] = &[
    "spanwire_ipc_delivery_duration_seconds_bucket",
    "spanwire_ipc_handler_duration_seconds_bucket",
    "spanwire_operation_duration_seconds_bucket",
    "spanwire_queue_wait_duration_seconds_bucket",
];

fn all(prometheus: &Prometheus) -> Vec<Stored> {
    let selectors = EXEMPLIFIED.iter();
    selectors
        .flat_map(|name| prometheus.exemplars(name))
        .collect()
}

/// Works on until Prometheus has an exemplar of every histogram that is newer than `since`.
fn work_until_stored(app: &mut App, prometheus: &Prometheus, since: f64) {
    for _ in 0..300 {
        app.work();
        app.telemetry.flush(10 * SECOND).unwrap();
        let stored = all(prometheus);
        let new = stored.iter().filter(|stored| stored.timestamp > since);
        let names: BTreeSet<&str> = new.map(|stored| &*stored.series["__name__"]).collect();
        if names.len() == EXEMPLIFIED.len() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("Prometheus has only {:?}", all(prometheus));
}

/// An operation that takes longer than any other here.
fn slow(app: &mut App) {
    let work = || std::thread::sleep(Duration::from_millis(30));
    app.run(|_, _| monitor("slow").time(work));
}

#[test]
fn every_exemplar_in_a_real_prometheus_points_to_a_span_that_arrived() {
    check(builder(), |_| ());
}

#[test]
fn with_tail_sampling_every_exemplar_points_to_a_trace_that_was_kept() {
    check(builder().sampler(Sampler::Tail), |prometheus| {
        let dropped = r#"spanwire_sampling_traces_total{spanwire_outcome="dropped"} > 0"#;
        prometheus.wait_for(dropped);
    });
}

fn check(builder: TelemetryBuilder, in_the_end: impl FnOnce(&Prometheus)) {
    let receiver = Receiver::start();
    let mut app = App::start(builder.otlp_endpoint(receiver.url()));
    let addr = app.telemetry.prometheus_addr().unwrap();
    let prometheus = Prometheus::scraping(&addr.to_string());
    work_until_stored(&mut app, &prometheus, 0.0);

    // The collector fails for a while. What was measured then is counted, and offered nowhere.
    receiver.answer(Answer::Status(400));
    for _ in 0..3 {
        app.work();
        slow(&mut app);
        let flushed = app.telemetry.flush(10 * SECOND);
        assert!(matches!(flushed, Err(FlushError::Lost(_))), "{flushed:?}");
    }
    let slow_count =
        r#"spanwire_operation_duration_seconds_count{spanwire_operation_name="slow"} == 3"#;
    prometheus.wait_for(slow_count);
    receiver.answer(Answer::Ok);
    work_until_stored(&mut app, &prometheus, wall_s());

    let spans = receiver.spans();
    let arrived: BTreeMap<(String, String), &Span> = spans
        .iter()
        .map(|span| ((hex(&span.trace_id), hex(&span.span_id)), span))
        .collect();
    let stored = all(&prometheus);
    for exemplar in &stored {
        let ids = ["trace_id", "span_id"].map(|name| exemplar.labels[name].clone());
        let span = arrived.get(&ids.into());
        let span = span.unwrap_or_else(|| panic!("{exemplar:?} did not arrive"));
        let ended = span.end_time_unix_nano as f64 / 1e9;
        assert!((exemplar.timestamp - ended).abs() < 0.002, "{exemplar:?}");
        let bound: f64 = exemplar.series["le"].parse().unwrap();
        assert!(exemplar.value <= bound, "{exemplar:?}");
    }
    assert!(stored.iter().all(|exemplar| {
        exemplar
            .series
            .get("spanwire_operation_name")
            .map(String::as_str)
            != Some("slow")
    }));
    // Each of the two that waited for has come anew.
    assert!(stored.len() >= 2 * EXEMPLIFIED.len(), "{stored:?}");

    // It was OpenMetrics, since plain text has no units, and nothing came out of order.
    let metadata = prometheus.metadata("spanwire_ipc_handler_duration_seconds");
    assert_eq!(metadata.unwrap()["unit"], "seconds");
    let refused = "prometheus_tsdb_exemplar_out_of_order_exemplars_total";
    assert_eq!(prometheus.own_metric(refused), Some(0.0));
    in_the_end(&prometheus);
}

#[test]
fn a_label_that_prometheus_reserves_does_not_break_the_scrape() {
    let mut app = App::start(builder().resource_attribute("__name__", "mine"));
    app.run(|_, _| metrics::gauge!("app.level", "__name__" => "mine").set(1.0));
    let addr = app.telemetry.prometheus_addr().unwrap();
    let prometheus = Prometheus::scraping(&addr.to_string());
    prometheus.wait_for(r#"app_level{_name_="mine"} == 1"#);
    prometheus.wait_for(r#"target_info{_name_="mine"}"#);
}
