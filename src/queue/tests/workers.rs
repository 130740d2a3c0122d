//! Workers, and the spans of pushes; threads have the capture's recorder and subscriber by
//! `Capture::run` alone, so these tests run a worker by hand where spans count.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::bounded;
use opentelemetry::trace::{Link, SpanKind, Status, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

use super::super::workers::{Worker, WorkerCounts, run};
use super::*;
use crate::semconv;
use crate::testing::Capture;
use crate::timer::{monitor, operation};

fn queue(name: &str, capacity: usize) -> MessageQueue<Traced<u64>> {
    MessageQueue::bounded(name, capacity)
}

/// Closes the queue and works on what is in it, on another thread of the capture.
fn work_off(capture: &Capture, queue: &MessageQueue<Traced<u64>>, name: &str, work: fn(u64)) {
    queue.close();
    thread::scope(|scope| {
        scope.spawn(|| {
            capture.run(|| {
                let operation = operation(name);
                let worker = Worker::new(&WorkerCounts::new(queue.label()));
                worker.work(queue, &|message| run(&operation, &work, message));
            });
        });
    });
}

fn span(capture: &Capture, name: &str) -> SpanData {
    let spans = capture.finished_spans();
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("{name}: {spans:?}")).clone()
}

fn links(span: &SpanData) -> Vec<TraceId> {
    let links = span.links.iter();
    links.map(|link| link.span_context.trace_id()).collect()
}

fn has(span: &SpanData, key: &'static str, value: &'static str) -> bool {
    span.attributes.contains(&KeyValue::new(key, value))
}

#[test]
fn push_and_operation_that_took_the_message_are_linked_to_each_other() {
    let capture = Capture::new();
    let queue = queue("linked", 10);
    capture.run(|| monitor("link_click").time(|| queue.push_traced(7).unwrap()));
    work_off(&capture, &queue, "link_work", |job| assert_eq!(job, 7));

    let (click, send) = (span(&capture, "link_click"), span(&capture, "send linked"));
    let work = span(&capture, "link_work");
    assert_eq!(send.parent_span_id, click.span_context.span_id());
    assert_eq!(send.span_kind, SpanKind::Producer);
    assert_eq!(work.span_kind, SpanKind::Consumer);
    assert_ne!(work.span_context.trace_id(), send.span_context.trace_id());
    assert_eq!(links(&work), [send.span_context.trace_id()]);
    assert_eq!(links(&send), [work.span_context.trace_id()]);
    for (span, what) in [(&send, "send"), (&work, "process")] {
        assert!(has(span, semconv::MESSAGING_DESTINATION_NAME, "linked"));
        assert!(has(span, semconv::MESSAGING_OPERATION_TYPE, what));
    }
    assert!(has(&work, semconv::OPERATION_NAME, "link_work"));
}

#[test]
fn detached_run_that_takes_a_message_is_linked_like_any_other() {
    let capture = Capture::new();
    let queue = queue("detached", 10);
    capture.run(|| monitor("detached_click").time(|| queue.push_traced(7).unwrap()));
    let tracer = capture.tracer_provider().tracer(semconv::SCOPE);
    capture.run(|| {
        let message = queue.try_pop().unwrap();
        let (_, monitor) = message.take(monitor("detached_work"));
        let run = monitor.start_detached_by(&tracer, &Context::new());
        run.complete();
    });
    let (send, work) = (
        span(&capture, "send detached"),
        span(&capture, "detached_work"),
    );
    assert_eq!(work.span_kind, SpanKind::Consumer);
    assert_eq!(links(&work), [send.span_context.trace_id()]);
    assert_eq!(links(&send), [work.span_context.trace_id()]);
}

#[test]
fn copy_of_a_monitor_links_its_run_and_leaves_the_push_as_it_is() {
    let capture = Capture::new();
    let queue = queue("copied", 10);
    capture.run(|| {
        monitor("copied_click").time(|| queue.push_traced(7).unwrap());
        let (_, monitor) = queue.try_pop().unwrap().take(monitor("copied_work"));
        monitor.clone().time(|| ());
        monitor.time(|| ());
    });
    let send = span(&capture, "send copied");
    let spans = capture.finished_spans();
    let works: Vec<_> = spans.iter().filter(|of| of.name == "copied_work").collect();
    assert_eq!(works.len(), 2);
    for work in &works {
        assert_eq!(links(work), [send.span_context.trace_id()]);
    }
    assert_eq!(send.links.len(), 1);
}

