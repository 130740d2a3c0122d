//! Whatever the page sends is a counted outcome and never a panic.

use serde_json::json;
use spanwire::ipc::{Bytes, Call, DataError, Ipc, PageEvents, PageTraces, Received};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

/// What `input` adds to the counters of messages and page errors, as `error.type count` lines.
fn outcomes(input: impl FnOnce(&Ipc, &mut ModelPage)) -> Vec<String> {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .page_events(PageEvents::SpanwireAndPlain)
            .page_traces(PageTraces::Accepted)
            .build();
        ipc.on("save", |_: &Call| ()).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        input(&ipc, &mut page);
    });
    let error_type = |line: &str| {
        let (_, rest) = line.split_once("error.type=\"")?;
        let (error, _) = rest.split_once('"')?;
        Some(format!("{error} {}", line.rsplit(' ').next()?))
    };
    capture
        .metrics()
        .lines()
        .filter(|line| {
            line.starts_with("spanwire.ipc.messages") || line.starts_with("spanwire.page.errors")
        })
        .filter_map(|line| {
            error_type(line).or_else(|| Some(format!("ok {}", line.rsplit(' ').next()?)))
        })
        .collect()
}

fn text(messages: &'static str) -> impl FnOnce(&Ipc, &mut ModelPage) {
    move |ipc, page| {
        let empty = page.batch(&[]);
        let text = empty.replace("[]", &format!("[{messages}]"));
        assert_eq!(ipc.receive(&text, None), Received::Ours);
    }
}

