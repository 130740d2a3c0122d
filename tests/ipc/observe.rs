//! Messages that another layer carries are recorded as the wire's own are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::{Expect, expect};
use opentelemetry::trace::SpanKind;
use proptest::collection::vec;
use proptest::prelude::*;
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{
    Delivery, Handling, Observer, ObserverBuilder, PageScript, PageTimes, Wake,
};
use spanwire::semconv::ErrorType;
use spanwire::testing::Capture;
use spanwire_testkit::stamped_page::{runtime, turn};

use crate::traces::tree;

fn observer(capture: &Capture) -> Observer {
    let observer = Observer::builder("main")
        .tracer_provider(&capture.tracer_provider())
        .build();
    observer.set_page_state(PageState::Ready);
    observer
}

fn wait(capture: &Capture, ms: u64) {
    capture.clock().advance(Duration::from_millis(ms));
}

/// Runs `scenario` with a fresh observer and compares the spans that it made with their times.
fn check(scenario: impl FnOnce(&Observer, &Capture), expected: Expect) {
    let capture = Capture::new();
    capture.run(|| scenario(&observer(&capture), &capture));
    expected.assert_eq(&tree(&capture));
}

fn times(began: f64, posted: f64) -> PageTimes {
    PageTimes { began, posted }
}

#[test]
fn a_page_that_was_not_there_counts_as_a_load() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = Observer::builder("main").build();
        let loads = |of: &str| {
            capture.counter(
                "spanwire.page.loads",
                &[
                    ("spanwire.page.load.type", of),
                    ("spanwire.webview.name", "main"),
                ],
            )
        };
        let counted = |state| {
            observer.set_page_state(state);
            (loads("first"), loads("recovery"))
        };
        assert_eq!(counted(PageState::Loading), (0, 0));
        assert_eq!(counted(PageState::Ready), (1, 0));
        assert_eq!(counted(PageState::Ready), (1, 0));
        assert_eq!(counted(PageState::Unresponsive), (1, 0));
        assert_eq!(counted(PageState::Ready), (1, 0), "it was there");
        assert_eq!(counted(PageState::Gone), (1, 0));
        assert_eq!(counted(PageState::Unresponsive), (1, 1));
        assert_eq!(counted(PageState::Ready), (1, 1));
    });
}

#[test]
fn a_page_that_crashed_is_counted_logged_and_gone() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        observer.page_crashed();
        assert_eq!(observer.page_state(), PageState::Gone);
    });
    let labels = [("error.type", "page_crashed")];
    assert_eq!(capture.counter("spanwire.page.errors", &labels), 1);
    let text = capture.logs();
    assert!(text.contains("page_crashed"), "{text}");
}

