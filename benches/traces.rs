//! What traces cost a message: none, none by the head's decision, and all of it; beside them what a
//! span costs with others: `cargo bench --bench traces`.
//!
//! Each way of tracing is a process of its own, set up as an app sets it up. They take turns, some
//! hundred messages each, and what is compared is neighbouring turns: on a machine that others use
//! too, two figures that were taken a minute apart say nothing about a difference of 250 ns.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{LocalSpan, SpanContext};
use opentelemetry::trace::TracerProvider;
use serde::Serialize;
use spanwire::ipc::{Call, Ipc, Limits};
use spanwire::telemetry::{Exporter, MetricsExporter, Sampler, TailSampling, Telemetry};
use tracing_subscriber::layer::SubscriberExt;

use support::sink::Sink;

mod support;

/// What becomes of a message's trace.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Traces {
    /// There is no subscriber, no provider and no exporter.
    Off,
    /// A sampler says no to each.
    AlwaysOff,
    /// There were too many events in this second. Calls always have their spans.
    BeyondTheRate,
    /// All are recorded and sent.
    Sampled,
    /// All are recorded and held, and none is kept in the end.
    NotKept,
    /// The same, and nothing is compared with what is usual.
    NotCompared,
    /// All are recorded and held, and kept in the end.
    KeptLate,
    /// No messages, but spans of others: through the same processor and exporter.
    Peer,
    Fastrace,
}

impl Traces {
    const ALL: [Self; 9] = [
        Self::Off,
        Self::AlwaysOff,
        Self::BeyondTheRate,
        Self::Sampled,
        Self::NotKept,
        Self::NotCompared,
        Self::KeptLate,
        Self::Peer,
        Self::Fastrace,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Off => "metrics only",
            Self::AlwaysOff => "head says no: `always_off`",
            Self::BeyondTheRate => "head says no: beyond the rate",
            Self::Sampled => "sampled",
            Self::NotKept => "tail: not kept",
            Self::NotCompared => "tail: not kept, not compared",
            Self::KeptLate => "tail: kept",
            Self::Peer => "raw tracing-opentelemetry",
            Self::Fastrace => "fastrace",
        }
    }

    fn takes(self, way: Way) -> bool {
        let is_span = matches!(way, Way::Span | Way::Spans);
        match self {
            Self::Off
            | Self::AlwaysOff
            | Self::Sampled
            | Self::NotKept
            | Self::NotCompared
            | Self::KeptLate => !is_span,
            Self::BeyondTheRate => !is_span && !matches!(way, Way::Call | Way::CallWithSpan),
            Self::Peer | Self::Fastrace => is_span,
        }
    }

    fn limits(self) -> Limits {
        let mut limits = Limits::default();
        limits.event_spans_per_second_max = match self {
            Self::BeyondTheRate => 0,
            // None is skipped, however fast this machine is.
            _ => u32::MAX,
        };
        limits
    }
}

/// The way of a message that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// An event of the page, from its text to the handler's return.
    Event,
    /// The same, with a span of the app's in its handler.
    EventWithSpan,
    /// A call of the page: its text, the handler, the reply's script, the acknowledgement.
    Call,
    /// The same, with a span of the app's in its handler.
    CallWithSpan,
    /// An event to the page: `emit`, its script, the acknowledgement.
    Emit,
    /// No message: a span with three fields.
    Span,
    /// The same, with one more within it.
    Spans,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Event,
        Self::EventWithSpan,
        Self::Call,
        Self::CallWithSpan,
        Self::Emit,
        Self::Span,
        Self::Spans,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::EventWithSpan => "event, a span in its handler",
            Self::Call => "call and reply",
            Self::CallWithSpan => "call and reply, a span in its handler",
            Self::Emit => "emit and acknowledgement",
            Self::Span => "a span alone, 3 fields",
            Self::Spans => "a span alone, 3 fields, one within",
        }
    }
}

/// Messages of one turn, after as many that only warm up. What they leave behind is exported before
/// the next turn.
const TURN: usize = 400;
/// Turns of each.
const ROUNDS: usize = 300;

#[derive(Serialize)]
struct Payload<'a> {
    name: &'a str,
    frame: u32,
    visible: bool,
    x: f64,
}

/// Makes the message 100 bytes.
const PAYLOAD: Payload<'_> = Payload {
    name: "scene_042",
    frame: 1024,
    visible: true,
    x: 1.5,
};

/// One wire with a page that stamps what it sends, as the page script does.
struct Wire {
    ipc: Ipc,
    way: Way,
    began: quanta::Instant,
    /// Of the page's last message, and of the last to the page.
    ids: (u64, u64),
}

