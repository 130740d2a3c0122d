//! Whatever a page writes for times, in whatever order it sends things: its spans end once, and none
//! begins before its parent.

use std::collections::HashMap;

use opentelemetry::trace::{SpanId, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SpanData;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use spanwire::ipc::Call;
use spanwire::testing::Capture;

use spanwire_testkit::model_page::{Eval, ModelPage};
use spanwire_testkit::stamped_page::{StampedPage, builder, explicit_ms, runtime, turn};

/// What a hostile page writes for a time.
fn stamp() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(1e12)),
        Just(json!(1e300)),
        (0..200_u32).prop_map(|ms| json!(ms)),
        (0.0..200.0).prop_map(|ms| json!(ms)),
    ]
}

#[derive(Clone, Debug)]
enum PageAction {
    Call { is_async: bool, span: Option<u64> },
    Event { span: Option<u64> },
    Emit,
    Open { parent: Option<u64> },
    Close { span: u64 },
    Cancel { call: u64 },
    Pump,
    PumpAndFail,
    Turn,
    Wait(u64),
    Reload,
}

fn input() -> impl Strategy<Value = PageAction> {
    let span = || proptest::option::of(0..12_u64);
    prop_oneof![
        4 => (any::<bool>(), span()).prop_map(|(is_async, span)| PageAction::Call { is_async, span }),
        2 => span().prop_map(|span| PageAction::Event { span }),
        1 => Just(PageAction::Emit),
        2 => span().prop_map(|parent| PageAction::Open { parent }),
        2 => (0..12_u64).prop_map(|span| PageAction::Close { span }),
        2 => (0..12_u64).prop_map(|call| PageAction::Cancel { call }),
        4 => Just(PageAction::Pump),
        1 => Just(PageAction::PumpAndFail),
        2 => Just(PageAction::Turn),
        3 => (0..30_u64).prop_map(PageAction::Wait),
        1 => Just(PageAction::Reload),
    ]
}

/// Plays the inputs with those stamps; the spans, and how many were started.
fn play(inputs: &[PageAction], stamps: &[Value]) -> (Vec<SpanData>, usize) {
    let (capture, runtime) = (Capture::new(), runtime());
    let mut stamps = stamps.iter().cycle().cloned();
    let mut stamp = move || stamps.next().unwrap();
    capture.run(|| {
        let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
        let sender = ipc.clone();
        ipc.on("save", move |_: &Call| sender.emit("saved", &1).unwrap())
            .unwrap();
        ipc.on_async("render", |_| async {
            for _ in 0..15 {
                tokio::task::yield_now().await;
            }
        })
        .unwrap();
        let load = |number: usize| StampedPage {
            page: ModelPage::load(&ipc, &format!("p{number}")),
            capture: capture.clone(),
            began: capture.clock().now(),
        };
        let (mut page, mut loads, mut span) = (load(0), 0, 0);
        for input in inputs {
            let at = stamp();
            let send = |page: &StampedPage, sent, message| {
                page.send_stamped(&ipc, &sent, &[message]);
            };
            match input {
                PageAction::Call { is_async, span } => {
                    let event = if *is_async { "render" } else { "save" };
                    let id = page.page.take_id();
                    send(&page, stamp(), json!({"kind": "call", "id": id, "event": event, "at": at, "span": span}));
                }
                PageAction::Event { span } => {
                    let id = page.page.take_id();
                    send(&page, stamp(), json!({"kind": "event", "id": id, "event": "save", "at": at, "span": span}));
                }
                PageAction::Emit => ipc.emit("hello", &1).unwrap(),
                PageAction::Open { parent } => {
                    span += 1;
                    send(&page, stamp(), json!({"kind": "open", "span": span, "parent": parent, "name": "click", "at": at}));
                }
                PageAction::Close { span } => send(&page, stamp(), json!({"kind": "close", "span": span, "at": at})),
                PageAction::Cancel { call } => send(&page, stamp(), json!({"kind": "cancel", "id": call, "at": at})),
                PageAction::Pump => while let Some(script) = ipc.next_script() {
                    if let Some(mut ack) = page.page.run(&script, Eval::Runs) {
                        ack["at"] = at.clone();
                        ack["done"] = stamp();
                        let (begin, end) = (stamp(), stamp());
                        if begin.is_number() && end.is_number() {
                            ack["ran"] = json!([[1, begin, end], [2, end, begin]]);
                        }
                        send(&page, stamp(), ack);
                    }
                },
                PageAction::PumpAndFail => if let Some(script) = ipc.next_script() {
                    ipc.evaluation_failed(script);
                },
                PageAction::Turn => turn(&runtime),
                PageAction::Wait(ms) => page.wait(*ms),
                PageAction::Reload => {
                    loads += 1;
                    page = load(loads);
                }
            }
        }
        turn(&runtime);
        ipc.close();
        turn(&runtime);
    });
    // Ids count up, so the next one tells how many spans were started.
    let mark = capture.tracer_provider().tracer("mark").start("mark");
    let started = opentelemetry::trace::Span::span_context(&mark).span_id();
    (
        capture.finished_spans(),
        u64::from_be_bytes(started.to_bytes()) as usize - 1,
    )
}

proptest! {
    #[test]
    fn whatever_the_stamps_each_span_ends_once_and_begins_in_its_parent(
        inputs in vec(input(), 0..80),
        stamps in vec(stamp(), 1..40),
    ) {
        let (spans, started) = play(&inputs, &stamps);
        let by_id: HashMap<SpanId, &SpanData> = spans
            .iter()
            .map(|span| (span.span_context.span_id(), span))
            .collect();
        prop_assert_eq!(by_id.len(), spans.len(), "a span ended twice");
        prop_assert_eq!(spans.len(), started, "a span was not ended");
        for span in &spans {
            prop_assert!(span.end_time >= span.start_time, "{:?}", span);
            let Some(start) = explicit_ms(span.start_time) else {
                continue;
            };
            // The nearest one with an explicit time: those of `tracing` are the system's.
            let mut parent = by_id.get(&span.parent_span_id);
            while let Some(span) = parent
                && explicit_ms(span.start_time).is_none()
            {
                parent = by_id.get(&span.parent_span_id);
            }
            if let Some(parent) = parent {
                let begins = explicit_ms(parent.start_time).unwrap();
                prop_assert!(start >= begins, "{span:?} begins before {parent:?}");
            }
            if span.name.starts_with("process ") {
                let sent = by_id[&span.parent_span_id];
                prop_assert!(span.end_time <= sent.end_time, "{:?}", span);
            }
        }
    }
}
