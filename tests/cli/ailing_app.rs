//! A small app with one fault, in a process of its own: a thread that is its UI thread, one that plays the
//! page, and one that sends what the page shows.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spanwire::clock::now;
use spanwire::ipc::{Call, Ipc, Limits, Script};
use spanwire::queue::MessageQueue;
use spanwire::telemetry::Telemetry;
use spanwire::timer::monitor;
use spanwire_testkit::child_process;
use spanwire_testkit::model_page::{Eval, ModelPage};

/// Whether what ends something has begun.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
const FAULT: &str = "SPANWIRE_TEST_FAULT";

/// An app that runs until it is dropped.
pub(crate) struct AilingApp {
    process: Child,
    /// Host and port of its metrics.
    pub(crate) metrics: String,
}

impl AilingApp {
    pub(crate) fn start(fault: &str, collector: &str) -> Self {
        let mut process: Child = Command::spawn(
            child_process::clean_command("ailing_app::is_an_app_with_a_fault")
                .env(FAULT, fault)
                .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
                // Far from what is usual, on a busy machine too, and from what the faults do.
                .env("SPANWIRE_IPC_SLOW_THRESHOLD_MS", "250")
                .env("SPANWIRE_SLOW_THRESHOLD_MS", "250")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )
        .unwrap();
        let metrics = BufReader::new(process.stdout.as_mut().unwrap())
            .lines()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("metrics: ").map(str::to_owned))
            .unwrap();
        Self { process, metrics }
    }

    /// Lets those faults begin that end something, which Prometheus must have seen.
    pub(crate) fn end_what_ends(&mut self) {
        self.process
            .stdin
            .take()
            .unwrap()
            .write_all(b"end\n")
            .unwrap();
    }
}

impl Drop for AilingApp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn is_an_app_with_a_fault() {
    if child_process::is_child() {
        run(&std::env::var(FAULT).unwrap());
    }
}

/// What the UI thread waits for.
enum Wake {
    Message(String),
    Pump,
}

fn run(fault: &str) {
    let telemetry = Telemetry::builder(fault).install().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let mut limits = Limits::default();
    limits.unresponsive_after = Duration::from_secs(2);
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        .limits(limits)
        .queue_capacity(200)
        .build();
    handlers(&ipc, fault);
    let (to_ui, ui) = channel();
    let (to_page, scripts) = channel();
    ipc.on_wake({
        let to_ui = to_ui.clone();
        move || drop(to_ui.send(Wake::Pump))
    });
    thread::spawn({
        let (ipc, fault) = (ipc.clone(), fault.to_owned());
        move || page(&ipc, &fault, &to_ui, &scripts)
    });
    thread::spawn({
        let (ipc, fault) = (ipc.clone(), fault.to_owned());
        move || background(&ipc, &fault)
    });
    let line = format!("metrics: {}\n", telemetry.prometheus_addr().unwrap());
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    thread::spawn(|| {
        let _ = std::io::stdin().read_line(&mut String::new());
        IS_ENDING.store(true, Ordering::Relaxed);
    });
    let mut slept = false;
    for (round, wake) in ui.into_iter().enumerate() {
        if has(fault, "slow-poll") && round % 10 == 0 {
            monitor("poll").time(|| wait(Duration::from_millis(400)));
        }
        if let Wake::Message(text) = wake {
            let _ = ipc.receive(&text, None);
        }
        while let Some(script) = ipc.next_script() {
            let _ = to_page.send(script);
        }
        if IS_ENDING.load(Ordering::Relaxed) {
            if has(fault, "asleep") && !slept {
                slept = true;
                sleep_later();
            }
            if has(fault, "hung-ui") {
                wait(Duration::from_secs(3_600));
            }
            if has(fault, "page-gone") {
                ipc.page_gone();
            }
        }
    }
}

/// Whether it is among the faults, which stand with a plus between them.
fn has(faults: &str, fault: &str) -> bool {
    faults.split('+').any(|one| one == fault)
}

fn handlers(ipc: &Ipc, fault: &str) {
    let fault: &'static str = fault.to_owned().leak();
    ipc.on("title", |_: &Call| Ok::<_, Infallible>("A title"))
        .unwrap();
    let first = Arc::new(OnceLock::new());
    ipc.on_async("spell", move |_: Call<'static>| {
        let first = Arc::clone(&first);
        async move {
            // A dictionary is loaded, for which the first ones wait.
            let begun = *first.get_or_init(now);
            let left = Duration::from_millis(1_500).saturating_sub(now().since(begun));
            tokio::time::sleep(left).await;
        }
    })
    .unwrap();
    ipc.on_async("load", move |_: Call<'static>| async move {
        if has(fault, "slow-handler") {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        if has(fault, "silent-handler") || has(fault, "late-answers") {
            std::future::pending::<()>().await;
        }
        match has(fault, "failing-handler") {
            true => Err("no such asset"),
            false => Ok("loaded"),
        }
    })
    .unwrap();
    ipc.on("save", move |_: &Call| {
        if has(fault, "blocked-ui") {
            wait(Duration::from_millis(400));
        }
    })
    .unwrap();
    ipc.on(
        "thumbnail",
        move |_: &Call| -> Result<String, &'static str> {
            let bytes = match has(fault, "large-reply") {
                true => 2_000_000,
                false => 1,
            };
            Ok("x".repeat(bytes))
        },
    )
    .unwrap();
}

/// Stops this process for a while, in the time that is judged.
fn sleep_later() {
    let id = std::process::id();
    let script = format!("sleep 5; kill -STOP {id}; sleep 5; kill -CONT {id}");
    let mut sleeper = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    std::thread::spawn(move || sleeper.wait());
}

