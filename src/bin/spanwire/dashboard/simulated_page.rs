//! A page without a webview: it speaks the wire as `docs/reference/wire.md` has it.

use serde_json::{Value, json};
use spanwire::clock::{Stamp, now};
use spanwire::ipc::Ipc;

/// One page of one `Ipc`, in the app's own thread.
pub(super) struct SimulatedPage {
    ipc: Ipc,
    began: Stamp,
    // The wire asks for ids that rise within a page: one that came before is a `duplicate`.
    next_id: u64,
    replies: u64,
}

impl SimulatedPage {
    /// Is ready at once.
    pub(super) fn new(ipc: Ipc) -> Self {
        let mut page = Self {
            ipc,
            began: now(),
            next_id: 1,
            replies: 0,
        };
        let listens = json!({"kind": "state", "listens": true, "visible": true});
        // `ready` must be a page's first message: it opens the generation, and all others need one.
        page.send(&[json!({"kind": "ready", "type": "navigate"}), listens]);
        for (name, value) in [("ttfb", 12.0), ("fcp", 80.0), ("lcp", 140.0)] {
            page.vital(name, value);
        }
        page
    }

    /// How many calls were answered.
    pub(super) fn replies(&self) -> u64 {
        self.replies
    }

    pub(super) fn call(&mut self, event: &str, data: Value) {
        self.message("call", event, data);
    }

    pub(super) fn event(&mut self, event: &str, data: Value) {
        self.message("event", event, data);
    }

    /// An error that no code of the page caught.
    pub(super) fn uncaught_error(&mut self) {
        self.send(&[json!({"kind": "error", "type": "uncaught"})]);
    }

    pub(super) fn vital(&mut self, name: &str, value: f64) {
        self.send(&[json!({"kind": "vital", "name": name, "value": value, "rating": "good"})]);
    }

    fn message(&mut self, kind: &str, event: &str, data: Value) {
        let (id, at) = (self.next_id, self.page_time());
        self.next_id += 1;
        let message = json!({"kind": kind, "id": id, "event": event, "data": data, "at": at});
        self.send(&[message]);
    }

    /// Runs what the host has sent, and acknowledges it.
    pub(super) fn run_scripts(&mut self) {
        // Each answer may have something sent in turn.
        for _ in 0..SCRIPTS_MAX {
            let Some(script) = self.ipc.next_script() else {
                return;
            };
            // A raw script is no JSON. This page has no engine that could run it.
            let Some(batch) = script.json() else { continue };
            let batch: Value = serde_json::from_str(batch).unwrap_or_default();
            let messages = batch["messages"].as_array().cloned().unwrap_or_default();
            let at = self.page_time();
            let mut ran = Vec::new();
            let mut answers = Vec::new();
            for message in &messages {
                let id = &message["id"];
                match message["kind"].as_str() {
                    Some("reply") => {
                        self.replies += 1;
                        ran.push(json!([id, id]));
                    }
                    Some("event") => ran.push(json!([id, id])),
                    // A ping has ids of its own, and is not acknowledged.
                    Some("ping") => answers.push(json!({"kind": "pong", "id": id})),
                    _ => {}
                }
            }
            // Without acknowledgements the credits and the in-flight messages would never come
            // back.
            if !ran.is_empty() {
                let done = self.page_time();
                answers.push(json!({"kind": "ack", "ids": ran, "at": at, "done": done}));
            }
            if !answers.is_empty() {
                self.send(&answers);
            }
        }
    }

    fn send(&self, messages: &[Value]) {
        let (nonce, sent) = (self.ipc.nonce(), self.page_time());
        let messages = Value::from(messages);
        // By hand and in this order: the host reads nonce and page at fixed places, before it
        // parses anything.
        let text = format!(
            r#"{{"spanwire":1,"nonce":"{nonce}","page":"simulated","sent":{sent},"messages":{messages}}}"#
        );
        // No origin: this page has none, and the first page that is ready decides which origins
        // count.
        let _ = self.ipc.receive(&text, None);
    }

    /// What `performance.now()` is to a real page.
    fn page_time(&self) -> f64 {
        now().since(self.began).as_secs_f64() * 1e3
    }
}

// A bound for a host that sends in answer to each acknowledgement. The next tick goes on.
const SCRIPTS_MAX: usize = 1_000;
