//! Waits, and producers and consumers at once.

use super::*;

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
                ::metrics::with_local_recorder(&*recorder, || {
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
                ::metrics::with_local_recorder(&*recorder, || {
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
