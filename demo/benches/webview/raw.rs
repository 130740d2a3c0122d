//! The raw way: what an app on wry alone writes, one message and one script at a time.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;
use wry::{WebView, WebViewBuilder};

use crate::arrivals::Arrivals;
use crate::main_thread::MainThread;
use crate::payload::{PAYLOAD, Payload};

pub(crate) const PAGE: &str = r#"<!doctype html><script>
  const data = PAYLOAD;
  let lastId = 0;
  const post = (event, data) =>
    window.ipc.postMessage(JSON.stringify({ kind: "event", id: ++lastId, event, data }));
  const flood = (count) => {
    for (let at = 0; at < count; at++) post("flood", data);
  };

  const calls = new Map();
  const settle = (id, result) => {
    calls.get(id)(result);
    calls.delete(id);
  };
  const invoke = (event, data) => new Promise((resolve) => {
    calls.set(++lastId, resolve);
    window.ipc.postMessage(JSON.stringify({ kind: "call", id: lastId, event, data }));
  });
  const trips = async (count) => {
    for (let at = 0; at < count; at++) await invoke("trip", data);
  };

  let expected = 0;
  let sum = 0;
  const listeners = { tick: (data) => (sum += data.x), ping: (data) => post("pong", data) };
  const deliver = (event, data) => {
    listeners[event](data);
    if (event === "tick" && --expected === 0) post("ticked", data);
  };
  post("ready", data);
</script>"#;

#[derive(Deserialize)]
struct Message<'a> {
    kind: &'a str,
    id: u64,
    event: &'a str,
    #[serde(borrow)]
    data: Payload<'a>,
}

pub(crate) fn attach<'a>(
    builder: WebViewBuilder<'a>,
    webview: &Rc<OnceCell<WebView>>,
    arrivals: &Arc<Arrivals>,
) -> WebViewBuilder<'a> {
    let (webview, arrivals) = (Rc::clone(webview), Arc::clone(arrivals));
    builder.with_ipc_handler(move |request| {
        let message: Message<'_> = serde_json::from_str(request.body()).unwrap();
        let more = match message.event {
            "flood" | "trip" | "pong" | "ticked" | "ready" => arrivals.arrived(),
            other => panic!("{other}"),
        };
        if message.kind == "call" {
            let result = serde_json::to_string(&message.data).unwrap();
            evaluate(&webview, &format!("settle({}, {result})", message.id));
        } else if message.event == "pong" && more {
            evaluate(&webview, &deliver("ping", &message.data));
        }
    })
}

fn deliver(event: &str, data: &Payload<'_>) -> String {
    let data = serde_json::to_string(data).unwrap();
    format!("deliver('{event}', {data})")
}

fn evaluate(webview: &OnceCell<WebView>, script: &str) {
    let webview = webview.get().expect("it answers to what was sent");
    webview.evaluate_script(script).unwrap();
}

pub(crate) fn flood(main_thread: &MainThread, count: u64) {
    main_thread.ui(move |windows| evaluate(&windows.raw, &format!("flood({count})")));
}

/// One script for each, from the main thread.
pub(crate) fn ticks(main_thread: &MainThread, count: u64) {
    main_thread.ui(move |windows| {
        evaluate(&windows.raw, &format!("expected = {count}"));
        for _ in 0..count {
            evaluate(&windows.raw, &deliver("tick", &PAYLOAD));
        }
    });
}

pub(crate) fn trips(main_thread: &MainThread, count: u64) {
    main_thread.ui(move |windows| evaluate(&windows.raw, &format!("trips({count})")));
}

/// The first ping; each pong sends the next.
pub(crate) fn pings(main_thread: &MainThread) {
    main_thread.ui(|windows| evaluate(&windows.raw, &deliver("ping", &PAYLOAD)));
}
