//! A fault in each stage of a message's way in turn, in a real window: the trace blames that stage,
//! the metrics blame it too, and neither blames another.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use spanwire::ipc::{Call, Ipc, IpcBuilder, Limits};
use spanwire_testkit::harness::{self, Page, Scenario, TestApp};
use spanwire_testkit::scrape::Sample;
use spanwire_testkit::trace_stages::{Stage, Stages, number, stages, text};

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[
            Scenario::new("without_a_fault_no_stage_dominates", no_fault).traced(),
            Scenario::new("a_busy_page_before_a_call_shows_as_page_wait", busy_caller).traced(),
            Scenario::new(
                "a_busy_page_before_an_event_shows_as_page_wait",
                busy_emitter,
            )
            .traced(),
            Scenario::new("a_slow_listener_shows_as_page_at_work", slow_listener).traced(),
            Scenario::new(
                "a_slow_handler_on_the_main_thread_shows_as_handler",
                slow_handler,
            )
            .traced(),
            Scenario::new("a_slow_handler_on_a_worker_shows_as_handler", slow_worker).traced(),
            Scenario::new(
                "a_blocked_loop_before_a_message_shows_as_main_thread",
                blocked_loop,
            )
            .traced(),
            Scenario::new(
                "a_blocked_loop_before_a_call_shows_as_wire_in",
                blocked_loop_inbound,
            )
            .traced(),
            Scenario::new("a_full_queue_shows_as_queue", full_queue).traced(),
            Scenario::new("a_busy_page_before_a_reply_shows_as_wire_out", slow_reply).traced(),
        ],
    )
}

/// What a fault costs, each time.
const FAULT: Duration = Duration::from_millis(150);
/// How often it happens. What is measured is the sum, in which one hiccup of the machine is little.
const ROUNDS: u32 = 3;

/// `look` answers at once, the others when they have slept.
fn register(ipc: &Ipc) {
    for quick in ["warm.up", "look", "noted"] {
        ipc.on(quick, |_: &Call<'_>| ()).unwrap();
    }
    ipc.on("sleep", |_: &Call<'_>| std::thread::sleep(FAULT))
        .unwrap();
    ipc.on_async("await", |_: Call<'static>| async {
        tokio::time::sleep(FAULT).await;
    })
    .unwrap();
}

const PAGE: &str = r#"
  const busy = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
  spanwire.on("told", () => say("done"));
  spanwire.on("told.slowly", () => { busy(150); say("done"); });
  window.call = (event) => spanwire.invoke(event).then(() => say("done"));
  // Its batch is posted at the end of this turn.
  window.busyThenPosted = () => { call("look"); busy(150); };
  window.busyThenEmitted = () => { spanwire.emit("noted"); busy(150); say("done"); };
  // It is posted by then, and the reply finds nobody at home.
  window.postedThenBusy = () => {
    call("look");
    queueMicrotask(() => queueMicrotask(() => busy(150)));
  };
  (async () => {
    await spanwire.whenReady();
    // The first messages tell the host how the page's clock runs.
    for (let round = 0; round < 5; round++) await spanwire.invoke("warm.up");
    say("up");
  })();
"#;

/// A window that is up, and what the metrics said then.
struct Scene<'a> {
    app: &'a TestApp,
    ipc: Ipc,
    before: Vec<Sample>,
}

/// What the traces and the metrics say of the rounds.
struct Findings {
    spans: Vec<Span>,
    traces: Stages,
    metrics: Stages,
    /// Handlers that kept the UI thread.
    blocked: f64,
}

impl<'a> Scene<'a> {
    fn open(app: &'a TestApp, build: impl FnOnce(IpcBuilder) -> IpcBuilder) -> Self {
        let ipc = build(app.wire("main")).build();
        register(&ipc);
        app.open("main", &ipc, Page::new(PAGE));
        app.said("main", "up");
        app.settled(&ipc);
        let before = app.scrape();
        Self { app, ipc, before }
    }

    /// Lets the page run a script that makes a call, and waits for its end.
    fn rounds_of(&self, script: &str) {
        for _ in 0..ROUNDS {
            self.app.run("main", script);
            self.app.said("main", "done");
            self.app.settled(&self.ipc);
        }
    }

    /// Reads what became of `messages` of this event.
    fn findings(self, event: &str, messages: usize) -> Findings {
        // The last span of a message is the page's work on it, or on its reply.
        self.findings_after(&format!("process {event}"), event, messages)
    }