#[test]
fn a_call_with_page_times_is_one_trace_from_page_to_page() {
    check(
        |observer, capture| {
            // The document began at 0; this one comes without a delay, so the clocks are known.
            observer
                .event("hello")
                .page_times(times(0.0, 0.0))
                .begin()
                .end(Ok(()));
            wait(capture, 9);
            let mut handling = observer
                .call("save")
                .size(16)
                .page_times(times(5.0, 7.0))
                .begin();
            handling.in_scope(|| {
                let _write = tracing::info_span!("write").entered();
                wait(capture, 10);
            });
            let mut reply = handling.reply(Ok(()), 4);
            wait(capture, 1);
            reply.sent(1);
            wait(capture, 4);
            reply.acknowledged_at(21.0, 23.0);
        },
        expect![[r#"
            save client 5..20 posted@7 received@9 settled@20
              save server
                write internal
                reply save internal 19..24 dequeued@20 dispatched@20 acknowledged@24
                  process save consumer 20..22
        "#]],
    );
}

#[test]
fn an_async_handlers_spans_and_its_reply_are_children_of_the_call() {
    check(
        |observer, capture| {
            let handling = observer.call("render").begin();
            let capture = capture.clone();
            let handler = handling.instrument(async move {
                tokio::task::yield_now().await;
                let _paint = tracing::info_span!("paint").entered();
                wait(&capture, 3);
            });
            let runtime = runtime();
            let done = runtime.spawn(async move {
                handler.await;
                handling.reply(Ok(()), 2).handed_over();
            });
            turn(&runtime);
            assert!(done.is_finished());
        },
        expect![[r#"
            render server
              paint internal
              reply render internal 3..3 dequeued@3 dispatched@3
        "#]],
    );
}

#[test]
fn a_traceparent_is_the_parent_and_a_broken_one_is_counted() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        observer
            .call("save")
            .traceparent(Some(parent))
            .begin()
            .end(Ok(()));
        observer
            .call("load")
            .traceparent(Some("00-xyz"))
            .begin()
            .end(Ok(()));
    });
    let spans = capture.finished_spans();
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(of("save").parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(of("load").parent_span_id.to_string(), "0000000000000000");
    let label = [("error.type", "invalid_traceparent")];
    assert_eq!(capture.counter("spanwire.page.errors", &label), 1);
}

#[test]
fn a_layer_that_does_not_know_who_sends_names_no_place() {
    let places = |builder: fn(&str) -> ObserverBuilder| {
        let capture = Capture::new();
        capture.run(|| {
            let builder = builder("main").tracer_provider(&capture.tracer_provider());
            builder.build().send("progress", 5).handed_over();
        });
        let spans = capture.finished_spans();
        let attributes = spans.iter().flat_map(|span| &span.attributes);
        let of_place = attributes.filter(|attribute| attribute.key.as_str().starts_with("code."));
        of_place.count()
    };
    assert_eq!(places(Observer::builder), 2);
    assert_eq!(
        places(|name| Observer::builder(name).without_call_sites()),
        0
    );
}

#[test]
fn an_event_of_a_channel_is_recorded_later_as_of_its_time_and_within_its_callers_span() {
    let scenario = |observer: &Observer, capture: &Capture| {
        observer.send("first", 5).handed_over();
        let channel = observer.channel("progress");
        wait(capture, 10);
        let mut handling = observer.call("save").begin();
        handling.in_scope(|| channel.event(7));
        wait(capture, 5);
        handling.end(Ok(()));
        wait(capture, 30);
        channel.event(9);
        wait(capture, 30);
        // This thread has a recorder of its own, which another thread could not record with.
        std::thread::sleep(Duration::from_millis(100));
        let metrics = observer.metrics();
        assert_eq!((metrics.messages_sent, metrics.messages_open), (3, 0));
        let sent = [
            ("spanwire.ipc.event", "progress"),
            ("spanwire.ipc.direction", "outbound"),
            ("spanwire.outcome", "ok"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &sent), 2);
    };
    check(
        scenario,
        expect![[r#"
        send first producer 0..0 dequeued@0 dispatched@0
        save server
          send progress producer 10..10 dequeued@10 dispatched@10
        send progress producer 45..45 dequeued@45 dispatched@45
    "#]],
    );
}

#[test]
fn what_is_observed_is_recorded_under_the_wires_names() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        let mut handling = observer.call("save").size(16).begin();
        handling.in_scope(|| wait(&capture, 2));
        let mut reply = handling.reply(Err(ErrorType::HandlerError), 12);
        reply.sent(3);
        reply.sent(1);
        reply.acknowledged();
        observer.event("moved").size(8).begin().end(Ok(()));
        observer.send("progress", 5).handed_over();
        observer.send("progress", 5).failed(ErrorType::PageGone);
        let channel = observer.channel("rows");
        channel.message(100);
        channel.message(50);
        channel.failed(ErrorType::PageGone);
        let metrics = observer.metrics();
        assert_eq!((metrics.messages_sent, metrics.messages_failed), (4, 2));
        assert_eq!((metrics.messages_received, metrics.retry_attempts), (2, 1));
        assert_eq!((metrics.messages_open, metrics.peak_queue_length), (0, 1));
        // Published while the observer lives.
        let _ = capture.metrics();
    });
    expect![[r#"
        spans:
        save server error error.type=handler_error rpc.method=save rpc.system.name=spanwire spanwire.message.size=16 spanwire.webview.name=main
          "reply save" internal rpc.method=save rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=12 spanwire.queue.wait=0 spanwire.retries=1 spanwire.webview.name=main
            event dequeued
            event dispatched
            event acknowledged
        moved consumer rpc.method=moved rpc.system.name=spanwire spanwire.message.size=8 spanwire.webview.name=main
        "send progress" producer code.file.path=tests/ipc/observe.rs rpc.method=progress rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=5 spanwire.queue.wait=0 spanwire.webview.name=main
          event dequeued
          event dispatched
        "send progress" producer error code.file.path=tests/ipc/observe.rs error.type=page_gone rpc.method=progress rpc.system.name=spanwire spanwire.message.size=5 spanwire.webview.name=main
        metrics:
        spanwire.ipc.batch.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=3
        spanwire.ipc.call.duration{error.type="handler_error",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.002
        spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=8
        spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=16
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=5
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="rows",spanwire.webview.name="main"} count=2 sum=150
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=12
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.handler.duration{error.type="handler_error",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.002
        spanwire.ipc.handler.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.in_flight{spanwire.webview.name="main"} 0
        spanwire.ipc.in_flight.age{spanwire.webview.name="main"} 0
        spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=2 sum=24
        spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=4 sum=167
        spanwire.ipc.messages{error.type="handler_error",spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="failed",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{error.type="page_gone",spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.outcome="failed",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{error.type="page_gone",spanwire.ipc.direction="outbound",spanwire.ipc.event="rows",spanwire.outcome="failed",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="moved",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="progress",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="rows",spanwire.outcome="ok",spanwire.webview.name="main"} 2
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.retries{spanwire.webview.name="main"} 1
        spanwire.page.age{spanwire.webview.name="main"} 0
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        spanwire.page.state{spanwire.page.state="gone",spanwire.webview.name="main"} 1
        spanwire.page.state{spanwire.page.state="loading",spanwire.webview.name="main"} 0
        spanwire.page.state{spanwire.page.state="ready",spanwire.webview.name="main"} 0
        spanwire.page.state{spanwire.page.state="unresponsive",spanwire.webview.name="main"} 0
        logs:
    "#]].assert_eq(&capture.text());
}

#[test]
fn a_message_that_is_dropped_ends_as_cancelled_and_in_a_panic_as_panic() {
    check(
        |observer, _| {
            drop(observer.call("left").begin());
            drop(observer.send("unsent", 1));
            let mut handling = observer.call("broken").begin();
            let result = catch_unwind(AssertUnwindSafe(move || {
                handling.in_scope(|| panic!("on purpose"));
            }));
            assert!(result.is_err());
            // The reply is dropped with its message.
            drop(observer.call("unanswered").begin().reply(Ok(()), 1));
            assert_eq!(observer.metrics().messages_open, 0);
        },
        expect![[r#"
            left server cancelled
            send unsent producer 0..0 cancelled
            broken server panic
            unanswered server
              reply unanswered internal 0..0 cancelled
        "#]],
    );
}

#[test]
fn work_on_the_main_thread_beyond_the_budget_is_counted() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        observer.set_main_thread();
        let run = |ms| {
            let mut handling = observer.call("save").begin();
            handling.in_scope(|| wait(&capture, ms));
            handling.end(Ok(()));
        };
        run(15);
        run(16);
    });
    let label = [("spanwire.ipc.event", "save")];
    assert_eq!(capture.counter("spanwire.main_thread.blocked", &label), 1);
    let threads = capture.spans().matches("spanwire.thread=main").count();
    assert_eq!(threads, 2, "{}", capture.spans());
}

#[test]
fn an_observer_works_before_a_recorder_is_installed() {
    let capture = Capture::new();
    let observer = Observer::builder("main").build();
    let open = observer.call("save").begin();
    observer.send("progress", 1).acknowledged();
    assert_eq!(observer.metrics().messages_sent, 1);
    capture.run(|| {
        open.end(Ok(()));
        observer.call("save").begin().end(Ok(()));
    });
    let inbound = [("spanwire.ipc.direction", "inbound")];
    assert_eq!(capture.counter("spanwire.ipc.messages", &inbound), 2);
    // And after it is gone again.
    observer.call("save").begin().end(Ok(()));
    assert_eq!(observer.metrics().messages_received, 3);
}

#[test]
fn names_beyond_the_cap_share_one_series() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        for n in 0..10_000 {
            observer
                .call(&format!("command{n}"))
                .begin()
                .end(Err(ErrorType::UnknownEvent));
        }
        observer
            .call("\u{0}")
            .begin()
            .end(Err(ErrorType::InvalidName));
    });
    let all = capture.counter("spanwire.ipc.messages", &[]);
    assert_eq!(all, 10_001);
    let other = [("spanwire.ipc.event", "_OTHER")];
    assert!(capture.counter("spanwire.ipc.messages", &other) > 9_000);
}

#[test]
fn hostile_page_times_are_ignored_or_clamped() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        wait(&capture, 50);
        for time in [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, 1e9] {
            observer
                .call("save")
                .page_times(times(time, 1.0))
                .begin()
                .end(Ok(()));
            observer
                .call("save")
                .page_times(times(1.0, time))
                .begin()
                .end(Ok(()));
            let mut sent = observer.send("progress", 1);
            sent.sent(1);
            sent.acknowledged_at(time, 1.0);
            let mut sent = observer.send("progress", 1);
            sent.sent(1);
            sent.acknowledged_at(1.0, time);
        }
    });
    for span in capture.finished_spans() {
        assert!(span.start_time <= span.end_time, "{span:?}");
    }
    let ended = capture.counter("spanwire.ipc.messages", &[]);
    assert_eq!(ended, 24);
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Call,
    Event,
    Run(usize),
    End(usize, bool),
    Reply(usize, bool),
    DropHandling(usize),
    Send,
    Sent(usize),
    Acknowledge(usize),
    HandOver(usize),
    Fail(usize),
    DropDelivery(usize),
    Stream(bool),
    Page(PageState),
    /// A call that the page's script observes.
    PageCall,
    /// The page says that it settled a call, or gave it up; perhaps before it came, or again.
    Settle(u64, &'static str),
    /// A message that the page's script will acknowledge.
    SendNumbered,
    /// The page acknowledges messages, perhaps some that were never sent.
    AcknowledgeNumbers(u64, u64),
    /// Another document's script says that it is there.
    Reload,
    Leave,
}