#[test]
fn span_around_the_push_ends_before_the_message_is_taken() {
    let capture = Capture::new();
    let queue = queue("early_end", 10);
    capture.run(|| monitor("early_end_click").time(|| queue.push_traced(7).unwrap()));
    let names: Vec<_> = capture.finished_spans();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(names[0].name, "early_end_click");
}

/// Records spans and decides later, as tail sampling does.
#[derive(Clone, Debug)]
struct RecordsOnly;

impl ShouldSample for RecordsOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: SamplingDecision::RecordOnly,
            attributes: Vec::new(),
            trace_state: Default::default(),
        }
    }
}

#[test]
fn traces_that_are_decided_later_are_linked() {
    let capture = Capture::with_sampler(RecordsOnly);
    let queue = queue("later", 10);
    capture.run(|| monitor("later_click").time(|| queue.push_traced(7).unwrap()));
    work_off(&capture, &queue, "later_work", |_| ());
    let (send, work) = (span(&capture, "send later"), span(&capture, "later_work"));
    assert_eq!(links(&work), [send.span_context.trace_id()]);
    assert_eq!(links(&send), [work.span_context.trace_id()]);
}

/// Refuses traces that begin with a span of that name.
#[derive(Clone, Debug)]
struct Refuses(&'static str);

impl ShouldSample for Refuses {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: if name == self.0 {
                SamplingDecision::Drop
            } else {
                SamplingDecision::RecordAndSample
            },
            attributes: Vec::new(),
            trace_state: Default::default(),
        }
    }
}

#[test]
fn push_outside_of_a_sampled_span_has_no_span_and_no_link() {
    let capture = Capture::with_sampler(Refuses("unsampled_click"));
    let queue = queue("unsampled", 10);
    capture.run(|| {
        monitor("unsampled_click").time(|| queue.push_traced(1).unwrap());
        queue.push_traced(2).unwrap();
    });
    work_off(&capture, &queue, "unsampled_work", |_| ());
    let spans = capture.finished_spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    for span in spans {
        assert_eq!(span.name, "unsampled_work");
        assert_eq!(span.span_kind, SpanKind::Internal);
        assert!(links(&span).is_empty());
    }
}

#[test]
fn push_is_not_linked_to_an_operation_that_is_not_sampled() {
    let capture = Capture::with_sampler(Refuses("refused_work"));
    let queue = queue("refused", 10);
    capture.run(|| monitor("refused_click").time(|| queue.push_traced(7).unwrap()));
    work_off(&capture, &queue, "refused_work", |_| ());
    assert!(links(&span(&capture, "send refused")).is_empty());
}

#[test]
fn message_that_nothing_takes_ends_its_span_with_the_reason() {
    let capture = Capture::new();
    capture.run(|| {
        monitor("lost_click").time(|| {
            let full = queue("lost_full", 1);
            full.push_traced(1).unwrap();
            assert_eq!(full.push_traced(2).unwrap_err().message, 2);
            let timeout = full.push_traced_timeout(3, Duration::ZERO).unwrap_err();
            assert_eq!(timeout.message, 3);

            let latest = queue("lost_latest", 1);
            latest.push_traced_latest("key", 1).unwrap();
            let superseded = latest.push_traced_latest("key", 2).unwrap();
            assert_eq!(superseded, Pushed::Superseded(1));
            assert_eq!(latest.try_pop().unwrap().into_inner(), 2);

            let oldest = MessageQueue::builder("lost_oldest").capacity(1);
            let oldest = oldest.overflow(Overflow::DropOldest).build();
            oldest.push_traced(1).unwrap();
            assert_eq!(oldest.push_traced(2).unwrap(), Pushed::Evicted(1));
            oldest.close();
            oldest.push_traced(3).unwrap_err();
        });
    });
    let mut lost: Vec<_> = capture
        .finished_spans()
        .iter()
        .filter(|span| span.name.starts_with("send "))
        .map(|span| {
            let mut attributes = span.attributes.iter();
            let error = attributes.find(|of| of.key.as_str() == semconv::ERROR_TYPE);
            let is_error = matches!(span.status, Status::Error { .. });
            assert_eq!(is_error, error.is_some());
            let error = error.map_or("taken".into(), |of| of.value.as_str().into_owned());
            format!("{} {error}", span.name)
        })
        .collect();
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            "send lost_full queue_full",
            "send lost_full shutdown",
            "send lost_full timeout",
            "send lost_latest superseded",
            "send lost_latest taken",
            "send lost_oldest queue_full",
            "send lost_oldest shutdown",
            "send lost_oldest shutdown",
        ]
    );
}