    /// The same, when there are so many spans called `last`.
    fn findings_after(self, last: &str, event: &str, messages: usize) -> Findings {
        let Self { app, ipc, before } = self;
        app.settled(&ipc);
        let after = app.scrape();
        let mut all = Vec::new();
        app.until("the traces are exported", || {
            all = app.spans();
            all.iter().filter(|span| span.name == last).count() >= messages
        });
        let ours = |span: &&Span| text(span, "rpc.method") == Some(event);
        let spans: Vec<Span> = all.iter().filter(ours).cloned().collect();
        let grew = |name: &str, labels: &[(&str, &str)]| {
            let sum = |samples: &[Sample]| -> f64 {
                let fits = |sample: &&Sample| {
                    sample.name == name
                        && labels
                            .iter()
                            .all(|(key, value)| sample.label(key) == *value)
                };
                samples.iter().filter(fits).map(|sample| sample.value).sum()
            };
            sum(&after) - sum(&before)
        };
        let took = |name: &str, labels: &[(&str, &str)]| {
            Duration::from_secs_f64(grew(
                &format!("spanwire_{name}_duration_seconds_sum"),
                labels,
            ))
        };
        let delay = grew("spanwire_main_thread_delay_seconds_sum", &[]);
        let delay = Duration::from_secs_f64(delay);
        let mut metrics = Stages::default();
        for (stage, took) in [
            (
                Stage::WireIn,
                took("ipc_transit", &[("spanwire_ipc_direction", "inbound")]),
            ),
            (Stage::Handler, took("ipc_handler", &[])),
            (Stage::Queue, took("queue_wait", &[]).saturating_sub(delay)),
            (Stage::MainThread, delay),
            (
                Stage::WireOut,
                took("ipc_transit", &[("spanwire_ipc_direction", "outbound")]),
            ),
            (Stage::PageWork, took("ipc_process", &[])),
        ] {
            metrics.add(stage, took);
        }
        let findings = Findings {
            traces: stages(&spans),
            metrics,
            blocked: grew("spanwire_main_thread_blocked_total", &[]),
            spans,
        };
        app.note(&format!("traces:  {:?}", findings.traces));
        app.note(&format!("metrics: {:?}", findings.metrics));
        findings
    }
}

impl Findings {
    /// Traces and metrics blame this stage, by at least so much, and no other.
    #[track_caller]
    fn blame(&self, stage: Stage) {
        for (who, stages) in [("traces", self.traces), ("metrics", self.metrics)] {
            blames(who, stages, stage);
        }
        let [traces, metrics] = [self.traces, self.metrics].map(|stages| stages.get(stage));
        let apart = traces.abs_diff(metrics);
        assert!(apart < traces / 5, "{traces:?} and {metrics:?}");
    }

    /// No metric has the page's own wait, and none of the others is blamed for it.
    #[track_caller]
    fn blame_the_page(&self) {
        blames("traces", self.traces, Stage::PageWait);
        let metrics = self.metrics;
        let most = FAULT * ROUNDS / 3;
        assert!(metrics.get(metrics.worst()) < most, "{metrics:?}");
    }

    /// All values of an attribute of the handlers' spans.
    fn handlers<'a, T>(&'a self, read: impl Fn(&'a Span) -> T) -> Vec<T> {
        use opentelemetry_proto::tonic::trace::v1::span::SpanKind::Server;
        let handlers = self.spans.iter().filter(|span| span.kind() == Server);
        handlers.map(read).collect()
    }
}

#[track_caller]
fn blames(who: &str, stages: Stages, stage: Stage) {
    let blamed = stages.get(stage);
    assert!(
        blamed >= FAULT * ROUNDS * 9 / 10,
        "{who}: too little for {stage:?}: {stages:?}"
    );
    assert!(
        stages.next_to(stage) <= blamed / 3,
        "{who}: not {stage:?} alone: {stages:?}"
    );
}

fn no_fault(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("call('look')");
    let wire = scene.ipc.clone();
    for _ in 0..ROUNDS {
        wire.emit("told", &1).unwrap();
        app.said("main", "done");
    }
    let findings = scene.findings("look", ROUNDS as usize);
    let most = FAULT * ROUNDS / 3;
    for stages in [findings.traces, findings.metrics] {
        assert!(stages.get(stages.worst()) < most, "{stages:?}");
    }
    assert_eq!(findings.blocked, 0.0);
    let threads = findings.handlers(|span| text(span, "spanwire.thread"));
    assert_eq!(threads, [Some("main"); ROUNDS as usize]);
}