fn action() -> impl Strategy<Value = Action> {
    let at = 0..8_usize;
    prop_oneof![
        Just(Action::Call),
        Just(Action::Event),
        at.clone().prop_map(Action::Run),
        (at.clone(), any::<bool>()).prop_map(|(at, ok)| Action::End(at, ok)),
        (at.clone(), any::<bool>()).prop_map(|(at, ok)| Action::Reply(at, ok)),
        at.clone().prop_map(Action::DropHandling),
        Just(Action::Send),
        at.clone().prop_map(Action::Sent),
        at.clone().prop_map(Action::Acknowledge),
        at.clone().prop_map(Action::HandOver),
        at.clone().prop_map(Action::Fail),
        at.prop_map(Action::DropDelivery),
        any::<bool>().prop_map(Action::Stream),
        prop_oneof![
            Just(PageState::Loading),
            Just(PageState::Ready),
            Just(PageState::Gone)
        ]
        .prop_map(Action::Page),
        Just(Action::PageCall),
        Just(Action::PageCall),
        (
            0..12_u64,
            prop_oneof![Just("settled"), Just("failed"), Just("cancel")]
        )
            .prop_map(|(id, how)| Action::Settle(id, how)),
        Just(Action::SendNumbered),
        (0..12_u64, 0..3_u64)
            .prop_map(|(first, more)| Action::AcknowledgeNumbers(first, first + more)),
        Just(Action::Reload),
        Just(Action::Leave),
    ]
}

