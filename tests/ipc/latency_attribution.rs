//! What tells the stages of a message apart: who waited for the UI thread, who kept it, and how long
//! the page was at work.

use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use serde_json::json;
use spanwire::ipc::{Call, Ipc, IpcBuilder, Limits};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::{Eval, ModelPage};
use spanwire_testkit::stamped_page::{StampedPage, builder, runtime, turn};

/// An attribute of a span as text; empty when it is absent.
fn attribute(span: &SpanData, key: &str) -> String {
    let mut attributes = span.attributes.iter();
    attributes
        .find(|attribute| attribute.key.as_str() == key)
        .map(|attribute| attribute.value.to_string())
        .unwrap_or_default()
}

/// An attribute of each span of that name, in the order in which they ended.
fn attributes(capture: &Capture, span: &str, key: &str) -> Vec<String> {
    let spans = capture.finished_spans();
    let named = spans.iter().filter(|other| other.name == span);
    named.map(|span| attribute(span, key)).collect()
}

fn blocked(capture: &Capture) -> u64 {
    capture.counter(
        "spanwire.main_thread.blocked",
        &[("spanwire.ipc.event", "save")],
    )
}

/// A wire that was pumped on this thread, and whose `save` takes so many microseconds.
fn wire(capture: &Capture, build: impl FnOnce(IpcBuilder) -> IpcBuilder) -> (Ipc, ModelPage) {
    let ipc = build(builder(capture)).build();
    let clock = capture.clock().clone();
    ipc.on("save", move |call: &Call| {
        let took: u64 = call.data()?;
        clock.advance(Duration::from_micros(took));
        Ok::<_, serde_json::Error>(())
    })
    .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.pump(&ipc);
    (ipc, page)
}

#[test]
fn a_handler_that_blocks_the_ui_thread_for_a_frame_is_counted_and_marked() {
    let capture = Capture::new();
    capture.run(|| {
        let (ipc, mut page) = wire(&capture, |builder| builder);
        page.call(&ipc, "save", json!(15_999));
        assert_eq!(blocked(&capture), 0);
        page.call(&ipc, "save", json!(16_000));
        page.emit(&ipc, "save", json!(40_000));
        assert_eq!(blocked(&capture), 2);
    });
    let marks = attributes(&capture, "save", "spanwire.main_thread.blocked");
    assert_eq!(marks, ["", "0.016", "0.04"]);
    let threads = attributes(&capture, "save", "spanwire.thread");
    assert_eq!(threads, ["main", "main", "main"]);
}

#[test]
fn the_length_of_a_frame_can_be_configured() {
    let capture = Capture::new();
    capture.run(|| {
        let (ipc, mut page) = wire(&capture, |builder| {
            builder.main_thread_budget(Duration::from_millis(50))
        });
        page.call(&ipc, "save", json!(49_999));
        page.call(&ipc, "save", json!(50_000));
        assert_eq!(blocked(&capture), 1);
        let (ipc, mut page) = wire(&capture, |builder| {
            builder.main_thread_budget(Duration::MAX)
        });
        page.call(&ipc, "save", json!(1_000_000_000));
        assert_eq!(blocked(&capture), 1);
    });
}

#[test]
fn a_handler_on_another_thread_does_not_block_the_ui_thread() {
    let capture = Capture::new();
    let (ipc, mut page) = capture.run(|| wire(&capture, |builder| builder));
    std::thread::scope(|scope| {
        let here = scope.spawn(|| capture.run(|| page.call(&ipc, "save", json!(40_000))));
        here.join().unwrap();
    });
    assert_eq!(blocked(&capture), 0);
    assert_eq!(attributes(&capture, "save", "spanwire.thread"), ["worker"]);
}

#[test]
fn no_ui_thread_is_known_before_the_first_script() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let clock = capture.clock().clone();
        ipc.on("save", move |_: &Call| {
            clock.advance(Duration::from_secs(1));
        })
        .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "save", json!(1));
    });
    assert_eq!(blocked(&capture), 0);
    assert_eq!(attributes(&capture, "save", "spanwire.thread"), [""]);
}