/// What the app does beside its handlers.
fn background(ipc: &Ipc, fault: &str) {
    let jobs = MessageQueue::<u32>::bounded("jobs", 10);
    let previews = MessageQueue::<u32>::bounded("previews", 10_000);
    let mut kept = Vec::new();
    let mut rounds_alone = 0;
    for round in 0_u32.. {
        if has(fault, "page-gone") && IS_ENDING.load(Ordering::Relaxed) {
            // Its queue is nearly full, since no page takes anything.
            rounds_alone += 1;
            if rounds_alone == 20 {
                (0..175).for_each(|each| drop(ipc.emit("tick", &each)));
            }
        } else {
            let _ = ipc.emit("tick", &round);
        }
        if has(fault, "flood") {
            (0..200).for_each(|each| drop(ipc.emit("moved", &each)));
        }
        if has(fault, "full-wire") && round % 20 == 0 {
            (0..500).for_each(|each| drop(ipc.emit("refresh", &each)));
        }
        if has(fault, "full-queue") {
            let _ = jobs.push(round);
        }
        if has(fault, "stuck-worker") {
            let _ = previews.push(round);
            // Its worker ends after some of them.
            if round < 5 {
                let _ = previews.try_pop();
            }
        }
        if has(fault, "failing-operation") {
            let _: Result<(), _> = monitor("backup").run(|| Err(std::io::Error::other("no room")));
        }
        if has(fault, "slow-operation") {
            let _: Result<(), std::fmt::Error> = monitor("index").run(|| {
                wait(Duration::from_millis(400));
                Ok(())
            });
        }
        if has(fault, "leak") && kept.len() < 256 {
            kept.push(vec![1_u8; 4 << 20]);
        }
        wait(Duration::from_millis(100));
    }
}

/// Plays the page: it calls, runs what it gets and acknowledges it.
fn page(ipc: &Ipc, fault: &str, to_ui: &Sender<Wake>, scripts: &Receiver<Script>) {
    let began = now();
    let millis = || now().since(began).as_secs_f64() * 1e3;
    let mut page = ModelPage::unannounced(ipc, "p0");
    let send = |page: &ModelPage, messages: &[Value]| {
        let stamped = format!(r#","sent":{},"messages""#, millis());
        let text = page.batch(messages);
        let text = text.replacen(r#","messages""#, &stamped, 1);
        let _ = to_ui.send(Wake::Message(text));
    };
    send(&page, &[json!({"kind": "ready"})]);
    let mut open = Vec::new();
    let mut ended = 0;
    for round in 1_u64.. {
        if has(fault, "reload-loop") && round % 10 == 0 {
            page = ModelPage::unannounced(ipc, &format!("p{round}"));
            send(&page, &[json!({"kind": "ready"})]);
        }
        let is_ending = IS_ENDING.load(Ordering::Relaxed);
        if is_ending && (has(fault, "page-gone") || has(fault, "frozen-page")) {
            return;
        }
        for event in ["load", "save", "thumbnail"] {
            let id = page.take_id();
            let call = json!({"kind": "call", "id": id, "event": event, "at": millis()});
            send(&page, &[call]);
            if event == "load" {
                open.push(id);
            }
        }
        if has(fault, "unknown-event") {
            let id = page.take_id();
            let call = json!({"kind": "call", "id": id, "event": "renamed", "at": millis()});
            send(&page, &[call]);
        }
        if has(fault, "page-errors") {
            send(&page, &[json!({"kind": "error", "type": "uncaught"})]);
        }
        if has(fault, "failing-listener") {
            let error = json!({"kind": "error", "type": "listener_error", "event": "tick"});
            send(&page, &[error]);
        }
        // A second later the page gives a call up.
        for (ill, code) in [("silent-handler", "TIMEOUT"), ("late-answers", "CANCELLED")] {
            if has(fault, ill) && open.len() > 5 {
                let id = open.remove(0);
                let cancel = json!({"kind": "cancel", "id": id, "code": code, "at": millis()});
                send(&page, &[cancel]);
            }
        }
        if has(fault, "call-loop") {
            let call = |id| json!({"kind": "call", "id": id, "event": "title", "at": millis()});
            let calls: Vec<Value> = (0..70).map(|_| call(page.take_id())).collect();
            send(&page, &calls);
        }
        ended += u32::from(is_ending);
        if has(fault, "slow-first-call") && ended > 20 {
            let id = page.take_id();
            let call = json!({"kind": "call", "id": id, "event": "spell", "at": millis()});
            send(&page, &[call]);
        }
        // Its thread is kept by what is no listener.
        if has(fault, "busy-page") {
            let begun = millis();
            wait(Duration::from_millis(1_500));
            let took = millis() - begun;
            send(&page, &[json!({"kind": "long_task", "value": took})]);
        }
        // Five rounds a second; what it gets meanwhile it runs soon.
        for _ in 0..10 {
            wait(Duration::from_millis(20));
            while let Ok(script) = scripts.try_recv() {
                let at = millis();
                let ticks = script.text().matches(r#""event":"tick""#).count();
                let Some(mut ack) = page.run(&script, Eval::Runs) else {
                    continue;
                };
                let pongs: Vec<Value> = page.pongs.drain(..).collect();
                if has(fault, "slow-listener") {
                    wait(Duration::from_millis(150) * u32::try_from(ticks).unwrap());
                    let ids: Vec<Value> = ack["ids"].as_array().unwrap().clone();
                    ack["ran"] = ids.iter().map(|id| json!([id[0], at, millis()])).collect();
                }
                ack["at"] = json!(at);
                ack["done"] = json!(millis());
                send(&page, &[ack]);
                if !pongs.is_empty() {
                    send(&page, &pongs);
                }
            }
        }
    }
}

/// The fault is this app's behaviour, so it takes real time.
fn wait(time: Duration) {
    thread::sleep(time);
}
