//! A page's life: the handshake, its states, and how long the UI thread takes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, Limits, PageState};
use spanwire::testing::Capture;

use spanwire_testkit::counters::count_wakes;
use spanwire_testkit::model_page::{Eval, ModelPage};

const SECOND: Duration = Duration::from_secs(1);

/// Runs `scenario` under a clock that it moves.
fn run(scenario: impl FnOnce(&Capture)) {
    let capture = Capture::new();
    capture.run(|| scenario(&capture));
}

/// Has somebody look: at a scrape, an export or a system sample.
fn look(capture: &Capture) {
    let _ = capture.metrics();
}

/// The ids of the pings in the scripts that wait, which the page does not answer.
fn pings(ipc: &Ipc) -> Vec<u64> {
    std::iter::from_fn(|| ipc.next_script())
        .flat_map(|script| {
            let batch: Value = serde_json::from_str(script.json().unwrap()).unwrap();
            let messages = batch["messages"].as_array().unwrap().clone();
            messages
                .iter()
                .filter(|message| message["kind"] == "ping")
                .map(|message| message["id"].as_u64().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn pong(ipc: &Ipc, page: &ModelPage, id: u64) {
    page.send(ipc, &[json!({"kind": "pong", "id": id, "at": 12.5})]);
}

fn unknown_acks(capture: &Capture) -> u64 {
    let labels = [
        ("error.type", "unknown_ack"),
        ("spanwire.webview.name", "main"),
    ];
    capture.counter("spanwire.page.errors", &labels)
}

#[test]
fn a_ready_page_gets_three_pings_one_after_the_other() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        let page = ModelPage::load(&ipc, "p1");
        for id in 1..=3 {
            assert_eq!(pings(&ipc), [id]);
            assert_eq!(pings(&ipc), [0; 0], "one is open");
            wakes.store(0, Ordering::Relaxed);
            pong(&ipc, &page, id);
            assert_eq!(wakes.load(Ordering::Relaxed), u64::from(id < 3));
        }
        assert_eq!(pings(&ipc), [0; 0]);
        // They are no messages, and cost nothing.
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_received, metrics.messages_sent), (0, 0));
        assert_eq!(capture.histogram("spanwire.ipc.batch.size", &[]).0, 0);
        assert_eq!(unknown_acks(capture), 0);
        pong(&ipc, &page, 3);
        pong(&ipc, &page, u64::MAX);
        assert_eq!(unknown_acks(capture), 2);
    });
}

#[test]
fn a_ping_goes_before_messages_and_counts_as_none() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let mut page = ModelPage::load(&ipc, "p1");
        ipc.emit("event", &1).unwrap();
        let script = ipc.next_script().unwrap();
        let text = script.json().unwrap();
        assert!(
            text.contains(r#""messages":[{"kind":"ping","id":1},{"kind":"event","id":1,"#),
            "{text}"
        );
        let sizes = capture.histogram(
            "spanwire.ipc.batch.size",
            &[("spanwire.ipc.direction", "outbound")],
        );
        assert_eq!(sizes, (1, 1.0));
        page.run(&script, Eval::Runs);
        assert_eq!(page.log, ["event event 1"]);
    });
}

#[test]
fn a_ping_in_a_failed_script_is_repeated_three_times() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        let _page = ModelPage::load(&ipc, "p1");
        let mut asked = 0;
        while let Some(script) = ipc.next_script() {
            assert!(script.json().unwrap().contains(r#""kind":"ping""#));
            asked += 1;
            wakes.store(0, Ordering::Relaxed);
            ipc.evaluation_failed(script);
            assert_eq!(wakes.load(Ordering::Relaxed), u64::from(asked <= 3));
        }
        assert_eq!(asked, 4);
        // But when somebody looks at a page that is silent.
        capture.clock().advance(5 * SECOND);
        look(capture);
        assert_eq!(pings(&ipc).len(), 1);
    });
}

