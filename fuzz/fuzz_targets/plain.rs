//! The compatible form, which needs no nonce: what reaches a handler is what the text says.

#![no_main]

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use spanwire::ipc::{Call, Ipc, PageEvents, Received};
use spanwire::testing::FakeClock;
use spanwire_fuzz::recorder::Sums;

static SUMS: Sums = Sums::new();

const EVENTS: [&str; 3] = ["save", "a.b:c/d-e_f", "x"];

type Seen = Arc<Mutex<Vec<(String, String)>>>;

fn wire(seen: &Seen) -> Ipc {
    let ipc = Ipc::builder("main")
        .page_events(PageEvents::SpanwireAndPlain)
        .build();
    for event in EVENTS {
        let seen = Arc::clone(seen);
        let listener = move |call: &Call| {
            assert!(!call.wants_reply());
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((call.event().to_owned(), call.json().to_owned()));
        };
        ipc.on(event, listener).expect("a good name");
    }
    ipc
}

/// Whether the text says so, read by a parser of all JSON.
fn says(text: &[u8], event: &str, detail: &str) -> bool {
    let text = std::str::from_utf8(text).expect("a handler ran");
    let Ok(whole) = serde_json::from_str::<Value>(text) else {
        // It may be JSON that this parser cannot keep, such as a number beyond all bounds.
        return serde_json::from_str::<&RawValue>(text).is_ok();
    };
    let said = whole.get("detail").cloned();
    let said = said.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    whole["type"] == "event"
        && whole["event"] == event
        && serde_json::from_str::<Value>(detail).is_ok_and(|detail| detail == said)
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn check(text: &[u8]) {
    SUMS.clear();
    let seen = Seen::default();
    let ipc = wire(&seen);
    let received = Cell::new(Received::NotOurs);
    let used = allocation_counter::measure(|| received.set(ipc.receive_bytes(text, None)));
    let is_plain = [r#"{"type":"event""#, r#"{"type": "event""#]
        .iter()
        .any(|prefix| text.starts_with(prefix.as_bytes()));
    // A batch is ours too, and has no nonce here.
    let is_batch = text.starts_with(br#"{"spanwire":"#);
    assert_eq!(received.get() == Received::Ours, is_plain || is_batch);

    let messages = |labels: &[(&str, &str)]| SUMS.counter("spanwire.ipc.messages", labels);
    assert_eq!(
        messages(&[]),
        u64::from(is_plain || is_batch),
        "counted once"
    );
    assert_eq!(ipc.metrics().messages_received, messages(&[]));
    assert_eq!(
        messages(&[("spanwire.ipc.direction", "outbound")]),
        0,
        "no answer"
    );

    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(seen.len() as u64, messages(&[("spanwire.outcome", "ok")]));
    for (event, detail) in seen.iter() {
        assert!(is_plain && says(text, event, detail), "{event} {detail}");
        assert!(depth(detail) <= 64, "{detail}");
    }
    // Registering series aside, nothing is copied but a name.
    if seen.is_empty() {
        assert!(used.bytes_total < 32 << 10, "{} bytes", used.bytes_total);
    }
}

fuzz_target!(|text: &[u8]| {
    let clock = FakeClock::new();
    clock.run(|| metrics::with_local_recorder(&SUMS, || check(text)));
});
