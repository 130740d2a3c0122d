//! Behaviours; threads and a model have files of their own.

mod model;
mod threads;
#[cfg(feature = "testing")]
mod workers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::*;
use crate::clock::FakeTime;

/// Ends a test that would otherwise hang; no test waits for it.
const LONG: Duration = Duration::from_secs(60);

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets(&[0.001, 1.0])
        .unwrap()
        .build_recorder()
}

/// The series whose value is not zero, sorted.
fn series(recorder: &PrometheusRecorder) -> Vec<String> {
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty() && !line.ends_with(" 0"))
        .map(ToOwned::to_owned)
        .collect();
    lines.sort_unstable();
    lines
}

/// Runs `f` with a recorder and a clock that only `f` moves, and compares what was recorded while
/// what `f` returns is still alive.
fn check<R>(f: impl FnOnce(&FakeTime) -> R, expected: &Expect) {
    let recorder = recorder();
    let time = FakeTime::start();
    let _alive = time.run(|| {
        ::metrics::with_local_recorder(&recorder, || {
            let alive = f(&time);
            crate::instrument::handles::publish_own();
            alive
        })
    });
    expected.assert_eq(&(series(&recorder).join("\n") + "\n"));
}

/// The same, but the counts alone.
fn check_counts<R>(f: impl FnOnce() -> R, expected: &Expect) {
    let recorder = recorder();
    let _alive = ::metrics::with_local_recorder(&recorder, f);
    let counts: String = series(&recorder)
        .iter()
        .filter_map(|line| line.split_once("queue_messages{")?.1.split_once(','))
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    expected.assert_eq(&counts);
}

fn reason<T: std::fmt::Debug>(pushed: Result<Pushed<T>, PushError<T>>) -> (T, PushErrorReason) {
    let error = pushed.unwrap_err();
    (error.message, error.reason)
}

#[test]
fn messages_come_out_in_order_and_are_counted_with_their_wait() {
    check(
        |time| {
            let queue = MessageQueue::bounded("order", 10);
            for message in 0..4 {
                queue.push(message).unwrap();
            }
            time.advance(Duration::from_millis(500));
            assert_eq!(queue.try_pop(), Some(0));
            time.advance(Duration::from_millis(1500));
            assert_eq!(queue.drain(2), [1, 2]);
            queue
        },
        &expect![[r#"
            spanwire_queue_capacity{spanwire_queue_name="order"} 10
            spanwire_queue_messages{spanwire_queue_name="order",spanwire_outcome="ok"} 3
            spanwire_queue_peak{spanwire_queue_name="order"} 4
            spanwire_queue_size{spanwire_queue_name="order"} 1
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="order",le="+Inf"} 3
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="order",le="1"} 1
            spanwire_queue_wait_duration_count{spanwire_queue_name="order"} 3
            spanwire_queue_wait_duration_sum{spanwire_queue_name="order"} 4.5
        "#]],
    );
}

#[test]
fn an_uncounted_queue_reports_its_size_and_waits_alone() {
    check(
        |time| {
            let queue = MessageQueue::builder("ipc").capacity(1).uncounted().build();
            queue.push(1).unwrap();
            reason(queue.push(2));
            time.advance(Duration::from_millis(500));
            let popped = queue.try_pop_timed().unwrap();
            assert_eq!(popped.wait, Duration::from_millis(500));
            queue
        },
        &expect![[r#"
            spanwire_queue_capacity{spanwire_queue_name="ipc"} 1
            spanwire_queue_peak{spanwire_queue_name="ipc"} 1
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="ipc",le="+Inf"} 1
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="ipc",le="1"} 1
            spanwire_queue_wait_duration_count{spanwire_queue_name="ipc"} 1
            spanwire_queue_wait_duration_sum{spanwire_queue_name="ipc"} 0.5
        "#]],
    );
}

#[test]
fn a_recorder_that_comes_later_counts_from_then_on() {
    let queue = MessageQueue::bounded("early", 10);
    queue.push(1).unwrap();
    queue.push(2).unwrap();
    assert_eq!(queue.try_pop(), Some(1));
    let recorder = recorder();
    ::metrics::with_local_recorder(&recorder, || {
        assert_eq!(queue.try_pop(), Some(2));
        queue.push(3).unwrap();
        assert_eq!(queue.try_pop(), Some(3));
    });
    let series = series(&recorder);
    let has = |line: &str| series.iter().any(|l| l == line);
    assert!(has(
        r#"spanwire_queue_messages{spanwire_queue_name="early",spanwire_outcome="ok"} 2"#
    ));
    // The wait of the second is unknown: it was pushed before there was a recorder.
    assert!(has(
        r#"spanwire_queue_wait_duration_count{spanwire_queue_name="early"} 1"#
    ));
}

