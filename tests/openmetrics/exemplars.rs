use std::collections::BTreeSet;

use spanwire::telemetry::{FlushError, Sampler, TailSampling};
use spanwire::timer::monitor;

use crate::app::{App, SECOND, builder, family, hex, wall_s};
use spanwire_testkit::openmetrics::{Exemplar, FamilySample};
use spanwire_testkit::receiver::{Answer, Receiver};
use spanwire_testkit::scrape::scrape_text;

/// The histograms that have exemplars, by the labels that tell which.
fn exemplified(exemplars: &[(FamilySample, Exemplar)]) -> BTreeSet<String> {
    let series = exemplars.iter().map(|(sample, _)| {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        let labels: Vec<String> = labels.into_values().collect();
        let name = sample.name.trim_start_matches("spanwire_");
        format!(
            "{} {}",
            name.trim_end_matches("_seconds_bucket"),
            labels.join(" ")
        )
    });
    series.collect()
}

#[test]
fn exemplars_name_exported_spans_and_lie_in_their_buckets() {
    let receiver = Receiver::start();
    let mut app = App::start(builder().otlp_endpoint(receiver.url()));
    for _ in 0..3 {
        app.work();
    }
    assert!(app.exemplars().is_empty());
    app.telemetry.flush(10 * SECOND).unwrap();
    let exemplars = app.exemplars();
    let expected = [
        "ipc_delivery_duration bad main",
        "ipc_delivery_duration good main",
        "ipc_delivery_duration tick main",
        "ipc_handler_duration good main",
        "ipc_handler_duration handler_error bad main",
        "operation_duration fmt::Error save",
        "operation_duration save",
        "queue_wait_duration main",
    ];
    assert_eq!(exemplified(&exemplars), expected.map(str::to_owned).into());

    let spans = receiver.spans();
    let now = wall_s();
    let families = app.scrape();
    for (sample, exemplar) in &exemplars {
        let (trace, span) = (&exemplar.labels["trace_id"], &exemplar.labels["span_id"]);
        assert_eq!(exemplar.labels.len(), 2, "{exemplar:?}");
        let span = spans.iter().find(|sent| {
            (hex(&sent.trace_id), hex(&sent.span_id)) == (trace.clone(), span.clone())
        });
        let span = span.unwrap_or_else(|| panic!("{exemplar:?} did not arrive"));
        let ended = span.end_time_unix_nano as f64 / 1e9;
        assert!(
            (exemplar.timestamp - ended).abs() < 0.002,
            "{exemplar:?} {span:?}"
        );
        assert!(exemplar.timestamp <= now);
        // Between its own bound and the one below.
        let bound: f64 = sample.labels["le"].parse().unwrap();
        let name = sample.name.trim_end_matches("_bucket");
        let below = family(&families, name)
            .samples
            .iter()
            .filter_map(|other| other.labels.get("le")?.parse().ok())
            .filter(|other: &f64| *other < bound)
            .fold(f64::NEG_INFINITY, f64::max);
        assert!(
            below < exemplar.value && exemplar.value <= bound,
            "{exemplar:?} in {sample:?}"
        );
        if !name.contains("queue_wait") {
            let took = (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e9;
            assert!(
                (exemplar.value - took).abs() < 1e-8,
                "{exemplar:?} {span:?}"
            );
        }
    }
    // The plain format has no place for them.
    let plain = scrape_text(app.telemetry.prometheus_addr().unwrap());
    assert!(!plain.contains("trace_id"), "{plain}");
}

#[test]
fn spans_that_were_not_exported_are_not_exemplars() {
    let receiver = Receiver::start();
    let mut app = App::start(builder().otlp_endpoint(receiver.url()));
    receiver.answer(Answer::Status(400));
    app.work();
    let flushed = app.telemetry.flush(10 * SECOND);
    assert!(matches!(flushed, Err(FlushError::Lost(_))), "{flushed:?}");
    assert!(app.exemplars().is_empty());
    // Which of them were rejected is not said.
    receiver.answer(Answer::Reject(1));
    app.work();
    let flushed = app.telemetry.flush(10 * SECOND);
    assert_eq!(flushed, Err(FlushError::Lost(1)));
    assert!(app.exemplars().is_empty());
    receiver.answer(Answer::Ok);
    let before = receiver.spans().len();
    app.work();
    app.telemetry.flush(10 * SECOND).unwrap();
    let arrived = receiver.spans();
    let arrived: BTreeSet<String> = arrived[before..]
        .iter()
        .map(|span| hex(&span.span_id))
        .collect();
    let exemplars = app.exemplars();
    assert!(!exemplars.is_empty());
    for (_, exemplar) in exemplars {
        assert!(
            arrived.contains(&exemplar.labels["span_id"]),
            "{exemplar:?}"
        );
    }
}

#[test]
fn exemplars_match_their_series_when_values_are_truncated_for_the_collector() {
    let receiver = Receiver::start();
    let short = |name: &str| (name == "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT").then(|| "2".to_owned());
    let builder = builder().environment(short).otlp_endpoint(receiver.url());
    let mut app = App::start(builder);
    for _ in 0..3 {
        app.work();
    }
    app.telemetry.flush(10 * SECOND).unwrap();
    let exemplified = exemplified(&app.exemplars());
    let handled = "ipc_handler_duration good main";
    assert!(exemplified.contains(handled), "{exemplified:?}");
}

#[test]
fn traces_that_are_kept_have_exemplars_and_those_that_are_dropped_have_none() {
    let receiver = Receiver::start();
    let sampling = TailSampling::new()
        .traces_per_second(0)
        .slow_after("tick", std::time::Duration::ZERO);
    let builder = builder().sampler(Sampler::Tail).tail(sampling);
    let mut app = App::start(builder.otlp_endpoint(receiver.url()));
    // Nothing of `good`, nor of the operation that ended well.
    let expected = BTreeSet::from(
        [
            "ipc_delivery_duration bad main",
            "ipc_delivery_duration tick main",
            "ipc_handler_duration handler_error bad main",
            "operation_duration fmt::Error save",
            "operation_duration render",
            "queue_wait_duration main",
        ]
        .map(str::to_owned),
    );
    // A span is ended after its time is recorded. On a busy machine it may fall into the next bucket,
    // where there is nothing that it could be the exemplar of.
    let mut exemplars = Vec::new();
    for _ in 0..20 {
        app.work();
        app.run(|_, _| {
            monitor("render")
                .slow_after(std::time::Duration::ZERO)
                .time(|| ())
        });
        app.telemetry.flush(10 * SECOND).unwrap();
        exemplars = app.exemplars();
        if exemplified(&exemplars).is_superset(&expected) {
            break;
        }
    }
    assert_eq!(exemplified(&exemplars), expected);
    let arrived: BTreeSet<_> = receiver
        .spans()
        .iter()
        .map(|span| [hex(&span.trace_id), hex(&span.span_id)])
        .collect();
    for (_, exemplar) in &exemplars {
        let ids = ["trace_id", "span_id"].map(|name| exemplar.labels[name].clone());
        assert!(arrived.contains(&ids), "{exemplar:?}");
    }
}

#[test]
fn spans_that_are_not_sampled_or_not_sent_have_no_exemplars() {
    let receiver = Receiver::start();
    let off = builder()
        .otlp_endpoint(receiver.url())
        .sampler(Sampler::AlwaysOff);
    for builder in [off, builder()] {
        let mut app = App::start(builder);
        app.work();
        app.telemetry.flush(10 * SECOND).unwrap();
        assert!(app.exemplars().is_empty());
        let handled = "spanwire_ipc_handler_duration_seconds";
        assert_eq!(family(&app.scrape(), handled).kind, "histogram");
    }
}
