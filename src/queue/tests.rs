use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
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

/// Runs `f` with a recorder and a clock that stands still, and compares the series with a value.
fn check(expected: &Expect, f: impl FnOnce(&FakeTime)) {
    let recorder = recorder();
    let time = FakeTime::start();
    time.run(|| {
        metrics::with_local_recorder(&recorder, || {
            f(&time);
            crate::instruments::publish_own();
        });
    });
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty() && !line.ends_with(" 0"))
        .collect();
    lines.sort_unstable();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn messages_come_out_in_order_and_are_counted_with_their_wait() {
    let queue = MessageQueue::bounded("order", 10);
    check(&expect![[""]], |time| {
        let queue = MessageQueue::bounded("order", 10);
        for message in 0..4 {
            queue.push(message).unwrap();
        }
        time.advance(Duration::from_millis(500));
        assert_eq!(queue.try_pop(), Some(0));
        time.advance(Duration::from_millis(1500));
        assert_eq!(queue.drain(2), [1, 2]);
        crate::instruments::publish_own();
    });
    queue.push(()).unwrap();
}
