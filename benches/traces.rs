//! What traces cost a message: none, none by the head's decision, and all of it; beside them what a
//! span costs with others.
//!
//! `cargo bench --bench traces` ends with a table of medians and of what each path costs over
//! metrics alone.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{LocalSpan, SpanContext};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Serialize;
use spanwire::ipc::{Call, Ipc, Limits};
use spanwire::telemetry::{Exporter, MetricsExporter, Sampler, Telemetry};
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
    // The tail's decision belongs here: `KeptLate` with a threshold of zero, so that each trace is
    // slow and kept, and `NotKept` with a rate of zero, so that none is. Both leave out `sampler`
    // below.
}

impl Traces {
    const ALL: [Self; 4] = [
        Self::Off,
        Self::AlwaysOff,
        Self::BeyondTheRate,
        Self::Sampled,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Off => "metrics only",
            Self::AlwaysOff => "head says no: always_off",
            Self::BeyondTheRate => "head says no: beyond the rate",
            Self::Sampled => "sampled",
        }
    }

    fn sampler(self) -> Sampler {
        match self {
            Self::AlwaysOff => Sampler::AlwaysOff,
            Self::Off | Self::BeyondTheRate | Self::Sampled => Sampler::ParentBasedAlwaysOn,
        }
    }

    fn limits(self) -> Limits {
        let mut limits = Limits::default();
        limits.event_spans_per_second_max = match self {
            Self::BeyondTheRate => 0,
            // None is skipped, however fast this machine is.
            Self::Off | Self::AlwaysOff | Self::Sampled => u32::MAX,
        };
        limits
    }
}

/// The way of a message that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    /// An event of the page, from its text to the handler's return.
    Event,
    /// A call of the page: its text, the handler, the reply's script, the acknowledgement.
    Call,
    /// An event to the page: `emit`, its script, the acknowledgement.
    Emit,
}

/// What the handler does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Handler {
    Nothing,
    /// It has a span of its own.
    Span,
}

const PATHS: [(Path, Handler, &str); 5] = [
    (Path::Event, Handler::Nothing, "event"),
    (Path::Event, Handler::Span, "event, span in its handler"),
    (Path::Call, Handler::Nothing, "call and reply"),
    (
        Path::Call,
        Handler::Span,
        "call and reply, span in its handler",
    ),
    (Path::Emit, Handler::Nothing, "emit and acknowledgement"),
];

/// Messages between two flushes, which are not measured: so no span is dropped, and the exporter
/// does not grow behind. Each has five spans at most, and 2,048 may wait.
const CHUNK: u64 = 400;

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
    path: Path,
    began: quanta::Instant,
    /// Of the page's last message, and of the last to the page.
    ids: (u64, u64),
}

impl Wire {
    fn new(ipc: Ipc, path: Path, handler: Handler) -> Self {
        let on = match handler {
            Handler::Nothing => ipc.on("save", |call: &Call| {
                black_box(call.json());
            }),
            Handler::Span => ipc.on("save", |call: &Call| {
                let _write = tracing::info_span!("write", frame = 7).entered();
                black_box(call.json());
            }),
        };
        on.expect("the name is allowed");
        let wire = Self {
            ipc,
            path,
            began: quanta::Instant::now(),
            ids: (0, 0),
        };
        let _ = wire.ipc.receive(&wire.batch(r#"{"kind":"ready"}"#), None);
        while wire.ipc.next_script().is_some() {}
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
        let kind = if self.path == Path::Call {
            "call"
        } else {
            "event"
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
        if self.path == Path::Emit {
            self.ipc.emit("save", &PAYLOAD).expect("there is room");
        } else {
            let _ = black_box(self.ipc.receive(message, None));
        }
        if self.path != Path::Event {
            let _ = black_box(self.ipc.next_script());
            let _ = black_box(self.ipc.receive(ack, None));
        }
    }
}

/// Medians of what was measured, in ns: the path, what became of its trace, the time.
type Table = RefCell<Vec<(&'static str, &'static str, f64)>>;

/// Measures `work`, in chunks whose `prepare` and `flush` are not.
fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    table: &Table,
    (path, traces): (&'static str, &'static str),
    mut prepare: impl FnMut() -> T,
    work: impl Fn(&T),
    flush: impl Fn(),
) {
    let mut samples = Vec::new();
    group.bench_function(format!("{path}/{traces}"), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let chunk: Vec<T> = (0..left.min(CHUNK)).map(|_| prepare()).collect();
                let start = quanta::Instant::now();
                for one in &chunk {
                    work(one);
                }
                took += start.elapsed();
                left -= chunk.len() as u64;
                flush();
            }
            if iterations >= CHUNK {
                samples.push(took.as_secs_f64() * 1e9 / iterations as f64);
            }
            took
        });
    });
    samples.sort_by(f64::total_cmp);
    if let Some(median) = samples.get(samples.len() / 2) {
        table.borrow_mut().push((path, traces, *median));
    }
}

