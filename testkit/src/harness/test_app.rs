//! What a scenario works with, from its own thread.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use spanwire::ipc::{Call, Ipc, IpcBuilder};
use tao::event_loop::EventLoopProxy;

use super::ledger::Ledger;
use super::page::{self, Page};
use super::parent;
use super::pings::Pings;
use super::ui::{Line, Ui, UserEvent};
use crate::receiver::Receiver as Collector;
use crate::scrape::{self, Sample};

/// The windows and the telemetry of this process, as a scenario sees them.
///
/// Whatever waits panics when the scenario's time is up, and says for what.
#[derive(Debug)]
pub struct TestApp {
    proxy: EventLoopProxy<UserEvent>,
    lines: Receiver<Line>,
    /// What was said and not waited for yet.
    heard: RefCell<Vec<Line>>,
    runtime: tokio::runtime::Handle,
    metrics_addr: SocketAddr,
    collector: Option<Collector>,
    ends_at: Instant,
}

impl TestApp {
    pub(super) fn new(
        proxy: EventLoopProxy<UserEvent>,
        lines: Receiver<Line>,
        runtime: tokio::runtime::Handle,
        metrics_addr: SocketAddr,
        collector: Option<Collector>,
        ends_at: Instant,
    ) -> Self {
        Self {
            proxy,
            lines,
            heard: RefCell::default(),
            runtime,
            metrics_addr,
            collector,
            ends_at,
        }
    }

    /// A wire as an app would build it: with a runtime, for its own origin alone.
    pub fn wire(&self, name: &str) -> IpcBuilder {
        Ipc::builder(name)
            .runtime(self.runtime.clone())
            .allow_origin(page::ORIGIN)
    }

    /// The runtime of its handlers.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Opens a window with this page on this wire, and returns when the loop has done it.
    pub fn open(&self, name: &'static str, ipc: &Ipc, page: Page) {
        let ipc = ipc.clone();
        self.with_target(move |ui, target| ui.open(target, name, &ipc, page));
    }

