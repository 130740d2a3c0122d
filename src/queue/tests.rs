//! Behaviours, a model, and threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use proptest::prelude::*;

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
        metrics::with_local_recorder(&recorder, || {
            let alive = f(&time);
            crate::instruments::publish_own();
            alive
        })
    });
    expected.assert_eq(&(series(&recorder).join("\n") + "\n"));
}

/// The same, but the counts alone.
fn check_counts<R>(f: impl FnOnce() -> R, expected: &Expect) {
    let recorder = recorder();
    let _alive = metrics::with_local_recorder(&recorder, f);
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
            spanwire_queue_capacity{queue_name="order"} 10
            spanwire_queue_messages{queue_name="order",outcome="ok"} 3
            spanwire_queue_peak{queue_name="order"} 4
            spanwire_queue_size{queue_name="order"} 1
            spanwire_queue_wait_duration_bucket{queue_name="order",le="+Inf"} 3
            spanwire_queue_wait_duration_bucket{queue_name="order",le="1"} 1
            spanwire_queue_wait_duration_count{queue_name="order"} 3
            spanwire_queue_wait_duration_sum{queue_name="order"} 4.5
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
            spanwire_queue_capacity{queue_name="ipc"} 1
            spanwire_queue_peak{queue_name="ipc"} 1
            spanwire_queue_wait_duration_bucket{queue_name="ipc",le="+Inf"} 1
            spanwire_queue_wait_duration_bucket{queue_name="ipc",le="1"} 1
            spanwire_queue_wait_duration_count{queue_name="ipc"} 1
            spanwire_queue_wait_duration_sum{queue_name="ipc"} 0.5
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
    metrics::with_local_recorder(&recorder, || {
        assert_eq!(queue.try_pop(), Some(2));
        queue.push(3).unwrap();
        assert_eq!(queue.try_pop(), Some(3));
    });
    let series = series(&recorder);
    let has = |line: &str| series.iter().any(|l| l == line);
    assert!(has(
        r#"spanwire_queue_messages{queue_name="early",outcome="ok"} 2"#
    ));
    // The wait of the second is unknown: it was pushed while nobody listened.
    assert!(has(
        r#"spanwire_queue_wait_duration_count{queue_name="early"} 1"#
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
            outcome="dropped",error_type="queue_full"} 2
            outcome="dropped",error_type="timeout"} 1
            outcome="ok"} 1
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
            outcome="dropped",error_type="queue_full"} 2
            outcome="dropped",error_type="timeout"} 1
            outcome="ok"} 2
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
            outcome="dropped",error_type="superseded"} 1
            outcome="ok"} 4
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
            outcome="dropped",error_type="shutdown"} 3
            outcome="ok"} 2
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
            outcome="dropped",error_type="shutdown"} 2
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
            spanwire_queue_capacity{queue_name="peak"} 10
            spanwire_queue_messages{queue_name="peak",outcome="ok"} 6
            spanwire_queue_peak{queue_name="peak"} 5
            spanwire_queue_wait_duration_bucket{queue_name="peak",le="+Inf"} 6
            spanwire_queue_wait_duration_bucket{queue_name="peak",le="0.001"} 6
            spanwire_queue_wait_duration_bucket{queue_name="peak",le="1"} 6
            spanwire_queue_wait_duration_count{queue_name="peak"} 6
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

/// Starts a thread and lets it come as far as its blocking call.
fn blocked<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    let barrier = Arc::new(Barrier::new(2));
    let started = Arc::clone(&barrier);
    let thread = thread::spawn(move || {
        started.wait();
        f()
    });
    barrier.wait();
    // Whether it waits already or not, the outcome is the same; yielding makes the first likely.
    for _ in 0..100 {
        thread::yield_now();
    }
    thread
}

