//! Whose messages are taken, and what a page is told whose are not.

use serde_json::json;
use spanwire::ipc::{Ipc, PageState, Received, Script};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::{Eval, ModelPage};

const OWN: Option<&str> = Some("spanwire://localhost");
const OTHER: Option<&str> = Some("https://evil.example");

/// Announces a page that comes from `origin`.
fn ready(ipc: &Ipc, page: &str, origin: Option<&str>) -> ModelPage {
    let page = ModelPage::unannounced(ipc, page);
    let text = page.batch(&[json!({"kind": "ready"})]);
    assert_eq!(ipc.receive(&text, origin), Received::Ours);
    page
}

fn forbidden(capture: &Capture) -> u64 {
    capture.counter(
        "spanwire.ipc.messages",
        &[("error.type", "forbidden_origin")],
    )
}

fn bye(page: &str) -> String {
    format!(r#"{{"page":"{page}","floor":0,"messages":[{{"kind":"bye","code":"FORBIDDEN"}}]}}"#)
}

fn json(script: Option<Script>) -> Option<String> {
    script?.json().map(str::to_owned)
}

#[test]
fn the_first_pages_origin_is_trusted_and_no_other() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        assert!(ipc.allows_origin(OWN) && ipc.allows_origin(OTHER));
        // Without the nonce nobody is the first.
        let forged = ModelPage::unannounced(&ipc, "p0").batch(&[json!({"kind": "ready"})]);
        let _ = ipc.receive(&forged.replace(ipc.nonce(), "x"), OTHER);
        ready(&ipc, "p1", OWN);
        assert!(ipc.allows_origin(OWN) && !ipc.allows_origin(OTHER));
        assert!(ipc.allows_origin(None));
        assert_eq!(forbidden(&capture), 0);
        ready(&ipc, "p2", OTHER);
        ready(&ipc, "p3", Some("null"));
        ready(&ipc, "p4", Some("spanwire://localhost.evil"));
        assert_eq!(forbidden(&capture), 3);
        ready(&ipc, "p5", Some("SPANWIRE://Localhost/"));
        assert_eq!(forbidden(&capture), 3);
        assert_eq!(ipc.page_state(), PageState::Ready);
    });
}

#[test]
fn a_page_after_one_given_as_text_is_not_trusted() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ready(&ipc, "p1", None);
        assert!(!ipc.allows_origin(OTHER));
        ready(&ipc, "p2", OTHER);
        assert_eq!(forbidden(&capture), 1);
        assert_eq!(json(ipc.next_close_script()), Some(bye("p2")));
        ready(&ipc, "p3", None);
        assert_eq!(ipc.page_state(), PageState::Ready);
    });
}

#[test]
fn a_page_refused_for_another_reason_does_not_make_its_origin_trusted() {
    let ipc = Ipc::builder("main").build();
    ipc.page_ready("p1").unwrap();
    ready(&ipc, "p1", OTHER);
    assert!(ipc.allows_origin(OWN), "it was a duplicate");
    ready(&ipc, "p2", Some("null"));
    ready(&ipc, "p3", OWN);
    assert!(!ipc.allows_origin(OTHER));
}

#[test]
fn any_origin_is_accepted_when_the_app_allows_it() {
    let ipc = Ipc::builder("main")
        .allow_origin("https://a")
        .any_origin()
        .build();
    ready(&ipc, "p1", OWN);
    for (page, origin) in [("p2", OTHER), ("p3", Some("null")), ("p4", None)] {
        assert!(ipc.allows_origin(origin));
        let mut page = ready(&ipc, page, origin);
        ipc.emit("event", &1).unwrap();
        page.pump(&ipc);
        assert_eq!(page.log.len(), 1);
    }
}

#[test]
fn a_page_of_another_origin_gets_one_close_notice() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ready(&ipc, "p1", OWN);
        ipc.emit("secret", &1).unwrap();
        let mut other = ready(&ipc, "p2", OTHER);
        // It took the place of the page before.
        assert_eq!(ipc.page_state(), PageState::Gone);
        let script = ipc.next_script().unwrap();
        assert_eq!(script.json(), Some(&*bye("p2")));
        other.run(&script, Eval::Runs);
        assert_eq!(other.bye.as_deref(), Some("FORBIDDEN"));
        ipc.evaluation_failed(script);
        assert!(ipc.next_script().is_none());
        // Not again, and whatever else it says is refused without an answer.
        ready(&ipc, "p2", OTHER);
        let text = other.batch(&[json!({"kind": "call", "id": 1, "event": "save"})]);
        let _ = ipc.receive(&text, OTHER);
        assert!(ipc.next_script().is_none());
        assert_eq!(forbidden(&capture), 3);
        assert_eq!(
            capture.counter("spanwire.ipc.messages", &[("spanwire.ipc.event", "save")]),
            0
        );
        // The app's own page gets what is its.
        let mut back = ready(&ipc, "p3", OWN);
        back.pump(&ipc);
        assert_eq!(back.log, ["event secret 1"]);
        assert_eq!(back.bye, None);
    });
}

#[test]
fn only_a_page_with_the_nonce_that_says_ready_is_answered() {
    let ipc = Ipc::builder("main")
        .allow_origin("spanwire://localhost")
        .build();
    let page = ready(&ipc, "p1", OWN);
    let ready = page.batch(&[json!({"kind": "ready"})]).replace("p1", "p2");
    for text in [
        ready.replace(ipc.nonce(), &"0".repeat(32)),
        ready.replace("ready", "leave"),
        ready.replace("p2", "P!"),
        ready.replace('}', ""),
        ready.replace("[{", &"[{".repeat(100)),
        format!("{ready}{}", " ".repeat(2 << 20)),
    ] {
        let _ = ipc.receive(&text, OTHER);
        assert_eq!(json(ipc.next_close_script()), None, "{}", text.len());
    }
    assert_eq!(
        ipc.page_state(),
        PageState::Ready,
        "the page before is still there"
    );
}

#[test]
fn a_close_notice_goes_first_and_carries_the_refused_pages_id() {
    let ipc = Ipc::builder("main").build();
    ready(&ipc, "p1", OWN);
    ready(&ipc, "p2", OTHER);
    let mut own = ready(&ipc, "p3", OWN);
    ipc.emit("event", &1).unwrap();
    // A pump whose page is not allowed now takes these alone.
    assert_eq!(json(ipc.next_close_script()), Some(bye("p2")));
    assert_eq!(json(ipc.next_close_script()), None);
    own.pump(&ipc);
    assert_eq!(own.log, ["event event 1"]);
}

#[test]
fn a_flood_of_refused_pages_queues_one_close_notice() {
    let ipc = Ipc::builder("main").build();
    ready(&ipc, "p1", OWN);
    for n in 0..1_000 {
        ready(&ipc, &format!("q{n}"), OTHER);
    }
    assert_eq!(
        json(ipc.next_script()),
        Some(bye("q999")),
        "the newest, since it is there"
    );
    assert_eq!(json(ipc.next_script()), None);
}

#[test]
fn next_close_script_answers_the_wake() {
    let wakes = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let ipc = Ipc::builder("main").build();
    ipc.on_wake({
        let wakes = wakes.clone();
        move || {
            wakes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    assert!(ipc.next_close_script().is_none());
    ready(&ipc, "p1", OWN);
    assert_eq!(wakes.load(std::sync::atomic::Ordering::Relaxed), 2);
}
