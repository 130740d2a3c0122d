//! Replies that a handler leaves for later, from any thread and without a runtime.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use spanwire::ipc::{
    Call, Disposition, Ipc, IpcBuilder, IpcMessage, Limits, RespondError, Responder,
};
use spanwire::semconv::ErrorType;
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

/// Hands out the responders of `event`.
fn kept(ipc: &Ipc, event: &str) -> Receiver<Responder> {
    let (keep, kept) = mpsc::sync_channel(100);
    ipc.on_deferred(event, move |_, responder| keep.send(responder).unwrap())
        .unwrap();
    kept
}

fn wire(capture: &Capture) -> IpcBuilder {
    Ipc::builder("main").tracer_provider(&capture.tracer_provider())
}

fn inbound(capture: &Capture, event: &str, error: Option<&str>) -> u64 {
    let mut labels = vec![
        ("spanwire.ipc.direction", "inbound"),
        ("spanwire.ipc.event", event),
    ];
    match error {
        Some(error) => labels.push(("error.type", error)),
        None => labels.push(("spanwire.outcome", "ok")),
    }
    capture.counter("spanwire.ipc.messages", &labels)
}

/// What a responder tells, and how often it did.
fn notices() -> (impl FnOnce() + Send + 'static, Arc<AtomicUsize>) {
    let notices = Arc::<AtomicUsize>::default();
    let told = Arc::clone(&notices);
    let tell = move || {
        told.fetch_add(1, Relaxed);
    };
    (tell, notices)
}

/// The page's log once it took what there is.
fn pumped<'a>(ipc: &Ipc, page: &'a mut ModelPage) -> &'a [String] {
    page.pump(ipc);
    &page.log
}

#[test]
fn a_response_from_another_thread_settles_the_call_without_a_runtime() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        ipc.on_deferred("double", |call: Call<'static>, responder| {
            let made = call.data::<u64>().map(|n| 2 * n);
            let responded = std::thread::spawn(move || responder.respond(made));
            assert_eq!(responded.join().unwrap(), Ok(()));
        })
        .unwrap();
        let kept = kept(&ipc, "later");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "double", json!(21));
        page.call(&ipc, "double", json!("no number"));
        page.call(&ipc, "later", json!(null));
        assert_eq!(
            pumped(&ipc, &mut page),
            ["reply 1 42", "reply 2 error HANDLER_ERROR"]
        );
        let responder = kept.recv().unwrap();
        assert!(!responder.is_cancelled());
        assert_eq!(responder.respond(Ok::<_, Infallible>("done")), Ok(()));
        assert_eq!(pumped(&ipc, &mut page)[2], r#"reply 3 "done""#);
        assert_eq!(inbound(&capture, "later", None), 1);
    });
}

#[test]
fn a_rejection_by_name_is_an_error_of_the_handlers() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        let kept = kept(&ipc, "open");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "open", json!(null));
        let rejected = kept.recv().unwrap().reject("KeyError", "no such asset");
        assert_eq!(rejected, Ok(()));
        assert_eq!(pumped(&ipc, &mut page), ["reply 1 error HANDLER_ERROR"]);

        page.call(&ipc, "open", json!(null));
        let late = kept.recv().unwrap();
        ipc.close();
        assert_eq!(late.reject("KeyError", ""), Err(RespondError::Cancelled));
    });
    assert_eq!(inbound(&capture, "open", Some("handler_error")), 1);
    let logs = capture.logs();
    assert!(
        logs.contains("KeyError") && logs.contains("no such asset"),
        "{logs}"
    );
}

#[test]
fn a_dropped_responder_rejects_the_promise_and_says_why() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        ipc.on_deferred("forgets", |_, _| ()).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "forgets", json!(null));
        let script = ipc.next_script().unwrap();
        let text = script.text();
        assert!(
            text.contains("the handler dropped its responder before it responded"),
            "{text}"
        );
        page.run(&script, spanwire_testkit::model_page::Eval::Runs);
        assert_eq!(page.log, ["reply 1 error CANCELLED"]);
        page.emit(&ipc, "forgets", json!(null));
        assert_eq!(inbound(&capture, "forgets", Some("handler_dropped")), 2);
    });
}

