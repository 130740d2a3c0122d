//! One trace from page to page: spans made from the page's stamps, under a clock moved by hand.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use spanwire::clock::Clock;
use spanwire::ipc::{Call, Ipc, IpcMessage, PageTraces};
use spanwire::testing::Capture;
use tokio::runtime::Runtime;

use spanwire_testkit::model_page::{Eval, ModelPage};
use spanwire_testkit::stamped_page::{StampedPage, builder, explicit_ms, runtime, turn};

/// Runs `scenario` on a fresh wire and compares the spans that it made with their times.
fn check(scenario: impl FnOnce(&Ipc, &mut StampedPage), expected: Expect) {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let mut page = StampedPage::load(&capture, &ipc);
        scenario(&ipc, &mut page);
    });
    expected.assert_eq(&tree(&capture));
}

/// The same, with async handlers.
fn check_async(scenario: impl FnOnce(&Ipc, &mut StampedPage, &Runtime), expected: Expect) {
    let (capture, runtime) = (Capture::new(), runtime());
    capture.run(|| {
        let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
        let mut page = StampedPage::load(&capture, &ipc);
        scenario(&ipc, &mut page, &runtime);
    });
    expected.assert_eq(&tree(&capture));
}

/// The spans as a tree, with kind, times in milliseconds where they are explicit, error and events.
pub(crate) fn tree(capture: &Capture) -> String {
    fn write(out: &mut String, depth: usize, span: &SpanData, all: &[SpanData]) {
        let indent = "  ".repeat(depth);
        let kind = format!("{:?}", span.span_kind).to_lowercase();
        out.push_str(&format!("{indent}{} {kind}", span.name));
        if let (Some(start), Some(end)) = (explicit_ms(span.start_time), explicit_ms(span.end_time))
        {
            out.push_str(&format!(" {start}..{end}"));
        }
        if let Status::Error { .. } = span.status {
            let error = span
                .attributes
                .iter()
                .find(|a| a.key.as_str() == "error.type");
            out.push_str(&format!(" {}", error.unwrap().value.as_str()));
        }
        for event in &span.events.events {
            match explicit_ms(event.timestamp) {
                Some(ms) => out.push_str(&format!(" {}@{ms}", event.name)),
                None => out.push_str(&format!(" {}", event.name)),
            }
        }
        out.push('\n');
        let id = span.span_context.span_id();
        for child in all.iter().filter(|child| child.parent_span_id == id) {
            write(out, depth + 1, child, all);
        }
    }
    let mut all = capture.finished_spans();
    // Ids count up in the order of starts.
    all.sort_by_key(|span| span.span_context.span_id().to_bytes());
    let mut out = String::new();
    for root in all.iter().filter(|span| {
        !all.iter()
            .any(|other| other.span_context.span_id() == span.parent_span_id)
    }) {
        if !root.name.contains("hello") {
            write(&mut out, 0, root, &all);
        }
    }
    out
}

fn errors(capture: &Capture, error: &str) -> u64 {
    capture.counter("spanwire.page.errors", &[("error.type", error)])
}

