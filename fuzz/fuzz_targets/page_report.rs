//! Reports of an observed page, hostile or not, in between what its message layer does: every message
//! ends once, and nothing grows without end.
//!
//! The input is a script, a step a line. What each step is says [`World::step`].

#![no_main]

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{Delivery, Handling, Observer, PageReportError, PageScript};
use spanwire::semconv::ErrorType;
use spanwire::testing::FakeClock;
use spanwire_fuzz::page::batch;
use spanwire_fuzz::recorder::Sums;
use spanwire_fuzz::spans::PROVIDER;

static SUMS: Sums = Sums::new();

/// As the docs have them.
const OPEN_MAX: u64 = 1_000 + 4_096;

struct World {
    script: PageScript,
    observer: Observer,
    clock: FakeClock,
    page: u64,
    handlings: Vec<Handling>,
    deliveries: Vec<Delivery>,
    inbound: u64,
    outbound: u64,
}

impl World {
    fn new(clock: &FakeClock) -> Self {
        let script = PageScript::new();
        let observer = Observer::builder("main")
            .tracer_provider(&*PROVIDER)
            .page_script(&script)
            .build();
        Self {
            script,
            observer,
            clock: clock.clone(),
            page: 0,
            handlings: Vec::new(),
            deliveries: Vec::new(),
            inbound: 0,
            outbound: 0,
        }
    }

    fn step(&mut self, line: &[u8]) {
        let Some((step, rest)) = line.split_first() else {
            return;
        };
        let text = String::from_utf8_lossy(rest);
        match step {
            // Messages of the page that is there.
            b'm' => self.report(None, &text),
            // The same, sent at that time of the page's.
            b's' => {
                if let Some((sent, messages)) = text.split_once(' ') {
                    self.report(Some(sent), messages);
                }
            }
            // Any text, with the nonce and the page's id where they are asked for.
            b't' => self.raw(&text),
            b'w' => {
                self.page += 1;
                self.report(None, r#"{"kind":"ready"}"#);
            }
            // What comes along with a call or an event.
            b'c' => self.begun(self.observer.call("save").page_call(&text).begin()),
            b'e' => self.begun(self.observer.event("moved").page_call(&text).begin()),
            b'i' => {
                if let Some(mut handling) = self.handlings.pop() {
                    handling.in_scope(|| ());
                    self.handlings.push(handling);
                }
            }
            b'x' => {
                if let Some(handling) = self.handlings.pop() {
                    handling.end(outcome(rest));
                }
            }
            b'r' => {
                if let Some(handling) = self.handlings.pop() {
                    let reply = handling.reply(outcome(rest), rest.len());
                    self.sent(reply);
                }
            }
            b'l' => drop(self.handlings.pop()),
            b'o' => self.sent(self.observer.send("progress", rest.len())),
            b'n' => {
                if let Some(delivery) = self.deliveries.last_mut() {
                    let number = delivery.number();
                    assert_eq!(number, delivery.number());
                }
            }
            b'd' => {
                if let Some(delivery) = self.deliveries.last_mut() {
                    delivery.sent(rest.len());
                }
            }
            b'h' => self.end(Delivery::handed_over),
            b'a' => self.end(Delivery::acknowledged),
            b'f' => self.end(|delivery| delivery.failed(ErrorType::PageGone)),
            b'k' => drop(self.deliveries.pop()),
            b'p' => {
                let state = match rest.first().copied().unwrap_or(0) % 3 {
                    0 => PageState::Loading,
                    1 => PageState::Ready,
                    _ => PageState::Gone,
                };
                self.observer.set_page_state(state);
            }
            // A pause: the more characters, the longer.
            b'+' => {
                let ms = 1_u64 << rest.len().min(17);
                self.clock.advance(Duration::from_millis(ms));
            }
            _ => {}
        }
    }

    fn report(&self, sent: Option<&str>, messages: &str) {
        let page = format!("p{}", self.page);
        let text = batch(self.script.nonce(), &page, sent, messages);
        let _ = self.observer.page_report(&text);
    }

    fn raw(&self, text: &str) {
        let knows_the_nonce = text.contains("$N");
        let page = format!("p{}", self.page);
        let text = text.replace("$N", self.script.nonce()).replace("$P", &page);
        let before = (self.observer.page_state(), self.observer.metrics());
        let taken = Cell::new(Ok(()));
        let used = allocation_counter::measure(|| taken.set(self.observer.page_report(&text)));
        if !knows_the_nonce {
            let error = taken.get().expect_err("it proved nothing");
            assert!(matches!(
                error,
                PageReportError::Malformed | PageReportError::Forbidden
            ));
            let after = self.observer.metrics();
            assert_eq!(before.0, self.observer.page_state());
            assert_eq!(before.1.messages_open, after.messages_open);
            // A series that is registered now is of the observer, and not of the text.
            assert!(used.bytes_total < 32 << 10, "{} bytes", used.bytes_total);
        }
    }

    fn begun(&mut self, handling: Handling) {
        self.inbound += 1;
        self.handlings.push(handling);
    }

    fn sent(&mut self, delivery: Delivery) {
        self.outbound += 1;
        self.deliveries.push(delivery);
    }

    fn end(&mut self, end: impl FnOnce(Delivery)) {
        if let Some(delivery) = self.deliveries.pop() {
            end(delivery);
        }
    }

    /// The books balance once the page is gone.
    fn check(mut self) {
        let held = self.deliveries.len() as u64;
        assert!(self.observer.metrics().messages_open <= OPEN_MAX + held);
        self.handlings.clear();
        self.deliveries.clear();
        self.observer.set_page_state(PageState::Gone);
        let metrics = self.observer.metrics();
        assert_eq!(metrics.messages_open, 0, "open without a page");
        assert_eq!(metrics.messages_received, self.inbound);
        let ended = metrics.messages_sent + metrics.messages_failed + metrics.messages_dropped;
        assert_eq!(ended, self.outbound);
        let messages = |direction| {
            SUMS.counter("spanwire.ipc.messages", &[("spanwire.ipc.direction", direction)])
        };
        assert_eq!(messages("inbound"), self.inbound);
        assert_eq!(messages("outbound"), self.outbound);

        // Names from outside are capped: 50, and that of all others.
        assert!(SUMS.values("spanwire.ipc.event").len() <= 50 + 1);
        let names = SUMS.values("spanwire.measurement.name").len();
        assert!(names <= 50 + 1, "{names} measurements");
        assert!(SUMS.values("error.type").len() <= 64);
    }
}

fn outcome(rest: &[u8]) -> Result<(), ErrorType> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(ErrorType::HandlerError)
    }
}

fuzz_target!(|script: &[u8]| {
    LazyLock::force(&PROVIDER);
    SUMS.clear();
    let clock = FakeClock::new();
    clock.run(|| {
        metrics::with_local_recorder(&SUMS, || {
            let mut world = World::new(&clock);
            for line in script.split(|byte| *byte == b'\n') {
                world.step(line);
            }
            world.check();
        });
    });
});
