use metrics::with_local_recorder;
use opentelemetry::KeyValue;

use super::*;

pub(super) fn recorder_of(name: &'static str) -> (PrometheusRecorder, Exposition) {
    let resource = Resource::builder_empty()
        .with_attributes([KeyValue::new("service.name", name)])
        .build();
    recorder(&resource)
}

#[test]
fn the_text_has_the_target_and_each_metric_with_help_and_type() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::gauge!("spanwire.queue.size", "spanwire.queue.name" => "jobs").set(3.0);
        metrics::describe_counter!("app.runs", "Runs,\nof \"all\" kinds.");
        metrics::counter!("app.runs", "kind" => "b").increment(1);
        metrics::counter!("app_runs", "kind" => "a").increment(2);
        metrics::histogram!("spanwire.ipc.batch.size").record(100.0);
        metrics::gauge!("app.level").set(f64::NEG_INFINITY);
    });
    expect_test::expect![[r#"
        # HELP target_info Target metadata.
        # TYPE target_info gauge
        target_info{service_name="paint-tool"} 1
        # HELP app_runs_total Runs,\nof "all" kinds.
        # TYPE app_runs_total counter
        app_runs_total{kind="a"} 2
        app_runs_total{kind="b"} 1
        # TYPE app_level gauge
        app_level -Inf
        # HELP spanwire_queue_size Messages waiting in the queue.
        # TYPE spanwire_queue_size gauge
        spanwire_queue_size{spanwire_queue_name="jobs"} 3
        # HELP spanwire_ipc_batch_size Messages that crossed the wire together.
        # TYPE spanwire_ipc_batch_size histogram
        spanwire_ipc_batch_size_bucket{le="1"} 0
        spanwire_ipc_batch_size_bucket{le="2"} 0
        spanwire_ipc_batch_size_bucket{le="5"} 0
        spanwire_ipc_batch_size_bucket{le="10"} 0
        spanwire_ipc_batch_size_bucket{le="20"} 0
        spanwire_ipc_batch_size_bucket{le="50"} 0
        spanwire_ipc_batch_size_bucket{le="100"} 1
        spanwire_ipc_batch_size_bucket{le="200"} 1
        spanwire_ipc_batch_size_bucket{le="500"} 1
        spanwire_ipc_batch_size_bucket{le="1000"} 1
        spanwire_ipc_batch_size_bucket{le="+Inf"} 1
        spanwire_ipc_batch_size_sum 100
        spanwire_ipc_batch_size_count 1
    "#]]
    .assert_eq(&exposition.render());
}

#[test]
fn a_name_is_written_once() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::counter!("app.hits").increment(1);
        metrics::counter!("app.hits.total").increment(2);
        metrics::gauge!("app_hits_total").set(9.0);
        metrics::histogram!("app.load").record(1.0);
        metrics::gauge!("app.load").set(3.0);
        metrics::describe_gauge!("app.size", metrics::Unit::Bytes, "");
        metrics::gauge!("app.size").set(4.0);
        metrics::gauge!("app.size.bytes").set(5.0);
        metrics::gauge!("target.info").set(6.0);
    });
    let text = exposition.render();
    let mut types: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let all = types.len();
    types.sort_unstable();
    types.dedup_by_key(|line| line.split(' ').nth(2).map(str::to_owned));
    assert_eq!(types.len(), all, "{text}");
    let mut series: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "{text}");
    for line in [
        "app_hits_total 3\n",
        "app_load 3\n",
        "app_size_bytes 4\n",
        // The gauges `app_hits_total`, `app.size.bytes` and `target.info`, and the histogram.
        "spanwire_endpoint_metric_conflicts 4\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_name_of_the_count_of_conflicts_is_ours() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::gauge!("spanwire.endpoint.metric_conflicts").set(6.0);
    });
    assert!(
        exposition
            .render()
            .contains("\nspanwire_endpoint_metric_conflicts 1\n")
    );
}

/// In OpenMetrics a counter's family has its name without `_total`.
#[test]
fn a_counter_whose_family_would_be_that_of_the_count_of_conflicts_is_another_one() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::counter!("spanwire.endpoint.metric_conflicts").increment(5);
        metrics::gauge!("target.info").set(6.0);
    });
    for text in [exposition.render(), exposition.render_openmetrics()] {
        let name = "spanwire_endpoint_metric_conflicts";
        let types = text.matches(&format!("# TYPE {name} ")).count();
        assert_eq!(types, 1, "{text}");
        assert!(text.contains(&format!("\n{name} 1\n")), "{text}");
        assert!(text.contains(&format!("\n{name}_total 5\n")), "{text}");
    }
}

