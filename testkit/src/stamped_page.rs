//! A page that stamps what it sends, under a clock moved by hand; and when spans with explicit times
//! were.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use spanwire::clock::Stamp;
use spanwire::ipc::{Ipc, IpcBuilder, Received, Script};
use spanwire::testing::Capture;
use tokio::runtime::Runtime;

use crate::model_page::{Eval, ModelPage};

/// A page that stamps what it sends: its document began when the test did, its clock is rounded
/// down to milliseconds, and each way takes a millisecond.
#[derive(Debug)]
pub struct StampedPage {
    /// The page without its clock.
    pub page: ModelPage,
    /// The capture whose clock it shares.
    pub capture: Capture,
    /// When its document began.
    pub began: Stamp,
}

impl StampedPage {
    /// A page whose clock the host knows.
    pub fn load(capture: &Capture, ipc: &Ipc) -> Self {
        let page = Self {
            page: ModelPage::unannounced(ipc, "p1"),
            capture: capture.clone(),
            began: capture.clock().now(),
        };
        page.send(ipc, &[json!({"kind": "ready"})]);
        // One way and back, so that both bounds of its clock's offset are known.
        ipc.emit("hello", &1).unwrap();
        let mut page = page;
        page.pump(ipc);
        page
    }

    /// Lets so many milliseconds pass.
    pub fn wait(&self, ms: u64) {
        self.capture.clock().advance(Duration::from_millis(ms));
    }

    /// The page's clock, in milliseconds.
    pub fn now(&self) -> u128 {
        self.capture.clock().now().since(self.began).as_millis()
    }

    /// Sends these messages; they arrive after a millisecond.
    pub fn send(&self, ipc: &Ipc, messages: &[Value]) {
        let sent = json!(self.now());
        self.wait(1);
        self.send_stamped(ipc, &sent, messages);
    }

    /// Sends these messages with any value as their time, which may be a lie.
    pub fn send_stamped(&self, ipc: &Ipc, sent: &Value, messages: &[Value]) {
        let text = self.page.batch(messages);
        let sent = format!(r#","sent":{sent},"messages""#);
        let text = text.replacen(r#","messages""#, &sent, 1);
        assert_eq!(ipc.receive(&text, None), Received::Ours);
    }

    /// Calls two milliseconds before the batch is posted.
    pub fn call(&mut self, ipc: &Ipc, event: &str, span: Option<u64>) -> u64 {
        let id = self.page.take_id();
        let call =
            json!({"kind": "call", "id": id, "event": event, "at": self.now(), "span": span});
        self.wait(2);
        self.send(ipc, &[call]);
        id
    }

    /// Takes a script: its first message begins at once, and all are done after three milliseconds.
    pub fn run(&mut self, ipc: &Ipc, script: &Script) {
        self.wait(1);
        let at = self.now();
        if let Some(mut ack) = self.page.run(script, Eval::Runs) {
            self.wait(3);
            ack["at"] = json!(at);
            ack["done"] = json!(self.now());
            if let Some(ids) = ack["ids"].as_array() {
                let (first, done) = (ids[0][0].clone(), self.now());
                ack["ran"] = json!([[first, at, done]]);
            }
            self.send(ipc, &[ack]);
        }
    }

    /// Takes all scripts.
    pub fn pump(&mut self, ipc: &Ipc) {
        while let Some(script) = ipc.next_script() {
            self.run(ipc, &script);
        }
    }
}

/// A wire that exports its spans to the capture.
pub fn builder(capture: &Capture) -> IpcBuilder {
    Ipc::builder("main").tracer_provider(&capture.tracer_provider())
}

/// A runtime that does nothing by itself; see [`turn`].
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// Lets the tasks of a runtime get as far as they can.
pub fn turn(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
}

/// When every fake clock begins.
pub fn began() -> SystemTime {
    // The fake clock's first second.
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_601)
}

/// Milliseconds of a span's explicit time; `None` for a time that `tracing` took from the system.
pub fn explicit_ms(time: SystemTime) -> Option<f64> {
    let ms = match time.duration_since(began()) {
        Ok(after) => after.as_secs_f64() * 1e3,
        Err(before) => before.duration().as_secs_f64() * -1e3,
    };
    (ms.abs() < 3_600_000.0).then_some((ms * 1e3).round() / 1e3)
}
