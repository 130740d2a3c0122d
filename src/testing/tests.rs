use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use expect_test::{Expect, expect};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};

use super::Capture;
use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::semconv;

fn check(capture: &Capture, expected: Expect) {
    expected.assert_eq(&capture.text());
}

#[test]
fn spans_are_a_tree_and_logs_name_their_span() {
    let capture = Capture::new();
    capture.run(|| {
        let _outer = tracing::info_span!("outer", b = "two words", a = 1).entered();
        tracing::warn!(code = 7, "careful");
        tracing::info_span!("inner", otel.status_code = "error").in_scope(|| {
            tracing::info!("within");
        });
        tracing::info_span!("inner 2", otel.kind = "client").in_scope(|| ());
    });
    capture.run(|| tracing::info!("outside of all"));
    check(
        &capture,
        expect![[r#"
            spans:
            outer internal a=1 b="two words"
              event careful
              inner internal error
                event within
              "inner 2" client
            metrics:
            logs:
            WARN careful code=7 span=outer
            INFO within span=inner
            INFO "outside of all" span=none
        "#]],
    );
}

#[test]
fn a_log_of_a_span_that_is_still_open_names_it() {
    let capture = Capture::new();
    let logs = capture.run(|| {
        let _open = tracing::info_span!("open").entered();
        tracing::info!("hello");
        capture.logs()
    });
    assert_eq!(logs, "INFO hello span=open\n");
    assert_eq!(capture.spans(), "open internal\n  event hello\n");
}

#[test]
fn spans_made_through_the_opentelemetry_api_are_children_of_tracing_spans() {
    let capture = Capture::new();
    let tracer = capture.tracer_provider().tracer("test");
    capture.run(|| {
        let _outer = tracing::info_span!("outer").entered();
        let mut span = tracer
            .span_builder("send progress")
            .with_kind(SpanKind::Producer)
            .with_attributes([KeyValue::new("retries", 2)])
            .start(&tracer);
        span.add_event("dequeued", Vec::new());
        span.end();
    });
    check(
        &capture,
        expect![[r#"
            spans:
            outer internal
              "send progress" producer retries=2
                event dequeued
            metrics:
            logs:
        "#]],
    );
}

#[test]
fn metrics_are_sorted_lines_and_what_was_never_recorded_is_left_out() {
    let capture = Capture::new();
    capture.run(|| {
        metrics::counter!("b.count", "z" => "1", "a" => "2").increment(3);
        metrics::counter!("b.count", "z" => "1", "a" => "3").increment(4);
        metrics::counter!("never").increment(0);
        metrics::gauge!("a.gauge").set(0.5);
        metrics::histogram!("c.histogram").record(0.1);
        metrics::histogram!("c.histogram").record(0.2);
        let _ = metrics::histogram!("c.empty");
    });
    check(
        &capture,
        expect![[r#"
            spans:
            metrics:
            a.gauge 0.5
            b.count{a="2",z="1"} 3
            b.count{a="3",z="1"} 4
            c.histogram count=2 sum=0.3
            logs:
        "#]],
    );
    assert_eq!(capture.counter("b.count", &[]), 7);
    assert_eq!(capture.counter("b.count", &[("a", "3")]), 4);
    assert_eq!(capture.histogram("c.histogram", &[]).0, 2);
    assert_eq!(capture.gauge("a.gauge", &[]), Some(0.5));
    let names: Vec<_> = capture.metric_names().into_iter().collect();
    assert_eq!(names, ["a.gauge", "b.count", "c.histogram"]);
    let attributes: Vec<_> = capture.attribute_names().into_iter().collect();
    assert_eq!(attributes, ["a", "z"]);
}

#[test]
fn state_that_is_published_on_demand_is_in_the_text() {
    struct Size(AtomicU64);
    impl Publish for Size {
        fn publish(&self, _: &mut GaugeSums) {
            let size = self.0.load(Ordering::Relaxed);
            handles::gauge(&semconv::QUEUE_SIZE, &[("spanwire.queue.name", "jobs")])
                .set(size as f64);
        }
    }
    let capture = Capture::new();
    let size = Arc::new(Size(AtomicU64::new(3)));
    capture.run(|| handles::register(Arc::downgrade(&size) as _));
    assert_eq!(
        capture.metrics(),
        "spanwire.queue.size{spanwire.queue.name=\"jobs\"} 3\n"
    );
    assert_eq!(Capture::new().metrics(), "");
}

#[test]
fn a_worker_thread_takes_part_with_a_clone() {
    let capture = Capture::new();
    let worker = capture.clone();
    std::thread::spawn(move || {
        worker.run(|| tracing::info_span!("work").in_scope(|| metrics::counter!("n").increment(1)));
    })
    .join()
    .unwrap();
    assert_eq!(capture.spans(), "work internal\n");
    assert_eq!(capture.counter("n", &[]), 1);
}

#[test]
fn captures_and_code_outside_of_run_do_not_mix() {
    let (a, b) = (Capture::new(), Capture::new());
    let emit = || {
        tracing::info_span!("same").in_scope(|| tracing::info!("log"));
        metrics::counter!("n").increment(1);
    };
    emit();
    a.run(emit);
    emit();
    assert_eq!(a.counter("n", &[]), 1);
    assert_eq!(a.finished_spans().len(), 1);
    assert_eq!(a.log_records().len(), 1);
    assert_eq!(b.text(), "spans:\nmetrics:\nlogs:\n");
}

#[test]
fn a_span_first_reached_without_a_subscriber_is_still_captured_later() {
    let capture = Capture::new();
    let emit = || tracing::info_span!("late").in_scope(|| ());
    std::thread::scope(|scope| scope.spawn(emit).join().unwrap());
    capture.run(emit);
    assert_eq!(capture.spans(), "late internal\n");
}

#[test]
fn the_clock_moves_by_hand_inside_run() {
    let capture = Capture::new();
    let elapsed = capture.run(|| {
        let start = crate::clock::now();
        capture.clock().advance(Duration::from_millis(250));
        crate::clock::now().since(start)
    });
    assert_eq!(elapsed, Duration::from_millis(250));
}
