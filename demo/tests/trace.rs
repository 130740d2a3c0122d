//! One click in a real page is one trace: through Rust, async handlers included, and back.
//!
//! The window and the OTLP receiver are in one child process that has a display. An event loop
//! wants the main thread, and there is one for each process, hence no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde::Deserialize;
use spanwire::Telemetry;
use spanwire::ipc::{Call, Ipc};
use spanwire::telemetry::{MetricsExporter, Sampler};
use spanwire_testkit::virtual_display;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::WindowBuilder;
use tracing::instrument;
use wry::WebViewBuilderExtUnix;
use wry::http::Response;

use spanwire_testkit::receiver::Receiver;

/// How often the page clicks each of its buttons.
const CLICKS: usize = 5;

/// Tells the child, which has a display, from the parent, which gives it one.
const CHILD: &str = "SPANWIRE_TRACE_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(CHILD).is_some() {
        check(&click());
        println!("test one_click_is_one_trace ... ok");
        return ExitCode::SUCCESS;
    }
    virtual_display::run(virtual_display::command().env(CHILD, "1"))
}

/// What must hold for the spans that came out.
fn check(spans: &[Span]) {
    let traces = Trace::all(spans);
    let clicks = |name: &str| -> Vec<&Trace> {
        let found: Vec<_> = traces
            .iter()
            .filter(|trace| trace.spans.iter().any(|span| span.name == name))
            .collect();
        assert_eq!(found.len(), CLICKS, "traces with {name}: {traces:#?}");
        found
    };

    let quick = clicks("ui.look");
    for trace in &quick {
        trace.is(&[
            "ui.look internal",
            "  asset.look client",
            "    asset.look server",
            "      look internal",
            "      reply asset.look internal",
            "        process asset.look consumer",
        ]);
    }
    let slow = clicks("ui.open_asset");
    for trace in &slow {
        trace.is(&[
            "ui.open_asset internal",
            "  asset.open client",
            "    asset.open server",
            "      open internal",
            "        read_metadata internal",
            "        send asset.opened producer",
            "          process asset.opened consumer",
            "      reply asset.open internal",
            "        process asset.open consumer",
        ]);
        let read = trace.named("read_metadata");
        assert!(
            length(read) >= 10_000_000,
            "awaits count: {:#?}",
            trace.tree()
        );
    }
    let look = [
        "  asset.look client",
        "    asset.look server",
        "      look internal",
        "      reply asset.look internal",
        "        process asset.look consumer",
    ];
    let both = clicks("ui.compare");
    for trace in &both {
        trace.is(&[&["ui.compare internal"][..], &look, &look].concat());
    }
    for trace in quick.iter().chain(&slow).chain(&both) {
        trace.begins_in_order();
    }
    // What is between the stages is a few instructions. One click of five may be unlucky with the
    // scheduler in there.
    for (trace, event) in [(&quick, "asset.look"), (&slow, "asset.open")] {
        let off: Vec<_> = trace.iter().map(|trace| trace.not_in(event)).collect();
        println!("{event}: not in any stage, in ms: {off:.3?}");
        let fine = off.iter().filter(|ms| ms.abs() <= 2.0).count();
        assert!(fine + 1 >= CLICKS, "{:#?}", trace[0].tree());
    }
}

/// The spans of one trace.
#[derive(Debug)]
struct Trace {
    spans: Vec<Span>,
}

impl Trace {
    fn all(spans: &[Span]) -> Vec<Self> {
        let mut traces: BTreeMap<&[u8], Vec<Span>> = BTreeMap::new();
        for span in spans {
            traces.entry(&span.trace_id).or_default().push(span.clone());
        }
        let of = |spans| Self { spans };
        traces.into_values().map(of).collect()
    }

    /// The whole trace, children indented below their parents.
    fn tree(&self) -> Vec<String> {
        let known = |id: &[u8]| self.spans.iter().any(|span| span.span_id == id);
        let mut lines = Vec::new();
        for root in &self.spans {
            if !known(&root.parent_span_id) {
                assert!(root.parent_span_id.is_empty(), "an orphan: {root:#?}");
                self.add(root, 0, &mut lines);
            }
        }
        lines
    }

    fn add(&self, span: &Span, depth: usize, lines: &mut Vec<String>) {
        let kind = SpanKind::try_from(span.kind).unwrap().as_str_name();
        let kind = kind.trim_start_matches("SPAN_KIND_").to_lowercase();
        lines.push(format!("{}{} {kind}", "  ".repeat(depth), span.name));
        let mut children: Vec<_> = self
            .spans
            .iter()
            .filter(|child| child.parent_span_id == span.span_id)
            .collect();
        // Of those that began at once, the order is the names'.
        children.sort_by_key(|child| (child.start_time_unix_nano, child.name.clone()));
        for child in children {
            self.add(child, depth + 1, lines);
        }
    }

    /// It has these spans and no others, and one root.
    fn is(&self, tree: &[&str]) {
        assert_eq!(self.tree(), tree, "{self:#?}");
    }