#[test]
fn series_whose_labels_become_the_same_are_one() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::counter!("app.hits", "http.method" => "GET").increment(1);
        metrics::counter!("app.hits", "http_method" => "GET").absolute(20);
        metrics::counter!("app_hits", "http__method" => "GET").increment(300);
        metrics::counter!("app.hits", "http_method" => "").increment(5);
        metrics::counter!("app.hits").increment(6);
        metrics::gauge!("app.active", "http.method" => "GET").increment(3.0);
        metrics::gauge!("app.active", "http_method" => "GET").decrement(1.0);
        metrics::gauge!("app.level", "http_method" => "GET").set(7.0);
        metrics::gauge!("app.level", "http.method" => "GET").set(8.0);
        metrics::histogram!("app.load", "http.method" => "GET").record(1.0);
        metrics::histogram!("app.load", "http_method" => "GET").record(2.0);
    });
    let text = exposition.render();
    for line in [
        "app_hits_total{http_method=\"GET\"} 321\n",
        "app_hits_total 11\n",
        "app_active{http_method=\"GET\"} 2\n",
        "app_level{http_method=\"GET\"} 8\n",
        "app_load_bucket{http_method=\"GET\",le=\"1\"} 1\n",
        "app_load_bucket{http_method=\"GET\",le=\"+Inf\"} 2\n",
        "app_load_sum{http_method=\"GET\"} 3\n",
    ] {
        assert_eq!(text.matches(line).count(), 1, "{line} in {text}");
    }
    assert!(
        !text.contains("spanwire_endpoint_metric_conflicts"),
        "{text}"
    );
}

#[test]
fn metrics_with_other_units_are_metrics_of_their_own() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::describe_counter!("app.work", metrics::Unit::Seconds, "First.");
        metrics::describe_counter!("app_work", metrics::Unit::Bytes, "Second.");
        metrics::counter!("app.work").increment(1);
        metrics::counter!("app_work").increment(2);
    });
    let text = exposition.render();
    assert!(text.contains("\napp_work_seconds_total 1\n"), "{text}");
    assert!(text.contains("\napp_work_bytes_total 2\n"), "{text}");
}

#[test]
fn ours_goes_before_the_apps_and_buckets_with_other_bounds_are_left_out() {
    let (recorder, exposition) = recorder_of("paint-tool");
    with_local_recorder(&recorder, || {
        metrics::gauge!("spanwire_ipc_batch_size_count").set(1.0);
        metrics::histogram!("spanwire_ipc_batch_size", "a" => "b").record(2.0);
        metrics::histogram!("spanwire.ipc.batch.size").record(3.0);
    });
    let text = exposition.render();
    assert!(text.contains("\nspanwire_ipc_batch_size_sum 3\n"), "{text}");
    assert!(
        text.contains("\nspanwire_ipc_batch_size_count 1\n"),
        "{text}"
    );
    assert!(!text.contains("a=\"b\""), "{text}");
    assert!(
        text.contains("\nspanwire_endpoint_metric_conflicts 2\n"),
        "{text}"
    );
}

#[test]
fn what_is_left_out_is_warned_of_once() {
    let (recorder, exposition) = recorder_of("paint-tool");
    let capture = crate::testing::Capture::new();
    with_local_recorder(&recorder, || {
        metrics::counter!("app.hits").increment(1);
        metrics::gauge!("app.hits.total").set(2.0);
    });
    let warnings = || capture.logs().matches("left out of /metrics").count();
    capture.run(|| exposition.render());
    assert_eq!(warnings(), 1, "{}", capture.logs());
    let logs = capture.logs();
    assert!(
        logs.contains("the gauge") && logs.contains("app.hits.total"),
        "{logs}"
    );
    capture.run(|| exposition.render_openmetrics());
    assert_eq!(warnings(), 1);
    with_local_recorder(&recorder, || {
        metrics::histogram!("app.hits.total").record(3.0)
    });
    capture.run(|| exposition.render());
    assert_eq!(warnings(), 2);
}

#[test]
fn rendering_publishes_first() {
    struct Queue(crate::instrument::handles::Instruments<metrics::Gauge>);
    impl crate::instrument::handles::Publish for Queue {
        fn publish(&self, _: &mut crate::instrument::handles::GaugeSums) {
            let gauge = self
                .0
                .get(|| crate::instrument::handles::gauge(&crate::semconv::QUEUE_SIZE, &[]));
            if let Some(gauge) = gauge {
                gauge.increment(1.0);
            }
        }
    }
    let (recorder, exposition) = recorder_of("x");
    let queue = Arc::new(Queue(crate::instrument::handles::Instruments::new()));
    with_local_recorder(&recorder, || {
        let weak = Arc::downgrade(&queue);
        crate::instrument::handles::register(
            weak as std::sync::Weak<dyn crate::instrument::handles::Publish>,
        );
        for size in 1..=2 {
            let text = exposition.render();
            assert!(
                text.contains(&format!("\nspanwire_queue_size {size}\n")),
                "{text}"
            );
        }
    });
}
