//! The wire without a webview: one thread is the app, another plays the page.
//!
//! Run with `cargo run --example headless`, or let it go on to look at it:
//! `cargo run --example headless -- 60` runs for 60 seconds and serves
//! `http://127.0.0.1:9464/metrics`; set `OTEL_EXPORTER_OTLP_ENDPOINT` to send traces too.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::{Call, DataError, Ipc};
use spanwire::measurement::Measurement;
use spanwire::startup::{self, Phase};
use spanwire::telemetry::Telemetry;
use spanwire::timer::monitor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(0), |arg| arg.parse())?;
    let telemetry = Telemetry::builder("headless").install()?;
    if let Some(addr) = telemetry.prometheus_addr() {
        println!("metrics: http://{addr}/metrics");
    }

    let ipc = Ipc::builder("main").build();
    ipc.on("greet", |call: &Call| -> Result<String, DataError> {
        let name: String = call.data()?;
        monitor("compose_greeting").run(|| Ok(format!("hello {name}")))
    })?;
    ipc.on("log", |call: &Call| {
        tracing::info!(line = call.json(), "page")
    })?;

    // Kept until the page is there.
    ipc.emit("welcome", &json!({ "name": "headless" }))?;

    // Ctrl-C and SIGTERM end the page's loop, and so reach the flush at the end.
    let stopped = Arc::new(AtomicBool::new(false));
    ctrlc::set_handler({
        let stopped = Arc::clone(&stopped);
        move || stopped.store(true, Ordering::Relaxed)
    })?;

    // The wire between the two: texts one way, batches the other.
    let (to_host, from_page) = sync_channel::<String>(100);
    let (to_page, from_host) = sync_channel::<String>(100);
    let page = thread::spawn({
        let nonce = ipc.nonce().to_owned();
        move || page(&nonce, &to_host, &from_host, seconds, &stopped)
    });

    let round = Measurement::new("round").category("page");
    ipc.on("round", move |call: &Call| -> Result<(), DataError> {
        round.record(call.data()?);
        Ok(())
    })?;

    // The app: takes what the page sends, and sends what is queued.
    startup::reached(Phase::EventLoop);
    for text in &from_page {
        let _ = ipc.receive(&text, None);
        ipc.emit_latest(
            "progress",
            &json!({ "received": ipc.metrics().messages_received }),
        )?;
        while let Some(script) = ipc.next_script() {
            let batch = script.json().ok_or("this page runs no raw scripts")?;
            // A page that has hung up takes no more; what it missed is counted at the close.
            let _ = to_page.send(batch.to_owned());
        }
    }
    let replies = page.join().map_err(|_| "the page panicked")?;

    println!("the page got {replies} replies\n\n{}\n", ipc.metrics());
    ipc.close();
    println!("{}", telemetry.shutdown(Duration::from_secs(2)));
    Ok(())
}

/// Plays the page: calls, and acknowledges what it gets. Ends by hanging up.
fn page(
    nonce: &str,
    to_host: &SyncSender<String>,
    from_host: &Receiver<String>,
    seconds: u64,
    stopped: &AtomicBool,
) -> u64 {
    // What `performance.now()` is to a real page: the host translates it.
    let began = spanwire::clock::now();
    let now = || spanwire::clock::now().since(began).as_secs_f64() * 1e3;
    let send = |messages: Value| {
        let sent = now();
        let text = format!(
            r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","sent":{sent},"messages":{messages}}}"#
        );
        to_host.send(text).is_ok()
    };
    let mut replies = 0;
    let mut next_id = 1..;
    let mut id = || next_id.next();
    send(json!([{"kind": "ready"}]));
    for round in 0..(seconds * 100).max(500) {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        send(json!([
            {"kind": "call", "id": id(), "event": "greet", "data": "page", "at": now()},
            {"kind": "call", "id": id(), "event": "nobody", "at": now()},
            {"kind": "event", "id": id(), "event": "log", "data": {"round": round}},
            {"kind": "event", "id": id(), "event": "round", "data": round},
        ]));
        // One batch answers each text that carried a message.
        let Ok(batch) = from_host.recv() else { break };
        let at = now();
        let messages = messages(&batch);
        replies += messages
            .iter()
            .filter(|message| message["kind"] == "reply")
            .count() as u64;
        let ids: Vec<_> = messages
            .iter()
            .filter(|message| message["kind"] == "reply" || message["kind"] == "event")
            .map(|message| json!([message["id"], message["id"]]))
            .collect();
        let mut answers = pongs(&messages);
        answers.push(json!({"kind": "ack", "ids": ids, "at": at, "done": now()}));
        send(json!(answers));
        if seconds > 0 {
            thread::sleep(Duration::from_millis(10));
        }
        // Progress alone, which is not worth an answer; a ping is.
        while let Ok(batch) = from_host.try_recv() {
            let pongs = pongs(&self::messages(&batch));
            if !pongs.is_empty() {
                send(json!(pongs));
            }
        }
    }
    replies
}

fn messages(batch: &str) -> Vec<Value> {
    let batch: Value = serde_json::from_str(batch).unwrap_or_default();
    batch["messages"].as_array().cloned().unwrap_or_default()
}

/// The answers to the pings among `messages`.
fn pongs(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .filter(|message| message["kind"] == "ping")
        .map(|message| json!({"kind": "pong", "id": message["id"]}))
        .collect()
}