#[test]
fn an_async_handler_records_the_thread_of_its_runtime() {
    let capture = Capture::new();
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let here = runtime();
    for (runtime, thread) in [(&here, "main"), (&elsewhere, "worker")] {
        capture.run(|| {
            let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
            let clock = capture.clock().clone();
            ipc.on_async(thread, move |_: Call<'static>| {
                clock.advance(Duration::from_millis(20));
                let clock = clock.clone();
                async move {
                    tokio::task::yield_now().await;
                    clock.advance(Duration::from_millis(20));
                }
            })
            .unwrap();
            let mut page = ModelPage::load(&ipc, "p1");
            page.pump(&ipc);
            page.call(&ipc, thread, json!(1));
            // The span ends on the runtime's thread, after the reply is there.
            while ipc.metrics().messages_open == 0
                || attributes(&capture, thread, "spanwire.thread").is_empty()
            {
                turn(&here);
            }
        });
        assert_eq!(attributes(&capture, thread, "spanwire.thread"), [thread]);
        // What it does before it is a future keeps the thread that hands the message over.
        let marks = attributes(&capture, thread, "spanwire.main_thread.blocked");
        assert_eq!(marks, ["0.02"]);
        let labels = [("spanwire.ipc.event", thread)];
        assert_eq!(capture.counter("spanwire.main_thread.blocked", &labels), 1);
    }
}

#[test]
fn a_message_records_how_long_it_waited_for_the_ui_thread() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.batch_len_max = 2;
        let ipc = builder(&capture).limits(limits).build();
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        // Nobody is woken yet, so that is no wait for anybody.
        ipc.emit("first", &1).unwrap();
        capture.clock().advance(Duration::from_millis(7));
        page.pump(&ipc);
        ipc.on_wake(|| ());
        page.pump(&ipc);

        ipc.emit("progress", &1).unwrap();
        capture.clock().advance(Duration::from_millis(30));
        ipc.emit("progress", &2).unwrap();
        ipc.emit("progress", &3).unwrap();
        capture.clock().advance(Duration::from_millis(20));
        // Two scripts, of which the first answers the wake.
        page.pump(&ipc);
        let delay = capture.histogram("spanwire.main_thread.delay", &[]);
        assert_eq!(delay.1, 0.05);
    });
    let delays = |span| attributes(&capture, span, "spanwire.main_thread.delay");
    assert_eq!(delays("send first"), [""]);
    assert_eq!(delays("send progress"), ["0.05", "0.02", "0.02"]);
    let waits = attributes(&capture, "send progress", "spanwire.queue.wait");
    assert_eq!(waits, ["0.05", "0.02", "0.02"]);
}

#[test]
fn a_message_records_its_other_waits_apart_from_the_ui_thread() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.in_flight_max = 1;
        let ipc = builder(&capture).limits(limits).build();
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        ipc.on_wake(|| ());
        page.pump(&ipc);
        ipc.emit("progress", &1).unwrap();
        let first = ipc.next_script().unwrap();
        ipc.emit("progress", &2).unwrap();
        assert!(ipc.next_script().is_none(), "there is no room for it");
        capture.clock().advance(Duration::from_millis(50));
        // The acknowledgement makes room, and the UI thread comes 3 ms after that.
        let ack = page.run(&first, Eval::Runs).unwrap();
        page.send(&ipc, &[ack]);
        capture.clock().advance(Duration::from_millis(3));
        page.pump(&ipc);
    });
    let of_second = |key| attributes(&capture, "send progress", key).pop().unwrap();
    assert_eq!(of_second("spanwire.queue.wait"), "0.053");
    assert_eq!(of_second("spanwire.main_thread.delay"), "0.003");
}

#[test]
fn a_message_records_its_size_and_the_size_of_its_batch() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.on("save", |_: &Call| Ok::<_, String>("done")).unwrap();
        let page = StampedPage::load(&capture, &ipc);
        let call = |id| {
            json!({"kind": "call", "id": id, "event": "save", "data": [1, 2], "at": page.now()})
        };
        page.send(&ipc, &[call(1), call(2)]);
        let mut page = page;
        page.pump(&ipc);
    });
    let spans = capture.finished_spans();
    let sizes = |name: &str| -> Vec<[String; 2]> {
        let named = spans.iter().filter(|span| span.name == name);
        let of =
            |span| ["spanwire.message.size", "spanwire.batch.size"].map(|key| attribute(span, key));
        named.map(of).collect()
    };
    let pair = |size: &str, batch: &str| [size.to_owned(), batch.to_owned()];
    // Handlers end first.
    let [handler, client] = [pair("5", ""), pair("5", "2")];
    assert_eq!(
        sizes("save"),
        [handler.clone(), handler, client.clone(), client]
    );
    assert_eq!(sizes("reply save"), [pair("6", "2"), pair("6", "2")]);
}

