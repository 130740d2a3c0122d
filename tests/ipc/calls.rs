//! Calls as the page saw them, and what is open between page and host.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::json;
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Call, Ipc, IpcMessage, Responder};
use spanwire::semconv::ErrorType;
use spanwire::testing::Capture;
use spanwire_testkit::model_page::{Eval, ModelPage};
use spanwire_testkit::stamped_page::StampedPage;

/// A call's outcome as the page saw it: count and seconds of those that ended with `error`, or well.
fn settled(capture: &Capture, event: &str, error: Option<ErrorType>) -> (u64, f64) {
    let all = |labels: &[(&str, &str)]| capture.histogram("spanwire.ipc.call.duration", labels);
    let event = ("spanwire.ipc.event", event);
    if let Some(error) = error {
        return all(&[event, ("error.type", error.as_str())]);
    }
    let (mut count, mut sum) = all(&[event]);
    for error in ErrorType::ALL {
        let (of, seconds) = all(&[event, ("error.type", error.as_str())]);
        count -= of;
        sum -= seconds;
    }
    (count, sum)
}

fn open(capture: &Capture, event: &str) -> (Option<f64>, Option<f64>) {
    let event = [("spanwire.ipc.event", event)];
    (
        capture.gauge("spanwire.ipc.call.active", &event),
        capture.gauge("spanwire.ipc.call.age", &event),
    )
}

fn in_flight(capture: &Capture) -> (Option<f64>, Option<f64>) {
    (
        capture.gauge("spanwire.ipc.in_flight", &[]),
        capture.gauge("spanwire.ipc.in_flight.age", &[]),
    )
}

/// Hands out the responders of `event`, which never answer by themselves.
fn silent(ipc: &Ipc, event: &str) -> Receiver<Responder> {
    let (keep, kept) = mpsc::sync_channel(100);
    ipc.on_deferred(event, move |_, responder| keep.send(responder).unwrap())
        .unwrap();
    kept
}

fn failed(capture: &Capture, event: &str, error: &str) -> u64 {
    let labels = [
        ("spanwire.ipc.direction", "inbound"),
        ("spanwire.ipc.event", event),
        ("error.type", error),
        ("spanwire.outcome", "failed"),
    ];
    capture.counter("spanwire.ipc.messages", &labels)
}

fn wait(capture: &Capture, ms: u64) {
    capture.clock().advance(Duration::from_millis(ms));
}

#[test]
fn a_call_that_times_out_fails_and_one_that_the_page_withdraws_stays_apart() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let _kept = silent(&ipc, "render");
        let mut page = ModelPage::load(&ipc, "p1");
        for code in ["TIMEOUT", "TIMEOUT", "CANCELLED"] {
            let call = page.call(&ipc, "render", json!(1));
            wait(&capture, 500);
            page.send(&ipc, &[json!({"kind": "cancel", "id": call, "code": code})]);
        }
        let timeout = settled(&capture, "render", Some(ErrorType::Timeout));
        assert_eq!(timeout, (2, 1.0));
        let cancelled = settled(&capture, "render", Some(ErrorType::Cancelled));
        assert_eq!(cancelled, (1, 0.5));
        // So does the message's own outcome, which the error rate counts.
        assert_eq!(failed(&capture, "render", "timeout"), 2);
        assert_eq!(failed(&capture, "render", "cancelled"), 1);
    });
}

#[test]
fn each_call_settles_once_in_the_way_that_the_page_saw() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call<'_>| ()).unwrap();
        ipc.on("fail", |_: &Call<'_>| Err::<(), _>("no")).unwrap();
        ipc.on_deferred("forget", |_, _| ()).unwrap();
        let kept = silent(&ipc, "later");
        let mut page = ModelPage::load(&ipc, "p1");
        for event in ["save", "fail", "forget", "unknown"] {
            page.call(&ipc, event, json!(1));
        }
        // The page gives it up while its reply is on the way.
        let late = page.call(&ipc, "save", json!(1));
        wait(&capture, 20);
        let cancel = json!({"kind": "cancel", "id": late, "code": "TIMEOUT"});
        page.send(&ipc, &[cancel]);
        wait(&capture, 20);
        page.pump(&ipc);
        page.call(&ipc, "later", json!(1));
        page.emit(&ipc, "save", json!(1));
        wait(&capture, 20);
        page.send(&ipc, &[json!({"kind": "leave"})]);
        drop(kept);
        let cases = [
            ("save", None, (1, 0.04)),
            ("save", Some(ErrorType::Timeout), (1, 0.02)),
            ("fail", Some(ErrorType::HandlerError), (1, 0.04)),
            ("forget", Some(ErrorType::HandlerDropped), (1, 0.04)),
            ("unknown", Some(ErrorType::UnknownEvent), (1, 0.04)),
            ("later", Some(ErrorType::PageGone), (1, 0.02)),
        ];
        for (event, error, expected) in cases {
            let (count, seconds) = settled(&capture, event, error);
            assert_eq!(count, expected.0, "{event} {error:?}");
            assert!((seconds - expected.1).abs() < 1e-9, "{event} {seconds}");
        }
        let (all, _) = capture.histogram("spanwire.ipc.call.duration", &[]);
        assert_eq!(all, 6);
    });
}

