//! The page's side of a wire, after `docs/reference/wire.md`.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;
use spanwire::ipc::Script;

/// How a batch begins, as the page script writes it.
#[must_use]
pub fn batch(nonce: &str, page: &str, sent: Option<&str>, messages: &str) -> String {
    let sent = sent.map_or(String::new(), |sent| format!(r#""sent":{sent},"#));
    format!(r#"{{"spanwire":1,"nonce":"{nonce}","page":"{page}",{sent}"messages":[{messages}]}}"#)
}

/// One load of a page.
#[derive(Debug, Default)]
pub struct Page {
    pub id: String,
    floor: u64,
    ran: HashSet<u64>,
    /// What was handed to listeners and promises: each once.
    delivered: HashSet<String>,
}

impl Page {
    #[must_use]
    pub fn new(id: String) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// Runs a script; the messages to answer with, each with a comma between.
    ///
    /// # Panics
    ///
    /// When the script is not as documented, or brings something twice.
    pub fn run(&mut self, script: &Script) -> String {
        let text = script.text();
        for breaking in ['<', '\u{2028}', '\u{2029}'] {
            assert!(!text.contains(breaking), "{text}");
        }
        let mut answers = Vec::new();
        match script.json() {
            Some(json) => self.run_batch(json, &mut answers),
            None => {
                for line in text.lines() {
                    let call = line.trim_start_matches(';').strip_prefix("__spanwire__(");
                    if let Some(json) = call.and_then(|call| call.strip_suffix(");")) {
                        self.run_batch(json, &mut answers);
                    }
                }
            }
        }
        answers.join(",")
    }

    fn run_batch(&mut self, json: &str, answers: &mut Vec<String>) {
        let batch: Value = match serde_json::from_str(json) {
            Ok(batch) => batch,
            // A payload may be JSON that this parser cannot keep: a lone surrogate, for one.
            Err(error) => {
                let raw = serde_json::from_str::<&serde_json::value::RawValue>(json);
                assert!(raw.is_ok(), "{error}: {json}");
                return;
            }
        };
        if batch["page"] != self.id.as_str() {
            return;
        }
        self.floor = self.floor.max(batch["floor"].as_u64().unwrap_or_default());
        let mut ids = String::new();
        for message in batch["messages"].as_array().expect("messages") {
            let id = message["id"].as_u64().unwrap_or_default();
            let delivered = match message["kind"].as_str().expect("a kind") {
                "credit" | "bye" | "begin" | "end" => continue,
                "ping" => {
                    answers.push(format!(r#"{{"kind":"pong","id":{id},"at":1}}"#));
                    continue;
                }
                "settle" => format!("settle {id}"),
                "event" => format!("event {} {}", message["event"], message["data"]),
                "reply" => format!("reply {}", message["call"]),
                kind => panic!("{kind} is not documented"),
            };
            let comma = if ids.is_empty() { "" } else { "," };
            let _ = write!(ids, "{comma}[{id},{id}]");
            if id >= self.floor && self.ran.insert(id) {
                assert!(self.delivered.insert(delivered), "twice: {message}");
            }
        }
        if !ids.is_empty() {
            answers.push(format!(r#"{{"kind":"ack","ids":[{ids}],"at":1,"done":2}}"#));
        }
    }
}
