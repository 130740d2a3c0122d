//! A page that follows docs/reference/wire.md, without a webview.

use std::collections::HashSet;

use serde_json::{Value, json};
use spanwire::ipc::{Ipc, Received, Script};

/// The page side of one wire, for one page load.
#[derive(Debug)]
pub struct ModelPage {
    /// The page's own id.
    pub id: String,
    nonce: String,
    next_id: u64,
    ran: HashSet<u64>,
    floor: u64,
    begun: HashSet<u64>,
    finished: HashSet<u64>,
    /// Each message that was run, in order: its kind, and its event, call or id.
    pub log: Vec<String>,
    /// How many messages it may still send.
    pub credits: u64,
    /// Answers to pings, which go out with the next acknowledgement.
    pub pongs: Vec<Value>,
    /// The code of the `bye` that it got.
    pub bye: Option<String>,
}

/// What a page does when it gets a raw script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Eval {
    /// It runs to its end.
    Runs,
    /// It throws on its way.
    Throws,
    /// It is no JavaScript, so nothing of it runs.
    DoesNotParse,
}

impl ModelPage {
    /// A page that has announced itself.
    pub fn load(ipc: &Ipc, id: &str) -> Self {
        let page = Self::unannounced(ipc, id);
        page.send(ipc, &[json!({"kind": "ready"})]);
        page
    }

    /// A page that has not sent anything yet.
    pub fn unannounced(ipc: &Ipc, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            nonce: ipc.nonce().to_owned(),
            next_id: 1,
            ran: HashSet::new(),
            floor: 0,
            begun: HashSet::new(),
            finished: HashSet::new(),
            log: Vec::new(),
            credits: 1_000,
            pongs: Vec::new(),
            bye: None,
        }
    }

    /// The text of a batch with these messages.
    pub fn batch(&self, messages: &[Value]) -> String {
        // Concatenated, since what is ours is told by how the text begins.
        let messages: Vec<String> = messages.iter().map(Value::to_string).collect();
        format!(
            r#"{{"spanwire":1,"nonce":"{}","page":"{}","messages":[{}]}}"#,
            self.nonce,
            self.id,
            messages.join(",")
        )
    }

    /// Sends a batch with these messages.
    pub fn send(&self, ipc: &Ipc, messages: &[Value]) {
        assert_eq!(ipc.receive(&self.batch(messages), None), Received::Ours);
    }

    /// Calls a handler; the call's id.
    pub fn call(&mut self, ipc: &Ipc, event: &str, data: Value) -> u64 {
        let id = self.take_id();
        self.send(
            ipc,
            &[json!({"kind": "call", "id": id, "event": event, "data": data})],
        );
        id
    }

    /// Emits an event to the host.
    pub fn emit(&mut self, ipc: &Ipc, event: &str, data: Value) {
        let id = self.take_id();
        self.send(
            ipc,
            &[json!({"kind": "event", "id": id, "event": event, "data": data})],
        );
    }

    /// The id of its next message.
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Runs a script; the acknowledgement to send, if any.
    pub fn run(&mut self, script: &Script, eval: Eval) -> Option<Value> {
        match script.json() {
            Some(json) => self.run_batch(json),
            None => {
                let text = script.text();
                let mut calls = text.lines().filter_map(|line| {
                    line.trim_start_matches(';')
                        .strip_prefix("__spanwire__(")?
                        .strip_suffix(");")
                        .map(str::to_owned)
                });
                let (begin, end) = (calls.next().unwrap(), calls.next().unwrap());
                if eval != Eval::DoesNotParse {
                    self.run_batch(&begin);
                }
                if eval == Eval::Runs {
                    self.run_batch(&end);
                }
                None
            }
        }
    }

    fn run_batch(&mut self, json: &str) -> Option<Value> {
        let batch: Value = serde_json::from_str(json).unwrap();
        if batch["page"] != self.id.as_str() {
            return None;
        }
        // It never falls: an old script may arrive after a newer one.
        self.floor = self.floor.max(batch["floor"].as_u64().unwrap());
        self.ran.retain(|id| *id >= self.floor);
        let (mut ids, mut failed) = (Vec::new(), Vec::new());
        for message in batch["messages"].as_array().unwrap() {
            let id = message["id"].as_u64().unwrap_or_default();
            match message["kind"].as_str().unwrap() {
                "credit" => self.credits += message["count"].as_u64().unwrap(),
                "ping" => self.pongs.push(json!({"kind": "pong", "id": id})),
                "bye" => self.bye = message["code"].as_str().map(str::to_owned),
                "begin" => drop(self.begun.insert(id)),
                "end" => drop(self.finished.insert(id)),
                "settle" => {
                    ids.push(json!([id, id]));
                    if !(self.begun.contains(&id) && self.finished.contains(&id)) {
                        failed.push(id);
                    } else if self.is_new(id) {
                        self.log.push(format!("eval {id}"));
                    }
                }
                "event" => {
                    ids.push(json!([id, id]));
                    if self.is_new(id) {
                        let event = message["event"].as_str().unwrap();
                        self.log.push(format!("event {event} {}", message["data"]));
                    }
                }
                "reply" => {
                    ids.push(json!([id, id]));
                    if self.is_new(id) {
                        let result = match message.get("error") {
                            Some(error) => format!("error {}", error["code"].as_str().unwrap()),
                            None => message["data"].to_string(),
                        };
                        self.log.push(format!("reply {} {result}", message["call"]));
                    }
                }
                kind => panic!("{kind} is not in docs/reference/wire.md"),
            }
        }
        (!ids.is_empty()).then(|| json!({"kind": "ack", "ids": ids, "failed": failed}))
    }

    /// Whether a message was not run yet; from here on it was.
    fn is_new(&mut self, id: u64) -> bool {
        id >= self.floor && self.ran.insert(id)
    }

    /// Takes all scripts and acknowledges each.
    pub fn pump(&mut self, ipc: &Ipc) {
        while let Some(script) = ipc.next_script() {
            let ack = self.run(&script, Eval::Runs);
            let answers: Vec<Value> = self.pongs.drain(..).chain(ack).collect();
            if !answers.is_empty() {
                self.send(ipc, &answers);
            }
        }
    }
}
