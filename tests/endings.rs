//! What ends, and how: wires, handlers and threads, at the edges of what an app may do.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::queue::MessageQueue;
use spanwire::testing::Capture;
use spanwire_testkit::model_page::ModelPage;

#[test]
fn a_queue_of_the_largest_capacity_takes_messages_and_no_memory_for_the_rest() {
    let queue = MessageQueue::bounded("endless", usize::MAX);
    for message in 0..100 {
        queue.push(message).unwrap();
    }
    assert!(queue.capacity() > 1_000_000);
    assert_eq!(queue.drain(usize::MAX), Vec::from_iter(0..100));
    queue.close();
    assert!(queue.push(1).is_err());
}

#[test]
fn a_wire_of_the_largest_capacity_sends() {
    let ipc = Ipc::builder("endless").queue_capacity(usize::MAX).build();
    ipc.page_ready("p1").unwrap();
    ipc.emit("event", &1).unwrap();
    assert!(ipc.next_script().is_some());
}

#[test]
fn gauges_of_queues_of_one_name_are_sums() {
    let capture = Capture::new();
    capture.run(|| {
        let (a, b) = (
            MessageQueue::bounded("twins", 10),
            MessageQueue::bounded("twins", 20),
        );
        let gauge = |name| capture.gauge(name, &[("spanwire.queue.name", "twins")]);
        for queue in [&a, &a, &a, &b, &b, &b, &b] {
            queue.push(()).unwrap();
        }
        assert_eq!(gauge("spanwire.queue.size"), Some(7.0));
        assert_eq!(gauge("spanwire.queue.capacity"), Some(30.0));
        assert_eq!(gauge("spanwire.queue.peak"), Some(7.0));
        drop(b);
        assert_eq!(gauge("spanwire.queue.size"), Some(3.0));
        drop(a);
        assert_eq!(gauge("spanwire.queue.size"), Some(0.0));
    });
}

#[test]
fn gauges_of_wires_of_one_name_are_sums() {
    let capture = Capture::new();
    capture.run(|| {
        let wires = [
            Ipc::builder("twins").build(),
            Ipc::builder("twins").build(),
            Ipc::builder("twins").build(),
        ];
        for (wire, messages) in wires.iter().zip([3, 4, 0]) {
            for message in 0..messages {
                wire.emit("event", &message).unwrap();
            }
        }
        wires[0].page_ready("p1").unwrap();
        wires[1].page_ready("p1").unwrap();
        let size = capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", "twins")]);
        assert_eq!(size, Some(7.0));
        let state = |state| {
            let labels = [
                ("spanwire.webview.name", "twins"),
                ("spanwire.page.state", state),
            ];
            capture.gauge("spanwire.page.state", &labels)
        };
        assert_eq!(state("ready"), Some(2.0));
        assert_eq!(state("loading"), Some(1.0));
    });
}

/// Counts its drop.
struct Dropped(Arc<AtomicUsize>, mpsc::SyncSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _ = self.1.send(());
    }
}

#[test]
fn the_last_handle_closes_the_wire_while_an_async_handler_runs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .runtime(runtime.handle().clone())
            .build();
        let drops = Arc::new(AtomicUsize::new(0));
        let (started, begun) = mpsc::sync_channel(8);
        let (tell, ended) = mpsc::sync_channel(8);
        ipc.on_async("forever", {
            let drops = Arc::clone(&drops);
            move |_| {
                let guard = Dropped(Arc::clone(&drops), tell.clone());
                let started = started.clone();
                async move {
                    let _guard = guard;
                    started.send(()).unwrap();
                    std::future::pending::<()>().await;
                }
            }
        })
        .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "forever", json!(null));
        page.emit(&ipc, "forever", json!(null));
        begun.recv().unwrap();
        begun.recv().unwrap();
        for message in 0..3 {
            ipc.emit("event", &message).unwrap();
        }
        drop(ipc);
        let dropped = [
            ("spanwire.webview.name", "main"),
            ("spanwire.ipc.direction", "outbound"),
            ("spanwire.ipc.event", "event"),
            ("spanwire.outcome", "dropped"),
            ("error.type", "shutdown"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &dropped), 3);
        // The call's handler is dropped; that of the event is the app's, as after `close`.
        ended.recv().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

/// A panic's payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new(Bomb));
    }
}

#[test]
fn a_panic_whose_payload_panics_ends_its_message_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        .build();
    let bomb = || -> () { std::panic::resume_unwind(Box::new(Bomb)) };
    ipc.on("sync", move |_: &Call<'_>| bomb()).unwrap();
    ipc.on_async("making", move |_| {
        bomb();
        async {}
    })
    .unwrap();
    ipc.on_async("polling", move |_| async move { bomb() })
        .unwrap();
    let (wake, woken) = mpsc::sync_channel(8);
    ipc.on_wake(move || {
        let _ = wake.try_send(());
    });
    let mut page = ModelPage::load(&ipc, "p1");
    for event in ["sync", "making", "polling"] {
        page.call(&ipc, event, json!(null));
        loop {
            match ipc.next_script() {
                Some(script) if script.text().contains("HANDLER_ERROR") => break,
                Some(_) => {}
                None => woken.recv().unwrap(),
            }
        }
    }
}
