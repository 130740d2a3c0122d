//! Room on the wire: what waits for it gets it, and none of it is lost or invented.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use spanwire::ipc::{Call, Ipc, IpcBuilder, Limits, PageMarks};
use spanwire::testing::Capture;
use tokio::runtime::{Builder, Runtime};

use spanwire_testkit::counters::count_wakes;
use spanwire_testkit::model_page::{Eval, ModelPage};

fn limited(change: impl FnOnce(&mut Limits)) -> IpcBuilder {
    let mut limits = Limits::default();
    change(&mut limits);
    Ipc::builder("main").limits(limits)
}

/// Whether the wire was woken since the last look.
fn woken(wakes: &AtomicU64) -> bool {
    wakes.swap(0, Ordering::Relaxed) > 0
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Lets background handlers run as far as they can.
fn turn(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn messages_that_wait_for_the_in_flight_limit_wake_the_pump_and_drain() {
    let ipc = limited(|limits| limits.in_flight_max = 3).build();
    let wakes = count_wakes(&ipc);
    let mut page = ModelPage::load(&ipc, "p1");
    for n in 0..10 {
        ipc.emit("event", &n).unwrap();
    }
    // From here on the pump runs only when it is woken, as an event loop's does.
    while woken(&wakes) {
        let mut acks = Vec::new();
        while let Some(script) = ipc.next_script() {
            acks.extend(page.run(&script, Eval::Runs));
        }
        assert!(acks.len() <= 1, "three messages are one script");
        page.send(&ipc, &acks);
    }
    let all: Vec<String> = (0..10).map(|n| format!("event event {n}")).collect();
    assert_eq!(page.log, all);
    assert_eq!(ipc.metrics().messages_open, 0);
}

#[test]
fn a_message_that_fails_for_good_makes_room_and_wakes_the_pump() {
    let ipc = limited(|limits| {
        limits.in_flight_max = 1;
        limits.retries_max = 0;
    })
    .build();
    let wakes = count_wakes(&ipc);
    let _page = ModelPage::load(&ipc, "p1");
    ipc.emit("event", &1).unwrap();
    ipc.emit("event", &2).unwrap();
    let first = ipc.next_script().unwrap();
    assert!(ipc.next_script().is_none());
    woken(&wakes);
    ipc.evaluation_failed(first);
    assert!(woken(&wakes), "the second waits for the room of the first");
    assert!(ipc.next_script().is_some());
}

#[test]
fn a_page_without_credits_gets_returned_ones() {
    let runtime = runtime();
    let ipc = limited(|limits| limits.unanswered_max = 16)
        .runtime(runtime.handle().clone())
        .build();
    ipc.on_async("forever", |_| std::future::pending::<()>())
        .unwrap();
    ipc.on("event", |_: &Call| ()).unwrap();
    let wakes = count_wakes(&ipc);
    let mut page = ModelPage::load(&ipc, "p1");
    page.credits = 16;
    let _ = ipc.next_script();
    woken(&wakes);
    // Two come back, which is too few for a script of their own while there are others.
    for _ in 0..2 {
        page.emit(&ipc, "event", json!(null));
        page.credits -= 1;
    }
    assert!(!woken(&wakes));
    while page.credits > 0 {
        page.call(&ipc, "forever", json!(null));
        page.credits -= 1;
    }
    assert!(woken(&wakes), "the page waits for them now");
    page.pump(&ipc);
    assert_eq!(page.credits, 2);
    // And so when the last one comes back after the others were used up.
    for _ in 0..2 {
        page.emit(&ipc, "event", json!(null));
        page.credits -= 1;
    }
    assert!(woken(&wakes));
    page.pump(&ipc);
    assert_eq!(page.credits, 2);
}

#[test]
fn a_duplicate_returns_its_credit_and_wakes_the_pump() {
    let ipc = limited(|limits| limits.unanswered_max = 4).build();
    ipc.on("event", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.credits = 3;
    page.emit(&ipc, "event", json!(null));
    page.pump(&ipc);
    let wakes = count_wakes(&ipc);
    let _ = ipc.next_script();
    woken(&wakes);
    page.credits -= 1;
    page.send(&ipc, &[json!({"kind": "event", "id": 1, "event": "event"})]);
    assert!(woken(&wakes));
    page.pump(&ipc);
    assert_eq!(page.credits, 4);
}

#[test]
fn a_call_whose_runtime_ends_is_answered() {
    let capture = Capture::new();
    capture.run(|| {
        let runtime = runtime();
        let ipc = Ipc::builder("main")
            .runtime(runtime.handle().clone())
            .build();
        ipc.on_async("forever", |_| std::future::pending::<()>())
            .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "forever", json!(null));
        turn(&runtime);
        drop(runtime);
        page.call(&ipc, "forever", json!(null));
        page.pump(&ipc);
        assert_eq!(
            page.log,
            ["reply 1 error CANCELLED", "reply 2 error CANCELLED"]
        );
        let dropped = [
            ("error.type", "handler_dropped"),
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", "forever"),
            ("spanwire.outcome", "failed"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &dropped), 2);
    });
}

#[test]
fn pages_that_come_and_go_cannot_pile_up_handlers() {
    let capture = Capture::new();
    capture.run(|| {
        let runtime = runtime();
        let ipc = limited(|limits| limits.unanswered_max = 10)
            .runtime(runtime.handle().clone())
            .build();
        let running = Arc::new(());
        ipc.on_async("forever", {
            let running = Arc::clone(&running);
            move |_| {
                let running = Arc::clone(&running);
                async move {
                    let _running = running;
                    std::future::pending::<()>().await;
                }
            }
        })
        .unwrap();
        for n in 0..20 {
            let mut page = ModelPage::load(&ipc, &format!("p{n}"));
            for _ in 0..10 {
                page.emit(&ipc, "forever", json!(null));
            }
        }
        // The test's and the listener's are two.
        assert_eq!(Arc::strong_count(&running) - 2, 40);
        let refused = [
            ("error.type", "over_credit"),
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", "forever"),
            ("spanwire.outcome", "failed"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &refused), 160);
        // One that ends makes room for another, and a call that found none is answered.
        let mut page = ModelPage::load(&ipc, "last");
        page.call(&ipc, "forever", json!(null));
        page.pump(&ipc);
        assert_eq!(page.log, ["reply 1 error OVER_CREDIT"]);
        drop(runtime);
        assert_eq!(Arc::strong_count(&running), 2);
    });
}

#[test]
fn failed_messages_may_be_acknowledged_in_any_order() {
    let ipc = Ipc::builder("main").build();
    let page = ModelPage::load(&ipc, "p1");
    for n in 0..5 {
        ipc.emit("event", &n).unwrap();
    }
    let _script = ipc.next_script().unwrap();
    let ack = json!({"kind": "ack", "ids": [[1, 5]], "failed": [5, 1, 9, 4, 1]});
    page.send(&ipc, &[ack]);
    let metrics = ipc.metrics();
    assert_eq!((metrics.messages_sent, metrics.messages_failed), (2, 3));
}

#[test]
fn the_page_script_contains_the_limits_of_the_wire() {
    let ipc = limited(|limits| {
        limits.unanswered_max = 7;
        limits.inbound_bytes_max = 4_096;
        limits.inbound_len_max = 8;
        limits.depth_max = 9;
    })
    .page_marks(PageMarks::Recorded)
    .build();
    let nonce = ipc.nonce();
    let config = format!(
        r#"({{"nonce":"{nonce}","credits":7,"bytes":4096,"messages":8,"depth":9,"marks":true,"compat":false,"spans":false}});"#
    );
    assert!(ipc.page_script().ends_with(&config), "{config}");
    let script = include_str!("../../page/spanwire.js");
    for key in [
        "nonce", "credits", "bytes", "messages", "depth", "marks", "compat", "spans",
    ] {
        assert!(script.contains(&format!("config.{key}")), "{key}");
    }
}

#[test]
fn a_reply_that_is_too_large_becomes_an_error() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = limited(|limits| limits.outbound_bytes_max = 100).build();
        let reply = |length| move |_: &Call| Ok::<_, String>("x".repeat(length));
        ipc.on("fits", reply(98)).unwrap();
        ipc.on("large", reply(99)).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "large", json!(null));
        page.emit(&ipc, "large", json!(null));
        page.pump(&ipc);
        assert_eq!(page.log, ["reply 1 error TOO_LARGE"]);
        page.call(&ipc, "fits", json!(null));
        page.pump(&ipc);
        assert_eq!(page.log.len(), 2);
        let large = [
            ("error.type", "too_large"),
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", "large"),
            ("spanwire.outcome", "failed"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &large), 1);
    });
}

#[test]
fn gauges_of_a_dropped_wire_are_reset() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let _page = ModelPage::load(&ipc, "p1");
        ipc.emit("event", &0).unwrap();
        let gauges = || {
            let state = |state| {
                capture.gauge(
                    "spanwire.page.state",
                    &[
                        ("spanwire.page.state", state),
                        ("spanwire.webview.name", "main"),
                    ],
                )
            };
            let size = capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", "main")]);
            (state("ready"), state("gone"), size)
        };
        assert_eq!(gauges(), (Some(1.0), Some(0.0), Some(1.0)));
        drop(ipc);
        assert_eq!(gauges(), (Some(0.0), Some(1.0), Some(0.0)));
        let queue = spanwire::queue::MessageQueue::bounded("jobs", 3);
        queue.push(1).unwrap();
        let size = || capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", "jobs")]);
        assert_eq!(size(), Some(1.0));
        drop(queue);
        assert_eq!(size(), Some(0.0));
    });
}
