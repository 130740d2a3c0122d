//! Calls and events by stage, and errors of the page.

use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Call, DataError, Ipc};
use spanwire::semconv::ErrorType;
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::model_page::ModelPage;

use crate::app::{builder, flush, place, sql};

#[test]
fn a_call_and_events_both_ways_are_kept_with_their_stages() {
    run_alone(
        "messages::a_call_and_events_both_ways_are_kept_with_their_stages",
        &[],
        || {
            let (_folder, path) = place("messages");
            let telemetry = builder(&path).install().unwrap();
            let ipc = Ipc::builder("main").build();
            let mut page = ModelPage::load(&ipc, "p1");
            ipc.on("save", |call: &Call| -> Result<Value, DataError> {
                std::thread::sleep(Duration::from_millis(2));
                call.data()
            })
            .unwrap();
            ipc.on("moved", |_: &Call| ()).unwrap();
            page.call(&ipc, "save", json!(1));
            page.pump(&ipc);
            page.emit(&ipc, "moved", json!(2));
            ipc.emit("tick", &3).unwrap();
            page.pump(&ipc);
            page.send(
                &ipc,
                &[json!({"type": "page_error", "error": "script_error"})],
            );
            flush(&telemetry);
            let rows = sql(
                &path,
                "SELECT kind, operation, webview, outcome, handler >= 2, queue_wait IS NOT NULL, \
                 duration >= coalesce(handler, 0) FROM metrics \
                 WHERE kind IN ('call', 'event_in', 'event_out', 'reply') ORDER BY kind",
            );
            assert_eq!(
                rows,
                "call|save|main|ok|1|1|1\n\
                 event_in|moved|main|ok|0|0|1\n\
                 event_out|tick|main|ok||1|1\n\
                 reply|save|main|ok||1|1"
            );
        },
    );
}

#[test]
fn what_another_message_layer_carries_is_kept_too() {
    run_alone(
        "messages::what_another_message_layer_carries_is_kept_too",
        &[],
        || {
            let (_folder, path) = place("observed");
            let telemetry = builder(&path).install().unwrap();
            let observer = Observer::builder("main").build();
            let handling = observer.call("save").size(3).begin();
            let mut reply = handling.reply(Ok(()), 10);
            reply.sent(1);
            reply.acknowledged();
            observer
                .event("moved")
                .begin()
                .end(Err(ErrorType::HandlerError));
            observer.send("tick", 5).failed(ErrorType::QueueFull);
            flush(&telemetry);
            let rows = sql(
                &path,
                "SELECT kind, operation, outcome, error_type, size FROM metrics ORDER BY kind",
            );
            assert_eq!(
                rows,
                "call|save|ok||\n\
             event_in|moved|error|handler_error|\n\
             event_out|tick|dropped|queue_full|5\n\
             reply|save|ok||10"
            );
        },
    );
}