#[test]
fn stamps_are_taken_without_a_recorder_only_on_request() {
    let queue = MessageQueue::bounded("unstamped", 1);
    queue.push(()).unwrap();
    let popped = queue.try_pop_timed().unwrap();
    assert_eq!(popped.wait, Duration::ZERO);

    let time = FakeTime::start();
    let queue = time.run(|| MessageQueue::builder("stamped").always_stamped().build());
    queue.push(()).unwrap();
    time.advance(Duration::from_secs(2));
    assert_eq!(
        queue.try_pop_timed().unwrap().wait,
        Duration::from_secs(2),
        "by the clock that the queue was built under"
    );
}

#[test]
fn a_full_queue_refuses_the_newest_and_gives_it_back() {
    check_counts(
        || {
            let queue = MessageQueue::bounded("newest", 1);
            queue.push("a").unwrap();
            assert_eq!(reason(queue.push("b")), ("b", PushErrorReason::Full));
            let refused = queue.push_latest("key", "c");
            assert_eq!(reason(refused), ("c", PushErrorReason::Full));
            let refused = queue.push_timeout("d", Duration::from_millis(1));
            assert_eq!(reason(refused), ("d", PushErrorReason::Timeout));
            assert_eq!(queue.drain(9), ["a"]);
        },
        &expect![[r#"
            spanwire_outcome="dropped",error_type="queue_full"} 2
            spanwire_outcome="dropped",error_type="timeout"} 1
            spanwire_outcome="ok"} 1
        "#]],
    );
}

#[test]
fn a_full_queue_gives_up_its_oldest_when_asked_to() {
    check_counts(
        || {
            let queue = MessageQueue::builder("oldest")
                .capacity(2)
                .overflow(Overflow::DropOldest)
                .build();
            assert_eq!(queue.push_latest("key", 1).unwrap(), Pushed::Queued);
            assert_eq!(queue.push(2).unwrap(), Pushed::Queued);
            assert_eq!(queue.push(3).unwrap(), Pushed::Evicted(1));
            assert_eq!(queue.push_latest("key", 4).unwrap(), Pushed::Evicted(2));
            assert_eq!(queue.len(), 2);
            assert_eq!(queue.peak(), 2);
            // Only a push that was asked to wait waits.
            let refused = queue.push_timeout(5, Duration::ZERO);
            assert_eq!(reason(refused), (5, PushErrorReason::Timeout));
            assert_eq!(queue.drain(9), [3, 4]);
        },
        &expect![[r#"
            spanwire_outcome="dropped",error_type="queue_full"} 2
            spanwire_outcome="dropped",error_type="timeout"} 1
            spanwire_outcome="ok"} 2
        "#]],
    );
}

#[test]
fn the_latest_message_of_a_key_takes_the_place_of_the_one_queued() {
    check_counts(
        || {
            let queue = MessageQueue::bounded("latest", 3);
            queue.push_latest("progress", 10).unwrap();
            queue.push(1).unwrap();
            queue.push_latest("other", 2).unwrap();
            // Also when there is no room for a new one.
            let superseded = queue.push_latest("progress", 20).unwrap();
            assert_eq!(superseded, Pushed::Superseded(10));
            assert_eq!(queue.drain(9), [20, 1, 2]);
            // One that was popped is not replaced any more.
            assert_eq!(queue.push_latest("progress", 30).unwrap(), Pushed::Queued);
            assert_eq!(queue.try_pop(), Some(30));
            assert!(queue.is_empty());
        },
        &expect![[r#"
            spanwire_outcome="dropped",error_type="superseded"} 1
            spanwire_outcome="ok"} 4
        "#]],
    );
}

#[test]
fn a_replaced_message_waits_from_its_own_push() {
    let time = FakeTime::start();
    let queue = time.run(|| MessageQueue::builder("since").always_stamped().build());
    queue.push_latest("key", 1).unwrap();
    time.advance(Duration::from_secs(5));
    queue.push_latest("key", 2).unwrap();
    time.advance(Duration::from_secs(1));
    assert_eq!(queue.try_pop_timed().unwrap().wait, Duration::from_secs(1));
}

#[test]
fn a_closed_queue_refuses_and_gives_what_is_left() {
    check_counts(
        || {
            let queue = MessageQueue::bounded("closed", 10);
            queue.push_latest("key", 1).unwrap();
            queue.push(2).unwrap();
            queue.close();
            queue.close();
            assert!(queue.is_closed());
            assert_eq!(reason(queue.push(3)), (3, PushErrorReason::Closed));
            let refused = queue.push_latest("key", 4);
            assert_eq!(reason(refused), (4, PushErrorReason::Closed));
            let refused = queue.push_timeout(5, LONG);
            assert_eq!(reason(refused), (5, PushErrorReason::Closed));
            assert_eq!(queue.pop_timeout(LONG), Ok(1));
            assert_eq!(queue.try_pop(), Some(2));
            assert_eq!(queue.pop_timeout(LONG), Err(PopError::Closed));
        },
        &expect![[r#"
            spanwire_outcome="dropped",error_type="shutdown"} 3
            spanwire_outcome="ok"} 2
        "#]],
    );
}