#[test]
fn a_blocked_push_goes_on_when_there_is_room() {
    let queue = MessageQueue::builder("block")
        .capacity(1)
        .overflow(Overflow::Block)
        .build();
    queue.push(0).unwrap();
    let handle = queue.clone();
    let pusher = blocked(move || handle.push(1).unwrap());
    assert_eq!(queue.pop_timeout(LONG), Ok(0));
    assert_eq!(pusher.join().unwrap(), Pushed::Queued);

    let handle = queue.clone();
    let pusher = blocked(move || handle.push_latest("key", 2).unwrap());
    assert_eq!(queue.pop_timeout(LONG), Ok(1));
    assert_eq!(pusher.join().unwrap(), Pushed::Queued);

    let handle = queue.clone();
    let pusher = blocked(move || handle.push_timeout(3, LONG).unwrap());
    assert_eq!(queue.pop_timeout(LONG), Ok(2));
    assert_eq!(pusher.join().unwrap(), Pushed::Queued);
    assert_eq!(queue.drain(9), [3]);
}

#[test]
fn closing_ends_every_wait() {
    let full = MessageQueue::builder("full")
        .capacity(1)
        .overflow(Overflow::Block)
        .build();
    full.push(0).unwrap();
    let empty = MessageQueue::<u8>::bounded("empty", 1);
    let handles = [full.clone(), full.clone(), full.clone()];
    let pushers: Vec<_> = handles
        .into_iter()
        .enumerate()
        .map(|(n, handle)| {
            blocked(move || match n {
                0 => reason(handle.push(1)).1,
                1 => reason(handle.push_latest("key", 1)).1,
                _ => reason(handle.push_timeout(1, Duration::MAX)).1,
            })
        })
        .collect();
    let poppers: Vec<_> = (0..2)
        .map(|_| empty.clone())
        .map(|handle| blocked(move || handle.pop_timeout(Duration::MAX)))
        .collect();
    full.close();
    empty.close();
    for pusher in pushers {
        assert_eq!(pusher.join().unwrap(), PushErrorReason::Closed);
    }
    for popper in poppers {
        assert_eq!(popper.join().unwrap(), Err(PopError::Closed));
    }
    assert_eq!(full.drain(9), [0]);
}

#[test]
fn a_push_that_began_before_the_close_is_waited_for() {
    let queue = MessageQueue::bounded("half", 1);
    let finish = queue.half_push(1);
    queue.close();
    assert_eq!(queue.pop_timeout(Duration::ZERO), Err(PopError::Timeout));
    let handle = queue.clone();
    let popper = blocked(move || handle.pop_timeout(LONG));
    finish();
    assert_eq!(popper.join().unwrap(), Ok(1));
    assert_eq!(queue.pop_timeout(LONG), Err(PopError::Closed));
}

#[test]
fn a_pop_times_out_on_an_empty_queue() {
    let queue = MessageQueue::<u8>::bounded("idle", 1);
    assert_eq!(queue.pop_timeout(Duration::ZERO), Err(PopError::Timeout));
    let short = Duration::from_millis(1);
    assert_eq!(queue.pop_timeout(short), Err(PopError::Timeout));
}