#[test]
fn a_call_is_one_trace_from_page_to_page() {
    check(
        |ipc, page| {
            let capture = page.capture.clone();
            ipc.on("save", move |_: &Call| {
                let _write = tracing::info_span!("write").entered();
                capture.clock().advance(Duration::from_millis(10));
            })
            .unwrap();
            page.call(ipc, "save", None);
            page.pump(ipc);
        },
        expect![[r#"
            save client 5.5..19.5 posted@7.5 received@9 settled@19.5
              save server
                write internal
                reply save internal 19..24 dequeued@19 dispatched@19 acknowledged@24
                  process save consumer 19.5..22.5
        "#]],
    );
}

#[test]
fn an_async_call_is_one_trace_from_page_to_page() {
    check_async(
        |ipc, page, runtime| {
            let capture = page.capture.clone();
            ipc.on_async("render", move |_: Call<'static>| {
                let capture = capture.clone();
                async move {
                    tokio::task::yield_now().await;
                    let _paint = tracing::info_span!("paint").entered();
                    capture.clock().advance(Duration::from_millis(10));
                }
            })
            .unwrap();
            page.call(ipc, "render", None);
            turn(runtime);
            page.pump(ipc);
        },
        expect![[r#"
            render client 5.5..19.5 posted@7.5 received@9 settled@19.5
              render server
                paint internal
                reply render internal 19..24 dequeued@19 dispatched@19 acknowledged@24
                  process render consumer 19.5..22.5
        "#]],
    );
}

#[test]
fn calls_and_events_within_a_page_span_are_its_children() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            let (click, step) = (page.now(), page.now() + 1);
            page.wait(1);
            page.send(
                ipc,
                &[
                    json!({"kind": "open", "span": 1, "name": "click", "at": click}),
                    json!({"kind": "open", "span": 2, "parent": 1, "name": "step", "at": step}),
                ],
            );
            page.call(ipc, "save", Some(2));
            let id = page.page.take_id();
            page.send(
                ipc,
                &[json!({"kind": "event", "id": id, "event": "save", "span": 1})],
            );
            page.pump(ipc);
            let now = page.now();
            page.send(
                ipc,
                &[
                    json!({"kind": "close", "span": 2, "at": now, "outcome": "failed"}),
                    json!({"kind": "close", "span": 1, "at": now}),
                ],
            );
        },
        expect![[r#"
            click internal 5.5..16.5
              step internal 6.5..16.5 _OTHER
                save client 7.5..12.5 posted@9.5 received@11 settled@12.5
                  save server
                    reply save internal 11..17 dequeued@12 dispatched@12 acknowledged@17
                      process save consumer 12.5..15.5
              save consumer
        "#]],
    );
}

#[test]
fn a_call_that_waited_longer_than_its_page_span_is_still_its_child() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            let now = page.now();
            page.send(
                ipc,
                &[
                    json!({"kind": "open", "span": 1, "name": "click", "at": now}),
                    json!({"kind": "close", "span": 1, "at": now}),
                ],
            );
            page.call(ipc, "save", Some(1));
            page.pump(ipc);
        },
        expect![[r#"
            click internal 5.5..5.5
              save client 6.5..10.5 posted@8.5 received@10 settled@10.5
                save server
                  reply save internal 10..15 dequeued@10 dispatched@10 acknowledged@15
                    process save consumer 10.5..13.5
        "#]],
    );
}

#[test]
fn an_event_is_one_trace_from_the_page_to_its_listeners() {
    check(
        |ipc, page| {
            let sender = ipc.clone();
            ipc.on("moved", move |_: &Call| sender.emit("echo", &1).unwrap())
                .unwrap();
            let (id, at) = (page.page.take_id(), page.now());
            let event = json!({"kind": "event", "id": id, "event": "moved", "at": at});
            page.wait(2);
            page.send(ipc, &[event]);
            page.pump(ipc);
        },
        expect![[r#"
            send moved producer 5.5..9 posted@7.5
              moved consumer
                send echo producer 9..14 dequeued@9 dispatched@9 acknowledged@14
                  process echo consumer 9.5..12.5
        "#]],
    );
}

#[test]
fn a_message_sent_by_a_handler_is_traced_into_the_page() {
    check(
        |ipc, page| {
            let sender = ipc.clone();
            ipc.on("save", move |_: &Call| {
                sender.emit("saved", &1).unwrap();
                sender.emit("progress", &2).unwrap();
            })
            .unwrap();
            page.call(ipc, "save", None);
            page.pump(ipc);
        },
        expect![[r#"
            save client 5.5..9.5 posted@7.5 received@9 settled@9.5
              save server
                send saved producer 9..14 dequeued@9 dispatched@9 acknowledged@14
                  process saved consumer 9.5..9.5
                send progress producer 9..14 dequeued@9 dispatched@9 acknowledged@14
                  process progress consumer 9.5..9.5
                reply save internal 9..14 dequeued@9 dispatched@9 acknowledged@14
                  process save consumer 9.5..12.5
        "#]],
    );
}

#[test]
fn a_rejected_call_records_its_reason() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| Err::<(), _>("disk is full"))
                .unwrap();
            ipc.on("load", |_: &Call| -> () { panic!("no") }).unwrap();
            page.call(ipc, "save", None);
            page.call(ipc, "load", None);
            page.call(ipc, "sav", None);
            page.pump(ipc);
        },
        expect![[r#"
            save client 5.5..15.5 handler_error posted@7.5 received@9 settled@15.5
              save server handler_error handler failed
                reply save internal 9..20 dequeued@15 dispatched@15 acknowledged@20
                  process save consumer 15.5..18.5
            load client 8.5..15.5 panic posted@10.5 received@12 settled@15.5
              load server panic handler panicked
                reply load internal 12..20 dequeued@15 dispatched@15 acknowledged@20
                  process load consumer 15.5..18.5
            sav client 11.5..15.5 unknown_event posted@13.5 received@15 settled@15.5
              sav server unknown_event
                reply sav internal 15..20 dequeued@15 dispatched@15 acknowledged@20
                  process sav consumer 15.5..18.5
        "#]],
    );
}

#[test]
fn a_withdrawn_call_ends_when_the_page_withdrew_it() {
    check_async(
        |ipc, page, runtime| {
            ipc.on_async("render", |_| std::future::pending::<()>())
                .unwrap();
            for code in [None, Some("TIMEOUT")] {
                let call = page.call(ipc, "render", None);
                turn(runtime);
                let at = page.now();
                page.wait(5);
                page.send(
                    ipc,
                    &[json!({"kind": "cancel", "id": call, "at": at, "code": code})],
                );
                turn(runtime);
            }
            page.pump(ipc);
        },
        expect![[r#"
            render client 5.5..8.5 cancelled posted@7.5 received@9
              render server cancelled
            render client 14.5..17.5 timeout posted@16.5 received@18
              render server timeout
        "#]],
    );
}

#[test]
fn a_reply_to_a_withdrawn_call_is_not_processed() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            let call = page.call(ipc, "save", None);
            let at = page.now();
            page.send(
                ipc,
                &[json!({"kind": "cancel", "id": call, "at": at, "code": "TIMEOUT"})],
            );
            page.pump(ipc);
        },
        expect![[r#"
            save client 5.5..8.5 timeout posted@7.5 received@9
              save server
                reply save internal 9..15 dequeued@10 dispatched@10 acknowledged@15
        "#]],
    );
}

#[test]
fn open_spans_end_with_their_page() {
    check_async(
        |ipc, page, runtime| {
            ipc.on("save", |_: &Call| ()).unwrap();
            ipc.on_async("render", |_| std::future::pending::<()>())
                .unwrap();
            let now = page.now();
            page.send(
                ipc,
                &[json!({"kind": "open", "span": 1, "name": "click", "at": now})],
            );
            page.call(ipc, "render", None);
            page.call(ipc, "save", Some(1));
            turn(runtime);
            page.wait(5);
            ipc.page_gone();
            turn(runtime);
        },
        expect![[r#"
            click internal 5.5..18 page_gone
              save client 9.5..18 page_gone posted@11.5 received@13
                save server
                  reply save internal 13..18 page_gone
            render client 6.5..18 page_gone posted@8.5 received@10
              render server cancelled
        "#]],
    );
}

#[test]
fn open_spans_end_with_the_wire() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            page.call(ipc, "save", None);
            page.wait(5);
            ipc.close();
        },
        expect![[r#"
            save client 5.5..14 shutdown posted@7.5 received@9
              save server
                reply save internal 9..14 shutdown
        "#]],
    );
}

#[test]
fn a_duplicate_call_of_a_transport_ends_without_an_answer() {
    check_async(
        |ipc, _, runtime| {
            ipc.on_async("render", |_| std::future::pending::<()>())
                .unwrap();
            for _ in 0..2 {
                ipc.handle_message(&IpcMessage::call("render", &1, 7).unwrap());
            }
            turn(runtime);
        },
        expect![[r#"
            render server duplicate
        "#]],
    );
}

#[test]
fn a_reply_that_the_page_cannot_run_ends_its_call() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            page.call(ipc, "save", None);
            for _ in 0..4 {
                page.wait(1);
                ipc.evaluation_failed(ipc.next_script().unwrap());
            }
        },
        expect![[r#"
            save client 5.5..13 script_error posted@7.5 received@9
              save server
                reply save internal 9..13 script_error dequeued@10 dispatched@13
        "#]],
    );
}

#[test]
fn a_message_sent_twice_does_not_set_the_clock_offset() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            ipc.emit("lost", &1).unwrap();
            let first = ipc.next_script().unwrap();
            let at = page.now();
            // The page ran it all the same, long before it was sent again.
            let mut ack = page.page.run(&first, Eval::Runs).unwrap();
            ack["at"] = json!(at);
            ipc.evaluation_failed(first);
            page.wait(500);
            let _again = ipc.next_script().unwrap();
            page.send(ipc, &[ack]);
            page.call(ipc, "save", None);
            page.pump(ipc);
        },
        expect![[r#"
            send lost producer 6..507 dequeued@6 dispatched@506 acknowledged@507
              process lost consumer 506..506
            save client 506.5..510.5 posted@508.5 received@510 settled@510.5
              save server
                reply save internal 510..515 dequeued@510 dispatched@510 acknowledged@515
                  process save consumer 510.5..513.5
        "#]],
    );
}

#[test]
fn without_stamps_there_are_no_page_spans() {
    check(
        |ipc, page| {
            ipc.on("save", |_: &Call| ()).unwrap();
            let id = page.page.take_id();
            let call = json!({"kind": "call", "id": id, "event": "save", "at": 1e300, "span": 7});
            page.send_stamped(ipc, &json!(-1), &[call]);
            page.page.pump(ipc);
        },
        expect![[r#"
            save server
              reply save internal 6..6 dequeued@6 dispatched@6 acknowledged@6
        "#]],
    );
}

#[test]
fn the_first_call_of_a_page_is_traced_too() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = StampedPage {
            page: ModelPage::unannounced(&ipc, "p1"),
            capture: capture.clone(),
            began: capture.clock().now(),
        };
        let id = page.page.take_id();
        page.wait(20);
        let call = json!({"kind": "call", "id": id, "event": "save", "at": 19});
        page.send(&ipc, &[json!({"kind": "ready"}), call]);
        page.pump(&ipc);
    });
    expect![[r#"
        save client 21..21.5 posted@21 received@21 settled@21.5
          save server
            reply save internal 21..26 dequeued@21 dispatched@21 acknowledged@26
              process save consumer 21.5..24.5
    "#]]
    .assert_eq(&tree(&capture));
}

#[test]
fn a_traceparent_that_the_app_accepts_is_the_calls_parent() {
    let capture = Capture::new();
    for traces in [PageTraces::Accepted, PageTraces::Ignored] {
        capture.run(|| {
            let ipc = builder(&capture).page_traces(traces).build();
            ipc.on("save", |_: &Call| ()).unwrap();
            let mut page = StampedPage::load(&capture, &ipc);
            let id = page.page.take_id();
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            let call = json!({"kind": "call", "id": id, "event": "save", "at": page.now(),
                "traceparent": parent});
            page.send(&ipc, &[call]);
            page.pump(&ipc);
        });
    }
    let spans = capture.finished_spans();
    let parents: Vec<_> = spans
        .iter()
        .filter(|span| span.span_kind == SpanKind::Client)
        .map(|span| span.parent_span_id.to_string())
        .collect();
    assert_eq!(parents, ["b7ad6b7169203331", "0000000000000000"]);
    let calls = spans.iter().filter(|span| span.name == "save");
    let (accepted, own): (Vec<_>, Vec<_>) = calls
        .map(|span| span.span_context.trace_id().to_string())
        .partition(|id| id == "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((accepted.len(), own.len()), (2, 2));
}

#[test]
fn an_invalid_page_span_is_counted_and_not_made() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let page = StampedPage::load(&capture, &ipc);
        let open =
            |span: u64, name: &str| json!({"kind": "open", "span": span, "name": name, "at": 0});
        page.send(
            &ipc,
            &[
                open(5, "one"),
                open(5, "two"),
                open(4, "three"),
                open(6, "not a name "),
                json!({"kind": "close", "span": 6}),
                json!({"kind": "close", "span": 5}),
                json!({"kind": "close", "span": 5}),
            ],
        );
        assert_eq!(errors(&capture, "duplicate"), 2);
        assert_eq!(errors(&capture, "invalid_name"), 1);
        assert_eq!(errors(&capture, "unknown_span"), 2);
        for span in 10..1_020 {
            page.send(&ipc, &[open(span, "many")]);
        }
        assert_eq!(errors(&capture, "too_many_spans"), 10);
        page.send(&ipc, &[json!({"kind": "close", "span": 10})]);
        page.send(&ipc, &[open(1_020, "again"), open(1_021, "again")]);
        assert_eq!(errors(&capture, "too_many_spans"), 11);
        ipc.page_gone();
    });
    let made = |name: &str| {
        let spans = capture.finished_spans();
        spans.iter().filter(|span| span.name == name).count()
    };
    let names = ["one", "two", "three", "not a name", "many", "again"];
    assert_eq!(names.map(made), [1, 0, 0, 0, 1_000, 1]);
}

#[test]
fn a_page_may_open_and_close_spans_without_a_total_limit() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let page = StampedPage::load(&capture, &ipc);
        for span in 0..5_000 {
            page.send(
                &ipc,
                &[
                    json!({"kind": "open", "span": span, "name": "click", "at": page.now()}),
                    json!({"kind": "close", "span": span, "at": page.now()}),
                ],
            );
        }
    });
    assert_eq!(capture.counter("spanwire.page.errors", &[]), 0);
}

#[test]
fn page_spans_without_a_tracer_are_ignored_without_errors() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        page.send(
            &ipc,
            &[json!({"kind": "open", "span": 1, "name": "click", "at": 0})],
        );
        page.call(&ipc, "save", Some(1));
        page.pump(&ipc);
        page.send(&ipc, &[json!({"kind": "close", "span": 1, "at": 0})]);
    });
    assert_eq!(capture.counter("spanwire.page.errors", &[]), 0);
    let spans = capture.finished_spans();
    assert!(spans.iter().all(|span| span.span_kind == SpanKind::Server));
}