fn busy_caller(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("busyThenPosted()");
    scene.findings("look", ROUNDS as usize).blame_the_page();
}

fn busy_emitter(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("busyThenEmitted()");
    let findings = scene.findings_after("noted", "noted", ROUNDS as usize);
    findings.blame_the_page();
}

fn slow_listener(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    for _ in 0..ROUNDS {
        scene.ipc.emit("told.slowly", &1).unwrap();
        app.said("main", "done");
        app.settled(&scene.ipc);
    }
    let findings = scene.findings("told.slowly", ROUNDS as usize);
    findings.blame(Stage::PageWork);
}

fn slow_handler(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("call('sleep')");
    let findings = scene.findings("sleep", ROUNDS as usize);
    findings.blame(Stage::Handler);
    assert_eq!(findings.blocked, f64::from(ROUNDS));
    let marks = findings.handlers(|span| {
        let blocked = number(span, "spanwire.main_thread.blocked").unwrap_or_default();
        (
            text(span, "spanwire.thread"),
            blocked >= FAULT.as_secs_f64(),
        )
    });
    assert_eq!(marks, [(Some("main"), true); ROUNDS as usize]);
}

fn slow_worker(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("call('await')");
    let findings = scene.findings("await", ROUNDS as usize);
    findings.blame(Stage::Handler);
    assert_eq!(findings.blocked, 0.0, "it kept nobody");
    let marks = findings.handlers(|span| {
        (
            text(span, "spanwire.thread"),
            number(span, "spanwire.main_thread.blocked"),
        )
    });
    assert_eq!(marks, [(Some("worker"), None); ROUNDS as usize]);
}

fn blocked_loop(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    for _ in 0..ROUNDS {
        let wire = scene.ipc.clone();
        app.ui(move |_| {
            wire.emit("told", &1).unwrap();
            std::thread::sleep(FAULT);
        });
        app.said("main", "done");
        app.settled(&scene.ipc);
    }
    let findings = scene.findings("told", ROUNDS as usize);
    findings.blame(Stage::MainThread);
    assert_eq!(findings.blocked, 0.0, "it was no handler");
}

/// What a page sends to a loop that does not take it is on the wire.
fn blocked_loop_inbound(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    for _ in 0..ROUNDS {
        app.ui(|ui| {
            let webview = ui.webview("main");
            webview.evaluate_script("call('look')").unwrap();
            std::thread::sleep(FAULT);
        });
        app.said("main", "done");
        app.settled(&scene.ipc);
    }
    let findings = scene.findings("look", ROUNDS as usize);
    findings.blame(Stage::WireIn);
    assert_eq!(findings.blocked, 0.0, "it was no handler");
}

/// More at once than there is room for, and the page takes one after the other.
fn full_queue(app: &TestApp) {
    const ROOM: usize = 500;
    let scene = Scene::open(app, |builder| {
        let mut limits = Limits::default();
        limits.in_flight_max = 1;
        builder.queue_capacity(ROOM).limits(limits)
    });
    let ipc = scene.ipc.clone();
    let refused = (0..2 * ROOM)
        .filter(|at| ipc.emit("told", at).is_err())
        .count();
    assert!(refused > 0, "there was room for all of them");
    let findings = scene.findings("told", 2 * ROOM - refused);
    // Each that goes makes the loop turn once, and all that wait behind it wait for that too.
    for stages in [findings.traces, findings.metrics] {
        assert_eq!(stages.worst(), Stage::Queue, "{stages:?}");
        assert!(stages.get(Stage::Queue) > FAULT * ROUNDS, "{stages:?}");
    }
    // Those for which there was no room at all say so in their spans, and in a count.
    let full = |span: &&Span| text(span, "error.type") == Some("queue_full");
    assert_eq!(findings.spans.iter().filter(full).count(), refused);
    let ledger = app.ledger(&ipc);
    assert_eq!(ledger.outbound("told", "queue_full"), refused as u64);
}

fn slow_reply(app: &TestApp) {
    let scene = Scene::open(app, |builder| builder);
    scene.rounds_of("postedThenBusy()");
    let findings = scene.findings("look", ROUNDS as usize);
    findings.blame(Stage::WireOut);
}
