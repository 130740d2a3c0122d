//! What a page can make the host keep, in bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, IpcBuilder, Limits};
use spanwire::testing::Capture;
use tokio::runtime::Builder;

use spanwire_testkit::model_page::{Eval, ModelPage};

fn limited(change: impl FnOnce(&mut Limits)) -> IpcBuilder {
    let mut limits = Limits::default();
    change(&mut limits);
    Ipc::builder("main").limits(limits)
}

/// The sizes of the replies in a script, and how many of them are refusals.
fn replies(script: &str) -> (Vec<usize>, usize) {
    let batch: Value = serde_json::from_str(script).unwrap();
    let (mut sizes, mut refused) = (Vec::new(), 0);
    for message in batch["messages"].as_array().unwrap() {
        match message["error"]["code"].as_str() {
            Some(code) => {
                assert_eq!(code, "OVER_CREDIT");
                refused += 1;
            }
            None if message["kind"] == "reply" => sizes.push(message["data"].to_string().len()),
            None => {}
        }
    }
    (sizes, refused)
}

#[test]
fn a_page_that_never_acknowledges_has_a_budget_of_bytes() {
    const CALLS: usize = 1_000;
    let capture = Capture::new();
    capture.run(|| {
        // A sixteenth of the defaults: the reading of a thousand whole ones takes a minute.
        let most = Limits::default().unacknowledged_bytes_max / 16;
        let ipc = limited(|limits| limits.unacknowledged_bytes_max = most).build();
        ipc.on("echo", |call: &Call| {
            call.data::<Box<serde_json::value::RawValue>>()
        })
        .unwrap();
        let page = ModelPage::load(&ipc, "p1");
        let payload = format!(r#""{}""#, "x".repeat((1 << 16) - 2));
        let (mut kept, mut refused) = (0, 0);
        for id in 1..=CALLS {
            let text = page
                .batch(&[json!({"kind": "call", "id": id, "event": "echo", "data": 0})])
                .replace(r#""data":0"#, &format!(r#""data":{payload}"#));
            let _ = ipc.receive(&text, None);
            // The scripts go out, but nothing comes back.
            while let Some(script) = ipc.next_script() {
                let script = script.json().unwrap();
                kept += usize::from(script.len() > payload.len()) * payload.len();
                refused += script.matches(r#""code":"OVER_CREDIT""#).count();
            }
        }
        assert!(kept <= most && kept > most - payload.len(), "{kept}");
        assert_eq!(refused, CALLS - most / payload.len());
        let labels = [
            ("error.type", "over_credit"),
            ("spanwire.ipc.direction", "inbound"),
        ];
        let counted = capture.counter("spanwire.ipc.messages", &labels);
        assert_eq!(counted, refused as u64);
        // A page that takes its place begins with nothing.
        let mut next = ModelPage::load(&ipc, "p2");
        next.call(&ipc, "echo", json!(1));
        next.pump(&ipc);
        assert_eq!(next.log, ["reply 1 1"]);
    });
}

#[test]
fn an_acknowledged_reply_makes_room_for_another() {
    let ipc = limited(|limits| limits.unacknowledged_bytes_max = 100).build();
    ipc.on("echo", |call: &Call| call.data::<Value>()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    let large = json!("x".repeat(98));
    for round in 0..20 {
        page.call(&ipc, "echo", large.clone());
        page.call(&ipc, "echo", json!(1));
        let script = ipc.next_script().unwrap();
        assert_eq!(replies(script.json().unwrap()), (vec![100], 1), "{round}");
        let ack = page.run(&script, Eval::Runs).unwrap();
        page.send(&ipc, &[ack]);
    }
    // What is too large for an empty budget is refused, and nothing else for it.
    page.call(&ipc, "echo", json!("x".repeat(99)));
    page.call(&ipc, "echo", json!(1));
    let script = ipc.next_script().unwrap();
    assert_eq!(replies(script.json().unwrap()), (vec![1], 1));
}

#[test]
fn events_do_not_use_the_budget_of_replies() {
    let ipc = limited(|limits| limits.unacknowledged_bytes_max = 4).build();
    ipc.on("note", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    for n in 0..10 {
        page.emit(&ipc, "note", json!(n));
        ipc.emit("large", &"x".repeat(100)).unwrap();
    }
    page.call(&ipc, "note", json!(0));
    page.pump(&ipc);
    assert_eq!(page.log[0], "reply 11 null");
    assert_eq!(page.log.len(), 11);
}

#[test]
fn payloads_of_async_handlers_are_bounded_in_bytes() {
    let capture = Capture::new();
    capture.run(|| {
        let runtime = Builder::new_current_thread().build().unwrap();
        let ipc = limited(|limits| limits.async_handler_bytes_max = 1_000)
            .runtime(runtime.handle().clone())
            .build();
        ipc.on_async("forever", |_| std::future::pending::<()>())
            .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        let data = || json!("x".repeat(298));
        for _ in 0..5 {
            page.call(&ipc, "forever", data());
        }
        page.pump(&ipc);
        let refused = |id| format!("reply {id} error OVER_CREDIT");
        assert_eq!(page.log, [refused(4), refused(5)]);
        let labels = [
            ("error.type", "over_credit"),
            ("spanwire.ipc.direction", "inbound"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &labels), 2);
        // A smaller one fits, and one that ends makes room for another.
        page.call(&ipc, "forever", json!(1));
        page.send(&ipc, &[json!({"kind": "cancel", "id": 1})]);
        runtime.block_on(async {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        });
        page.call(&ipc, "forever", data());
        page.pump(&ipc);
        assert_eq!(page.log.len(), 2);
        page.call(&ipc, "forever", data());
        page.pump(&ipc);
        assert_eq!(page.log.len(), 3);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is called, acknowledged, lost and reloaded: what the page was sent and did not
    /// acknowledge is never more than the budget, and an empty wire has all of it.
    #[test]
    fn replies_that_wait_never_exceed_the_budget(inputs in vec((0..5_u8, 0..120_usize), 1..80)) {
        const MOST: usize = 300;
        let ipc = limited(|limits| limits.unacknowledged_bytes_max = MOST).build();
        ipc.on("echo", |call: &Call| call.data::<Value>()).unwrap();
        ipc.on("fail", |call: &Call| Err::<(), _>(call.json().to_owned())).unwrap();
        let mut loads = 1;
        let mut page = ModelPage::load(&ipc, "p1");
        let mut taken = Vec::new();
        for (input, size) in inputs {
            match input {
                0 | 1 => {
                    page.call(&ipc, "echo", json!("x".repeat(size)));
                }
                2 => taken.extend(ipc.next_script()),
                3 if !taken.is_empty() => {
                    let script = taken.remove(size % taken.len());
                    if size % 3 == 0 {
                        ipc.evaluation_failed(script);
                    } else if let Some(ack) = page.run(&script, Eval::Runs) {
                        page.send(&ipc, &[ack]);
                    }
                }
                4 if size < 12 => {
                    loads += 1;
                    page = ModelPage::load(&ipc, &format!("p{loads}"));
                    taken.clear();
                }
                _ => {}
            }
            let waiting: usize = taken
                .iter()
                .filter_map(|script| script.json())
                .map(|json| replies(json).0.iter().sum::<usize>())
                .sum();
            prop_assert!(waiting <= MOST, "{waiting}");
        }
        loads += 1;
        let mut page = ModelPage::load(&ipc, &format!("p{loads}"));
        page.call(&ipc, "echo", json!("x".repeat(MOST - 2)));
        page.pump(&ipc);
        prop_assert!(page.log[0].starts_with("reply 1 \"x"), "{:?}", page.log);
    }
}