#[test]
fn a_panic_ends_the_message_whoever_keeps_the_responder() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        let (keep, kept) = mpsc::sync_channel(1);
        ipc.on_deferred("panics", move |_, responder| {
            keep.send(responder).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "panics", json!(null));
        let responder = kept.recv().unwrap();
        assert!(responder.is_cancelled());
        assert_eq!(responder.respond(()), Err(RespondError::Cancelled));
        assert_eq!(pumped(&ipc, &mut page), ["reply 1 error HANDLER_ERROR"]);
        assert_eq!(inbound(&capture, "panics", Some("panic")), 1);
    });
}

/// A value that panics when it is written.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

#[test]
fn a_response_that_panics_or_is_too_large_rejects_the_promise() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.outbound_bytes_max = 1_000;
        let ipc = wire(&capture).limits(limits).build();
        let kept = kept(&ipc, "later");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "later", json!(null));
        page.call(&ipc, "later", json!(null));
        let large = "x".repeat(1_000);
        let respond = |value| kept.recv().unwrap().respond(Ok::<_, Infallible>(value));
        assert_eq!(respond(json!(large)), Err(RespondError::TooLarge));
        let unwritable = Ok::<_, Infallible>(Unwritable);
        assert_eq!(kept.recv().unwrap().respond(unwritable), Ok(()));
        assert_eq!(
            pumped(&ipc, &mut page),
            ["reply 1 error TOO_LARGE", "reply 2 error HANDLER_ERROR"]
        );
        // An event has no reply that could be too large.
        page.emit(&ipc, "later", json!(null));
        assert_eq!(respond(json!(large)), Ok(()));
        assert_eq!(inbound(&capture, "later", None), 1);
    });
}

#[test]
fn a_call_that_ended_without_its_responder_tells_it_and_is_counted_once() {
    type End = fn(&Ipc, &ModelPage);
    let endings: [(&str, &str, End); 4] = [
        ("cancel", "timeout", |ipc, page| {
            let timeout = json!({"kind": "cancel", "id": 1, "code": "TIMEOUT"});
            page.send(ipc, &[timeout]);
        }),
        ("reload", "cancelled", |ipc, _| {
            drop(ModelPage::load(ipc, "p2"))
        }),
        ("crash", "cancelled", |ipc, _| ipc.page_gone()),
        ("close", "cancelled", |ipc, _| ipc.close()),
    ];
    for (ending, error, end) in endings {
        let capture = Capture::new();
        capture.run(|| {
            let ipc = wire(&capture).build();
            let kept = kept(&ipc, "later");
            let mut page = ModelPage::load(&ipc, "p1");
            page.call(&ipc, "later", json!(null));
            page.pump(&ipc);
            let responder = kept.recv().unwrap();
            let (told, notices) = notices();
            responder.on_cancelled(told);
            assert_eq!(notices.load(Relaxed), 0, "{ending}");
            end(&ipc, &page);
            assert!(responder.is_cancelled(), "{ending}");
            assert_eq!(notices.load(Relaxed), 1, "{ending}");
            // From then on at once, and a panic of the app's there is its own.
            responder.on_cancelled(|| panic!("no one asked"));
            // Counted at once, and not when the app gets to it.
            assert_eq!(inbound(&capture, "later", Some(error)), 1, "{ending}");
            let late = responder.respond(Ok::<_, Infallible>(1));
            assert_eq!(late, Err(RespondError::Cancelled), "{ending}");
            assert_eq!(inbound(&capture, "later", None), 0, "{ending}");
            assert_eq!(inbound(&capture, "later", Some(error)), 1, "{ending}");
            page.pump(&ipc);
            assert_eq!(page.log, [""; 0], "{ending}");
            assert_eq!(ipc.metrics().messages_open, 0, "{ending}");
            assert_eq!(notices.load(Relaxed), 1, "{ending}");
        });
    }
}

#[test]
fn a_response_is_no_cancellation_and_lets_go_of_what_would_tell_it() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        let kept = kept(&ipc, "later");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "later", json!(null));
        let responder = kept.recv().unwrap();
        let (replaced, of_replaced) = notices();
        responder.on_cancelled(replaced);
        assert_eq!(Arc::strong_count(&of_replaced), 2);
        let (told, notices) = notices();
        responder.on_cancelled(told);
        assert_eq!(Arc::strong_count(&of_replaced), 1);
        assert_eq!(responder.respond(Ok::<_, Infallible>(1)), Ok(()));
        assert_eq!(Arc::strong_count(&notices), 1);
        assert_eq!(pumped(&ipc, &mut page), ["reply 1 1"]);
        ipc.close();
        assert_eq!(notices.load(Relaxed) + of_replaced.load(Relaxed), 0);
    });
}

