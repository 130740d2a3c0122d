//! Messages of a real wire: those that fail and those that are slow are always there, whatever it
//! is that makes them so, and no other.

use std::time::Duration;

use serde_json::json;
use spanwire::ipc::{Call, EmitErrorReason, Ipc};
use spanwire::telemetry::TailSampling;
use spanwire::testing::Capture;

use crate::fixture::{Fixture, SECOND, ms};
use spanwire_testkit::model_page::Eval;
use spanwire_testkit::stamped_page::{StampedPage, runtime, turn};

/// As long as a message may take by default, and a little longer.
const SLOW: u64 = 110;

/// The names of the spans that arrive of what `scenario` does with a page that is there, when
/// nothing is kept but for a reason; what has one says so.
fn arrived(scenario: impl FnOnce(&Ipc, &mut StampedPage)) -> Vec<String> {
    // Of the capture only the clock is used, which the page's stamps come from.
    let capture = Capture::new();
    let fixture = Fixture::new(capture.clock(), TailSampling::new().traces_per_second(0));
    let runtime = runtime();
    fixture.run(|| {
        let ipc = Ipc::builder("main")
            .queue_capacity(1)
            .runtime(runtime.handle().clone())
            .tracer_provider(fixture.parts.tracer_provider.as_ref().unwrap())
            .build();
        ipc.on("look", |_: &Call| ()).unwrap();
        ipc.on("wrong", |_: &Call| Err::<(), _>("no")).unwrap();
        let clock = capture.clock().clone();
        ipc.on("work", move |_: &Call| clock.advance(ms(SLOW)))
            .unwrap();
        // Spans of `tracing` take their times from the system.
        ipc.on("sleep", |_: &Call| {
            std::thread::sleep(Duration::from_millis(SLOW))
        })
        .unwrap();
        ipc.on_async("never", |_| std::future::pending::<()>())
            .unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        fixture.clock.advance(SECOND);
        fixture.flush();
        assert_eq!(fixture.names(), Vec::<String>::new());
        scenario(&ipc, &mut page);
        turn(&runtime);
        page.pump(&ipc);
    });
    fixture.flush();
    fixture.names()
}

/// An event of the page's that was posted at once and is received `late` milliseconds after.
fn event(ipc: &Ipc, page: &mut StampedPage, name: &str, late: u64) {
    let (id, at) = (page.page.take_id(), page.now());
    page.wait(late);
    page.send_stamped(
        ipc,
        &json!(at),
        &[json!({"kind": "event", "id": id, "event": name, "at": at})],
    );
}

fn withdraw(ipc: &Ipc, page: &StampedPage, call: u64, code: &str) {
    let at = page.now();
    page.send(
        ipc,
        &[json!({"kind": "cancel", "id": call, "at": at, "code": code})],
    );
}

#[test]
fn a_fast_and_successful_message_is_not_kept() {
    let arrived = arrived(|ipc, page| {
        page.call(ipc, "look", None);
        page.pump(ipc);
        event(ipc, page, "look", 1);
        ipc.emit("shown", &1).unwrap();
        page.pump(ipc);
    });
    assert_eq!(arrived, Vec::<String>::new());
}

#[test]
fn a_slow_listener_of_the_page_keeps_its_trace() {
    let arrived = arrived(|ipc, page| {
        ipc.emit("shown", &1).unwrap();
        let script = ipc.next_script().unwrap();
        let at = page.now();
        let mut ack = page.page.run(&script, Eval::Runs).unwrap();
        page.wait(SLOW);
        (ack["at"], ack["done"]) = (json!(at), json!(page.now()));
        ack["ran"] = json!([[ack["ids"][0][0], at, page.now()]]);
        page.send(ipc, &[ack]);
    });
    assert_eq!(arrived, ["process shown", "send shown (slow)"]);
}

#[test]
fn a_message_that_waits_in_the_queue_keeps_its_trace() {
    let arrived = arrived(|ipc, page| {
        ipc.emit("shown", &1).unwrap();
        page.wait(SLOW);
        page.pump(ipc);
    });
    assert_eq!(arrived, ["process shown", "send shown (slow)"]);
}

#[test]
fn a_message_refused_by_a_full_queue_keeps_its_trace() {
    let arrived = arrived(|ipc, page| {
        ipc.emit("shown", &1).unwrap();
        let refused = ipc.emit("hidden", &1).unwrap_err();
        assert!(matches!(refused.reason, EmitErrorReason::QueueFull));
        page.pump(ipc);
    });
    assert_eq!(arrived, ["send hidden (error)"]);
}