#[test]
fn a_silent_page_is_pinged_on_inspection_and_unresponsive_without_an_answer() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        assert_eq!(ipc.page_state(), PageState::Loading);
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        let states = || {
            ["loading", "ready", "unresponsive", "gone"].map(|state| {
                capture.gauge("spanwire.page.state", &[("spanwire.page.state", state)]) == Some(1.0)
            })
        };
        assert_eq!(states(), [false, true, false, false]);
        // However long nothing is asked of it, it is ready.
        capture.clock().advance(3_600 * SECOND);
        assert_eq!(ipc.page_state(), PageState::Ready);
        look(capture);
        assert_eq!(pings(&ipc), [4]);
        capture.clock().advance(5 * SECOND);
        assert_eq!(ipc.page_state(), PageState::Ready);
        capture.clock().advance(Duration::from_nanos(1));
        assert_eq!(ipc.page_state(), PageState::Unresponsive);
        assert_eq!(states(), [false, false, true, false]);
        assert_eq!(pings(&ipc), [0; 0], "nothing is sent again");
        // Any sign of life will do.
        page.send(&ipc, &[json!({"kind": "shed", "count": 0})]);
        assert_eq!(states(), [false, true, false, false]);
        pong(&ipc, &page, 4);
        assert_eq!(unknown_acks(capture), 0);
        ipc.page_gone();
        assert_eq!(ipc.page_state(), PageState::Gone);
        ipc.close();
        assert_eq!(ipc.page_state().to_string(), "closed");
        assert_eq!(states(), [false, false, false, true]);
    });
}

#[test]
fn an_unacknowledged_message_makes_the_page_unresponsive_and_is_not_resent() {
    run(|capture| {
        let mut limits = Limits::default();
        limits.unresponsive_after = SECOND;
        let ipc = Ipc::builder("main").limits(limits).build();
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        capture.clock().advance(60 * SECOND);
        ipc.emit("event", &1).unwrap();
        let script = ipc.next_script().unwrap();
        capture.clock().advance(2 * SECOND);
        assert_eq!(ipc.page_state(), PageState::Unresponsive);
        assert!(ipc.next_script().is_none());
        let ack = page.run(&script, Eval::Runs).unwrap();
        page.send(&ipc, &[ack]);
        assert_eq!(ipc.page_state(), PageState::Ready);
        let metrics = ipc.metrics();
        assert_eq!((metrics.messages_sent, metrics.retry_attempts), (1, 0));
    });
}

#[test]
fn a_forged_batch_is_no_sign_of_life() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        assert_eq!(pings(&ipc), [1]);
        capture.clock().advance(6 * SECOND);
        assert_eq!(ipc.page_state(), PageState::Unresponsive);
        let forged = page.batch(&[]).replace(ipc.nonce(), &"0".repeat(32));
        let _ = ipc.receive(&forged, None);
        ModelPage::unannounced(&ipc, "p2").send(&ipc, &[]);
        assert_eq!(ipc.page_state(), PageState::Unresponsive);
        page.send(&ipc, &[]);
        assert_eq!(ipc.page_state(), PageState::Ready);
    });
}

#[test]
fn the_delay_of_the_ui_thread_is_measured_once_per_wake() {
    run(|capture| {
        let delay = || capture.histogram("spanwire.main_thread.delay", &[]);
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        // The wake at the start is none: the event loop may not run yet.
        capture.clock().advance(SECOND);
        while ipc.next_script().is_some() {}
        assert_eq!((wakes.swap(0, Ordering::Relaxed), delay()), (1, (0, 0.0)));
        ipc.emit("event", &1).unwrap();
        capture.clock().advance(Duration::from_millis(250));
        ipc.emit("event", &2).unwrap();
        capture.clock().advance(Duration::from_millis(250));
        while ipc.next_script().is_some() {}
        assert_eq!((wakes.swap(0, Ordering::Relaxed), delay()), (1, (1, 0.5)));
    });
}

