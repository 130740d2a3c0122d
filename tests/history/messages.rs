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
            for error in [
                json!({"kind": "error", "type": "uncaught"}),
                json!({"kind": "error", "type": "listener_error"}),
                json!({"kind": "error", "type": "listener_error", "event": "tick"}),
                json!({"kind": "error", "type": "listener_error", "event": "\u{200b}"}),
            ] {
                page.send(&ipc, &[error]);
            }
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
            let rows = sql(
                &path,
                "SELECT operation, webview, outcome, error_type, error, duration FROM metrics \
                 WHERE kind = 'page_error' ORDER BY timestamp",
            );
            assert_eq!(
                rows,
                "uncaught|main|error|uncaught|1|0.0\n\
                 listener_error|main|error|listener_error|1|0.0\n\
                 tick|main|error|listener_error|1|0.0\n\
                 _OTHER|main|error|listener_error|1|0.0"
            );
        },
    );
}

#[test]
fn what_was_refused_before_it_was_a_message_is_kept_and_counted() {
    run_alone(
        "messages::what_was_refused_before_it_was_a_message_is_kept_and_counted",
        &[],
        || {
            let (_folder, path) = place("refused");
            let telemetry = builder(&path).install().unwrap();
            let ipc = Ipc::builder("main").build();
            let page = ModelPage::load(&ipc, "p1");
            ipc.emit("", &1).unwrap_err();
            page.send(&ipc, &[json!({"kind": "shed", "count": 5})]);
            flush(&telemetry);
            let rows = sql(
                &path,
                "SELECT kind, operation, outcome, error_type, error, weight FROM metrics \
                 ORDER BY kind",
            );
            assert_eq!(
                rows,
                "event_in|_OTHER|dropped|page_shed|1|5.0\n\
                 event_out|_OTHER|error|invalid_name|1|1.0"
            );
            let sums = "SELECT sum(count), sum(errors) FROM rollup";
            assert_eq!(sql(&path, sums), "6|6");
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
