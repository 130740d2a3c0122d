//! Any order of inputs: every message and every call ends exactly once, and nothing stays behind.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, Responder, Script};
use spanwire::queue::Overflow;
use spanwire::testing::Capture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use spanwire_testkit::model_page::{Eval, ModelPage};

#[derive(Clone, Copy, Debug)]
enum WireAction {
    Emit,
    EmitLatest,
    EmitReplay,
    Eval,
    /// The host takes a script, to be handed to the page later.
    Take,
    /// The page runs a taken script, well or not, and writes its acknowledgement.
    Run(usize, Eval),
    /// The host is told that a taken script was not evaluated, whether or not that is true.
    EvaluationFailed(usize),
    /// An acknowledgement arrives, perhaps late, perhaps again.
    Acknowledge(usize),
    Call,
    CallAsync,
    PageEvent,
    FinishAsync,
    CallDeferred,
    /// An event that two responders hold.
    DeferredEvent,
    /// A responder responds, from this thread or another.
    Respond(usize, Via),
    DropResponder(usize),
    Cancel(usize),
    Reload,
    Loading,
    Crash,
    Leave,
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Via {
    ThisThread,
    AnotherThread,
}

fn input() -> impl Strategy<Value = WireAction> {
    let eval = prop_oneof![
        Just(Eval::Runs),
        Just(Eval::Throws),
        Just(Eval::DoesNotParse)
    ];
    prop_oneof![
        6 => Just(WireAction::Emit),
        3 => Just(WireAction::EmitLatest),
        3 => Just(WireAction::EmitReplay),
        2 => Just(WireAction::Eval),
        8 => Just(WireAction::Take),
        8 => (0..8_usize, eval).prop_map(|(at, eval)| WireAction::Run(at, eval)),
        3 => (0..8_usize).prop_map(WireAction::EvaluationFailed),
        8 => (0..8_usize).prop_map(WireAction::Acknowledge),
        3 => Just(WireAction::Call),
        3 => Just(WireAction::CallAsync),
        2 => Just(WireAction::PageEvent),
        3 => Just(WireAction::FinishAsync),
        3 => Just(WireAction::CallDeferred),
        2 => Just(WireAction::DeferredEvent),
        4 => ((0..8_usize), prop_oneof![9 => Just(Via::ThisThread), 1 => Just(Via::AnotherThread)])
            .prop_map(|(at, via)| WireAction::Respond(at, via)),
        2 => (0..8_usize).prop_map(WireAction::DropResponder),
        2 => (0..8_usize).prop_map(WireAction::Cancel),
        2 => Just(WireAction::Reload),
        1 => Just(WireAction::Loading),
        1 => Just(WireAction::Crash),
        1 => Just(WireAction::Leave),
        1 => Just(WireAction::Close),
    ]
}

/// A wire, its pages so far, and what is on the way between them.
struct World<'c> {
    capture: &'c Capture,
    ipc: Ipc,
    runtime: Runtime,
    permits: Arc<Semaphore>,
    pages: Vec<ModelPage>,
    taken: Vec<Script>,
    /// Acknowledgements with the page that wrote them.
    acks: Vec<(usize, Value)>,
    calls: Vec<(usize, u64)>,
    /// With the event of each.
    responders: Arc<Mutex<Vec<(&'static str, Responder)>>>,
    /// Calls that were rejected since their responder was dropped.
    rejected: u64,
    emitted: u64,
    posted: u64,
}

impl<'c> World<'c> {
    fn new(capture: &'c Capture, overflow: Overflow) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let ipc = Ipc::builder("main")
            .queue_capacity(6)
            .overflow(overflow)
            .runtime(runtime.handle().clone())
            .build();
        let permits = Arc::new(Semaphore::new(0));
        ipc.on("sync", |call: &Call| call.data::<Value>()).unwrap();
        for event in ["async", "note", "mixed"] {
            let permits = Arc::clone(&permits);
            ipc.on_async(event, move |_| {
                let permits = Arc::clone(&permits);
                async move { permits.acquire().await.unwrap().forget() }
            })
            .unwrap();
        }
        let responders = Arc::new(Mutex::new(Vec::new()));
        for event in ["deferred", "twice", "twice", "mixed"] {
            let responders = Arc::clone(&responders);
            ipc.on_deferred(event, move |_, responder| {
                responders.lock().unwrap().push((event, responder));
            })
            .unwrap();
        }
        let pages = vec![ModelPage::unannounced(&ipc, "p0")];
        Self {
            capture,
            ipc,
            runtime,
            permits,
            pages,
            taken: Vec::new(),
            acks: Vec::new(),
            calls: Vec::new(),
            responders,
            rejected: 0,
            emitted: 0,
            posted: 0,
        }
    }

