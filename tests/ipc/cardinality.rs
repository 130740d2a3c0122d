//! A page cannot make series, or memory, without end.

use serde_json::json;
use spanwire::ipc::Ipc;
use spanwire::semconv::{OTHER, OTHER_NAMES_MAX, REGISTERED_NAMES_MAX};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

#[test]
fn many_event_names_from_the_page_give_at_most_the_cap_plus_other() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("known", |_: &spanwire::ipc::Call| ()).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.emit(&ipc, "known", json!(null));
        for batch in 0..1_000 {
            let events: Vec<_> = (0..100)
                .map(|n| json!({"kind": "event", "id": page.take_id(), "event": format!("e{batch}.{n}")}))
                .collect();
            page.send(&ipc, &events);
            page.pump(&ipc);
        }
        // Names registered after the flood still get a series of their own.
        ipc.on("late", |_: &spanwire::ipc::Call| ()).unwrap();
        page.emit(&ipc, "late", json!(null));
    });
    let metrics = capture.metrics();
    let series: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("spanwire.ipc.messages"))
        .collect();
    assert_eq!(series.len(), OTHER_NAMES_MAX + 3, "{metrics}");
    let labels = [
        ("error.type", "unknown_event"),
        ("spanwire.ipc.direction", "inbound"),
        ("spanwire.ipc.event", "_OTHER"),
        ("spanwire.outcome", "failed"),
        ("spanwire.webview.name", "main"),
    ];
    let beyond = 100_000 - OTHER_NAMES_MAX as u64;
    assert_eq!(capture.counter("spanwire.ipc.messages", &labels), beyond);
}

#[test]
fn a_name_beyond_the_cap_is_on_the_spans_of_its_message_and_on_no_metric() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .tracer_provider(&capture.tracer_provider())
            .build();
        let mut page = ModelPage::load(&ipc, "p1");
        for n in 0..OTHER_NAMES_MAX {
            page.call(&ipc, &format!("flood {n}"), json!(null));
        }
        page.call(&ipc, "documents.mistyped", json!(null));
        // A name that is not allowed may be anything.
        page.call(&ipc, "secret\nname", json!(null));
        page.pump(&ipc);
        let other = |line: &&str| line.contains("rpc.method=_OTHER");
        let spans = capture.spans();
        let handled: Vec<&str> = spans
            .lines()
            .filter(other)
            .filter(|line| line.contains(" server "))
            .collect();
        assert_eq!(handled.len(), 2, "{spans}");
        assert!(handled[0].contains("rpc.method_original=documents.mistyped"));
        assert!(!handled[1].contains("rpc.method_original"), "{spans}");
        assert!(!capture.metrics().contains("mistyped"));
        assert!(!capture.text().contains("secret"));
        // One that has room needs nothing.
        assert!(!spans.contains("rpc.method_original=flood"));
    });
}

#[test]
fn a_question_and_an_invalid_name_take_no_place_below_the_cap() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let mut page = ModelPage::load(&ipc, "p1");
        for n in 0..OTHER_NAMES_MAX {
            assert!(!ipc.is_coalesced(&format!("asked {n}")));
        }
        for n in 0..REGISTERED_NAMES_MAX {
            let invalid = format!("invalid\n{n}");
            assert!(!ipc.set_coalesced(&invalid, true) && !ipc.is_coalesced(&invalid));
        }
        page.emit(&ipc, "of the page", json!(null));
        ipc.emit("of the app", &1).unwrap();
        assert!(ipc.set_coalesced("of the app", true) && ipc.is_coalesced("of the app"));
        page.pump(&ipc);
    });
    for event in ["of the page", "of the app"] {
        let labels = [("spanwire.ipc.event", event)];
        assert_eq!(capture.counter("spanwire.ipc.messages", &labels), 1);
    }
}

#[test]
fn events_beyond_the_cap_are_never_each_others_latest() {
    let ipc = Ipc::builder("main").build();
    for n in 0..REGISTERED_NAMES_MAX {
        assert!(ipc.set_coalesced(&format!("e{n}"), true));
    }
    for beyond in ["beyond", OTHER] {
        assert!(!ipc.set_coalesced(beyond, true), "{beyond}");
        assert!(!ipc.is_coalesced(beyond), "{beyond}");
    }
    ipc.emit("beyond", &1).unwrap();
    ipc.emit("further", &2).unwrap();
    assert_eq!(ipc.metrics().messages_open, 2);
}