#[test]
fn worker_survives_a_panic_which_is_a_failure_of_the_operation() {
    let capture = Capture::new();
    let queue = queue("panics", 10);
    for message in 0..3 {
        queue.push_traced(message).unwrap();
    }
    work_off(&capture, &queue, "panic_work", |job| {
        assert_ne!(job, 1, "the job that panics");
    });
    let count = |labels: &[_]| {
        capture
            .histogram(semconv::OPERATION_DURATION.name, labels)
            .0
    };
    let operation = (semconv::OPERATION_NAME, "panic_work");
    assert_eq!(count(&[operation, (semconv::ERROR_TYPE, "panic")]), 1);
    assert_eq!(count(&[operation]), 3);
    assert!(queue.is_empty());
}

#[test]
fn workers_end_when_the_queue_is_closed_and_empty() {
    let sum = Arc::new(AtomicU64::new(0));
    let queue = queue("ends", 1_000);
    let added = Arc::clone(&sum);
    let workers = queue
        .work(3, "ends_work", move |job| {
            added.fetch_add(job, Ordering::Relaxed);
            assert_ne!(job, 500, "the job that panics");
        })
        .unwrap();
    for job in 1..=1_000 {
        queue.push_traced(job).unwrap();
    }
    queue.close();
    workers.join();
    assert_eq!(sum.load(Ordering::Relaxed), 500_500);
}

#[test]
fn no_workers_count_as_one() {
    let queue = queue("none", 1);
    let work = |_| Ok::<(), Infallible>(());
    let workers = queue.try_work(0, "none_work", work).unwrap();
    assert_eq!((workers.count(), workers.busy()), (1, 0));
    queue.push_traced(1).unwrap();
    queue.close();
    workers.join();
    assert!(queue.is_empty());
}

#[test]
fn workers_are_published_as_busy_or_idle_until_they_end() {
    let capture = Capture::new();
    let queue = queue("published", 10);
    let (begun, begins) = bounded(0);
    let (go_on, goes_on) = bounded(0);
    let workers = capture.run(|| {
        queue.work(3, "published_work", move |_| {
            begun.send(()).unwrap();
            goes_on.recv().unwrap();
        })
    });
    let workers = workers.unwrap();
    let published = |state| {
        let labels = [
            (semconv::QUEUE_NAME, "published"),
            (semconv::QUEUE_WORKER_STATE, state),
        ];
        capture.gauge(semconv::QUEUE_WORKER_COUNT.name, &labels)
    };
    queue.push_traced(1).unwrap();
    begins.recv().unwrap();
    assert_eq!(
        (published("busy"), published("idle")),
        (Some(1.0), Some(2.0))
    );
    assert_eq!((workers.count(), workers.busy()), (3, 1));
    go_on.send(()).unwrap();
    queue.close();
    workers.join();
    assert_eq!(
        (published("busy"), published("idle")),
        (Some(0.0), Some(0.0))
    );
}

#[test]
fn worker_that_joins_its_workers_does_not_wait_for_itself() {
    let queue = queue("joins", 10);
    let (give, take) = bounded::<Workers>(1);
    let (done, is_done) = bounded(1);
    let own = queue.clone();
    let workers = queue.work(1, "joins_work", move |_| {
        own.close();
        take.recv().unwrap().join();
        done.send(()).unwrap();
    });
    give.send(workers.unwrap()).unwrap();
    queue.push_traced(1).unwrap();
    is_done.recv_timeout(LONG).unwrap();
}
