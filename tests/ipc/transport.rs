//! Transports that are not wry, and what outlives a page.

use serde_json::json;
use spanwire::ipc::{Call, Ipc, IpcMessage, PageReadyError};
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