    fn apply(&mut self, input: WireAction) {
        let data = self.emitted;
        match input {
            WireAction::Emit => self.emitted(|ipc| ipc.emit("plain", &data).is_ok()),
            WireAction::EmitLatest => self.emitted(|ipc| ipc.emit_latest("latest", &data).is_ok()),
            WireAction::EmitReplay => self.emitted(|ipc| ipc.emit_replay("replay", &data).is_ok()),
            WireAction::Eval => self.emitted(|ipc| ipc.eval("x()").is_ok()),
            WireAction::Take => self.taken.extend(self.ipc.next_script()),
            WireAction::Run(at, eval) => {
                if let Some(script) = self.taken.get(at) {
                    let page = self.pages.len() - 1;
                    let ack = self.pages[page].run(script, eval);
                    self.acks.extend(ack.map(|ack| (page, ack)));
                }
            }
            WireAction::EvaluationFailed(at) => {
                if at < self.taken.len() {
                    self.ipc.evaluation_failed(self.taken.remove(at));
                }
            }
            WireAction::Acknowledge(at) => {
                if let Some((page, ack)) = self.acks.get(at) {
                    self.pages[*page].send(&self.ipc, std::slice::from_ref(ack));
                }
            }
            WireAction::Call => self.post("call", "sync"),
            WireAction::CallAsync => self.post("call", "async"),
            WireAction::PageEvent => self.post("event", "note"),
            WireAction::FinishAsync => {
                self.permits.add_permits(1);
                self.turn();
            }
            // By turns alone, and beside an async handler.
            WireAction::CallDeferred if self.posted.is_multiple_of(2) => {
                self.post("call", "deferred")
            }
            WireAction::CallDeferred => self.post("call", "mixed"),
            WireAction::DeferredEvent => self.post("event", "twice"),
            WireAction::Respond(at, via) => {
                if let Some((_, responder)) = self.take_responder(at) {
                    self.respond(responder, via);
                    self.turn();
                }
            }
            WireAction::DropResponder(at) => {
                match self.take_responder(at) {
                    // What the other handler makes of it decides whether there is a reply.
                    Some(("mixed", responder)) => self.respond(responder, Via::ThisThread),
                    Some((event, responder)) => {
                        let waits = event == "deferred" && !responder.is_cancelled();
                        self.rejected += u64::from(waits);
                        drop(responder);
                    }
                    None => {}
                }
                self.turn();
            }
            WireAction::Cancel(at) => {
                if let Some((page, id)) = self.calls.get(at) {
                    self.pages[*page].send(&self.ipc, &[json!({"kind": "cancel", "id": id})]);
                    self.turn();
                }
            }
            WireAction::Reload => {
                let id = format!("p{}", self.pages.len());
                self.pages.push(ModelPage::load(&self.ipc, &id));
            }
            WireAction::Loading => self.ipc.page_loading(),
            WireAction::Crash => self.ipc.page_gone(),
            WireAction::Leave => self.current().send(&self.ipc, &[json!({"kind": "leave"})]),
            WireAction::Close => self.ipc.close(),
        }
    }

    fn take_responder(&self, at: usize) -> Option<(&'static str, Responder)> {
        let mut responders = self.responders.lock().unwrap();
        (at < responders.len()).then(|| responders.remove(at))
    }

    /// Responds, and checks that a response is refused for a reason that was there before.
    fn respond(&self, responder: Responder, via: Via) {
        let respond = move || {
            let was_cancelled = responder.is_cancelled();
            let sent = responder.respond(Ok::<_, Infallible>(1));
            assert_eq!(sent.is_err(), was_cancelled);
        };
        match via {
            Via::ThisThread => respond(),
            Via::AnotherThread => std::thread::scope(|scope| {
                let there = scope.spawn(|| self.capture.run(respond));
                there.join().unwrap();
            }),
        }
    }

    fn emitted(&mut self, emit: impl FnOnce(&Ipc) -> bool) {
        emit(&self.ipc);
        self.emitted += 1;
    }

    fn post(&mut self, kind: &str, event: &str) {
        let at = self.pages.len() - 1;
        let id = self.pages[at].take_id();
        let message = json!({"kind": kind, "id": id, "event": event, "data": id});
        self.pages[at].send(&self.ipc, &[message]);
        self.calls.push((at, id));
        self.posted += 1;
        self.turn();
    }

