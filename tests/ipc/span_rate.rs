//! A flood of events gets spans up to a rate, and everything else as ever.

use serde_json::json;
use spanwire::ipc::{Call, Ipc, IpcBuilder, IpcMessage, Limits};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::stamped_page::{builder, runtime, turn};

fn at_most(capture: &Capture, events: u32) -> IpcBuilder {
    let mut limits = Limits::default();
    limits.event_spans_per_second_max = events;
    builder(capture).limits(limits)
}

fn spans(capture: &Capture, name: &str) -> usize {
    let spans = capture.finished_spans();
    spans.iter().filter(|span| span.name == name).count()
}

fn skipped(capture: &Capture, direction: &str) -> u64 {
    capture.counter(
        "spanwire.ipc.spans.skipped",
        &[("spanwire.ipc.direction", direction)],
    )
}

fn ended(capture: &Capture, event: &str) -> u64 {
    let labels = [("spanwire.ipc.event", event), ("spanwire.outcome", "ok")];
    capture.counter("spanwire.ipc.messages", &labels)
}

#[test]
fn events_from_the_page_beyond_the_rate_have_no_spans_and_neither_has_their_handler() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = at_most(&capture, 3).build();
        let sender: Ipc = ipc.clone();
        ipc.on("moved", move |_: &Call| {
            let _span = tracing::info_span!("app's own").entered();
            sender.emit("echo", &1).unwrap();
        })
        .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        for n in 0..10 {
            page.emit(&ipc, "moved", json!(n));
        }
        page.call(&ipc, "moved", json!("a call"));
        page.pump(&ipc);
    });
    assert_eq!(
        ended(&capture, "moved"),
        10 + 1 + 1,
        "events, call and reply"
    );
    assert_eq!(skipped(&capture, "inbound"), 7);
    assert_eq!(spans(&capture, "moved"), 3 + 1);
    assert_eq!(spans(&capture, "app's own"), 3 + 1);
    assert_eq!(spans(&capture, "reply moved"), 1);
    // What was sent in an unsampled handler is its child, so it is none that the rate skipped.
    assert!(spans(&capture, "send echo") <= 3);
}

#[test]
fn an_async_handler_of_an_event_beyond_the_rate_has_no_spans() {
    let (capture, runtime) = (Capture::new(), runtime());
    capture.run(|| {
        let ipc = at_most(&capture, 1)
            .runtime(runtime.handle().clone())
            .build();
        ipc.on_async("moved", |_| async {
            tokio::task::yield_now().await;
            drop(tracing::info_span!("app's own").entered());
        })
        .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        for n in 0..5 {
            page.emit(&ipc, "moved", json!(n));
        }
        turn(&runtime);
    });
    assert_eq!(ended(&capture, "moved"), 5);
    assert_eq!(skipped(&capture, "inbound"), 4);
    assert_eq!(spans(&capture, "app's own"), 1);
}

#[test]
fn events_to_the_page_beyond_the_rate_have_no_spans() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = at_most(&capture, 2).build();
        let mut page = ModelPage::load(&ipc, "p1");
        for n in 0..9 {
            ipc.emit("tick", &n).unwrap();
        }
        page.pump(&ipc);
        capture.clock().advance(std::time::Duration::from_secs(1));
        ipc.emit("tick", &9).unwrap();
        page.pump(&ipc);
    });
    assert_eq!(ended(&capture, "tick"), 10);
    assert_eq!(skipped(&capture, "outbound"), 7);
    assert_eq!(spans(&capture, "send tick"), 2 + 1);
}

#[test]
fn a_failed_message_without_a_span_does_not_fail_the_span_around_it() {
    let capture = Capture::new();
    capture.run(|| {
        let inner = at_most(&capture, 1).build();
        // The first has a span.
        inner.handle_message(&IpcMessage::event("nobody", &1).unwrap());
        let outer = builder(&capture).build();
        outer
            .on("forward", move |_: &Call| {
                inner.handle_message(&IpcMessage::event("nobody", &2).unwrap());
            })
            .unwrap();
        let mut page = ModelPage::load(&outer, "p1");
        page.call(&outer, "forward", json!(1));
    });
    assert_eq!(skipped(&capture, "inbound"), 1);
    let spans = capture.finished_spans();
    let forward = spans.iter().find(|span| span.name == "forward").unwrap();
    assert_eq!(forward.status, opentelemetry::trace::Status::Unset);
}

#[test]
fn a_cancelled_message_without_a_span_does_not_fail_the_span_that_ends_its_runtime() {
    let (capture, runtime) = (Capture::new(), runtime());
    capture.run(|| {
        let ipc = at_most(&capture, 1)
            .runtime(runtime.handle().clone())
            .build();
        ipc.on("first", |_: &Call| ()).unwrap();
        ipc.on_async("waits", |_| std::future::pending::<()>())
            .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.emit(&ipc, "first", json!(1));
        page.emit(&ipc, "waits", json!(2));
        let outer = builder(&capture).build();
        let runtime = std::sync::Mutex::new(Some(runtime));
        outer
            .on("quit", move |_: &Call| drop(runtime.lock().unwrap().take()))
            .unwrap();
        ModelPage::load(&outer, "p1").call(&outer, "quit", json!(1));
    });
    assert_eq!(skipped(&capture, "inbound"), 1);
    let spans = capture.finished_spans();
    let quit = spans.iter().find(|span| span.name == "quit").unwrap();
    assert_eq!(quit.status, opentelemetry::trace::Status::Unset);
}

#[test]
fn a_message_sent_where_telemetry_is_suppressed_has_no_span() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let mut page = ModelPage::load(&ipc, "p1");
        let suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
        ipc.emit("tick", &1).unwrap();
        drop(suppressed);
        page.pump(&ipc);
    });
    assert_eq!(ended(&capture, "tick"), 1);
    assert_eq!(capture.spans(), "");
}