fn take<T>(from: &mut Vec<T>, at: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(at % from.len()))
}

fn outcome(ok: bool) -> Result<(), ErrorType> {
    if ok {
        Ok(())
    } else {
        Err(ErrorType::HandlerError)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_observed_message_ends_exactly_once(actions in vec(action(), 0..120)) {
        let capture = Capture::new();
        let (inbound, outbound) = capture.run(|| {
            let script = PageScript::new();
            let observer = Observer::builder("main")
                .tracer_provider(&capture.tracer_provider())
                .page_script(&script)
                .build();
            let (mut handlings, mut deliveries) = (Vec::<Handling>::new(), Vec::<Delivery>::new());
            let (mut inbound, mut outbound) = (0_u64, 0_u64);
            let (mut page, mut calls) = (0, 0);
            let report = |page: u64, messages: &str| {
                let nonce = script.nonce();
                let text = format!(
                    r#"{{"spanwire":1,"nonce":"{nonce}","page":"p{page}","sent":1,"messages":[{messages}]}}"#
                );
                let _ = observer.page_report(&text);
            };
            report(page, r#"{"kind":"ready"}"#);
            for action in actions {
                wait(&capture, 1);
                match action {
                    Action::Call => handlings.push(observer.call("save").begin()),
                    Action::PageCall => {
                        calls += 1;
                        let call = format!("{};1;1", calls % 12);
                        handlings.push(observer.call("save").page_call(&call).begin());
                    }
                    Action::Event => handlings.push(observer.event("moved").begin()),
                    Action::Send => deliveries.push(observer.send("progress", 3)),
                    Action::SendNumbered => {
                        let mut delivery = observer.send("progress", 3);
                        delivery.number();
                        deliveries.push(delivery);
                    }
                    Action::Settle(id, "cancel") => report(page, &format!(r#"{{"kind":"cancel","id":{id},"at":2}}"#)),
                    Action::Settle(id, how) => {
                        let failed = if how == "failed" { format!(r#","failed":[{id}]"#) } else { String::new() };
                        report(page, &format!(r#"{{"kind":"settled","ran":[[{id},2,3]]{failed}}}"#));
                    }
                    Action::AcknowledgeNumbers(first, last) => {
                        report(page, &format!(r#"{{"kind":"ack","ids":[[{first},{last}]],"at":2}}"#));
                    }
                    Action::Reload => {
                        page += 1;
                        report(page, r#"{"kind":"ready"}"#);
                    }
                    Action::Leave => report(page, r#"{"kind":"leave"}"#),
                    Action::Run(at) => {
                        if let Some(mut handling) = take(&mut handlings, at) {
                            handling.in_scope(|| ());
                            handlings.push(handling);
                        }
                    }
                    Action::End(at, ok) => {
                        if let Some(handling) = take(&mut handlings, at) {
                            handling.end(outcome(ok));
                        }
                    }
                    Action::Reply(at, ok) => {
                        if let Some(handling) = take(&mut handlings, at) {
                            deliveries.push(handling.reply(outcome(ok), 1));
                            outbound += 1;
                        }
                    }
                    Action::DropHandling(at) => drop(take(&mut handlings, at)),
                    Action::Sent(at) => {
                        if let Some(mut delivery) = take(&mut deliveries, at) {
                            delivery.sent(2);
                            deliveries.push(delivery);
                        }
                    }
                    Action::Acknowledge(at) => {
                        if let Some(delivery) = take(&mut deliveries, at) {
                            delivery.acknowledged();
                        }
                    }
                    Action::HandOver(at) => {
                        if let Some(delivery) = take(&mut deliveries, at) {
                            delivery.handed_over();
                        }
                    }
                    Action::Fail(at) => {
                        if let Some(delivery) = take(&mut deliveries, at) {
                            delivery.failed(ErrorType::PageGone);
                        }
                    }
                    Action::DropDelivery(at) => drop(take(&mut deliveries, at)),
                    Action::Stream(ok) => {
                        let channel = observer.channel("rows");
                        match ok {
                            true => channel.message(1),
                            false => channel.failed(ErrorType::PageGone),
                        }
                        outbound += 1;
                    }
                    Action::Page(state) => observer.set_page_state(state),
                }
                inbound += u64::from(matches!(action, Action::Call | Action::PageCall | Action::Event));
                outbound += u64::from(matches!(action, Action::Send | Action::SendNumbered));
                let metrics = observer.metrics();
                // Those that the layer holds, and those that wait for the page's word.
                assert!(metrics.messages_open >= deliveries.len() as u64);
                let ended = metrics.messages_sent + metrics.messages_failed;
                assert_eq!(ended + metrics.messages_open, outbound);
            }
            let metrics = observer.metrics();
            assert_eq!(metrics.messages_received, inbound);
            drop(handlings);
            drop(deliveries);
            observer.set_page_state(PageState::Gone);
            let metrics = observer.metrics();
            assert_eq!(metrics.messages_open, 0);
            let ended = metrics.messages_sent + metrics.messages_failed;
            assert_eq!(ended, outbound);
            (inbound, outbound)
        });
        let count = |direction| {
            capture.counter("spanwire.ipc.messages", &[("spanwire.ipc.direction", direction)])
        };
        assert_eq!((count("inbound"), count("outbound")), (inbound, outbound));
        // Each message has one span of its handler, each of the page's calls one more at most, and none
        // was left open: those that are dropped without an end say `_OTHER`.
        let spans = capture.finished_spans();
        let handled = spans.iter().filter(|span| {
            matches!(span.span_kind, SpanKind::Server | SpanKind::Consumer)
                && matches!(&*span.name, "save" | "moved")
        });
        assert_eq!(handled.count() as u64, inbound);
        let mut ids: Vec<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
        ids.sort_by_key(|id| id.to_bytes());
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
    }
}

/// What the event loop is to answer.
type Wakes = Arc<Mutex<Vec<Wake>>>;

fn wakes(observer: &Observer) -> Wakes {
    let wakes = Wakes::default();
    let event_loop = Arc::clone(&wakes);
    observer.on_wake(move |wake| event_loop.lock().unwrap().push(wake));
    wakes
}

/// The UI thread comes: how many wakes waited for it.
fn answer(wakes: &Wakes) -> usize {
    let waiting = std::mem::take(&mut *wakes.lock().unwrap());
    waiting.into_iter().map(Wake::answer).count()
}

#[test]
fn the_ui_thread_is_woken_when_the_metrics_are_read_and_its_delay_is_measured() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        let wakes = wakes(&observer);
        let delay = || capture.histogram("spanwire.main_thread.delay", &[]);
        // The wake at the start is none: the event loop may not run yet.
        wait(&capture, 3_000);
        assert_eq!((answer(&wakes), delay()), (1, (0, 0.0)));
        for _ in 0..3 {
            spanwire::publish();
            wait(&capture, 250);
        }
        assert_eq!((answer(&wakes), delay()), (1, (1, 0.75)));
        wait(&capture, 1_000);
        spanwire::publish();
        // It does not come, and is not woken twice.
        wait(&capture, 5_000);
        spanwire::publish();
        assert_eq!((answer(&wakes), delay()), (1, (2, 5.75)));
    });
}

#[test]
fn a_wake_that_the_event_loop_drops_is_no_delay_and_the_next_one_is_sent() {
    let capture = Capture::new();
    capture.run(|| {
        let observer = observer(&capture);
        let wakes = wakes(&observer);
        for _ in 0..3 {
            spanwire::publish();
            wait(&capture, 1_000);
            let dropped = std::mem::take(&mut *wakes.lock().unwrap());
            assert_eq!(dropped.len(), 1);
        }
        let delay = capture.histogram("spanwire.main_thread.delay", &[]);
        assert_eq!(delay, (0, 0.0));
        // Nor does one keep the observer, or need it.
        spanwire::publish();
        drop(observer);
        assert_eq!(answer(&wakes), 1);
    });
}
