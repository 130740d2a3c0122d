//! Emitted telemetry as text: the contract that dashboards are built on.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, IpcBuilder, PageTraces};
use spanwire::queue::Overflow;
use spanwire::testing::Capture;

use spanwire_testkit::model_page::{Eval, ModelPage};

#[derive(Debug, thiserror::Error)]
#[error("disk is full")]
struct SaveError;

fn builder(capture: &Capture) -> IpcBuilder {
    Ipc::builder("main").tracer_provider(&capture.tracer_provider())
}

/// Runs `scenario` on a fresh wire and compares what it emitted.
fn check(scenario: impl FnOnce(&Capture, &Ipc, &mut ModelPage), expected: Expect) {
    let capture = Capture::new();
    let text = capture.run(|| {
        let ipc = builder(&capture).build();
        let mut page = ModelPage::load(&ipc, "p1");
        scenario(&capture, &ipc, &mut page);
        capture.text()
    });
    expected.assert_eq(&text);
}

#[test]
fn a_successful_call_is_recorded_as_ok() {
    check(
        |capture, ipc, page| {
            let clock = capture.clock().clone();
            ipc.on(
                "save",
                move |call: &Call| -> Result<Value, serde_json::Error> {
                    tracing::info!("saving");
                    clock.advance(Duration::from_millis(2));
                    Ok(call.data()?)
                },
            )
            .unwrap();
            page.call(ipc, "save", json!({"name": "scene"}));
            capture.clock().advance(Duration::from_millis(1));
            page.pump(ipc);
            assert_eq!(page.log, [r#"reply 1 {"name":"scene"}"#]);
        },
        expect![[r#"
            spans:
            save server rpc.method=save rpc.system.name=spanwire spanwire.message.size=16 spanwire.webview.name=main
              event saving
              "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=16 spanwire.queue.wait=0.001 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.call.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.003
            spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.001
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=16
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=16
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.001
            spanwire.ipc.handler.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.002
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=16
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=16
            spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0.003
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 0
            spanwire.queue.size{spanwire.queue.name="main"} 0
            logs:
            INFO saving span=save
        "#]],
    );
}

#[test]
fn a_failed_call_is_recorded_with_its_error() {
    check(
        |_, ipc, page| {
            ipc.on("save", |_: &Call| Err::<(), _>(SaveError)).unwrap();
            page.call(ipc, "save", json!(null));
            page.pump(ipc);
            assert_eq!(page.log, ["reply 1 error HANDLER_ERROR"]);
        },
        expect![[r#"
            spans:
            save server error error.type=handler_error rpc.method=save rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              event "handler failed"
              "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=12 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.call.duration{error.type="handler_error",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=12
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.handler.duration{error.type="handler_error",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=12
            spanwire.ipc.messages{error.type="handler_error",spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 0
            spanwire.queue.size{spanwire.queue.name="main"} 0
            logs:
            ERROR "handler failed" exception.message="disk is full" exception.type=SaveError span=save
        "#]],
    );
}

#[test]
fn a_panic_in_a_handler_is_recorded_as_an_error() {
    check(
        |_, ipc, page| {
            ipc.on("save", |_: &Call| -> () { panic!("index out of bounds") })
                .unwrap();
            page.call(ipc, "save", json!(null));
            page.pump(ipc);
            assert_eq!(page.log, ["reply 1 error HANDLER_ERROR"]);
        },
        expect![[r#"
            spans:
            save server error error.type=panic rpc.method=save rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              event "handler panicked"
              "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=20 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.call.duration{error.type="panic",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=20
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.handler.duration{error.type="panic",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=20
            spanwire.ipc.messages{error.type="panic",spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 0
            spanwire.queue.size{spanwire.queue.name="main"} 0
            logs:
            ERROR "handler panicked" exception.message="index out of bounds" exception.type=panic span=save
        "#]],
    );
}

#[test]
fn an_unknown_event_is_recorded_as_an_error() {
    check(
        |_, ipc, page| {
            page.call(ipc, "sav", json!(null));
            page.emit(ipc, "clik", json!(null));
            page.pump(ipc);
            assert_eq!(page.log, ["reply 1 error UNKNOWN_EVENT"]);
        },
        expect![[r#"
            spans:
            sav server error error.type=unknown_event rpc.method=sav rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              "reply sav" internal rpc.method=sav rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=34 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            clik consumer error error.type=unknown_event rpc.method=clik rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=2
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.call.duration{error.type="unknown_event",spanwire.ipc.event="sav",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.delivery.duration{spanwire.ipc.event="sav",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="clik",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="sav",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="sav",spanwire.webview.name="main"} count=1 sum=34
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="sav",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=8
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=34
            spanwire.ipc.messages{error.type="unknown_event",spanwire.ipc.direction="inbound",spanwire.ipc.event="clik",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{error.type="unknown_event",spanwire.ipc.direction="inbound",spanwire.ipc.event="sav",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="sav",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 0
            spanwire.queue.size{spanwire.queue.name="main"} 0
            logs:
        "#]],
    );
}

#[test]
fn a_dropped_message_is_recorded_with_its_reason() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture)
            .queue_capacity(2)
            .overflow(Overflow::DropNewest)
            .build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.emit("progress", &1).unwrap();
        ipc.emit_latest("state", "old").unwrap();
        ipc.emit_latest("state", "new").unwrap();
        let refused = ipc.emit("progress", &3).unwrap_err();
        assert_eq!(
            (refused.event.as_str(), refused.data.as_deref()),
            ("progress", Some("3"))
        );
        page.pump(&ipc);
        assert_eq!(page.log, ["event progress 1", r#"event state "new""#]);
    });
    expect![[r#"
        spans:
        "send progress" producer code.file.path=tests/ipc/telemetry.rs rpc.method=progress rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=1 spanwire.queue.wait=0 spanwire.webview.name=main
          event dequeued
          event dispatched
          event acknowledged
        "send state" producer error code.file.path=tests/ipc/telemetry.rs error.type=superseded rpc.method=state rpc.system.name=spanwire spanwire.message.size=5 spanwire.webview.name=main
        "send state" producer code.file.path=tests/ipc/telemetry.rs rpc.method=state rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=5 spanwire.queue.wait=0 spanwire.webview.name=main
          event dequeued
          event dispatched
          event acknowledged
        "send progress" producer error code.file.path=tests/ipc/telemetry.rs error.type=queue_full rpc.method=progress rpc.system.name=spanwire spanwire.message.size=1 spanwire.webview.name=main
        metrics:
        spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=2
        spanwire.ipc.delivery.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.delivery.duration{spanwire.ipc.event="state",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=1
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="state",spanwire.webview.name="main"} count=1 sum=5
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="state",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=6
        spanwire.ipc.messages{error.type="queue_full",spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.outcome="dropped",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{error.type="superseded",spanwire.ipc.direction="outbound",spanwire.ipc.event="state",spanwire.outcome="dropped",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="state",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        spanwire.queue.size{spanwire.queue.name="main"} 0
        spanwire.queue.wait.duration{spanwire.queue.name="main"} count=2 sum=0
        logs:
    "#]].assert_eq(&capture.text());
}

#[test]
fn a_retried_message_is_recorded_with_its_retries() {
    check(
        |_, ipc, page| {
            ipc.emit("progress", &40).unwrap();
            let script = ipc.next_script().unwrap();
            ipc.evaluation_failed(script);
            page.pump(ipc);
            assert_eq!(page.log, ["event progress 40"]);
        },
        expect![[r#"
            spans:
            "send progress" producer code.file.path=tests/ipc/telemetry.rs rpc.method=progress rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=2 spanwire.queue.wait=0 spanwire.retries=1 spanwire.webview.name=main
              event dequeued
              event dispatched
              event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=2
            spanwire.ipc.delivery.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=2
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=2
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.ipc.retries{spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 1
            spanwire.queue.size{spanwire.queue.name="main"} 0
            spanwire.queue.wait.duration{spanwire.queue.name="main"} count=1 sum=0
            logs:
        "#]],
    );
}

#[test]
fn an_async_handler_keeps_its_children_across_awaits() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.on_async("render", |call: Call<'static>| async move {
            let scene: String = call.data().unwrap();
            load(&scene).await;
            tokio::task::yield_now().await;
            tracing::info!("rendered");
            Ok::<_, SaveError>(scene.len())
        })
        .unwrap();
        page.call(&ipc, "render", json!("one"));
        page.call(&ipc, "render", json!("three"));
        runtime.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        page.pump(&ipc);
        assert_eq!(page.log, ["reply 1 3", "reply 2 5"]);
    });
    expect![[r#"
        spans:
        render server rpc.method=render rpc.system.name=spanwire spanwire.message.size=5 spanwire.webview.name=main
          event rendered
          load internal scene=one
            event loaded
          "reply render" internal rpc.method=render rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=1 spanwire.queue.wait=0 spanwire.webview.name=main
            event dequeued
            event dispatched
            event acknowledged
        render server rpc.method=render rpc.system.name=spanwire spanwire.message.size=7 spanwire.webview.name=main
          event rendered
          load internal scene=three
            event loaded
          "reply render" internal rpc.method=render rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=1 spanwire.queue.wait=0 spanwire.webview.name=main
            event dequeued
            event dispatched
            event acknowledged
        metrics:
        spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=2
        spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=2
        spanwire.ipc.call.duration{spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=0
        spanwire.ipc.delivery.duration{spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=0
        spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=12
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=2
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=0
        spanwire.ipc.handler.duration{spanwire.ipc.event="render",spanwire.webview.name="main"} count=2 sum=0
        spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=12
        spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=2
        spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="render",spanwire.outcome="ok",spanwire.webview.name="main"} 2
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="render",spanwire.outcome="ok",spanwire.webview.name="main"} 2
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        logs:
        INFO loaded span=load
        INFO loaded span=load
        INFO rendered span=render
        INFO rendered span=render
    "#]].assert_eq(&capture.text());
}

#[tracing::instrument]
async fn load(scene: &str) {
    tokio::task::yield_now().await;
    tracing::info!("loaded");
}

#[test]
fn a_withdrawn_call_is_recorded_as_cancelled() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.on_async("render", |_| std::future::pending::<()>())
            .unwrap();
        let call = page.call(&ipc, "render", json!(null));
        runtime.block_on(tokio::task::yield_now());
        page.send(&ipc, &[json!({"kind": "cancel", "id": call})]);
        runtime.block_on(tokio::task::yield_now());
        page.pump(&ipc);
        assert_eq!(page.log, [""; 0]);
    });
    expect![[r#"
        spans:
        render server error error.type=cancelled rpc.method=render rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
        metrics:
        spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=1
        spanwire.ipc.call.duration{error.type="cancelled",spanwire.ipc.event="render",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="render",spanwire.webview.name="main"} count=1 sum=4
        spanwire.ipc.handler.duration{error.type="cancelled",spanwire.ipc.event="render",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=4
        spanwire.ipc.messages{error.type="cancelled",spanwire.ipc.direction="inbound",spanwire.ipc.event="render",spanwire.outcome="failed",spanwire.webview.name="main"} 1
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        logs:
    "#]].assert_eq(&capture.text());
}

#[test]
fn a_sent_message_names_the_line_that_sent_it() {
    let capture = Capture::new();
    let (emitted, evaluated) = capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.emit("progress", &1).unwrap();
        let emitted = line!() - 1;
        ipc.eval("document.title = 'x'").unwrap();
        (emitted, line!() - 1)
    });
    let lines: Vec<_> = capture
        .finished_spans()
        .iter()
        .flat_map(|span| span.attributes.clone())
        .filter(|attribute| attribute.key.as_str() == spanwire::semconv::CODE_LINE_NUMBER)
        .map(|attribute| attribute.value)
        .collect();
    assert_eq!(
        lines,
        [emitted, evaluated].map(|line| i64::from(line).into())
    );
}

#[test]
fn a_script_that_throws_is_recorded_as_failed() {
    check(
        |_, ipc, page| {
            ipc.eval("document.title = 'x'").unwrap();
            ipc.eval("nonsense(").unwrap();
            for eval in [Eval::Runs, Eval::DoesNotParse] {
                let script = ipc.next_script().unwrap();
                assert!(script.json().is_none());
                page.run(&script, eval);
                let settle = ipc.next_script().unwrap();
                let ack = page.run(&settle, eval).unwrap();
                page.send(ipc, &[ack]);
            }
        },
        expect![[r#"
            spans:
            "send eval" producer code.file.path=tests/ipc/telemetry.rs rpc.method=eval rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=20 spanwire.queue.wait=0 spanwire.webview.name=main
              event dequeued
              event dispatched
              event acknowledged
            "send eval" producer error code.file.path=tests/ipc/telemetry.rs error.type=script_error rpc.method=eval rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=9 spanwire.queue.wait=0 spanwire.webview.name=main
              event dequeued
              event dispatched
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=2
            spanwire.ipc.delivery.duration{spanwire.ipc.event="eval",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="eval",spanwire.webview.name="main"} count=2 sum=29
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="eval",spanwire.webview.name="main"} count=2 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=29
            spanwire.ipc.messages{error.type="script_error",spanwire.ipc.direction="outbound",spanwire.ipc.event="eval",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="eval",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 2
            spanwire.queue.size{spanwire.queue.name="main"} 0
            spanwire.queue.wait.duration{spanwire.queue.name="main"} count=2 sum=0
            logs:
        "#]],
    );
}

#[test]
fn a_traceparent_that_the_app_accepts_is_the_parent_of_its_handler() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).page_traces(PageTraces::Accepted).build();
        let page = ModelPage::load(&ipc, "p1");
        ipc.on("save", |_: &Call| ()).unwrap();
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        page.send(
            &ipc,
            &[json!({"kind": "event", "id": 1, "event": "save", "traceparent": traceparent})],
        );
    });
    let spans = capture.finished_spans();
    let span = spans.first().unwrap();
    assert_eq!(
        span.span_context.trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
}

#[test]
fn a_message_sent_inside_a_handler_belongs_to_its_trace() {
    check(
        |_, ipc, page| {
            let sender = ipc.clone();
            ipc.on("save", move |_: &Call| sender.emit("saved", &true).unwrap())
                .unwrap();
            page.emit(ipc, "save", json!(null));
            page.pump(ipc);
        },
        expect![[r#"
            spans:
            save consumer rpc.method=save rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              "send saved" producer code.file.path=tests/ipc/telemetry.rs rpc.method=saved rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=4 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=1
            spanwire.ipc.delivery.duration{spanwire.ipc.event="saved",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="saved",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="saved",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.handler.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=4
            spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="saved",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 1
            spanwire.queue.size{spanwire.queue.name="main"} 0
            spanwire.queue.wait.duration{spanwire.queue.name="main"} count=1 sum=0
            logs:
        "#]],
    );
}

#[test]
fn several_listeners_run_in_order_and_the_first_answers() {
    check(
        |_, ipc, page| {
            ipc.on("save", |_: &Call| Ok::<_, SaveError>("first"))
                .unwrap();
            let second = ipc.on("save", |_: &Call| Err::<(), _>(SaveError)).unwrap();
            page.call(ipc, "save", json!(null));
            assert!(ipc.off(second) && !ipc.off(second));
            page.call(ipc, "save", json!(null));
            page.pump(ipc);
            assert_eq!(page.log, [r#"reply 1 "first""#, r#"reply 2 "first""#]);
        },
        expect![[r#"
            spans:
            save server error error.type=handler_error rpc.method=save rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              event "handler failed"
              "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=7 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            save server rpc.method=save rpc.system.name=spanwire spanwire.message.size=4 spanwire.webview.name=main
              "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=2 spanwire.message.size=7 spanwire.queue.wait=0 spanwire.webview.name=main
                event dequeued
                event dispatched
                event acknowledged
            metrics:
            spanwire.ipc.batch.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=2
            spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=2
            spanwire.ipc.call.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=2 sum=0
            spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=2 sum=0
            spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=2 sum=8
            spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=2 sum=14
            spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=2 sum=0
            spanwire.ipc.handler.duration{error.type="handler_error",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.handler.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
            spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
            spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
            spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=8
            spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=14
            spanwire.ipc.messages{error.type="handler_error",spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="failed",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
            spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 2
            spanwire.page.age{spanwire.webview.name="main"} 0
            spanwire.page.inert{spanwire.webview.name="main"} 0
            spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
            spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 1
            spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
            spanwire.page.visible{spanwire.webview.name="main"} 1
            spanwire.queue.capacity{spanwire.queue.name="main"} 10000
            spanwire.queue.peak{spanwire.queue.name="main"} 0
            spanwire.queue.size{spanwire.queue.name="main"} 0
            logs:
            ERROR "handler failed" exception.message="disk is full" exception.type=SaveError span=save
        "#]],
    );
}

#[test]
fn a_page_that_is_ready_counts_as_the_first_or_as_one_more() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let loads = |of: &str| {
            let labels = [
                ("spanwire.page.load.type", of),
                ("spanwire.webview.name", "main"),
            ];
            capture.counter("spanwire.page.loads", &labels)
        };
        let counted = || (loads("first"), loads("again"));
        let unannounced = ModelPage::unannounced(&ipc, "p0");
        assert_eq!(counted(), (0, 0));
        let first = ModelPage::load(&ipc, "p1");
        assert_eq!(counted(), (1, 0));
        first.send(&ipc, &[json!({"kind": "ready"})]);
        assert_eq!(counted(), (1, 0), "it is the same page");
        let second = ModelPage::load(&ipc, "p2");
        assert_eq!(counted(), (1, 1), "a reload without a word of the old page");
        first.send(&ipc, &[json!({"kind": "ready"})]);
        assert_eq!(counted(), (1, 1), "a page that was replaced");
        second.send(&ipc, &[json!({"kind": "leave"})]);
        assert_eq!(counted(), (1, 1));
        unannounced.send(&ipc, &[json!({"kind": "ready"})]);
        assert_eq!(counted(), (1, 2), "a navigation");
        ipc.close();
        ModelPage::load(&ipc, "p3");
        assert_eq!(counted(), (1, 2), "the wire is closed");

        // Each wire has a first page, also of one name.
        let other = Ipc::builder("main").build();
        ModelPage::load(&other, "p1");
        assert_eq!(counted(), (2, 2));
    });
}
