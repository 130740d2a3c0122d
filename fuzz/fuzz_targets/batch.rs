//! Batches from the page, hostile or not, in between what the host does: every message ends once.
//!
//! The input is a script, a step a line. What each step is says [`World::step`].

#![no_main]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use spanwire::ipc::{Call, Ipc, PageEvents, PageMarks, PageTraces, Received, Script};
use spanwire::ipc::{PageSpanRequest, PageSpanSink, PageSpansRefused};
use spanwire::queue::Overflow;
use spanwire::testing::FakeClock;
use spanwire_fuzz::page::{Page, batch};
use spanwire_fuzz::recorder::Sums;
use spanwire_fuzz::spans::PROVIDER;

static SUMS: Sums = Sums::new();

/// The host's own origin, and another one.
const ORIGINS: [Option<&str>; 3] = [
    None,
    Some("https://app.example"),
    Some("https://evil.example"),
];

struct Sink;

impl PageSpanSink for Sink {
    fn take(&self, request: PageSpanRequest<'_>) -> Result<(), PageSpansRefused> {
        assert!(serde_json::from_str::<&RawValue>(request.json()).is_ok());
        match request.spans() % 2 {
            0 => Ok(()),
            _ => Err(PageSpansRefused::QueueFull),
        }
    }
}

struct World {
    ipc: Ipc,
    clock: FakeClock,
    page: Page,
    pages: u64,
    origin: Option<&'static str>,
    taken: Vec<Script>,
    emitted: u64,
    /// Listeners that ran, and of them those for calls.
    ran: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl World {
    fn new(overflow: Overflow, clock: &FakeClock) -> Self {
        let ipc = Ipc::builder("main")
            .queue_capacity(6)
            .overflow(overflow)
            .tracer_provider(&*PROVIDER)
            .page_traces(PageTraces::Accepted)
            .page_marks(PageMarks::Recorded)
            .page_events(PageEvents::SpanwireOnly)
            .page_spans(Sink)
            .build();
        let (ran, calls) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        for event in ["sync", "note"] {
            let (ran, calls) = (Arc::clone(&ran), Arc::clone(&calls));
            let listener = move |call: &Call| -> Result<Box<RawValue>, &'static str> {
                ran.fetch_add(1, Ordering::Relaxed);
                calls.fetch_add(u64::from(call.wants_reply()), Ordering::Relaxed);
                let payload = RawValue::from_string(call.json().to_owned());
                payload.map_err(|_| panic!("no JSON: {}", call.json()))
            };
            ipc.on(event, listener).expect("a good name");
        }
        let (failed, failed_calls) = (Arc::clone(&ran), Arc::clone(&calls));
        ipc.on("fail", move |call: &Call| -> Result<(), String> {
            failed.fetch_add(1, Ordering::Relaxed);
            failed_calls.fetch_add(u64::from(call.wants_reply()), Ordering::Relaxed);
            Err(call.json().to_owned())
        })
        .expect("a good name");
        Self {
            ipc,
            clock: clock.clone(),
            page: Page::new("p0".to_owned()),
            pages: 1,
            origin: None,
            taken: Vec::new(),
            emitted: 0,
            ran,
            calls,
        }
    }

    fn step(&mut self, line: &[u8]) {
        let Some((step, rest)) = line.split_first() else {
            return;
        };
        match step {
            // Messages of a page that has the nonce.
            b'm' => self.send(None, &String::from_utf8_lossy(rest)),
            // The same, posted at that time of the page's.
            b's' => {
                let text = String::from_utf8_lossy(rest);
                if let Some((sent, messages)) = text.split_once(' ') {
                    self.send(Some(sent), messages);
                }
            }
            // Any bytes, with the nonce and the page's id where they are asked for.
            b't' => self.post_raw(rest),
            b'o' => self.origin = ORIGINS[usize::from(rest.first().copied().unwrap_or(0)) % 3],
            b'w' => self.load(),
            b'L' => self.ipc.page_loading(),
            b'g' => self.ipc.page_gone(),
            b'c' => self.ipc.close(),
            b'e' => self.emit(|ipc, data| ipc.emit("plain", &data).is_ok()),
            b'l' => self.emit(|ipc, data| ipc.emit_latest("latest", &data).is_ok()),
            b'r' => self.emit(|ipc, data| ipc.emit_replay("replay", &data).is_ok()),
            b'x' => self.emit(|ipc, _| ipc.eval("x()").is_ok()),
            // Scripts: all are run and acknowledged, or one is taken and run or lost later.
            b'p' => self.pump(),
            b'q' => self.taken.extend(self.ipc.next_script()),
            b'b' => self.taken.extend(self.ipc.next_close_script()),
            b'a' if !self.taken.is_empty() => {
                let script = self.taken.remove(0);
                self.run(&script);
            }
            b'f' if !self.taken.is_empty() => {
                let script = self.taken.remove(0);
                self.ipc.evaluation_failed(script);
            }
            // A pause: the more characters, the longer.
            b'+' => {
                let ms = 1_u64 << rest.len().min(17);
                self.clock.advance(Duration::from_millis(ms));
            }
            _ => {}
        }
    }