#[test]
fn each_bad_text_is_counted_with_its_error_type() {
    let cases: [(&'static str, &[&str]); 21] = [
        (r#"{"kind":"shed","count":3}"#, &["page_shed 3"]),
        (
            r#"{"kind":"shed","count":3},{"kind":"shed","count":18446744073709551615}"#,
            &["malformed 1", "page_shed 3"],
        ),
        (
            r#"{"kind":"refused","of":"event","type":"too_large","event":"save","count":3}"#,
            &["too_large 3"],
        ),
        (
            r#"{"kind":"refused","of":"call","type":"invalid_name","count":2},{"kind":"refused","of":"span","type":"too_many_spans","count":4}"#,
            &["invalid_name 2", "too_many_spans 4"],
        ),
        (
            r#"{"kind":"refused","of":"call","type":"queue_full","count":1}"#,
            &["malformed 1"],
        ),
        (r#"{"kind":"unheard","event":"progress","count":3}"#, &[]),
        (
            r#"{"kind":"error","type":"listener_error","event":"progress"}"#,
            &["listener_error 1"],
        ),
        (
            r#"{"kind":"error","type":"listener_error","event":"\ud800"}"#,
            &["malformed 1"],
        ),
        (
            r#"{"kind":"error","type":"listener_error","event":["progress"]}"#,
            &["malformed 1"],
        ),
        (r#"{"kind":"event","id":1,"event":"save"}"#, &["ok 1"]),
        (r#"{"kind":"event","id":1,"event":"#, &["malformed 1"]),
        (r#"{"kind":"teapot"}"#, &["malformed 1"]),
        (r#"{"kind":"event","id":1}"#, &["malformed 1"]),
        (
            r#"{"kind":"event","id":-1,"event":"save"}"#,
            &["malformed 1"],
        ),
        (
            r#"{"kind":"event","id":1e999,"event":"save"}"#,
            &["malformed 1"],
        ),
        (
            r#"{"kind":"event","id":1,"event":"\ud800"}"#,
            &["malformed 1"],
        ),
        (
            r#"{"kind":"event","id":1,"event":"a\u200bb"}"#,
            &["invalid_name 1"],
        ),
        (
            r#"{"kind":"event","id":1,"event":"</script>"}"#,
            &["unknown_event 1"],
        ),
        (
            r#"{"kind":"event","id":1,"event":"nobody"}"#,
            &["unknown_event 1"],
        ),
        (
            r#"{"kind":"event","id":1,"event":"save"},{"kind":"event","id":1,"event":"save"}"#,
            &["duplicate 1", "ok 1"],
        ),
        (
            r#"{"kind":"ack","ids":[[5,9007199254740993]]},{"kind":"ack","ids":[[3,1]]}"#,
            &["unknown_ack 2"],
        ),
    ];
    for (messages, expected) in cases {
        assert_eq!(outcomes(text(messages)), expected, "{messages}");
    }
}

#[test]
fn lone_surrogates_and_nul_in_a_payload_reach_the_handler_as_they_are() {
    let messages = r#"{"kind":"event","id":1,"event":"save","data":"\ud800\u0000"}"#;
    assert_eq!(outcomes(text(messages)), ["ok 1"]);
}

#[test]
fn a_raw_nul_is_malformed() {
    assert_eq!(
        outcomes(text("{\"kind\":\"event\",\"id\":1,\"event\":\"sa\0ve\"}")),
        ["malformed 1"]
    );
}

#[test]
fn a_text_cut_off_anywhere_is_malformed_or_not_ours() {
    let whole = |page: &ModelPage| {
        page.batch(&[json!({"kind": "event", "id": 1, "event": "save", "data": {"a": [1]}})])
    };
    let length = {
        let ipc = Ipc::builder("main").build();
        whole(&ModelPage::unannounced(&ipc, "p1")).len()
    };
    for end in 0..length {
        let got = outcomes(|ipc, page| {
            let text = whole(page);
            let _ = ipc.receive(text.get(..end).unwrap(), None);
        });
        assert!(got.is_empty() || got == ["malformed 1"], "{end}: {got:?}");
    }
}

#[test]
fn a_depth_bomb_and_a_huge_text_are_refused_unread() {
    let bomb = |ipc: &Ipc, page: &mut ModelPage| {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = page.batch(&[]).replace("[]", &deep);
        assert_eq!(ipc.receive(&text, None), Received::Ours);
    };
    assert_eq!(outcomes(bomb), ["too_deep 1"]);
    let huge =
        |ipc: &Ipc, page: &mut ModelPage| page.emit(ipc, "save", json!("x".repeat(10 << 20)));
    assert_eq!(outcomes(huge), ["too_large 1"]);
}

/// What a frame that knows no nonce may post: none of it is read beyond its first bytes.
fn forgeries() -> Vec<(String, &'static str)> {
    let forged = |rest: &str| format!(r#"{{"spanwire":1,"nonce":"{}"{rest}"#, "0".repeat(32));
    let many = r#"{"kind":"ready"},"#.repeat(60_000);
    vec![
        (
            forged(&format!(r#","page":"p1","messages":[{many}0]}}"#)),
            "forbidden",
        ),
        (
            forged(&format!(r#","messages":{}"#, "[".repeat(500_000))),
            "forbidden",
        ),
        (forged(r#","page":"P!""#), "forbidden"),
        (forged("\u{0}\u{2028}"), "forbidden"),
        (
            format!(r#"{{"spanwire":1,"messages":[{many}0]}}"#),
            "malformed",
        ),
        (
            format!(r#"{{"spanwire":2,"messages":{}"#, "[".repeat(500_000)),
            "malformed",
        ),
        (forged(&"x".repeat(1 << 20)), "too_large"),
    ]
}

#[test]
fn a_sender_without_the_nonce_is_refused_before_its_messages_are_read() {
    for (text, error) in forgeries() {
        let start: String = text.chars().take(80).collect();
        let as_text = |ipc: &Ipc, _: &mut ModelPage| {
            assert_eq!(ipc.receive(&text, None), Received::Ours);
        };
        assert_eq!(outcomes(as_text), [format!("{error} 1")], "{start}");
        let as_bytes = |ipc: &Ipc, _: &mut ModelPage| {
            // Not even whether it is a text is looked at.
            let bytes = [text.as_bytes(), b"\xff"].concat();
            assert_eq!(ipc.receive_bytes(&bytes, None), Received::Ours);
        };
        assert_eq!(outcomes(as_bytes), [format!("{error} 1")], "{start}");
    }
}

#[test]
fn fields_in_another_order_are_malformed() {
    let reordered = |ipc: &Ipc, page: &mut ModelPage| {
        let nonce = ipc.nonce();
        let batch = page.batch(&[json!({"kind": "event", "id": 1, "event": "save"})]);
        for (from, to) in [
            (r#""spanwire":1,"#, r#""spanwire": 1,"#),
            (&*format!(r#""nonce":"{nonce}","#), ""),
            (r#""page":"p1","#, ""),
            (r#""page":"p1","#, r#""messages":[],"page":"p1","#),
            (r#"]}"#, r#"],"sent":1}"#),
        ] {
            let text = batch.replace(from, to);
            assert_ne!(text, batch, "{from}");
            assert_eq!(ipc.receive(&text, None), Received::Ours);
        }
    };
    assert_eq!(outcomes(reordered), ["malformed 5"]);
}

#[test]
fn a_batch_of_more_messages_than_the_limit_is_refused_whole() {
    let event = |id| json!({"kind": "event", "id": id, "event": "save"});
    let send = |count: u64| {
        move |ipc: &Ipc, page: &mut ModelPage| {
            let events: Vec<_> = (1..=count).map(event).collect();
            page.send(ipc, &events);
        }
    };
    assert_eq!(outcomes(send(250)), ["ok 250"]);
    assert_eq!(outcomes(send(251)), ["too_large 1"]);
}

#[test]
fn bytes_that_are_not_utf8_are_malformed() {
    let bytes = |ipc: &Ipc, page: &mut ModelPage| {
        let mut bytes = page
            .batch(&[json!({"kind": "event", "id": 1, "event": "save"})])
            .into_bytes();
        bytes[70] = 0xff;
        assert_eq!(ipc.receive_bytes(&bytes, None), Received::Ours);
        assert_eq!(ipc.receive_bytes(b"\xff\xfe", None), Received::NotOurs);
    };
    assert_eq!(outcomes(bytes), ["malformed 1"]);
    let plain = b"{\"type\":\"event\",\"event\":\"\xff\"}";
    let plain_bytes = |ipc: &Ipc, _: &mut ModelPage| {
        assert_eq!(ipc.receive_bytes(plain, None), Received::Ours);
    };
    assert_eq!(outcomes(plain_bytes), ["malformed 1"]);
    let ipc = Ipc::builder("main").build();
    assert_eq!(ipc.receive_bytes(plain, None), Received::NotOurs);
}

#[test]
fn messages_of_the_app_are_left_to_it_and_not_counted() {
    let foreign = |ipc: &Ipc, _: &mut ModelPage| {
        for text in ["", "drag-window", "{}", r#"{"type":"resize"}"#, "[]", "\0"] {
            assert_eq!(ipc.receive(text, None), Received::NotOurs, "{text:?}");
        }
    };
    assert_eq!(outcomes(foreign), [""; 0]);
}

#[test]
fn the_plain_form_is_handled_when_the_app_wants_it() {
    let plain = |ipc: &Ipc, _: &mut ModelPage| {
        for text in [
            r#"{"type":"event","event":"save","detail":{"a":1}}"#,
            r#"{"type": "event", "event": "save"}"#,
            r#"{"type":"event","event":7}"#,
        ] {
            assert_eq!(ipc.receive(text, None), Received::Ours);
        }
    };
    assert_eq!(outcomes(plain), ["malformed 1", "ok 2"]);
    let ipc = Ipc::builder("main").build();
    assert_eq!(
        ipc.receive(r#"{"type":"event","event":"save"}"#, None),
        Received::NotOurs
    );
}

#[test]
fn a_forged_nonce_and_a_replaced_page_change_nothing() {
    let forged = |ipc: &Ipc, page: &mut ModelPage| {
        let text = page
            .batch(&[json!({"kind": "leave"})])
            .replace(ipc.nonce(), &"0".repeat(32));
        assert_eq!(ipc.receive(&text, None), Received::Ours);
        let text = page
            .batch(&[json!({"kind": "leave"})])
            .replace(ipc.nonce(), "");
        assert_eq!(ipc.receive(&text, None), Received::Ours);
    };
    assert_eq!(outcomes(forged), ["forbidden 2"]);
    let replaced = |ipc: &Ipc, page: &mut ModelPage| {
        let _next = ModelPage::load(ipc, "p2");
        page.emit(ipc, "save", json!(null));
        page.send(ipc, &[json!({"kind": "ready"})]);
    };
    assert_eq!(
        outcomes(replaced),
        ["stale_generation 1", "stale_generation 1"]
    );
}

#[test]
fn an_origin_that_is_not_allowed_is_refused() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .allow_origin("https://app.example/")
            .build();
        let page = ModelPage::unannounced(&ipc, "p1");
        let ready = page.batch(&[json!({"kind": "ready"})]);
        for origin in [
            None,
            Some("https://evil.example"),
            Some("https://app.example.evil.example"),
        ] {
            assert_eq!(ipc.receive(&ready, origin), Received::Ours);
        }
        let refused = [
            ("error.type", "forbidden_origin"),
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", "_OTHER"),
            ("spanwire.outcome", "failed"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &refused), 3);
        let _ = ipc.receive(&ready, Some("https://app.example"));
        assert!(format!("{ipc:?}").contains("Ready"), "{ipc:?}");
    });
}

#[test]
fn messages_beyond_the_window_are_refused_until_credits_return() {
    let capture = Capture::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .runtime(runtime.handle().clone())
            .build();
        ipc.on_async("wait", |_| async {}).unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        for _ in 0..1_200 {
            page.emit(&ipc, "wait", json!(null));
        }
        let refused = [
            ("error.type", "over_credit"),
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", "wait"),
            ("spanwire.outcome", "failed"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &refused), 200);
        page.credits = 0;
        // Every spawned task gets its turn.
        runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        page.pump(&ipc);
        assert_eq!(page.credits, 1_000);
    });
}

#[test]
fn each_kind_of_bad_traceparent_is_counted_and_the_message_handled() {
    for traceparent in [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "",
    ] {
        let input = |ipc: &Ipc, page: &mut ModelPage| {
            page.send(
                ipc,
                &[json!({"kind": "event", "id": 1, "event": "save", "traceparent": traceparent})],
            );
        };
        assert_eq!(
            outcomes(input),
            ["ok 1", "invalid_traceparent 1"],
            "{traceparent}"
        );
    }
    let future = |ipc: &Ipc, page: &mut ModelPage| {
        let traceparent = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later";
        page.send(
            ipc,
            &[json!({"kind": "event", "id": 1, "event": "save", "traceparent": traceparent})],
        );
    };
    assert_eq!(outcomes(future), ["ok 1"]);
}

#[test]
fn an_error_that_quotes_a_huge_payload_is_logged_truncated() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        ipc.on("save", |call: &Call| Err::<(), _>(call.json().to_owned()))
            .unwrap();
        let mut page = ModelPage::load(&ipc, "p1");
        page.emit(&ipc, "save", json!("é".repeat(100_000)));
    });
    let text = capture.text();
    assert!(text.contains("handler failed") && text.contains("éé"));
    assert!(text.len() < 20_000, "{}", text.len());
}

#[test]
fn half_an_emoji_is_read_with_a_replacement_and_counted() {
    for (data, expected) in [
        (r#""half \ud83d""#, &["ok 1", "lone_surrogate 1"][..]),
        (r#""whole \ud83d\ude00""#, &["ok 1"]),
        (r#""an escaped \\ud83d""#, &["ok 1"]),
        ("7", &["handler_error 1"]),
    ] {
        let input = move |ipc: &Ipc, page: &mut ModelPage| {
            ipc.on("text", |call: &Call| {
                let read: String = call.data()?;
                assert_eq!(read.contains('\u{fffd}'), call.json().contains(r"f \ud83d"));
                Ok::<_, DataError>(())
            })
            .unwrap();
            let message = format!(r#"{{"kind":"event","id":1,"event":"text","data":{data}}}"#);
            let batch = page.batch(&[]).replace("[]", &format!("[{message}]"));
            assert_eq!(ipc.receive(&batch, None), Received::Ours);
        };
        assert_eq!(outcomes(input), expected, "{data}");
    }
}

#[test]
fn an_async_handlers_half_an_emoji_is_counted_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main")
            .runtime(runtime.handle().clone())
            .build();
        ipc.on_async("text", |call: Call<'static>| async move {
            assert_eq!(call.data::<String>()?, "half \u{fffd}");
            Ok::<_, DataError>(())
        })
        .unwrap();
        let page = ModelPage::load(&ipc, "p1");
        let message = r#"{"kind":"event","id":1,"event":"text","data":"half \ud83d"}"#;
        let batch = page.batch(&[]).replace("[]", &format!("[{message}]"));
        assert_eq!(ipc.receive(&batch, None), Received::Ours);
        runtime.block_on(tokio::task::yield_now());
    });
    let metrics = capture.metrics();
    let errors: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("spanwire.page.errors"))
        .collect();
    assert!(
        matches!(errors[..], [error] if error.contains("lone_surrogate") && error.ends_with(" 1")),
        "{metrics}"
    );
}

#[test]
fn bytes_that_are_no_base64_are_the_handlers_error() {
    for (base64, expected) in [
        ("AQID", "ok 1"),
        ("", "ok 1"),
        ("AQI", "handler_error 1"),
        ("AQ I", "handler_error 1"),
        ("AQJ=", "handler_error 1"),
        (r"\ud83d", "handler_error 1"),
    ] {
        let input = move |ipc: &Ipc, page: &mut ModelPage| {
            ipc.on("bytes", |call: &Call| call.data::<Vec<Bytes>>().map(drop))
                .unwrap();
            let data = format!(r#"[{{"$spanwire.bytes":"{base64}"}}]"#);
            let message = format!(r#"{{"kind":"event","id":1,"event":"bytes","data":{data}}}"#);
            let batch = page.batch(&[]).replace("[]", &format!("[{message}]"));
            assert_eq!(ipc.receive(&batch, None), Received::Ours);
        };
        assert_eq!(
            outcomes(input).first().map(String::as_str),
            Some(expected),
            "{base64}"
        );
    }
}