    fn current(&self) -> &ModelPage {
        self.pages.last().unwrap()
    }

    /// Lets background handlers run as far as they can.
    fn turn(&self) {
        self.runtime.block_on(async {
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// Sum of `spanwire.ipc.messages` in one direction.
fn counted(capture: &Capture, direction: &str) -> u64 {
    capture
        .metrics()
        .lines()
        .filter(|line| line.starts_with("spanwire.ipc.messages{") && line.contains(direction))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// Calls whose handler came to its end, as counted where they were handled.
fn answered(capture: &Capture) -> u64 {
    ["sync", "async", "deferred", "mixed"]
        .iter()
        .map(|event| {
            capture.counter(
                "spanwire.ipc.messages",
                &[
                    ("spanwire.ipc.direction", "inbound"),
                    ("spanwire.ipc.event", event),
                    ("spanwire.outcome", "ok"),
                ],
            )
        })
        .sum()
}

fn spans(capture: &Capture, prefix: &str) -> u64 {
    capture
        .finished_spans()
        .iter()
        .filter(|span| span.name.starts_with(prefix))
        .count() as u64
}

fn run(overflow: Overflow, inputs: &[WireAction]) -> Result<(), TestCaseError> {
    let capture = Capture::new();
    capture.run(|| {
        let mut world = World::new(&capture, overflow);
        for &input in inputs {
            world.apply(input);
        }
        world.ipc.close();
        // Handlers of events, which nobody can withdraw, come to their end.
        world.permits.add_permits(inputs.len());
        drop(std::mem::take(&mut *world.responders.lock().unwrap()));
        world.turn();
        let metrics = world.ipc.metrics();
        prop_assert_eq!(metrics.messages_open, 0, "open after close");
        let ended = metrics.messages_sent + metrics.messages_failed + metrics.messages_dropped;
        prop_assert_eq!(
            ended,
            counted(&capture, "outbound"),
            "snapshot and counters differ"
        );
        // Counted apart from what the outbox says of itself: each thing that was sent ends once,
        // and so does a reply to each call whose handler came to its end or dropped its responder.
        let answered = answered(&capture);
        let replies = answered + world.rejected;
        prop_assert_eq!(ended, world.emitted + replies, "{} answered", answered);
        prop_assert_eq!(metrics.messages_received, world.posted);
        prop_assert_eq!(
            world.posted,
            counted(&capture, "inbound"),
            "a message of the page"
        );
        prop_assert_eq!(
            capture.gauge("spanwire.queue.size", &[("spanwire.queue.name", "main")]),
            Some(0.0)
        );
        let gone = [
            ("spanwire.page.state", "gone"),
            ("spanwire.webview.name", "main"),
        ];
        prop_assert_eq!(capture.gauge("spanwire.page.state", &gone), Some(1.0));
        for page in &world.pages {
            let mut seen = HashSet::new();
            for line in &page.log {
                // A reply is told by its call; an event by its payload, which is unique.
                let key = line.strip_prefix("reply ").map_or(line.as_str(), |reply| {
                    reply.split(' ').next().unwrap_or(reply)
                });
                prop_assert!(seen.insert(key), "{} twice in {:?}", key, page.log);
            }
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_and_call_ends_exactly_once(
        overflow in prop_oneof![Just(Overflow::DropNewest), Just(Overflow::DropOldest)],
        inputs in vec(input(), 0..60),
    ) {
        run(overflow, &inputs)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_that_ends_makes_one_span(inputs in vec(input(), 0..60)) {
        let capture = Capture::new();
        let emitted = capture.run(|| {
            let mut world = World::new(&capture, Overflow::DropNewest);
            // The same wire, but with a tracer.
            let _ = std::mem::replace(&mut world.ipc, Ipc::builder("main").queue_capacity(6)
                .tracer_provider(&capture.tracer_provider()).build());
            world.pages[0] = ModelPage::unannounced(&world.ipc, "p0");
            for &input in &inputs {
                world.apply(input);
            }
            world.ipc.close();
            world.emitted
        });
        prop_assert_eq!(spans(&capture, "send"), emitted);
        // This wire has no listeners: what it takes in is unknown, and each has a span of its own.
        let unknown = [("error.type", "unknown_event"), ("spanwire.ipc.direction", "inbound")];
        let handled = ["sync", "async", "note", "deferred", "mixed", "twice"].iter().map(|event| spans(&capture, event)).sum::<u64>();
        prop_assert_eq!(handled, capture.counter("spanwire.ipc.messages", &unknown));
    }
}

#[test]
fn a_full_event_queue_never_starves_a_reply() {
    let ipc = Ipc::builder("main").queue_capacity(10_000).build();
    ipc.on("sync", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    let mut refused = 0;
    for n in 0..20_000 {
        refused += u64::from(ipc.emit("flood", &n).is_err());
    }
    assert_eq!(refused, 10_000);
    // Nothing is acknowledged: the window of messages in flight is full too.
    while ipc.next_script().is_some() {}
    let call = page.call(&ipc, "sync", json!(null));
    let script = ipc.next_script().unwrap();
    page.run(&script, Eval::Runs);
    assert_eq!(page.log, [format!("reply {call} null")]);
}

#[test]
fn a_queue_that_keeps_filling_wakes_the_pump_once_per_burst() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let wakes = Arc::new(AtomicUsize::new(0));
    let ipc = Ipc::builder("main").build();
    ipc.on_wake({
        let wakes = Arc::clone(&wakes);
        move || {
            wakes.fetch_add(1, Ordering::Relaxed);
        }
    });
    ipc.on("sync", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.pump(&ipc);
    let before = wakes.load(Ordering::Relaxed);
    for n in 0..100 {
        ipc.emit("burst", &n).unwrap();
    }
    page.call(&ipc, "sync", json!(null));
    assert_eq!(wakes.load(Ordering::Relaxed), before + 1);
    page.pump(&ipc);
    ipc.emit("burst", &0).unwrap();
    assert_eq!(wakes.load(Ordering::Relaxed), before + 2);
}

#[test]
fn a_wire_that_is_dropped_counts_what_it_still_held() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        for n in 0..3 {
            ipc.emit("late", &n).unwrap();
        }
        drop(ipc);
        let dropped = [
            ("error.type", "shutdown"),
            ("spanwire.ipc.direction", "outbound"),
            ("spanwire.ipc.event", "late"),
            ("spanwire.outcome", "dropped"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.ipc.messages", &dropped), 3);
    });
}

#[test]
fn a_page_that_never_acknowledges_cannot_make_the_host_keep_replies_without_end() {
    let ipc = Ipc::builder("main").build();
    ipc.on("sync", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    for _ in 0..10_000 {
        page.call(&ipc, "sync", json!(null));
        while ipc.next_script().is_some() {}
    }
    assert_eq!(ipc.metrics().messages_open, 1_000);
}

#[test]
fn a_script_for_the_previous_page_gives_the_new_page_no_credits() {
    let ipc = Ipc::builder("main").build();
    ipc.on("sync", |_: &Call| ()).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    for _ in 0..250 {
        page.emit(&ipc, "sync", json!(null));
    }
    let with_credits = ipc.next_script().unwrap();
    assert!(with_credits.json().unwrap().contains(r#""kind":"credit""#));
    let mut next = ModelPage::load(&ipc, "p2");
    ipc.evaluation_failed(with_credits);
    ipc.emit("carrier", &0).unwrap();
    next.pump(&ipc);
    assert_eq!((next.log.len(), next.credits), (1, 1_000));
}

#[test]
fn an_acknowledgement_before_its_message_is_ignored() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        ipc.emit("first", &0).unwrap();
        // The raw script leaves the queue with the event, and waits for a script of its own.
        ipc.eval("second()").unwrap();
        let _script = ipc.next_script().unwrap();
        page.send(&ipc, &[json!({"kind": "ack", "ids": [[1, 2]]})]);
        assert_eq!(ipc.metrics().messages_sent, 1);
        let unknown = [
            ("error.type", "unknown_ack"),
            ("spanwire.webview.name", "main"),
        ];
        assert_eq!(capture.counter("spanwire.page.errors", &unknown), 1);
        assert!(
            ipc.next_script().is_some(),
            "the raw script is still to be sent"
        );
    });
}

#[test]
fn a_message_emitted_while_the_wire_closes_ends_once() {
    for _ in 0..300 {
        let ipc = Ipc::builder("main").build();
        let start = Arc::new(std::sync::Barrier::new(4));
        let emitters: Vec<_> = (0..3)
            .map(|_| {
                let (ipc, start) = (ipc.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    while ipc.emit("event", &0).is_ok() {}
                })
            })
            .collect();
        start.wait();
        ipc.close();
        for emitter in emitters {
            emitter.join().unwrap();
        }
        assert_eq!(ipc.metrics().messages_open, 0);
    }
}