#[test]
fn a_reply_that_waits_in_the_queue_keeps_its_trace() {
    let arrived = arrived(|ipc, page| {
        page.call(ipc, "look", None);
        page.wait(SLOW);
        page.pump(ipc);
    });
    let expected = ["look", "look (slow)", "process look", "reply look"];
    assert_eq!(arrived, expected);
}

#[test]
fn an_unacknowledged_reply_keeps_its_trace_when_its_page_goes() {
    let arrived = arrived(|ipc, page| {
        page.call(ipc, "look", None);
        assert!(ipc.next_script().is_some());
        ipc.page_gone();
    });
    assert_eq!(arrived, ["look", "look (error)", "reply look"]);
}

#[test]
fn a_running_call_keeps_its_trace_when_its_page_goes() {
    let arrived = arrived(|ipc, page| {
        page.call(ipc, "never", None);
        ipc.page_gone();
    });
    assert_eq!(arrived, ["never", "never (error)"]);
}

#[test]
fn a_withdrawn_call_keeps_its_trace() {
    for code in ["CANCELLED", "TIMEOUT"] {
        let arrived = arrived(|ipc, page| {
            let call = page.call(ipc, "never", None);
            withdraw(ipc, page, call, code);
        });
        assert_eq!(arrived, ["never", "never (error)"], "{code}");
    }
}

#[test]
fn a_slow_or_failed_handler_keeps_its_trace() {
    let slow = arrived(|ipc, page| {
        page.call(ipc, "work", None);
    });
    let expected = ["process work", "reply work", "work", "work (slow)"];
    assert_eq!(slow, expected);
    let wrong = arrived(|ipc, page| {
        page.call(ipc, "wrong", None);
    });
    let expected = ["process wrong", "reply wrong", "wrong", "wrong (error)"];
    assert_eq!(wrong, expected);
    let slow = arrived(|ipc, page| event(ipc, page, "sleep", 1));
    assert_eq!(slow, ["send sleep (slow)", "sleep"]);
    let wrong = arrived(|ipc, page| event(ipc, page, "wrong", 1));
    assert_eq!(wrong, ["send wrong (error)", "wrong"]);
}

#[test]
fn an_event_that_arrives_late_keeps_its_trace() {
    let arrived = arrived(|ipc, page| event(ipc, page, "look", SLOW));
    assert_eq!(arrived, ["look", "send look (slow)"]);
}

#[test]
fn a_call_without_a_handler_keeps_its_trace() {
    let arrived = arrived(|ipc, page| {
        page.call(ipc, "nobody", None);
    });
    let expected = ["nobody", "nobody (error)", "process nobody", "reply nobody"];
    assert_eq!(arrived, expected);
}

#[test]
fn a_page_span_with_a_slow_call_is_kept_whole() {
    let open = |ipc: &Ipc, page: &StampedPage| {
        let at = page.now();
        let open = json!({"kind": "open", "span": 1, "name": "click", "at": at});
        page.send(ipc, &[open]);
    };
    let close = |ipc: &Ipc, page: &StampedPage| {
        let close = json!({"kind": "close", "span": 1, "at": page.now()});
        page.send(ipc, &[close]);
    };
    let quick = arrived(|ipc, page| {
        open(ipc, page);
        page.call(ipc, "look", Some(1));
        page.pump(ipc);
        close(ipc, page);
    });
    assert_eq!(quick, Vec::<String>::new());
    let slow = arrived(|ipc, page| {
        open(ipc, page);
        page.call(ipc, "look", Some(1));
        page.pump(ipc);
        page.call(ipc, "work", Some(1));
        page.pump(ipc);
        close(ipc, page);
    });
    let expected = [
        "click (slow)",
        "look",
        "look",
        "process look",
        "process work",
        "reply look",
        "reply work",
        "work",
        "work",
    ];
    assert_eq!(slow, expected);
}

#[test]
fn a_script_that_the_page_cannot_run_keeps_its_trace() {
    let arrived = arrived(|ipc, _| {
        ipc.emit("shown", &1).unwrap();
        while let Some(script) = ipc.next_script() {
            ipc.evaluation_failed(script);
        }
    });
    assert_eq!(arrived, ["send shown (error)"]);
}