#[test]
fn inspection_wakes_an_idle_event_loop_at_most_once_a_second() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        wakes.store(0, Ordering::Relaxed);
        let measured = || capture.histogram("spanwire.main_thread.delay", &[]).0;
        let before = measured();
        for _ in 0..40 {
            capture.clock().advance(Duration::from_millis(250));
            look(capture);
            page.pump(&ipc);
        }
        // Once a second, and twice since the page was silent for five.
        assert_eq!(wakes.load(Ordering::Relaxed), 12);
        assert_eq!(measured() - before, 12);
        // One that does not answer is not woken again, and one that nobody waits for neither.
        for _ in 0..40 {
            capture.clock().advance(Duration::from_millis(250));
            look(capture);
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 13);
        ipc.close();
        page.pump(&ipc);
        wakes.store(0, Ordering::Relaxed);
        capture.clock().advance(SECOND);
        look(capture);
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_hung_ui_thread_does_not_make_the_page_unresponsive() {
    run(|capture| {
        let ipc = Ipc::builder("main").build();
        let _wakes = count_wakes(&ipc);
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        ipc.emit("event", &1).unwrap();
        let script = ipc.next_script().unwrap();
        // The page answers at once, but the thread that would hear it is busy.
        capture.clock().advance(SECOND);
        ipc.emit("event", &2).unwrap();
        capture.clock().advance(60 * SECOND);
        assert_eq!(ipc.page_state(), PageState::Ready);
        let ack = page.run(&script, Eval::Runs).unwrap();
        page.send(&ipc, &[ack]);
        page.pump(&ipc);
        assert_eq!(ipc.page_state(), PageState::Ready);
        assert_eq!(capture.histogram("spanwire.main_thread.delay", &[]).1, 60.0);
    });
}

#[test]
fn a_page_whose_wire_is_closed_gets_one_close_notice() {
    run(|_| {
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        page.call(&ipc, "save", json!(null));
        ipc.emit("event", &1).unwrap();
        page.pump(&ipc);
        wakes.store(0, Ordering::Relaxed);
        ipc.close();
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let script = ipc.next_script().unwrap();
        assert_eq!(
            script.text(),
            r#"__spanwire__({"page":"p1","floor":0,"messages":[{"kind":"bye","code":"BACKEND_GONE"}]})"#
        );
        page.run(&script, Eval::Runs);
        assert_eq!(page.bye.as_deref(), Some("BACKEND_GONE"));
        // Whether or not it could be evaluated.
        ipc.evaluation_failed(script);
        assert!(ipc.next_script().is_none());
        ipc.close();
        assert!(ipc.next_script().is_none() && ipc.next_close_script().is_none());
    });
}

#[test]
fn a_page_loaded_after_the_wire_was_closed_gets_a_close_notice() {
    run(|_| {
        let ipc = Ipc::builder("main").build();
        let wakes = count_wakes(&ipc);
        ipc.close();
        assert!(ipc.next_script().is_none());
        wakes.store(0, Ordering::Relaxed);
        let mut page = ModelPage::load(&ipc, "p1");
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let script = ipc.next_script().unwrap();
        page.run(&script, Eval::Runs);
        assert_eq!(page.bye.as_deref(), Some("BACKEND_GONE"));
        assert!(ipc.next_script().is_none());
    });
}

#[test]
fn closing_a_wire_without_a_page_sends_nothing() {
    for leave in [Ipc::page_gone, Ipc::page_loading] {
        let ipc = Ipc::builder("main").build();
        let _page = ModelPage::load(&ipc, "p1");
        leave(&ipc);
        ipc.close();
        assert!(ipc.next_script().is_none());
    }
    let ipc = Ipc::builder("main").build();
    ipc.close();
    assert!(ipc.next_script().is_none());
}

#[test]
fn a_replaced_page_stays_replaced_after_many_others() {
    let ipc = Ipc::builder("main").build();
    let first = ModelPage::load(&ipc, "p1");
    for n in 0..900 {
        ModelPage::load(&ipc, &format!("q{n}"));
    }
    first.send(&ipc, &[json!({"kind": "ready"}), json!({"kind": "leave"})]);
    assert_eq!(ipc.page_state(), PageState::Ready, "it is not heard");
}
