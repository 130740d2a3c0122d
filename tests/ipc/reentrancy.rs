//! Code of the app may use the wire again wherever the wire runs it.

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use serde_json::json;
use spanwire::ipc::{Call, Ipc};

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

/// Looks at the wire whenever a metric of it is registered.
struct Curious(OnceLock<Ipc>);

impl Curious {
    fn look(&self) {
        if let Some(ipc) = self.0.get() {
            assert!(!format!("{ipc:?}").is_empty());
        }
    }
}

impl metrics::Recorder for Curious {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.look();
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.look();
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.look();
        Histogram::noop()
    }
}

#[test]
fn a_recorder_may_look_at_the_wire_while_metrics_are_registered() {
    ends(|| {
        let recorder = Curious(OnceLock::new());
        metrics::with_local_recorder(&recorder, || {
            let ipc = Ipc::builder("main").build();
            assert!(recorder.0.set(ipc.clone()).is_ok());
            ipc.on("echo", |_: &Call| ()).unwrap();
            let mut page = ModelPage::load(&ipc, "p1");
            ipc.emit("event", &0).unwrap();
            page.call(&ipc, "echo", json!(null));
            page.call(&ipc, "nobody", json!(null));
            page.pump(&ipc);
            spanwire::publish();
            ipc.close();
        });
    });
}