impl Wire {
    fn new(traces: Traces, way: Way) -> Self {
        let ipc = Ipc::builder("main").limits(traces.limits()).build();
        let on = match way {
            Way::EventWithSpan | Way::CallWithSpan => ipc.on("save", |call: &Call| {
                let _write = tracing::info_span!("write", frame = 7).entered();
                black_box(call.json());
            }),
            _ => ipc.on("save", |call: &Call| {
                black_box(call.json());
            }),
        };
        on.expect("the name is allowed");
        let wire = Self {
            ipc,
            way,
            began: quanta::Instant::now(),
            ids: (0, 0),
        };
        let _ = wire.ipc.receive(&wire.batch(r#"{"kind":"ready"}"#), None);
        wire.drain();
        wire
    }

    /// The page's time.
    fn now(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    fn batch(&self, message: &str) -> String {
        format!(
            r#"{{"spanwire":1,"nonce":"{}","page":"p1","sent":{},"messages":[{message}]}}"#,
            self.ipc.nonce(),
            self.now(),
        )
    }

    /// The texts that the page sends for the next message: itself, and what acknowledges the
    /// message to the page that it leads to.
    fn next(&mut self) -> (String, String) {
        let kind = match self.way {
            Way::Call | Way::CallWithSpan => "call",
            _ => "event",
        };
        self.ids.0 += 1;
        self.ids.1 += 1;
        let at = self.now();
        let (id, ack) = self.ids;
        let data = serde_json::to_string(&PAYLOAD).expect("it is JSON");
        let message =
            format!(r#"{{"kind":"{kind}","id":{id},"event":"save","data":{data},"at":{at}}}"#);
        let ack = format!(r#"{{"kind":"ack","ids":[[{ack},{ack}]],"at":{at},"done":{at}}}"#);
        (self.batch(&message), self.batch(&ack))
    }

    fn cross(&self, (message, ack): &(String, String)) {
        if self.way == Way::Emit {
            self.ipc.emit("save", &PAYLOAD).expect("there is room");
        } else {
            let _ = black_box(self.ipc.receive(message, None));
        }
        if !matches!(self.way, Way::Event | Way::EventWithSpan) {
            let _ = black_box(self.ipc.next_script());
            let _ = black_box(self.ipc.receive(ack, None));
        }
    }

    /// The page's window comes back with the next script.
    fn drain(&self) {
        while self.ipc.next_script().is_some() {}
    }

    /// Nanoseconds for one message.
    fn turn(&mut self) -> f64 {
        let texts: Vec<_> = (0..TURN).map(|_| self.next()).collect();
        let took = time(
            texts
                .iter()
                .map(|texts| move |wire: &Self| wire.cross(texts)),
            self,
        );
        self.drain();
        took
    }
}

/// Nanoseconds for one of these.
fn time<C, F: FnOnce(&C)>(work: impl ExactSizeIterator<Item = F>, with: &C) -> f64 {
    let count = work.len();
    let start = quanta::Instant::now();
    for one in work {
        one(with);
    }
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

/// A span of `tracing`, with or without one within.
fn span(way: Way) {
    let _save =
        tracing::info_span!("save", name = "scene_042", frame = 7, visible = true).entered();
    if way == Way::Spans {
        let _write = tracing::info_span!("write", frame = 7).entered();
    }
}

/// The same by fastrace.
fn fast_span(way: Way) {
    let root = fastrace::Span::root("save", SpanContext::random())
        .with_properties(|| [("name", "scene_042"), ("frame", "7"), ("visible", "true")]);
    if way == Way::Spans {
        let _here = root.set_local_parent();
        let _write = LocalSpan::enter_with_local_parent("write").with_property(|| ("frame", "7"));
    }
}

struct Null;

impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        black_box(spans);
    }
}

/// Tells a child what it is, and where it sends its traces.
const CHILD: &str = "SPANWIRE_BENCH_TRACES";
const SINK: &str = "SPANWIRE_BENCH_SINK";

/// What is decided comes from the turns before, so the wait is less than a round of turns.
fn tail(traces_per_second: u32) -> TailSampling {
    TailSampling::new()
        .traces_per_second(traces_per_second)
        .late_wait(Duration::from_millis(5))
}

/// A child: a turn for each line that it is told.
fn child(traces: Traces) {
    let sink = std::env::var(SINK).expect("the parent gives it");
    let mut builder = Telemetry::builder("bench")
        // Nothing is dropped, or it is the drop that is measured.
        .environment(|name| (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "100000".to_owned()))
        .prometheus_port(0)
        .metrics(MetricsExporter::Prometheus)
        .without_system();
    builder = match traces {
        Traces::Off | Traces::Fastrace => builder.traces(Exporter::None),
        Traces::AlwaysOff => builder.otlp_endpoint(sink).sampler(Sampler::AlwaysOff),
        Traces::BeyondTheRate | Traces::Sampled | Traces::Peer => builder
            .otlp_endpoint(sink)
            .sampler(Sampler::ParentBasedAlwaysOn),
        Traces::NotKept => builder.otlp_endpoint(sink).tail(tail(0)),
        Traces::NotCompared => builder.otlp_endpoint(sink).tail(tail(0).slow_factor(0)),
        Traces::KeptLate => builder.otlp_endpoint(sink).tail(tail(u32::MAX)),
    };
    let telemetry = if traces == Traces::Peer {
        // The app's own subscriber, over our processor and exporter.
        let (telemetry, parts) = builder.build().expect("the settings are sound");
        let provider = parts.tracer_provider.expect("traces are on");
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        telemetry
    } else {
        builder.install().expect("the settings are sound")
    };
    if traces == Traces::Fastrace {
        fastrace::set_reporter(Null, Config::default());
    }
    let mut wires: Vec<_> = Way::ALL
        .into_iter()
        .map(|way| Wire::new(traces, way))
        .collect();
    for line in std::io::stdin().lines() {
        let line = line.expect("the parent writes lines");
        let way: usize = line.parse().expect("the parent writes numbers");
        let mut took = 0.0;
        // The first warms up: another process had the processor.
        for _ in 0..2 {
            let way = Way::ALL[way];
            let work = |_| {
                move |_: &()| {
                    if traces == Traces::Peer {
                        span(way)
                    } else {
                        fast_span(way)
                    }
                }
            };
            took = match way {
                Way::Span | Way::Spans => time((0..TURN).map(work), &()),
                _ => wires[way as usize].turn(),
            };
        }
        if traces == Traces::Fastrace {
            fastrace::flush();
        }
        telemetry
            .flush(Duration::from_secs(10))
            .expect("the sink takes all");
        println!("{took}");
    }
    let report = telemetry.shutdown(Duration::from_secs(10));
    let spans = report.spans;
    assert_eq!((spans.dropped, spans.lost), (0, 0), "{}", traces.name());
}

/// A child, seen from its parent.
struct Rig {
    traces: Traces,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Rig {
    fn start(traces: Traces, at: usize, sink: &Sink) -> Self {
        let mut child =
            Command::new(std::env::current_exe().expect("a process knows its own file"))
                .env(CHILD, at.to_string())
                .env(SINK, sink.url())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it ran before");
        Self {
            traces,
            orders: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        }
    }

    /// One turn: nanoseconds for a message.
    fn turn(&mut self, way: Way) -> f64 {
        writeln!(self.orders, "{}", way as usize).expect("the child listens");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the child answers");
        answer.trim().parse().expect("a number")
    }

    fn end(self) {
        let Self {
            mut child, orders, ..
        } = self;
        drop(orders);
        assert!(child.wait().expect("it is our child").success());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    if let Ok(at) = std::env::var(CHILD) {
        let at: usize = at.parse().expect("the parent gives a number");
        return child(Traces::ALL[at]);
    }
    let rounds = if std::env::args().any(|arg| arg == "--test") {
        1
    } else {
        ROUNDS
    };
    let sink = Sink::start();
    let mut rigs: Vec<Rig> = Traces::ALL
        .into_iter()
        .enumerate()
        .map(|(at, traces)| Rig::start(traces, at, &sink))
        .collect();
    println!("{rounds} turns of {TURN} messages, medians\n");
    println!("| message | traces | ns | over metrics only |\n|---|---|---|---|");
    for way in Way::ALL {
        let mut takers: Vec<&mut Rig> = rigs.iter_mut().collect();
        takers.retain(|rig| rig.traces.takes(way));
        let mut turns: Vec<Vec<f64>> = vec![Vec::new(); takers.len()];
        for _ in 0..rounds {
            for (rig, took) in takers.iter_mut().zip(&mut turns) {
                took.push(rig.turn(way));
            }
        }
        for (rig, took) in takers.iter().zip(&turns) {
            let over = match takers[0].traces {
                Traces::Off => {
                    let pairs = took.iter().zip(&turns[0]);
                    format!(
                        "{:+.0}",
                        median(pairs.map(|(took, off)| took - off).collect())
                    )
                }
                _ => "–".to_owned(),
            };
            let (way, traces) = (way.name(), rig.traces.name());
            println!(
                "| {way} | {traces} | {:.0} | {over} |",
                median(took.clone())
            );
        }
    }
    for rig in rigs {
        rig.end();
    }
}