#[test]
fn a_wire_that_is_gone_leaves_its_responders_harmless() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        let kept = kept(&ipc, "later");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "later", json!(null));
        page.emit(&ipc, "later", json!(null));
        let (call, event) = (kept.recv().unwrap(), kept.recv().unwrap());
        drop(ipc);
        assert_eq!(call.respond(()), Err(RespondError::Cancelled));
        // An event's handlers run on, as async ones do, and it ends when they have.
        assert_eq!(event.respond(()), Ok(()));
        assert_eq!(inbound(&capture, "later", Some("cancelled")), 1);
        assert_eq!(inbound(&capture, "later", None), 1);
    });
}

#[test]
fn kept_responders_are_bounded_as_async_handlers_are_also_when_their_page_gave_up() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.unanswered_max = 10;
        let ipc = wire(&capture).limits(limits).build();
        let kept = Arc::new(Mutex::new(Vec::new()));
        ipc.on_deferred("forever", {
            let kept = Arc::clone(&kept);
            move |call, responder| kept.lock().unwrap().push((call, responder))
        })
        .unwrap();
        for n in 0..20 {
            let mut page = ModelPage::load(&ipc, &format!("p{n}"));
            for _ in 0..10 {
                page.call(&ipc, "forever", json!(null));
            }
        }
        // The pages' calls ended with them, and the app holds their payloads all the same.
        assert_eq!(kept.lock().unwrap().len(), 40);
        assert_eq!(inbound(&capture, "forever", Some("over_credit")), 160);
        drop(std::mem::take(&mut *kept.lock().unwrap()));
        let mut page = ModelPage::load(&ipc, "last");
        page.call(&ipc, "forever", json!(null));
        assert_eq!(kept.lock().unwrap().len(), 1);
        assert_eq!(inbound(&capture, "forever", Some("over_credit")), 160);
    });
}

#[test]
fn a_call_keeps_its_credit_until_the_response() {
    let mut limits = Limits::default();
    limits.unanswered_max = 4;
    let ipc = Ipc::builder("main").limits(limits).build();
    let kept = kept(&ipc, "later");
    let mut page = ModelPage::load(&ipc, "p1");
    page.credits = 4;
    for _ in 0..4 {
        page.call(&ipc, "later", json!(null));
        page.credits -= 1;
    }
    page.pump(&ipc);
    assert_eq!(page.credits, 0);
    for responder in kept.try_iter() {
        responder.respond(()).unwrap();
    }
    page.pump(&ipc);
    assert_eq!(page.credits, 4);
}

#[test]
fn several_handlers_of_one_call_reply_with_the_first_and_end_with_the_last() {
    let capture = Capture::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    capture.run(|| {
        let ipc = wire(&capture).runtime(runtime.handle().clone()).build();
        let first = kept(&ipc, "open");
        ipc.on("open", |_: &Call<'_>| Ok::<_, Infallible>("sync"))
            .unwrap();
        let second = kept(&ipc, "open");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "open", json!(null));
        first
            .recv()
            .unwrap()
            .respond(Ok::<_, Infallible>("first"))
            .unwrap();
        assert_eq!(pumped(&ipc, &mut page), [""; 0]);
        second
            .recv()
            .unwrap()
            .respond(Err::<(), _>("broken"))
            .unwrap();
        assert_eq!(pumped(&ipc, &mut page), [r#"reply 1 "first""#]);
        assert_eq!(inbound(&capture, "open", Some("handler_error")), 1);

        ipc.on_async("mixed", |_| async { Ok::<_, Infallible>("async") })
            .unwrap();
        let beside = kept(&ipc, "mixed");
        page.call(&ipc, "mixed", json!(null));
        let turn = || {
            runtime.block_on(async {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
            });
        };
        turn();
        assert_eq!(pumped(&ipc, &mut page).len(), 1);
        beside.recv().unwrap().respond(()).unwrap();
        turn();
        assert_eq!(pumped(&ipc, &mut page)[1], r#"reply 2 "async""#);
        assert_eq!(inbound(&capture, "mixed", None), 1);
    });
}

#[test]
fn what_a_responder_is_used_for_is_part_of_the_calls_trace() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = wire(&capture).build();
        let kept = kept(&ipc, "render");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "render", json!(null));
        let responder = kept.recv().unwrap();
        responder.in_scope(|| tracing::info_span!("inside").in_scope(|| ()));
        tracing::info_span!(parent: responder.span(), "below").in_scope(|| ());
        responder.respond(Err::<(), _>("broken")).unwrap();
        page.pump(&ipc);
    });
    let spans = capture.finished_spans();
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let call = of("render");
    for name in ["inside", "below", "reply render"] {
        assert_eq!(
            of(name).parent_span_id,
            call.span_context.span_id(),
            "{name}"
        );
    }
    let error = call
        .attributes
        .iter()
        .find(|kv| kv.key.as_str() == "error.type");
    assert_eq!(error.unwrap().value.as_str(), "handler_error");
    let logged = capture.text();
    assert!(logged.contains("handler failed"), "{logged}");
}