#[test]
fn the_pages_work_and_the_transit_to_it_are_recorded() {
    let capture = Capture::new();
    let outbound = [("spanwire.ipc.direction", "outbound")];
    let transit = || capture.histogram("spanwire.ipc.transit.duration", &outbound);
    let process = |event| {
        capture.histogram(
            "spanwire.ipc.process.duration",
            &[("spanwire.ipc.event", event)],
        )
    };
    let us = |(count, sum): (u64, f64)| (count, (sum * 1e6).round());
    capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        // The page's first event, which waits for nothing and takes three milliseconds.
        assert_eq!(us(process("hello")), (1, 3_000.0));
        let (count, sum) = us(transit());
        assert_eq!(count, 1);
        // Half of the clock's step is unknown.
        assert!((500.0..=1_500.0).contains(&sum), "{sum}");

        // Two in one script: one acknowledgement, one way.
        ipc.emit("progress", &1).unwrap();
        ipc.emit("saved", &1).unwrap();
        let script = ipc.next_script().unwrap();
        page.wait(40);
        page.run(&ipc, &script);
        assert_eq!(transit().0, 2);
        let took = us(transit()).1 - sum;
        assert!((40_000.0..=42_000.0).contains(&took), "{took}");
        assert_eq!(us(process("progress")), (1, 3_000.0));
        assert_eq!(us(process("saved")), (1, 0.0));

        page.call(&ipc, "save", None);
        page.pump(&ipc);
        assert_eq!(us(process("save")), (1, 3_000.0));
        assert_eq!(transit().0, 3);
    });
}

#[test]
fn the_pages_work_on_a_reply_is_recorded_whether_or_not_its_call_has_a_span() {
    let unsampled = Capture::with_sampler(opentelemetry_sdk::trace::Sampler::AlwaysOff);
    for (capture, ipc) in [
        (Capture::new(), Ipc::builder("main")),
        (unsampled.clone(), builder(&unsampled)),
    ] {
        capture.run(|| {
            let ipc = ipc.build();
            ipc.on("save", |_: &Call| ()).unwrap();
            let mut page = StampedPage::load(&capture, &ipc);
            page.call(&ipc, "save", None);
            page.pump(&ipc);
            // What the page gave up it does not work on.
            let id = page.call(&ipc, "save", None);
            page.send(&ipc, &[json!({"kind": "cancel", "id": id})]);
            page.pump(&ipc);
        });
        let save = [("spanwire.ipc.event", "save")];
        let (count, sum) = capture.histogram("spanwire.ipc.process.duration", &save);
        assert_eq!((count, (sum * 1e6).round()), (1, 3_000.0));
    }
}

#[test]
fn an_unknown_transit_to_the_page_is_not_recorded() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = builder(&capture).build();
        let mut page = StampedPage::load(&capture, &ipc);
        // When a raw script ran is not known, only when its end was asked for.
        ipc.eval("x()").unwrap();
        page.pump(&ipc);
        // It could have run after it was sent first.
        ipc.emit("lost", &1).unwrap();
        ipc.evaluation_failed(ipc.next_script().unwrap());
        page.pump(&ipc);
    });
    let outbound = [("spanwire.ipc.direction", "outbound")];
    let transit = capture.histogram("spanwire.ipc.transit.duration", &outbound);
    assert_eq!(transit.0, 1, "that of the first event alone");
    let eval = [("spanwire.ipc.event", "eval")];
    assert_eq!(
        capture.histogram("spanwire.ipc.process.duration", &eval).0,
        0
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_handlers_span_has_its_cpu_time_where_the_app_asks_for_it() {
    use spanwire::timer::CpuTime;
    for (cpu_time, is_there) in [(CpuTime::Recorded, true), (CpuTime::Ignored, false)] {
        let capture = Capture::new();
        capture.run(|| {
            let ipc = Ipc::builder("main").cpu_time(cpu_time).build();
            ipc.on("save", |_: &Call| ()).unwrap();
            let mut page = ModelPage::load(&ipc, "p1");
            page.call(&ipc, "save", json!(1));
        });
        let spans = capture.finished_spans();
        let span = spans.iter().find(|span| span.name == "save").unwrap();
        let mut attributes = span.attributes.iter();
        let has_it = attributes.any(|attribute| attribute.key.as_str() == "spanwire.cpu_time");
        assert_eq!(has_it, is_there);
    }
}
