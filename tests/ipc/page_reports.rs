//! What a page with a script says of itself, whatever carries its messages.

use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use serde::Deserialize;
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{Observer, PageReportError, PageScript};
use spanwire::semconv::ErrorType;
use spanwire::testing::Capture;

use crate::traces::tree;

/// A page that is observed: its clock began with the capture's.
struct Page<'c> {
    capture: &'c Capture,
    observer: Observer,
    nonce: String,
    id: &'static str,
    now: u64,
}

impl<'c> Page<'c> {
    /// One that said that it is there.
    fn load(capture: &'c Capture) -> Self {
        let page = Self::silent(capture);
        page.says(r#"{"kind":"ready"}"#);
        page
    }

    fn silent(capture: &'c Capture) -> Self {
        let script = PageScript::new();
        let observer = Observer::builder("main")
            .tracer_provider(&capture.tracer_provider())
            .page_script(&script)
            .build();
        Self {
            capture,
            observer,
            nonce: script.nonce().to_owned(),
            id: "p1",
            now: 0,
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.capture.clock().advance(Duration::from_millis(ms));
    }

    fn report(&self, messages: &str) -> String {
        let Self { nonce, id, now, .. } = self;
        format!(
            r#"{{"spanwire":1,"nonce":"{nonce}","page":"{id}","sent":{now},"messages":[{messages}]}}"#
        )
    }

    fn says(&self, messages: &str) {
        assert_eq!(self.observer.page_report(&self.report(messages)), Ok(()));
    }

    fn errors(&self, of: &str) -> u64 {
        self.capture
            .counter("spanwire.page.errors", &[("error.type", of)])
    }
}

fn check(scenario: impl FnOnce(&mut Page<'_>), expected: expect_test::Expect) {
    let capture = Capture::new();
    capture.run(|| scenario(&mut Page::load(&capture)));
    expected.assert_eq(&tree(&capture));
}

#[test]
fn a_call_is_one_trace_from_the_pages_span_to_its_promise() {
    check(
        |page| {
            page.wait(10);
            page.says(r#"{"kind":"open","span":1,"name":"ui.save","at":4}"#);
            let mut handling = page
                .observer
                .call("save")
                .size(16)
                .page_call("1;5;7;1")
                .begin();
            handling.in_scope(|| page.capture.clock().advance(Duration::from_millis(10)));
            let mut reply = handling.reply(Ok(()), 4);
            reply.sent(1);
            reply.handed_over();
            assert_eq!(
                page.observer.metrics().messages_open,
                1,
                "the page has its end"
            );
            page.now += 10;
            page.wait(30);
            page.says(r#"{"kind":"settled","ran":[[1,21,23]]},{"kind":"close","span":1,"at":24}"#);
            assert_eq!(page.observer.metrics().messages_open, 0);
            assert_eq!(page.observer.metrics().messages_sent, 1);
        },
        expect![[r#"
            ui.save internal 4..23
              save client 5..20 posted@7 received@10 settled@20
                save server
                  reply save internal 20..22 dequeued@20 dispatched@20 acknowledged@22
                    process save consumer 20..22
        "#]],
    );
}

#[test]
fn a_calls_error_is_the_hosts_where_it_has_one_and_otherwise_the_pages() {
    check(
        |page| {
            for (id, name, outcome) in [
                (1, "host", Err(ErrorType::HandlerError)),
                (2, "page", Ok(())),
                (3, "given_up", Ok(())),
            ] {
                let call = format!("{id};0;0");
                let handling = page.observer.call(name).page_call(&call).begin();
                handling.reply(outcome, 1).handed_over();
            }
            page.says(
                r#"{"kind":"settled","ran":[[1,0,0],[2,0,0]],"failed":[1,2]},
                   {"kind":"cancel","id":3,"at":0,"code":"TIMEOUT"}"#,
            );
        },
        expect![[r#"
            host client 0..0 handler_error posted@0 received@0 settled@0
              host server handler_error
                reply host internal 0..0 dequeued@0 dispatched@0 acknowledged@0
                  process host consumer 0..0
            page client 0..0 _OTHER posted@0 received@0 settled@0
              page server
                reply page internal 0..0 dequeued@0 dispatched@0 acknowledged@0
                  process page consumer 0..0
            given_up client 0..0 timeout posted@0 received@0
              given_up server
                reply given_up internal 0..0 dequeued@0 dispatched@0
        "#]],
    );
}

#[test]
fn the_pages_word_is_recorded_under_the_wires_names() {
    let capture = Capture::new();
    capture.run(|| {
        let mut page = Page::load(&capture);
        page.wait(100);
        page.says(
            r#"{"kind":"vital","name":"fcp","value":90,"rating":"good"},
               {"kind":"error","type":"uncaught"},
               {"kind":"error","type":"listener_error"},
               {"kind":"error","type":"listener_error","event":"progress"},
               {"kind":"record","name":"page_report.fps","value":59.5,"unit":"{frame}/s","category":"canvas"},
               {"kind":"ran","event":"progress","took":[4,0.5]},
               {"kind":"shed","count":7}"#,
        );
        let mut sent = page.observer.send("moved", 8);
        let number = sent.number();
        assert_eq!((number, sent.number()), (1, 1));
        sent.sent(1);
        sent.handed_over();
        page.wait(20);
        page.says(r#"{"kind":"ack","ids":[[1,1]],"at":110,"done":112,"ran":[[1,110,112]]}"#);
        drop(page);
    });
    expect![[r#"
        spans:
        "send moved" producer code.file.path=tests/ipc/page_reports.rs rpc.method=moved rpc.system.name=spanwire spanwire.batch.size=1 spanwire.message.size=8 spanwire.queue.wait=0 spanwire.webview.name=main
          event dequeued
          event dispatched
          event acknowledged
          "process moved" consumer rpc.method=moved rpc.system.name=spanwire spanwire.webview.name=main
        metrics:
        spanwire.ipc.delivery.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.0065
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=8
        spanwire.ipc.event.transit.duration{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.0045
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=8
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.process.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.002
        spanwire.ipc.process.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=2 sum=0.0045
        spanwire.ipc.transit.duration{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=1 sum=0.0045
        spanwire.measurement{spanwire.measurement.category="canvas",spanwire.measurement.name="page_report.fps",spanwire.measurement.unit="{frame}/s"} 59.5
        spanwire.page.errors{error.type="listener_error",spanwire.ipc.event="progress",spanwire.webview.name="main"} 1
        spanwire.page.errors{error.type="listener_error",spanwire.webview.name="main"} 1
        spanwire.page.errors{error.type="page_shed",spanwire.webview.name="main"} 7
        spanwire.page.errors{error.type="uncaught",spanwire.webview.name="main"} 1
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        spanwire.page.web_vital.duration{browser.web_vital.name="fcp",browser.web_vital.rating="good"} count=1 sum=0.09
        logs:
    "#]].assert_eq(&capture.text());
}

#[test]
fn names_that_the_script_refuses_are_counted_and_messages_are_not_its_to_refuse() {
    let capture = Capture::new();
    capture.run(|| {
        let page = Page::load(&capture);
        page.says(r#"{"kind":"refused","of":"span","type":"invalid_name","count":2}"#);
        page.says(r#"{"kind":"refused","of":"record","type":"invalid_name","count":3}"#);
        assert_eq!(page.errors("invalid_name"), 5);
        page.says(r#"{"kind":"refused","of":"call","type":"too_large","event":"a","count":2}"#);
        page.says(r#"{"kind":"unheard","event":"a","count":2}"#);
        assert_eq!(page.errors("malformed"), 2);
        page.says(r#"{"kind":"long_task","value":72.5}"#);
        let (count, seconds) = capture.histogram("spanwire.page.long_task.duration", &[]);
        assert_eq!((count, seconds), (1, 0.0725));
    });
}

#[test]
fn the_page_may_speak_before_the_message_layer() {
    check(
        |page| {
            page.wait(10);
            // It gave the call up before it came.
            page.says(r#"{"kind":"cancel","id":1,"at":8,"code":"TIMEOUT"}"#);
            page.observer
                .call("late")
                .page_call("1;5;7")
                .begin()
                .reply(Ok(()), 1)
                .handed_over();
            // It settled before the message layer said that it handed the reply over.
            let mut reply = page
                .observer
                .call("quick")
                .page_call("2;9;9")
                .begin()
                .reply(Ok(()), 1);
            reply.sent(1);
            page.wait(5);
            page.says(r#"{"kind":"settled","ran":[[2,13,14]],"failed":[2]}"#);
            reply.handed_over();
            let mut sent = page.observer.send("moved", 1);
            let number = sent.number();
            sent.sent(1);
            page.wait(5);
            page.says(&format!(
                r#"{{"kind":"ack","ids":[[{number},{number}]],"at":17,"done":18}}"#
            ));
            sent.handed_over();
            assert_eq!(page.observer.metrics().messages_open, 0);
            assert_eq!(page.observer.metrics().messages_sent, 3);
        },
        expect![[r#"
            late client 5..8 timeout posted@7 received@10
              late server
                reply late internal 10..10 dequeued@10 dispatched@10
            quick client 9..13 _OTHER posted@9 received@10 settled@13
              quick server
                reply quick internal 10..14 dequeued@10 dispatched@10 acknowledged@14
                  process quick consumer 13..14
            send moved producer 15..17 dequeued@15 dispatched@15 acknowledged@17
              process moved consumer 17..17
        "#]],
    );
}

#[test]
fn what_waits_for_a_page_ends_with_it() {
    for how in ["reload", "leave", "state", "drop"] {
        let capture = Capture::new();
        capture.run(|| {
            let mut page = Page::load(&capture);
            page.wait(10);
            page.says(r#"{"kind":"open","span":1,"name":"ui.save","at":4}"#);
            page.observer
                .call("save")
                .page_call("1;5;7")
                .begin()
                .reply(Ok(()), 1)
                .handed_over();
            let running = page.observer.call("slow").page_call("2;5;7").begin();
            let mut sent = page.observer.send("moved", 1);
            sent.number();
            sent.handed_over();
            assert_eq!(page.observer.metrics().messages_open, 2);
            match how {
                "reload" => {
                    page.id = "p2";
                    page.now = 0;
                    page.says(r#"{"kind":"ready"}"#);
                }
                "leave" => page.says(r#"{"kind":"leave"}"#),
                "state" => page.observer.set_page_state(PageState::Gone),
                _ => {}
            }
            if how == "drop" {
                drop(running);
                drop(page);
                return;
            }
            assert_eq!(page.observer.metrics().messages_open, 0, "{how}");
            running.reply(Ok(()), 1).handed_over();
            assert_eq!(page.observer.metrics().messages_failed, 3, "{how}");
        });
        let error = if how == "drop" {
            "shutdown"
        } else {
            "page_gone"
        };
        for name in ["ui.save", "save", "reply save", "send moved"] {
            let spans = capture.finished_spans();
            let span = spans.iter().find(|span| {
                span.name == name && span.status != opentelemetry::trace::Status::Unset
            });
            let failed = span
                .is_some_and(|span| span.attributes.iter().any(|of| of.value.as_str() == error));
            assert!(failed, "{how}: {name}: {}", capture.spans());
        }
    }
}

#[test]
fn what_is_sent_while_the_next_page_loads_waits_for_that_page() {
    let capture = Capture::new();
    capture.run(|| {
        let mut page = Page::load(&capture);
        page.observer.set_page_state(PageState::Loading);
        let mut sent = page.observer.send("moved", 1);
        let number = sent.number();
        sent.handed_over();
        page.id = "p2";
        page.says(r#"{"kind":"ready"}"#);
        assert_eq!(page.observer.metrics().messages_open, 1);
        page.says(&format!(
            r#"{{"kind":"ack","ids":[[{number},{number}]],"at":0,"done":0}}"#
        ));
        let metrics = page.observer.metrics();
        assert_eq!((metrics.messages_sent, metrics.messages_failed), (1, 0));
    });
}

#[test]
fn a_page_with_a_script_says_itself_that_it_is_there() {
    let capture = Capture::new();
    capture.run(|| {
        let mut page = Page::silent(&capture);
        let loads = || capture.counter("spanwire.page.loads", &[]);
        assert_eq!(page.observer.page_state(), PageState::Loading);
        page.says(r#"{"kind":"ready"}"#);
        assert_eq!((page.observer.page_state(), loads()), (PageState::Ready, 1));
        // The message layer may say so, too.
        page.observer.set_page_state(PageState::Ready);
        page.says(r#"{"kind":"ready"}"#);
        assert_eq!(loads(), 1);
        let old = page.report(r#"{"kind":"error","type":"uncaught"}"#);
        page.id = "p2";
        page.says(r#"{"kind":"ready"}"#);
        assert_eq!(loads(), 2);
        assert_eq!(
            page.observer.page_report(&old),
            Err(PageReportError::StalePage)
        );
        page.says(r#"{"kind":"leave"}"#);
        assert_eq!(page.observer.page_state(), PageState::Loading);
        let late = page.report(r#"{"kind":"ready"}"#);
        assert_eq!(
            page.observer.page_report(&late),
            Err(PageReportError::StalePage)
        );
        assert_eq!(
            (page.errors("stale_generation"), page.errors("uncaught")),
            (2, 0)
        );
    });
}

#[test]
fn a_report_proves_itself_before_it_is_read() {
    let capture = Capture::new();
    capture.run(|| {
        let page = Page::load(&capture);
        let report = |text: &str| page.observer.page_report(text);
        let good = page.report(r#"{"kind":"error","type":"uncaught"}"#);
        assert_eq!(
            report(&good.replace(&page.nonce, &"0".repeat(32))),
            Err(PageReportError::Forbidden)
        );
        assert_eq!(
            report(&good.replacen(':', ": ", 1)),
            Err(PageReportError::Malformed)
        );
        assert_eq!(
            report(&"x".repeat(256 * 1024 + 1)),
            Err(PageReportError::TooLarge)
        );
        assert_eq!(
            report(&page.report(&vec!["{}"; 251].join(","))),
            Err(PageReportError::TooLarge)
        );
        let deep = page.report(&format!(
            r#"{{"kind":"record","x":{}{}}}"#,
            "[".repeat(9),
            "]".repeat(9)
        ));
        assert_eq!(report(&deep), Err(PageReportError::Malformed));
        assert_eq!(
            report(good.strip_suffix('}').unwrap()),
            Err(PageReportError::Malformed)
        );
        assert_eq!(report(""), Err(PageReportError::Malformed));
        assert_eq!(page.errors("forbidden"), 1);
        assert_eq!(page.errors("too_large"), 2);
        assert_eq!(page.errors("too_deep"), 1);
        assert_eq!(page.errors("malformed"), 3);
        assert_eq!(page.errors("uncaught"), 0, "nothing of them was read");
        let none = Observer::builder("main").build();
        assert_eq!(none.page_report(&good), Err(PageReportError::NotAccepted));
        assert_eq!(page.errors("forbidden"), 2);
    });
}

#[test]
fn what_is_wrong_in_a_report_costs_itself_alone() {
    let capture = Capture::new();
    capture.run(|| {
        let mut page = Page::load(&capture);
        page.wait(50);
        let many = vec!["0"; 1_001].join(",");
        page.says(&format!(
            r#"{{"kind":"nonsense"}},7,
               {{"kind":"call","id":1,"event":"save"}},
               {{"kind":"pong","id":1}},
               {{"kind":"spans","count":1}},
               {{"kind":"ran","event":"a","took":[{many}]}},
               {{"kind":"ran","event":"\u0000","took":[1]}},
               {{"kind":"ran","event":"long","took":[-1,1e300,999999]}},
               {{"kind":"settled","ran":[[1,1e300,-1],[1,2,3]]}},
               {{"kind":"ack","ids":[[0,18446744073709551615],[9,1]]}},
               {{"kind":"open","span":1,"name":"\u0000"}},
               {{"kind":"close","span":9}},
               {{"kind":"record","name":"","value":1}},
               {{"kind":"vital","name":"fcp","value":-1,"rating":"good"}},
               {{"kind":"error","type":"uncaught"}}"#
        ));
        assert_eq!(page.errors("uncaught"), 1);
        assert_eq!(page.errors("malformed"), 7);
        assert_eq!(page.errors("unknown_ack"), 2);
        assert_eq!(page.errors("invalid_name"), 2);
        assert_eq!(page.errors("unknown_span"), 1);
        assert_eq!(page.observer.metrics().messages_received, 0);
        // Nothing ran for longer than the page is there.
        let long = [("spanwire.ipc.event", "long")];
        assert_eq!(
            capture.histogram("spanwire.ipc.process.duration", &long),
            (1, 0.05)
        );
    });
}

#[test]
fn a_text_that_is_no_call_of_the_pages_is_counted_and_a_call_all_the_same() {
    let capture = Capture::new();
    capture.run(|| {
        let page = Page::load(&capture);
        for text in ["", "nonsense", "1;5;7;9;9"] {
            page.observer
                .call("save")
                .page_call(text)
                .begin()
                .reply(Ok(()), 1)
                .handed_over();
        }
        // Twice the same id: the second ends with its reply.
        let first = page.observer.call("save").page_call("1;0;0").begin();
        page.observer
            .call("save")
            .page_call("1;0;0")
            .begin()
            .reply(Ok(()), 1)
            .handed_over();
        assert_eq!(page.observer.metrics().messages_sent, 4);
        drop(first);
        assert_eq!(page.errors("malformed"), 2);
    });
}

#[test]
fn what_a_page_can_make_the_host_keep_is_bounded() {
    let capture = Capture::new();
    capture.run(|| {
        let page = Page::load(&capture);
        for id in 1..=3_000 {
            let call = format!("{id};0;0");
            page.observer
                .call("save")
                .page_call(&call)
                .begin()
                .reply(Ok(()), 1)
                .handed_over();
        }
        for _ in 0..6_000 {
            let mut sent = page.observer.send("moved", 1);
            sent.number();
            sent.handed_over();
        }
        let metrics = page.observer.metrics();
        assert_eq!(metrics.messages_open, 1_000 + 4_096);
        assert_eq!(metrics.messages_sent, 2_000 + 6_000 - 4_096);
        for start in (10_000..20_000).step_by(500) {
            let ran: Vec<_> = (start..start + 500)
                .map(|id| format!("[{id},0,0]"))
                .collect();
            page.says(&format!(
                r#"{{"kind":"settled","ran":[{}]}}"#,
                ran.join(",")
            ));
        }
        for n in 0..1_000 {
            page.says(&format!(r#"{{"kind":"ran","event":"e{n}","took":[1]}}"#));
        }
        page.says(r#"{"kind":"ack","ids":[[1,18446744073709551615]]}"#);
        assert_eq!(page.observer.metrics().messages_open, 1_000);
    });
    let other = [("spanwire.ipc.event", "_OTHER")];
    let (runs, _) = capture.histogram("spanwire.ipc.process.duration", &other);
    assert!(runs > 900, "{runs}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    // Of few names: those of measurements are the whole process's, and capped.
    #[test]
    fn any_text_is_taken_or_refused(messages in r#"(\{"kind":"(settled|ack|ran|cancel|open|close|vital|record|shed|ready|leave)"(,"(id|at|span|count|value|took|ran|ids|failed|event|name)":([0-9]{1,3}|-1|1e99|null|"[ab]{0,2}"|\[\[[0-9],[0-9],[0-9]\]\]|\[[0-9]\])){0,5}\},?){0,6}"#) {
        let capture = Capture::new();
        capture.run(|| {
            let page = Page::load(&capture);
            let running = page.observer.call("save").page_call("1;0;0;1").begin();
            let mut sent = page.observer.send("moved", 1);
            sent.number();
            let _ = page.observer.page_report(&page.report(messages.trim_end_matches(',')));
            running.reply(Err(ErrorType::HandlerError), 1).handed_over();
            sent.handed_over();
            page.observer.set_page_state(PageState::Gone);
            assert_eq!(page.observer.metrics().messages_open, 0);
        });
        for span in capture.finished_spans() {
            prop_assert!(span.start_time <= span.end_time, "{span:?}");
        }
    }
}

/// What the built script said in `page/test/observe.test.mjs`.
#[derive(Deserialize)]
struct Recorded {
    calls: Vec<String>,
    reports: Vec<String>,
}

#[test]
fn what_the_built_script_says_is_taken_word_for_word() {
    let capture = Capture::new();
    capture.run(|| {
        let text = include_str!("../observed_page.json");
        let Recorded { calls, reports } = serde_json::from_str(text).unwrap();
        let page = Page::silent(&capture);
        let mut reports = reports
            .iter()
            .map(|text| text.replace("NONCE", &page.nonce));
        let mut at = 0;
        let mut until = |ms: u64| {
            capture.clock().advance(Duration::from_millis(ms - at));
            at = ms;
        };
        let mut report = || page.observer.page_report(&reports.next().unwrap()).unwrap();
        report();
        until(102);
        report();
        let handling = page.observer.call("save").page_call(&calls[0]).begin();
        let mut moved = page.observer.send("moved", 4);
        assert_eq!(moved.number(), 1);
        until(110);
        moved.handed_over();
        handling.reply(Ok(()), 2).handed_over();
        until(604);
        report();
        until(633);
        report();
        until(640);
        report();
        assert_eq!(page.observer.metrics().messages_open, 0);
        assert_eq!(page.observer.page_state(), PageState::Loading);
        for error in ["malformed", "unknown_ack", "unknown_span", "duplicate"] {
            assert_eq!(page.errors(error), 0, "{error}");
        }
    });
    expect![[r#"
        ui.save internal 100..102
          save client 100..119.5 _OTHER posted@102 received@102 settled@119.5
            save server
              reply save internal 110..122.5 dequeued@110 dispatched@110 acknowledged@122.5
                process save consumer 119.5..122.5
        send moved producer 102..122.5 dequeued@110 dispatched@110 acknowledged@122.5
          process moved consumer 119.5..122.5
        spanwire.ipc.call.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.01
        spanwire.ipc.delivery.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.0205
        spanwire.ipc.delivery.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.0125
        spanwire.ipc.event.size{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=4
        spanwire.ipc.event.size{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=2
        spanwire.ipc.event.transit.duration{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.0095
        spanwire.ipc.event.transit.duration{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.0095
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.008
        spanwire.ipc.event.wait.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.handler.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.008
        spanwire.ipc.message.size{spanwire.ipc.direction="inbound",spanwire.webview.name="main"} count=1 sum=0
        spanwire.ipc.message.size{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=6
        spanwire.ipc.messages{spanwire.ipc.direction="inbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="moved",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.messages{spanwire.ipc.direction="outbound",spanwire.ipc.event="save",spanwire.outcome="ok",spanwire.webview.name="main"} 1
        spanwire.ipc.process.duration{spanwire.ipc.event="moved",spanwire.webview.name="main"} count=1 sum=0.003
        spanwire.ipc.process.duration{spanwire.ipc.event="progress",spanwire.webview.name="main"} count=1 sum=0.002
        spanwire.ipc.process.duration{spanwire.ipc.event="save",spanwire.webview.name="main"} count=1 sum=0.003
        spanwire.ipc.transit.duration{spanwire.ipc.direction="outbound",spanwire.webview.name="main"} count=2 sum=0.019
        spanwire.measurement{spanwire.measurement.category="größe",spanwire.measurement.name="observed.fps",spanwire.measurement.unit="{frame}/s"} 59.5
        spanwire.page.errors{error.type="uncaught",spanwire.webview.name="main"} 1
        spanwire.page.loads{spanwire.page.load.type="first",spanwire.webview.name="main"} 1
        spanwire.page.web_vital.duration{browser.web_vital.name="fcp",browser.web_vital.rating="good"} count=1 sum=0.09
    "#]].assert_eq(&[tree(&capture), capture.metrics()].concat());
}
