//! Code of the app may use the library again wherever the library runs it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::queue::MessageQueue;
use spanwire::semconv::{self, ERROR_TYPE};
use spanwire::startup::{self, Phase};
use spanwire::timer::{Outcome, operation};

use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::model_page::ModelPage;

/// Runs `scenario`; fails when it does not come to its end.
fn ends(scenario: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        scenario();
        let _ = done.send(());
    });
    // Far longer than it takes: only a deadlock gets here.
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
}

/// Uses the wire when it is dropped, as a guard that a listener holds may.
struct OffWhenDropped(Ipc, spanwire::ipc::ListenerId);

impl Drop for OffWhenDropped {
    fn drop(&mut self) {
        assert!(self.0.off(self.1));
    }
}

#[test]
fn dropping_what_a_listener_holds_may_remove_another_listener() {
    ends(|| {
        let ipc = Ipc::builder("main").build();
        let other = ipc.on("other", |_: &Call| ()).unwrap();
        let guard = OffWhenDropped(ipc.clone(), other);
        let listener = ipc
            .on("save", move |_: &Call| {
                let _held = &guard;
            })
            .unwrap();
        assert!(ipc.off(listener));
        assert!(!ipc.off(other));
    });
}

#[test]
fn a_waker_may_pump_at_once() {
    ends(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("echo", {
            let ipc = ipc.clone();
            move |_: &Call| ipc.emit("echoed", &0).unwrap()
        })
        .unwrap();
        let (sent, scripts) = mpsc::sync_channel(10);
        ipc.on_wake({
            let ipc = ipc.clone();
            move || {
                while ipc
                    .next_script()
                    .is_some_and(|script| sent.send(script).is_ok())
                {}
            }
        });
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "echo", json!(null));
        // A ping for the new page, the event and the reply.
        assert_eq!(scripts.try_iter().count(), 3);
    });
}

#[test]
fn a_page_replaced_within_its_batch_does_not_affect_the_next() {
    let ipc = Ipc::builder("main").build();
    ipc.on("navigate", {
        let ipc = ipc.clone();
        move |_: &Call| ipc.page_ready("p2").unwrap()
    })
    .unwrap();
    let page = ModelPage::load(&ipc, "p1");
    page.send(
        &ipc,
        &[
            json!({"kind": "event", "id": 1, "event": "navigate"}),
            json!({"kind": "leave"}),
        ],
    );
    assert!(format!("{ipc:?}").contains("Ready"), "{ipc:?}");
}

/// Runs code of the app whenever it registers a metric, but not within that code.
struct Reentrant<F> {
    work: F,
    is_within: AtomicBool,
    /// How often the code ran to its end.
    ran: AtomicUsize,
}

impl<F: Fn(&Key)> Reentrant<F> {
    fn new(work: F) -> Self {
        Self {
            work,
            is_within: AtomicBool::new(false),
            ran: AtomicUsize::new(0),
        }
    }

    fn enter(&self, key: &Key) {
        if !self.is_within.swap(true, Ordering::Relaxed) {
            (self.work)(key);
            self.ran.fetch_add(1, Ordering::Relaxed);
            self.is_within.store(false, Ordering::Relaxed);
        }
    }

    fn has_run(&self) -> bool {
        self.ran.load(Ordering::Relaxed) > 0
    }
}

impl<F: Fn(&Key)> metrics::Recorder for Reentrant<F> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.enter(key);
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.enter(key);
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.enter(key);
        Histogram::noop()
    }
}

#[test]
fn a_recorder_may_look_at_the_wire_while_metrics_are_registered() {
    ends(|| {
        let wire = OnceLock::<Ipc>::new();
        let recorder = Reentrant::new(|_| {
            if let Some(ipc) = wire.get() {
                assert!(!format!("{ipc:?}").is_empty());
            }
        });
        metrics::with_local_recorder(&recorder, || {
            let ipc = Ipc::builder("main").build();
            assert!(wire.set(ipc.clone()).is_ok());
            ipc.on("echo", |_: &Call| ()).unwrap();
            let mut page = ModelPage::load(&ipc, "p1");
            ipc.emit("event", &0).unwrap();
            page.call(&ipc, "echo", json!(null));
            page.call(&ipc, "nobody", json!(null));
            page.pump(&ipc);
            spanwire::publish();
            ipc.close();
        });
        assert!(recorder.has_run());
    });
}

#[test]
fn a_recorder_may_run_an_operation_while_its_metrics_are_registered() {
    ends(|| {
        let operation = operation("reentrant_run");
        let recorder = Reentrant::new(|_: &Key| operation.record(Duration::ZERO, true));
        metrics::with_local_recorder(&recorder, || operation.record(Duration::ZERO, true));
        assert!(recorder.has_run());
    });
}

#[test]
fn a_recorder_may_fail_an_operation_while_its_failures_are_registered() {
    ends(|| {
        let operation = operation("reentrant_failure");
        let fail = || operation.record(Duration::ZERO, Outcome::failed("LoadError"));
        let has_failed = AtomicBool::new(false);
        let recorder = Reentrant::new(|key: &Key| {
            if key.labels().any(|label| label.key() == ERROR_TYPE) {
                fail();
                has_failed.store(true, Ordering::Relaxed);
            }
        });
        metrics::with_local_recorder(&recorder, fail);
        assert!(has_failed.into_inner());
    });
}

fn a_recorder_may_push(push: impl Fn(&MessageQueue<i32>) + Send + 'static) {
    ends(move || {
        let queue = MessageQueue::builder("reentrant").capacity(100).build();
        let recorder = Reentrant::new(|_: &Key| push(&queue));
        metrics::with_local_recorder(&recorder, || queue.push_latest("key", 2).unwrap());
        assert!(recorder.has_run());
        let mut pushed = Vec::new();
        queue.drain_into(&mut pushed, usize::MAX);
        assert_eq!(pushed, [2], "the last push counts");
    });
}

#[test]
fn a_recorder_may_push_to_a_queue_while_its_metrics_are_registered() {
    a_recorder_may_push(|queue| {
        queue.push_latest("key", 1).unwrap();
    });
}

#[test]
fn a_recorder_may_push_without_metrics_while_they_are_registered() {
    a_recorder_may_push(|queue| {
        metrics::with_local_recorder(&metrics::NoopRecorder, || {
            queue.push_latest("key", 1).unwrap();
        });
    });
}

#[test]
fn a_recorder_may_publish_the_start_while_its_metrics_are_registered() {
    let name = "reentrancy::a_recorder_may_publish_the_start_while_its_metrics_are_registered";
    run_alone(name, &[], || {
        ends(|| {
            let is_registered = AtomicBool::new(false);
            let recorder = Reentrant::new(|key: &Key| {
                spanwire::publish();
                if key.name() == semconv::STARTUP_DURATION.name {
                    is_registered.store(true, Ordering::Relaxed);
                }
            });
            metrics::with_local_recorder(&recorder, || {
                startup::reached(Phase::Window);
                spanwire::publish();
            });
            assert!(is_registered.into_inner());
        });
    });
}