#[test]
fn the_duration_and_the_span_of_a_call_end_with_the_response() {
    use std::time::Duration;
    let capture = Capture::new();
    let has_ended = || {
        let spans = capture.finished_spans();
        spans.iter().any(|span| span.name == "render")
    };
    capture.run(|| {
        let ipc = wire(&capture).build();
        let kept = kept(&ipc, "render");
        let mut page = ModelPage::load(&ipc, "p1");
        page.call(&ipc, "render", json!(null));
        capture.clock().advance(Duration::from_secs(3));
        assert!(!has_ended());
        kept.recv().unwrap().respond(()).unwrap();
        assert!(has_ended());
    });
    let metrics = capture.metrics();
    let duration = metrics
        .lines()
        .find(|line| line.starts_with("spanwire.ipc.handler.duration"));
    assert!(
        duration.is_some_and(|line| line.contains("sum=3")),
        "{metrics}"
    );
}

#[test]
fn a_responder_that_responds_within_its_handler_is_done_when_that_returns() {
    let ipc = Ipc::builder("main").build();
    ipc.on_deferred("now", |_, responder| {
        assert_eq!(responder.respond(Ok::<_, Infallible>(1)), Ok(()));
    })
    .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.call(&ipc, "now", json!(null));
    assert_eq!(pumped(&ipc, &mut page), ["reply 1 1"]);
}

#[test]
fn a_transport_of_its_own_learns_what_became_of_a_message() {
    let mut limits = Limits::default();
    limits.unanswered_max = 1;
    let ipc = Ipc::builder("main").limits(limits).build();
    ipc.on("add", |_: &Call<'_>| ()).unwrap();
    ipc.on("fails", |_: &Call<'_>| Err::<(), _>("no")).unwrap();
    let kept = kept(&ipc, "later");
    ipc.page_ready("p1").unwrap();
    let event = |name: &str| ipc.handle_message(&IpcMessage::event(name, &1).unwrap());
    let call = |name: &str| ipc.handle_message(&IpcMessage::call(name, &1, 7).unwrap());
    assert_eq!(event("add"), Disposition::Dispatched);
    assert_eq!(event("fails"), Disposition::Dispatched);
    assert_eq!(event("nobody"), Disposition::UnknownEvent);
    assert_eq!(
        event("a\u{200b}"),
        Disposition::Refused(ErrorType::InvalidName)
    );
    assert_eq!(call("later"), Disposition::Dispatched);
    assert_eq!(call("later"), Disposition::Refused(ErrorType::Duplicate));
    for _ in 0..3 {
        assert_eq!(event("later"), Disposition::Dispatched);
    }
    assert_eq!(event("later"), Disposition::Refused(ErrorType::OverCredit));
    assert_eq!(kept.try_iter().count(), 4);
    // As the handler of a wry builder has it: nothing is to be done with the answer.
    let handler = move |message: IpcMessage| {
        ipc.handle_message(&message);
    };
    handler(IpcMessage::event("add", &Value::Null).unwrap());
}