    fn send(&mut self, sent: Option<&str>, messages: &str) {
        let text = batch(self.ipc.nonce(), &self.page.id, sent, messages);
        assert_eq!(self.ipc.receive(&text, self.origin), Received::Ours);
    }

    fn post_raw(&mut self, text: &[u8]) {
        let mut bytes = Vec::new();
        let mut knows_the_nonce = false;
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match (first, after.first()) {
                (b'$', Some(b'N')) => {
                    bytes.extend_from_slice(self.ipc.nonce().as_bytes());
                    knows_the_nonce = true;
                    rest = &after[1..];
                }
                (b'$', Some(b'P')) => {
                    bytes.extend_from_slice(self.page.id.as_bytes());
                    rest = &after[1..];
                }
                _ => bytes.push(*first),
            }
        }
        let before = (self.ran.load(Ordering::Relaxed), self.ipc.page_state());
        let received = Cell::new(Received::NotOurs);
        let used = allocation_counter::measure(|| {
            received.set(self.ipc.receive_bytes(&bytes, self.origin));
        });
        let is_ours = bytes.starts_with(br#"{"spanwire":"#);
        assert_eq!(received.get() == Received::Ours, is_ours);
        if !knows_the_nonce {
            let after = (self.ran.load(Ordering::Relaxed), self.ipc.page_state());
            assert_eq!(before, after, "without the nonce nothing happens");
            // Series that are registered now are of the wire, and not of the text.
            assert!(used.bytes_total < 32 << 10, "{} bytes", used.bytes_total);
        }
    }

    fn load(&mut self) {
        self.page = Page::new(format!("p{}", self.pages));
        self.pages += 1;
        self.send(None, r#"{"kind":"ready"}"#);
    }

    fn emit(&mut self, emit: impl FnOnce(&Ipc, u64) -> bool) {
        emit(&self.ipc, self.emitted);
        self.emitted += 1;
    }

    fn pump(&mut self) {
        // A page that is asked for something at each answer must not keep this going.
        for _ in 0..1_000 {
            let Some(script) = self.ipc.next_script() else {
                return;
            };
            self.run(&script);
        }
        panic!("the pump does not end");
    }

    fn run(&mut self, script: &Script) {
        let answers = self.page.run(script);
        if !answers.is_empty() {
            self.send(None, &answers);
        }
    }

    /// The books balance once the wire is closed.
    fn check(self) {
        self.ipc.close();
        let metrics = self.ipc.metrics();
        let messages = |labels: &[(&str, &str)]| SUMS.counter("spanwire.ipc.messages", labels);
        assert_eq!(metrics.messages_open, 0, "open after close");

        let inbound = messages(&[("spanwire.ipc.direction", "inbound")]);
        // Those that the page dropped were never received.
        let shed = messages(&[
            ("spanwire.ipc.direction", "inbound"),
            ("error.type", "page_shed"),
        ]);
        assert_eq!(metrics.messages_received, inbound - shed);

        let ended = metrics.messages_sent + metrics.messages_failed + metrics.messages_dropped;
        assert_eq!(ended, messages(&[("spanwire.ipc.direction", "outbound")]));
        let replies = ended - self.emitted;
        let calls = self.calls.load(Ordering::Relaxed);
        let error =
            |error| messages(&[("spanwire.ipc.direction", "inbound"), ("error.type", error)]);
        let without_listener = error("unknown_event") + error("invalid_name");
        assert!(replies >= calls, "{calls} calls, {replies} replies");
        assert!(
            replies <= calls + without_listener,
            "{calls} calls, {replies} replies"
        );

        // Names from outside are capped: 50, those of the app, and that of all others.
        assert!(SUMS.values("spanwire.ipc.event").len() <= 50 + 6 + 1);
        let names = SUMS.values("spanwire.measurement.name").len();
        assert!(names <= 50 + 1, "{names} measurements");
        assert!(SUMS.values("error.type").len() <= 64);
    }
}

fuzz_target!(|script: &[u8]| {
    LazyLock::force(&PROVIDER);
    SUMS.clear();
    let clock = FakeClock::new();
    let overflow = match script.first() {
        Some(b'O') => Overflow::DropOldest,
        _ => Overflow::DropNewest,
    };
    clock.run(|| {
        metrics::with_local_recorder(&SUMS, || {
            let mut world = World::new(overflow, &clock);
            for line in script.split(|byte| *byte == b'\n') {
                world.step(line);
            }
            world.check();
        });
    });
});