#[test]
fn a_call_lasts_from_invoke_until_its_promise_is_settled() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call<'_>| ()).unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        let began = capture.clock().now();
        page.call(&ipc, "save", None);
        page.pump(&ipc);
        let (count, seconds) = settled(&capture, "save", None);
        assert_eq!(count, 1);
        // 2 ms until it is posted and a millisecond each way; the page's clock has steps of one.
        let whole = capture.clock().now().since(began).as_secs_f64();
        assert!((0.003..=whole).contains(&seconds), "{seconds} of {whole}");
    });
}

#[test]
fn open_calls_and_messages_in_flight_show_until_they_end() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call<'_>| ()).unwrap();
        let kept = silent(&ipc, "render");
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        assert_eq!(open(&capture, "render"), (None, None));
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));

        page.call(&ipc, "render", json!(1));
        wait(&capture, 1_000);
        page.call(&ipc, "render", json!(1));
        page.call(&ipc, "save", json!(1));
        wait(&capture, 1_000);
        assert_eq!(open(&capture, "render"), (Some(2.0), Some(2.0)));
        // Its handler is done, and the page does not know yet.
        assert_eq!(open(&capture, "save"), (Some(1.0), Some(1.0)));
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));

        ipc.emit("progress", &1).unwrap();
        let script = ipc.next_script().unwrap();
        wait(&capture, 3_000);
        assert_eq!(in_flight(&capture), (Some(2.0), Some(3.0)));
        let ack = page.run(&script, Eval::Runs).unwrap();
        page.send(&ipc, &[ack]);
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));
        assert_eq!(open(&capture, "save"), (Some(0.0), Some(0.0)));

        for responder in kept.try_iter() {
            responder.respond(()).unwrap();
        }
        page.pump(&ipc);
        assert_eq!(open(&capture, "render"), (Some(0.0), Some(0.0)));
    });
}

#[test]
fn a_dropped_wire_leaves_nothing_open() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let kept = silent(&ipc, "render");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "render", json!(1));
        ipc.emit("progress", &1).unwrap();
        drop(ipc.next_script());
        wait(&capture, 1_000);
        assert_eq!(open(&capture, "render"), (Some(1.0), Some(1.0)));
        assert_eq!(in_flight(&capture), (Some(1.0), Some(1.0)));
        drop(ipc);
        assert_eq!(open(&capture, "render"), (Some(0.0), Some(0.0)));
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));
        let shutdown = settled(&capture, "render", Some(ErrorType::Shutdown));
        assert_eq!(shutdown, (1, 1.0));
        drop(kept);
    });
}

#[test]
fn an_observer_tells_the_same_of_another_layers_calls() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = Observer::builder("main").build();
        let handling = observer.call("save").begin();
        let dropped = observer.call("render").begin();
        drop(observer.event("tick").begin());
        wait(&capture, 1_000);
        assert_eq!(open(&capture, "save"), (Some(1.0), Some(1.0)));
        let mut reply = handling.reply(Err(ErrorType::HandlerError), 4);
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));
        reply.sent(1);
        wait(&capture, 2_000);
        assert_eq!(in_flight(&capture), (Some(1.0), Some(2.0)));
        reply.acknowledged();
        drop(dropped);
        assert_eq!(in_flight(&capture), (Some(0.0), Some(0.0)));
        assert_eq!(open(&capture, "save"), (Some(0.0), Some(0.0)));
        let failed = settled(&capture, "save", Some(ErrorType::HandlerError));
        assert_eq!(failed, (1, 3.0));
        let cancelled = settled(&capture, "render", Some(ErrorType::Cancelled));
        assert_eq!(cancelled, (1, 3.0));
        let (all, _) = capture.histogram("spanwire.ipc.call.duration", &[]);
        assert_eq!(all, 2);
    });
}

#[test]
fn a_withdrawal_is_of_the_pages_call_and_not_of_a_transports_with_the_same_id() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        for event in ["transport", "page"] {
            ipc.on(event, |_: &Call<'_>| ()).unwrap();
        }
        let mut page = ModelPage::load(&ipc, "p1");
        let id = page.take_id();
        ipc.handle_message(&IpcMessage::call("transport", &1, id).unwrap());
        page.send(&ipc, &[json!({"kind": "call", "id": id, "event": "page"})]);
        // Both replies are on their way, the transport's ahead.
        page.send(&ipc, &[json!({"kind": "cancel", "id": id})]);
        ipc.page_gone();
        let ended = |event, error| settled(&capture, event, Some(error)).0;
        assert_eq!(ended("transport", ErrorType::PageGone), 1);
        assert_eq!(ended("page", ErrorType::Cancelled), 1);
    });
}