/// Producers and consumers at once, closed in the middle; every message ends exactly once.
fn stress(overflow: Overflow) {
    const PRODUCERS: usize = 4;
    const CONSUMERS: usize = 3;
    const EACH: usize = if cfg!(debug_assertions) {
        10_000
    } else {
        100_000
    };
    let recorder = Arc::new(recorder());
    let queue = MessageQueue::builder("stress")
        .capacity(8)
        .overflow(overflow)
        .build();
    let seen: Arc<Vec<AtomicUsize>> =
        Arc::new((0..PRODUCERS * EACH).map(|_| AtomicUsize::new(0)).collect());
    let popped = Arc::new(AtomicUsize::new(0));

    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (queue, seen, recorder) = (queue.clone(), Arc::clone(&seen), Arc::clone(&recorder));
            thread::spawn(move || {
                metrics::with_local_recorder(&*recorder, || {
                    let saw = |message: usize| seen[message].fetch_add(1, Ordering::Relaxed);
                    let (mut lost, mut closed) = (0, 0);
                    for n in 0..EACH {
                        let message = producer * EACH + n;
                        let pushed = match n % 3 {
                            0 => queue.push_latest(["a", "b"][n % 2], message),
                            1 => queue.push_timeout(message, Duration::from_micros(50)),
                            _ => queue.push(message),
                        };
                        match pushed {
                            Ok(Pushed::Queued) => {}
                            Ok(Pushed::Superseded(older) | Pushed::Evicted(older)) => {
                                saw(older);
                                lost += 1;
                            }
                            Err(error) => {
                                assert_eq!(error.message, message);
                                saw(message);
                                lost += 1;
                                closed += usize::from(error.reason == PushErrorReason::Closed);
                            }
                        }
                    }
                    (lost, closed)
                })
            })
        })
        .collect();
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|_| {
            let (queue, seen, popped, recorder) = (
                queue.clone(),
                Arc::clone(&seen),
                Arc::clone(&popped),
                Arc::clone(&recorder),
            );
            thread::spawn(move || {
                metrics::with_local_recorder(&*recorder, || {
                    loop {
                        let message = match queue.pop_timeout(LONG) {
                            Ok(message) => message,
                            Err(error) => break error,
                        };
                        seen[message].fetch_add(1, Ordering::Relaxed);
                        // In the middle, as the consumers see it.
                        if popped.fetch_add(1, Ordering::Relaxed) == EACH / 2 {
                            queue.close();
                        }
                    }
                })
            })
        })
        .collect();

    let (mut lost, mut closed) = (0, 0);
    for producer in producers {
        let (l, c) = producer.join().unwrap();
        lost += l;
        closed += c;
    }
    // Should the producers have been done before the middle.
    queue.close();
    for consumer in consumers {
        assert_eq!(consumer.join().unwrap(), PopError::Closed);
    }
    let popped = popped.load(Ordering::Relaxed);
    assert!(seen.iter().all(|seen| seen.load(Ordering::Relaxed) == 1));
    assert_eq!(popped + lost, PRODUCERS * EACH);
    assert_eq!(queue.len(), 0);
    assert!(queue.peak() <= 8);
    let mut counted = [0; 3];
    for line in series(&recorder) {
        let Some((_, rest)) = line.split_once("queue_messages{") else {
            continue;
        };
        let value: usize = rest.split_once("} ").unwrap().1.parse().unwrap();
        let kind = if rest.contains("\"ok\"") {
            0
        } else if rest.contains("shutdown") {
            1
        } else {
            2
        };
        counted[kind] += value;
    }
    assert_eq!(counted, [popped, closed, lost - closed]);
}

#[test]
fn every_message_ends_once_when_the_newest_is_dropped() {
    stress(Overflow::DropNewest);
}

#[test]
fn every_message_ends_once_when_the_oldest_is_dropped() {
    stress(Overflow::DropOldest);
}

#[test]
fn every_message_ends_once_when_pushes_block() {
    stress(Overflow::Block);
}

#[derive(Clone, Debug)]
enum Op {
    Push,
    PushNoWait,
    PushLatest(u8),
    Pop,
    PopTimeout,
    Drain(usize),
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Push),
        2 => Just(Op::PushNoWait),
        8 => (0..4u8).prop_map(Op::PushLatest),
        4 => Just(Op::Pop),
        1 => Just(Op::PopTimeout),
        2 => (0..4usize).prop_map(Op::Drain),
        1 => Just(Op::Close),
    ]
}

/// The queue in one thread, as simply as it can be said.
struct Model {
    queued: VecDeque<(Option<u8>, u32)>,
    capacity: usize,
    overflow: Overflow,
    closed: bool,
}

