//! Transports that are not wry, and what outlives a page.

use std::sync::mpsc;

use serde_json::json;
use spanwire::ipc::{Call, Disposition, Ipc, IpcMessage, PageReadyError, Responder};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

#[test]
fn a_transport_with_its_own_envelope_gets_replies_and_counts() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.page_ready("p1").unwrap();
        ipc.on("add", |call: &Call| -> Result<i32, serde_json::Error> {
            let (a, b): (i32, i32) = call.data()?;
            Ok(a + b)
        })
        .unwrap();
        ipc.handle_message(&IpcMessage::call("add", &(2, 3), 7).unwrap());
        ipc.handle_message(&IpcMessage::event("add", &(1, 1)).unwrap());
        ipc.handle_message(&IpcMessage::call("a b ", &(), 8).unwrap());
        let mut page = ModelPage::unannounced(&ipc, "p1");
        page.pump(&ipc);
        assert_eq!(page.log, ["reply 7 5", "reply 8 error INVALID_NAME"]);
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_received, metrics.messages_sent), (3, 2));
    });
    let size = capture.histogram(
        "spanwire.ipc.message.size",
        &[("spanwire.ipc.direction", "inbound")],
    );
    assert_eq!(size.0, 3);
}

#[test]
fn a_page_is_announced_once() {
    let ipc = Ipc::builder("main").build();
    assert_eq!(ipc.page_ready("No!"), Err(PageReadyError::InvalidId));
    assert_eq!(ipc.page_ready("p1"), Ok(()));
    assert_eq!(ipc.page_ready("p1"), Err(PageReadyError::UsedBefore));
    assert_eq!(ipc.page_ready("p2"), Ok(()));
    assert_eq!(ipc.page_ready("p1"), Err(PageReadyError::UsedBefore));
    ipc.close();
    assert_eq!(ipc.page_ready("p3"), Err(PageReadyError::Closed));
}

#[test]
fn only_replayed_messages_outlive_their_page() {
    let ipc = Ipc::builder("main").build();
    let first = ModelPage::load(&ipc, "p1");
    ipc.emit("plain", &1).unwrap();
    ipc.emit_replay("settings", &2).unwrap();
    let taken = ipc.next_script().unwrap();
    assert!(taken.json().unwrap().contains("settings"));
    // The page goes away before it ran anything.
    first.send(&ipc, &[json!({"kind": "leave"})]);
    let mut second = ModelPage::load(&ipc, "p2");
    second.pump(&ipc);
    assert_eq!(second.log, ["event settings 2"]);
    let metrics = ipc.metrics();
    assert_eq!((metrics.messages_sent, metrics.messages_failed), (1, 1));
    assert_eq!((metrics.retry_attempts, metrics.messages_open), (1, 0));
}

#[test]
fn a_reset_zeroes_the_snapshot_and_not_the_counters() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.emit("plain", &1).unwrap();
        page.pump(&ipc);
        ipc.emit("plain", &2).unwrap();
        ipc.reset_metrics();
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_sent, metrics.avg_latency_us), (0, 0));
        assert_eq!(metrics.messages_open, 1, "what is on its way still is");
        page.pump(&ipc);
        assert_eq!(ipc.metrics().messages_sent, 1);
        let labels = [
            ("spanwire.ipc.direction", "outbound"),
            ("spanwire.outcome", "ok"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &labels), 2);
    });
}

#[test]
fn untaken_replies_are_bounded_and_counted() {
    let ipc = Ipc::builder("main").build();
    ipc.page_ready("p1").unwrap();
    ipc.on("ping", |_: &Call| ()).unwrap();
    let bound = 2 * 4_096;
    for id in 0..bound + 500 {
        ipc.handle_message(&IpcMessage::call("ping", &(), id).unwrap());
    }
    let metrics = ipc.metrics();
    assert_eq!(
        (metrics.messages_open, metrics.messages_dropped),
        (bound, 500)
    );
}

fn answer<T>(value: T) -> Result<T, String> {
    Ok(value)
}

#[test]
fn a_page_withdraws_its_own_call_and_not_a_transports_with_the_same_id() {
    let ipc = Ipc::builder("main").build();
    let (keep, kept) = mpsc::sync_channel::<Responder>(2);
    ipc.on_deferred("later", move |_, responder| keep.send(responder).unwrap())
        .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    let id = page.call(&ipc, "later", json!(null));
    let of_transport = IpcMessage::call("later", &(), id).unwrap();
    assert_eq!(ipc.handle_message(&of_transport), Disposition::Dispatched);
    let (of_page, of_transport) = (kept.recv().unwrap(), kept.recv().unwrap());
    page.send(&ipc, &[json!({"kind": "cancel", "id": id})]);
    assert!(of_page.is_cancelled() && !of_transport.is_cancelled());
    // The page's call is over, so this withdraws nothing.
    page.send(&ipc, &[json!({"kind": "cancel", "id": id})]);
    assert!(!of_transport.is_cancelled());
    of_transport.respond(answer(5)).unwrap();
    page.pump(&ipc);
    assert_eq!(page.log, [format!("reply {id} 5")]);
}

#[test]
fn a_transports_open_call_does_not_refuse_a_call_of_the_page_with_its_id() {
    let ipc = Ipc::builder("main").build();
    let (keep, kept) = mpsc::sync_channel::<Responder>(2);
    ipc.on_deferred("later", move |_, responder| keep.send(responder).unwrap())
        .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    let id = page.take_id();
    ipc.handle_message(&IpcMessage::call("later", &(), id).unwrap());
    page.send(&ipc, &[json!({"kind": "call", "id": id, "event": "later"})]);
    let (of_transport, of_page) = (kept.recv().unwrap(), kept.recv().unwrap());
    of_page.respond(answer("page")).unwrap();
    of_transport.respond(answer("transport")).unwrap();
    page.pump(&ipc);
    let expected = [
        format!(r#"reply {id} "page""#),
        format!(r#"reply {id} "transport""#),
    ];
    assert_eq!(page.log, expected);
    assert_eq!(ipc.metrics().messages_open, 0);
}

#[test]
fn what_is_open_when_the_wire_is_closed_ends_as_dropped_sent_or_not() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "save", json!(1));
        ipc.emit("sent", &1).unwrap();
        ipc.emit_replay("sent", &1).unwrap();
        // A reply and two events are on their way, and a reply and an event are not.
        let _script = ipc.next_script().unwrap();
        page.call(&ipc, "save", json!(1));
        ipc.emit("queued", &1).unwrap();
        ipc.close();
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_dropped, metrics.messages_open), (5, 0));
        assert_eq!((metrics.messages_sent, metrics.messages_failed), (0, 0));
    });
    let labels = [("error.type", "shutdown"), ("spanwire.outcome", "dropped")];
    assert_eq!(capture.counter("spanwire.ipc.messages", &labels), 5);
    let calls = capture.histogram("spanwire.ipc.call.duration", &[("error.type", "shutdown")]);
    assert_eq!(calls.0, 2);
}