#[test]
fn what_is_left_when_the_last_handle_goes_is_counted_and_dropped() {
    let message = Arc::new(());
    check_counts(
        || {
            let queue = MessageQueue::bounded("left", 10);
            let handle = queue.clone();
            handle.push(Arc::clone(&message)).unwrap();
            handle.push_latest("key", Arc::clone(&message)).unwrap();
            queue.close();
        },
        &expect![[r#"
            spanwire_outcome="dropped",error_type="shutdown"} 2
        "#]],
    );
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn capacity_zero_is_one() {
    let queue = MessageQueue::bounded("tiny", 0);
    assert_eq!(queue.capacity(), 1);
    queue.push(1).unwrap();
    assert_eq!(reason(queue.push(2)), (2, PushErrorReason::Full));
    assert_eq!(queue.name(), "tiny");
}

#[test]
fn a_reset_peak_starts_from_what_waits_and_the_gauge_keeps_its_own() {
    check(
        |_| {
            let queue = MessageQueue::bounded("peak", 10);
            for message in 0..5 {
                queue.push(message).unwrap();
            }
            assert_eq!(queue.drain(4).len(), 4);
            queue.reset_peak();
            assert_eq!(queue.peak(), 1);
            queue.push(5).unwrap();
            assert_eq!(queue.peak(), 2);
            queue.drain(2).len();
            queue
        },
        &expect![[r#"
            spanwire_queue_capacity{spanwire_queue_name="peak"} 10
            spanwire_queue_messages{spanwire_queue_name="peak",spanwire_outcome="ok"} 6
            spanwire_queue_peak{spanwire_queue_name="peak"} 5
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="peak",le="+Inf"} 6
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="peak",le="0.001"} 6
            spanwire_queue_wait_duration_bucket{spanwire_queue_name="peak",le="1"} 6
            spanwire_queue_wait_duration_count{spanwire_queue_name="peak"} 6
        "#]],
    );
}

#[test]
fn a_refusal_does_not_show_the_message() {
    let queue = MessageQueue::bounded("secret", 1);
    queue.push("password").unwrap();
    let error = queue.push("password").unwrap_err();
    assert_eq!(
        format!("{error:?} {error}"),
        "PushError { reason: Full, .. } the queue is full"
    );
}

#[test]
fn handles_cross_threads_whenever_messages_do() {
    fn assert<T: Send + Sync + Clone>() {}
    // A message need not be `Sync`.
    assert::<MessageQueue<std::cell::Cell<u8>>>();
}

#[test]
fn the_consumer_is_woken_once_per_burst() {
    let queue = MessageQueue::bounded("burst", 10);
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    queue.on_wake(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let wakes = || wakes.load(Ordering::Relaxed);
    assert_eq!(wakes(), 0, "nothing waits yet");

    for message in 0..5 {
        queue.push(message).unwrap();
    }
    queue.push_latest("key", 5).unwrap();
    assert_eq!(wakes(), 1);
    assert_eq!(queue.drain(9).len(), 6);
    queue.push(6).unwrap();
    assert_eq!(wakes(), 1, "the consumer did not rearm");

    queue.rearm();
    queue.push_latest("key", 7).unwrap();
    queue.push(8).unwrap();
    assert_eq!(wakes(), 2);
}

#[test]
fn a_refused_push_wakes_nobody() {
    let queue = MessageQueue::bounded("refused", 1);
    queue.push(1).unwrap();
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    queue.on_wake(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "for what waited already");
    queue.rearm();
    reason(queue.push(2));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
}

#[test]
fn no_message_is_left_without_a_wake() {
    const EACH: usize = if cfg!(debug_assertions) {
        20_000
    } else {
        200_000
    };
    let queue = MessageQueue::bounded("wakes", 64);
    let (wake, woken) = crossbeam_channel::bounded(1);
    // Full: a wake-up that the consumer has not yet taken stands for this one.
    queue.on_wake(move || {
        let _ = wake.try_send(());
    });
    let producers: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || {
                for message in 0..EACH {
                    queue.push_timeout(message, LONG).unwrap();
                }
            })
        })
        .collect();
    let mut seen = 0;
    while seen < 3 * EACH {
        woken
            .recv_timeout(LONG)
            .expect("a message came without a wake");
        queue.rearm();
        seen += queue.drain(usize::MAX).len();
    }
    for producer in producers {
        producer.join().unwrap();
    }
    assert!(queue.is_empty());
}