impl Model {
    fn push(
        &mut self,
        key: Option<u8>,
        message: u32,
        wait: bool,
    ) -> Result<Pushed<u32>, PushErrorReason> {
        if self.closed {
            return Err(PushErrorReason::Closed);
        }
        if let Some(queued) = self.queued.iter_mut().find(|q| key.is_some() && q.0 == key) {
            return Ok(Pushed::Superseded(std::mem::replace(
                &mut queued.1,
                message,
            )));
        }
        let mut pushed = Pushed::Queued;
        if self.queued.len() == self.capacity {
            if wait {
                return Err(PushErrorReason::Timeout);
            }
            if self.overflow != Overflow::DropOldest {
                return Err(PushErrorReason::Full);
            }
            pushed = Pushed::Evicted(self.queued.pop_front().unwrap().1);
        }
        self.queued.push_back((key, message));
        Ok(pushed)
    }

    fn pop(&mut self) -> Option<u32> {
        self.queued.pop_front().map(|(_, message)| message)
    }
}

proptest! {
    #[test]
    fn any_sequence_agrees_with_the_model(
        capacity in 1..5usize,
        overflow in prop_oneof![
            Just(Overflow::DropNewest), Just(Overflow::DropOldest), Just(Overflow::Block)
        ],
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, || -> Result<(), TestCaseError> {
            let queue = MessageQueue::builder("model")
                .capacity(capacity)
                .overflow(overflow)
                .build();
            let mut model = Model { queued: VecDeque::new(), capacity, overflow, closed: false };
            let (mut ok, mut lost) = (0, 0);
            for (op, message) in ops.into_iter().zip(0u32..) {
                // A blocking push into a full queue would wait for ever in one thread.
                let blocks = overflow == Overflow::Block
                    && model.queued.len() == capacity
                    && !model.closed;
                let pushed = match op {
                    Op::Push if !blocks => {
                        Some((queue.push(message), model.push(None, message, false)))
                    }
                    Op::Push | Op::PushNoWait => Some((
                        queue.push_timeout(message, Duration::ZERO),
                        model.push(None, message, true),
                    )),
                    Op::PushLatest(key)
                        if !blocks || model.queued.iter().any(|q| q.0 == Some(key)) =>
                    {
                        Some((
                            queue.push_latest(&key.to_string(), message),
                            model.push(Some(key), message, false),
                        ))
                    }
                    Op::PushLatest(_) => None,
                    Op::Pop => {
                        let popped = queue.try_pop();
                        prop_assert_eq!(popped, model.pop());
                        ok += usize::from(popped.is_some());
                        None
                    }
                    Op::PopTimeout => {
                        let popped = queue.pop_timeout(Duration::ZERO);
                        let nothing = if model.closed { PopError::Closed } else { PopError::Timeout };
                        prop_assert_eq!(popped, model.pop().ok_or(nothing));
                        ok += usize::from(popped.is_ok());
                        None
                    }
                    Op::Drain(max) => {
                        let drained = queue.drain(max);
                        ok += drained.len();
                        let expected: Vec<_> = (0..max).map_while(|_| model.pop()).collect();
                        prop_assert_eq!(drained, expected);
                        None
                    }
                    Op::Close => {
                        queue.close();
                        model.closed = true;
                        None
                    }
                };
                if let Some((pushed, expected)) = pushed {
                    lost += usize::from(!matches!(pushed, Ok(Pushed::Queued)));
                    let pushed = pushed.map_err(|error| {
                        assert_eq!(error.message, message);
                        error.reason
                    });
                    prop_assert_eq!(pushed, expected);
                }
                prop_assert_eq!(queue.len(), model.queued.len());
                prop_assert_eq!(queue.is_closed(), model.closed);
            }
            queue.close();
            let left = queue.drain(usize::MAX);
            ok += left.len();
            prop_assert_eq!(left.len(), model.queued.len());
            prop_assert_eq!(queue.len(), 0);
            let mut counted = [0, 0];
            for line in series(&recorder) {
                if let Some((_, rest)) = line.split_once("queue_messages{") {
                    let value: usize = rest.split_once("} ").unwrap().1.parse().unwrap();
                    counted[usize::from(!rest.contains("\"ok\""))] += value;
                }
            }
            prop_assert_eq!(counted, [ok, lost]);
            Ok(())
        })?;
    }
}