#[test]
fn transit_is_recorded_for_batches_of_messages_once_the_offset_is_known() {
    let capture = Capture::new();
    let inbound = [("spanwire.ipc.direction", "inbound")];
    let transit = || capture.histogram("spanwire.ipc.transit.duration", &inbound);
    capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = StampedPage {
            page: ModelPage::unannounced(&ipc, "p1"),
            capture: capture.clone(),
            began: capture.clock().now(),
        };
        page.send(&ipc, &[json!({"kind": "ready"})]);
        page.call(&ipc, "save", None);
        assert_eq!(transit().0, 0, "no lower bound yet");
        page.pump(&ipc);
        assert_eq!(transit().0, 0, "an acknowledgement is no message");
        page.call(&ipc, "save", None);
        let (count, sum) = transit();
        // One way of a millisecond, half of the clock's step more.
        assert_eq!((count, (sum * 1e6).round()), (1, 1_500.0));
        page.send_stamped(
            &ipc,
            &json!(1e12),
            &[json!({"kind": "event", "id": 9, "event": "save"})],
        );
        assert_eq!(
            transit().0,
            1,
            "what contradicts all before is not measured"
        );
    });
}

/// Under the system's clock, `tracing`'s spans and ours share one time.
#[test]
fn no_span_begins_before_its_parent() {
    let capture = Capture::new();
    // Built outside of `run`, so with the system's clock.
    let ipc = builder(&capture).build();
    let clock = Clock::system();
    let start = clock.now();
    let now = || clock.now().since(start).as_nanos() / 1_000_000;
    capture.run(|| {
        let sender = ipc.clone();
        ipc.on("save", move |_: &Call| {
            let _write = tracing::info_span!("write").entered();
            sender.emit("saved", &1).unwrap();
        })
        .unwrap();
        let mut page = StampedPage {
            page: ModelPage::unannounced(&ipc, "p1"),
            capture: capture.clone(),
            began: start,
        };
        page.send_stamped(&ipc, &json!(now()), &[json!({"kind": "ready"})]);
        for round in 0..200 {
            let id = page.page.take_id();
            page.send_stamped(
                &ipc,
                &json!(now()),
                &[
                    json!({"kind": "open", "span": round, "name": "click", "at": now()}),
                    json!({"kind": "call", "id": id, "event": "save", "at": now(), "span": round}),
                ],
            );
            while let Some(script) = ipc.next_script() {
                let at = now();
                let Some(mut ack) = page.page.run(&script, Eval::Runs) else {
                    continue;
                };
                ack["at"] = json!(at);
                ack["done"] = json!(now());
                let close = json!({"kind": "close", "span": round, "at": now()});
                page.send_stamped(&ipc, &json!(now()), &[ack, close]);
            }
        }
    });
    let spans = capture.finished_spans();
    // Page span, call, handler, write, send, process, reply, process.
    assert_eq!(spans.len(), 200 * 8);
    let starts: HashMap<SpanId, SystemTime> = spans
        .iter()
        .map(|span| (span.span_context.span_id(), span.start_time))
        .collect();
    for span in &spans {
        assert!(span.end_time >= span.start_time, "{}", span.name);
        if let Some(parent) = starts.get(&span.parent_span_id) {
            assert!(span.start_time >= *parent, "{}", span.name);
        } else {
            assert_eq!(span.name, "click");
        }
    }
}