    /// Does something on the main thread, and waits for it.
    pub fn ui<R: Send + 'static>(&self, work: impl FnOnce(&mut Ui) -> R + Send + 'static) -> R {
        self.with_target(|ui, _| work(ui))
    }

    /// How long the main thread takes to get to a user event.
    pub fn ui_delay(&self) -> Duration {
        let asked = parent::now();
        self.ui(|_| ());
        asked.elapsed()
    }

    /// Asks the main thread for an answer once in a while, from a thread of its own.
    pub fn ping_the_loop(&self, every: Duration) -> Pings {
        Pings::start(self.proxy.clone(), every)
    }

    fn with_target<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Ui, &tao::event_loop::EventLoopWindowTarget<UserEvent>) -> R
        + Send
        + 'static,
    ) -> R {
        let (done, result) = mpsc::sync_channel(1);
        let work = Box::new(move |ui: &mut Ui, target: &_| _ = done.send(work(ui, target)));
        self.proxy
            .send_event(UserEvent::Do(work))
            .expect("the loop runs");
        match result.recv_timeout(self.left()) {
            Ok(result) => result,
            Err(error) => panic!("the event loop does not answer: {error}"),
        }
    }

    /// The value of an expression in the page. Not for one that has crashed or stopped.
    pub fn js(&self, window: &'static str, expression: &str) -> Value {
        let (done, result) = mpsc::sync_channel(1);
        let expression = expression.to_owned();
        self.ui(move |ui| {
            ui.webview(window)
                .evaluate_script_with_callback(&expression, move |value| {
                    let _ = done.send(value);
                })
                .unwrap();
        });
        let text = result.recv_timeout(self.left()).expect("the page answers");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Runs a script in the page, and does not wait for it.
    pub fn run(&self, window: &'static str, script: &str) {
        let script = script.to_owned();
        self.ui(move |ui| ui.webview(window).evaluate_script(&script).unwrap());
    }

    /// Waits until the window's page says `what`, and returns the value that it gives.
    pub fn said(&self, window: &str, what: &str) -> Value {
        loop {
            let found = self.take_heard(window, what);
            if let Some(value) = found {
                return value;
            }
            self.take_heard(window, "page error")
                .inspect(|error| panic!("waiting for {what:?} of {window}: {error}"));
            match self.lines.recv_timeout(self.left()) {
                Ok(line) => self.heard.borrow_mut().push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{window} never said {what:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the windows are gone"),
            }
        }
    }

    fn take_heard(&self, window: &str, what: &str) -> Option<Value> {
        let mut heard = self.heard.borrow_mut();
        let said = |line: &Line| {
            let text = line.text.strip_prefix("say ")?;
            let (said, value): (String, Value) = serde_json::from_str(text).ok()?;
            (line.window == window && said == what).then_some(value)
        };
        let (at, value) = heard
            .iter()
            .enumerate()
            .find_map(|(at, line)| Some((at, said(line)?)))?;
        heard.remove(at);
        Some(value)
    }

    /// Waits until it holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(parent::now() < self.ends_at, "it never came to be: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing that was accepted is open any more, and reads the books.
    pub fn settled(&self, ipc: &Ipc) -> Ledger {
        self.settled_but(ipc, 0)
    }

    /// The same, where so many stay open.
    pub fn settled_but(&self, ipc: &Ipc, open: u64) -> Ledger {
        while ipc.metrics().messages_open != open {
            if parent::now() >= self.ends_at {
                let ledger = Ledger::read(ipc, self.metrics_addr);
                panic!("it never came to {open} open messages: {ledger:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ledger(ipc)
    }

    /// Reads the books, after checking that the two sets of them agree.
    pub fn ledger(&self, ipc: &Ipc) -> Ledger {
        // What is counted on another thread is counted in two places, one after the other.
        let mut ledger = Ledger::read(ipc, self.metrics_addr);
        for _ in 0..100 {
            if ledger.disagreement().is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            ledger = Ledger::read(ipc, self.metrics_addr);
        }
        if let Some(disagreement) = ledger.disagreement() {
            panic!("{disagreement}\n{ledger:?}");
        }
        ledger
    }

    /// The value of a metric's series with this label, as a Prometheus sees it; absent is nothing.
    pub fn metric(&self, name: &str, (label, value): (&str, &str)) -> Option<f64> {
        scrape::scrape(self.metrics_addr)
            .iter()
            .find(|sample| sample.name == name && sample.label(label) == value)
            .map(|sample| sample.value)
    }

    /// What a Prometheus sees now.
    pub fn scrape(&self) -> Vec<Sample> {
        scrape::scrape(self.metrics_addr)
    }

    /// The spans that were exported so far; in a scenario that is traced.
    pub fn spans(&self) -> Vec<Span> {
        let collector = self.collector.as_ref();
        collector.expect("the scenario is traced").spans()
    }

    /// Something worth knowing, shown with the scenario's name.
    #[allow(clippy::unused_self, reason = "it reads as what it is")]
    pub fn note(&self, text: &str) {
        println!("note: {text}");
    }

    fn left(&self) -> Duration {
        self.ends_at.saturating_duration_since(parent::now())
    }

    /// Prints what was said and not waited for.
    pub(super) fn dump(&self) {
        for line in self
            .heard
            .borrow()
            .iter()
            .chain(self.lines.try_iter().collect::<Vec<_>>().iter())
        {
            // A scenario may post megabytes.
            println!("{} said: {:.500}", line.window, line.text);
        }
    }
}

/// Registers `echo`, which every scenario calls at its end to see that the app lives.
pub fn register_echo(ipc: &Ipc) {
    ipc.on("echo", |call: &Call<'_>| call.data::<Value>())
        .unwrap();
}