fn messages(
    group: &mut BenchmarkGroup<'_, WallTime>,
    table: &Table,
    traces: Traces,
    provider: Option<&SdkTracerProvider>,
) {
    for (path, handler, name) in PATHS {
        // A call's trace is not subject to the rate.
        if traces == Traces::BeyondTheRate && path == Path::Call {
            continue;
        }
        let mut builder = Ipc::builder("main").limits(traces.limits());
        if let Some(provider) = provider {
            builder = builder.tracer_provider(provider);
        }
        let wire = RefCell::new(Wire::new(builder.build(), path, handler));
        measure(
            group,
            table,
            (name, traces.name()),
            || wire.borrow_mut().next(),
            |texts| wire.borrow().cross(texts),
            || {
                // The page's window comes back with the next script.
                while wire.borrow().ipc.next_script().is_some() {}
                if let Some(provider) = provider {
                    let _ = provider.force_flush();
                }
            },
        );
    }
}

/// A span alone, with three fields, through the same processor and exporter.
fn tracing_opentelemetry(
    group: &mut BenchmarkGroup<'_, WallTime>,
    table: &Table,
    provider: &SdkTracerProvider,
) {
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let fields = || tracing::info_span!("save", name = "scene_042", frame = 7, visible = true);
        let flush = || _ = provider.force_flush();
        let names = ("span alone, 3 fields", "raw tracing-opentelemetry");
        measure(
            group,
            table,
            names,
            || (),
            |()| drop(fields().entered()),
            flush,
        );
        let nested = |(): &()| {
            let _save = fields().entered();
            let _write = tracing::info_span!("write", frame = 7).entered();
        };
        let names = ("span alone, 3 fields, one within", names.1);
        measure(group, table, names, || (), nested, flush);
    });
}

struct Null;

impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        black_box(spans);
    }
}

fn fastrace(group: &mut BenchmarkGroup<'_, WallTime>, table: &Table) {
    fastrace::set_reporter(Null, Config::default());
    let root = || {
        fastrace::Span::root("save", SpanContext::random())
            .with_properties(|| [("name", "scene_042"), ("frame", "7"), ("visible", "true")])
    };
    let names = ("span alone, 3 fields", "fastrace");
    measure(
        group,
        table,
        names,
        || (),
        |()| drop(root()),
        fastrace::flush,
    );
    let nested = |(): &()| {
        let root = root();
        let _here = root.set_local_parent();
        let _write = LocalSpan::enter_with_local_parent("write").with_property(|| ("frame", "7"));
    };
    let names = ("span alone, 3 fields, one within", names.1);
    measure(group, table, names, || (), nested, fastrace::flush);
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("traces");
    let table = Table::default();
    let sink = Sink::start();
    for traces in Traces::ALL {
        let mut builder = Telemetry::builder("bench")
            .environment(|_| None)
            .prometheus_port(0)
            .metrics(MetricsExporter::Prometheus)
            .without_system()
            .sampler(traces.sampler());
        builder = if traces == Traces::Off {
            builder.traces(Exporter::None)
        } else {
            builder.otlp_endpoint(sink.url())
        };
        let (telemetry, parts) = builder.build().expect("the settings are sound");
        let recorder = parts.recorder.as_ref().expect("metrics are on");
        metrics::with_local_recorder(recorder, || match &parts.tracer_provider {
            None => messages(&mut group, &table, traces, None),
            Some(provider) => {
                let subscriber = tracing_subscriber::registry().with(parts.layer());
                tracing::subscriber::with_default(subscriber, || {
                    messages(&mut group, &table, traces, Some(provider));
                });
                if traces == Traces::Sampled {
                    tracing_opentelemetry(&mut group, &table, provider);
                }
            }
        });
        let report = telemetry.shutdown(Duration::from_secs(5));
        // Otherwise it is the drop that was measured.
        let spans = &report.spans;
        assert_eq!((spans.dropped, spans.lost), (0, 0), "{}", traces.name());
    }
    fastrace(&mut group, &table);
    group.finish();
    print(&table.into_inner());
}

#[allow(clippy::print_stdout, reason = "the table is what it is for")]
fn print(table: &[(&'static str, &'static str, f64)]) {
    println!("\n| path | traces | ns | over metrics only |\n|---|---|---|---|");
    for (path, traces, ns) in table {
        let off = |(other, traces, _): &&(&str, &str, f64)| {
            other == path && *traces == Traces::Off.name()
        };
        let over = match table.iter().find(off) {
            Some((_, _, off)) => format!("{:+.0}", ns - off),
            None => "–".to_owned(),
        };
        println!("| {path} | {traces} | {ns:.0} | {over} |");
    }
}