    fn begins_in_order(&self) {
        for span in &self.spans {
            assert!(
                span.start_time_unix_nano <= span.end_time_unix_nano,
                "{span:#?}"
            );
            let parent = self
                .spans
                .iter()
                .find(|parent| parent.span_id == span.parent_span_id);
            if let Some(parent) = parent {
                assert!(
                    parent.start_time_unix_nano <= span.start_time_unix_nano,
                    "{} began before {}: {self:#?}",
                    span.name,
                    parent.name
                );
            }
        }
    }

    fn named(&self, name: &str) -> &Span {
        self.spans.iter().find(|span| span.name == name).unwrap()
    }

    fn of_kind(&self, name: &str, kind: SpanKind) -> &Span {
        let mut spans = self.spans.iter();
        spans
            .find(|span| span.name == name && span.kind == i32::from(kind))
            .unwrap()
    }

    /// The milliseconds of a call that are in none of its stages: page, wire, handler, queue,
    /// and the way back.
    fn not_in(&self, event: &str) -> f64 {
        let client = self.of_kind(event, SpanKind::Client);
        let handler = self.of_kind(event, SpanKind::Server);
        let reply = self.named(&format!("reply {event}"));
        let start = |span: &Span| span.start_time_unix_nano;
        let stages = [
            (start(client), at(client, "posted")),
            (at(client, "posted"), at(client, "received")),
            (start(handler), handler.end_time_unix_nano),
            (start(reply), at(reply, "dispatched")),
            (at(reply, "dispatched"), at(client, "settled")),
        ];
        let in_stages: f64 = stages.iter().map(|(from, to)| ms(*from, *to)).sum();
        ms(start(client), client.end_time_unix_nano) - in_stages
    }
}

/// When an event of a span was.
fn at(span: &Span, name: &str) -> u64 {
    let mut events = span.events.iter();
    let event = events.find(|event| event.name == name);
    event
        .unwrap_or_else(|| panic!("no event {name} on {span:#?}"))
        .time_unix_nano
}

fn length(span: &Span) -> u64 {
    span.end_time_unix_nano - span.start_time_unix_nano
}

fn ms(from: u64, to: u64) -> f64 {
    (to as f64 - from as f64) / 1e6
}

#[derive(Clone, Copy, Debug)]
enum UserEvent {
    Pump,
    Done,
    TimedOut,
}

/// Opens the window, lets the page click, and returns every span that was exported.
fn click() -> Vec<Span> {
    let receiver = Receiver::start();
    let telemetry = Telemetry::builder("trace-test")
        .environment(|_| None)
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::None)
        .sampler(Sampler::AlwaysOn)
        .install()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let ipc = Ipc::builder("trace")
        .runtime(runtime.handle().clone())
        .allow_origin("trace://localhost")
        .build();
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let window = WindowBuilder::new().build(&event_loop).unwrap();
    let proxy = event_loop.create_proxy();

    let done = proxy.clone();
    let (handle, finished) = (runtime.handle().clone(), ipc.clone());
    register(&ipc, move || {
        let (done, ipc) = (done.clone(), finished.clone());
        handle.spawn(async move {
            // The last acknowledgement ends the last span.
            while ipc.metrics().messages_open > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _ = done.send_event(UserEvent::Done);
        });
    });

    let wake = proxy.clone();
    let builder = wry::WebViewBuilder::new()
        .with_custom_protocol("trace".into(), |_, _| {
            Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(include_bytes!("trace_page.html").into())
                .unwrap()
        })
        .with_url("trace://localhost/");
    let builder =
        spanwire::webview::attach(builder, &ipc, move || _ = wake.send_event(UserEvent::Pump));
    let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();
    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _ = proxy.send_event(UserEvent::TimedOut);
    });
    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
            Event::UserEvent(UserEvent::TimedOut) => panic!("the page did not finish: {ipc:?}"),
            _ => {}
        }
    });
    ipc.close();
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.spans.lost, report.spans.dropped),
        (0, 0),
        "{report}"
    );
    receiver.spans()
}

#[derive(Deserialize)]
struct Target {
    asset: u32,
}

fn register(ipc: &Ipc, finished: impl Fn() + Send + Sync + 'static) {
    type Json<T> = Result<T, serde_json::Error>;
    ipc.on("warm.up", |_: &Call<'_>| ()).unwrap();
    ipc.on("asset.look", |call: &Call<'_>| -> Json<u32> {
        let Target { asset } = call.data()?;
        Ok(look(asset))
    })
    .unwrap();
    let sender = ipc.clone();
    ipc.on_async("asset.open", move |call: Call<'static>| {
        let ipc = sender.clone();
        async move {
            let Target { asset } = call.data()?;
            Json::Ok(open(ipc, asset).await)
        }
    })
    .unwrap();
    ipc.on("finished", move |_: &Call<'_>| finished()).unwrap();
    ipc.on("failed", |call: &Call<'_>| -> Result<(), Infallible> {
        panic!("the page failed: {}", call.json())
    })
    .unwrap();
}

#[instrument]
fn look(asset: u32) -> u32 {
    asset + 1
}

#[instrument(skip(ipc))]
async fn open(ipc: Ipc, asset: u32) -> u32 {
    read_metadata().await;
    ipc.emit("asset.opened", &asset).unwrap();
    asset + 1
}

#[instrument]
async fn read_metadata() {
    tokio::time::sleep(Duration::from_millis(15)).await;
}
