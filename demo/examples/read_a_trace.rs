//! Prints the traces of `docs/guide/reading-a-trace.md`, from a real window: a call, an event from Rust and
//! an event from the page, each as a waterfall and as a list of stages.
//!
//! `xvfb-run -a cargo run -p spanwire-demo --example read_a_trace`; with `--json` it prints them as JSON, for
//! the picture of the call's trace.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example talks to its reader, and tells it where it fails"
)]

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use spanwire::ipc::Call;
use spanwire::telemetry::{MetricsExporter, Sampler};
use spanwire::{Ipc, Telemetry};
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::window::WindowBuilder;
use wry::http::Response;

use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::trace_stages::{Stage, stages};

const PAGE: &str = r#"<!doctype html>
<ul></ul>
<script>
  const work = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const list = document.querySelector("ul");
  const show = (text, ms) => { list.append(text); work(ms); };

  spanwire.on("asset.opened", (asset) => show(`opened ${asset}`, 3));
  spanwire.on("scan.progress", ({ done }) => show(`${done} of 120`, 4));

  (async () => {
    await spanwire.whenReady();
    // The first messages tell the host how the page's clock runs.
    for (let round = 0; round < 5; round++) await spanwire.invoke("warm.up");
    await pause(50);
    await spanwire.trace("ui.open_asset", async (span) => {
      const asset = await span.invoke("asset.open", { asset: 7 });
      show(`showing ${asset}`, 6);
    });
    await pause(50);
    await spanwire.invoke("scan");
    await pause(50);
    spanwire.emit("asset.hovered", { asset: 7 });
    await pause(50);
    spanwire.emit("finished");
  })();
</script>"#;

#[derive(Clone, Copy, Debug)]
enum UserEvent {
    Pump,
    Done,
}

fn main() {
    let receiver = Receiver::start();
    let telemetry = Telemetry::builder("read-a-trace")
        .environment(|_| None)
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::None)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .install()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        .build();
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let done = event_loop.create_proxy();
    register(&ipc, move || _ = done.send_event(UserEvent::Done));

    let window = WindowBuilder::new().build(&event_loop).unwrap();
    let wake = event_loop.create_proxy();
    let builder = wry::WebViewBuilder::new()
        .with_custom_protocol("app".into(), |_, _| {
            Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(PAGE.as_bytes().into())
                .unwrap()
        })
        .with_url("app://localhost/");
    let builder =
        spanwire::webview::attach(builder, &ipc, move || _ = wake.send_event(UserEvent::Pump));
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        builder.build_gtk(window.default_vbox().unwrap()).unwrap()
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window).unwrap();

    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
            _ => {}
        }
    });
    ipc.close();
    telemetry.shutdown(Duration::from_secs(10));

    let spans = receiver.spans();
    let traces = [
        ("A call", "ui.open_asset"),
        ("An event from Rust", "send scan.progress"),
        ("An event from the page", "send asset.hovered"),
    ]
    .map(|(title, root)| {
        let root = spans.iter().find(|span| span.name == root).unwrap();
        let all: Vec<Span> = spans
            .iter()
            .filter(|span| span.trace_id == root.trace_id)
            .cloned()
            .collect();
        let mut rows = Vec::new();
        add_rows(root, &all, root, 0, &mut rows);
        Trace { title, all, rows }
    });
    if std::env::args().any(|argument| argument == "--json") {
        let traces: Vec<_> = traces.iter().map(Trace::to_json).collect();
        println!("{}", serde_json::Value::from(traces));
    } else {
        traces.iter().for_each(Trace::print);
    }
}

fn register(ipc: &Ipc, finished: impl Fn() + Send + Sync + 'static) {
    ipc.on("warm.up", |_: &Call| ()).unwrap();
    let sender = ipc.clone();
    ipc.on_async("asset.open", move |call: Call<'static>| {
        let ipc = sender.clone();
        async move {
            let asset: serde_json::Value = call.data()?;
            read_metadata().await;
            let _ = ipc.emit("asset.opened", &asset["asset"]);
            Ok::<_, serde_json::Error>(format!("asset {}", asset["asset"]))
        }
    })
    .unwrap();
    let sender = ipc.clone();
    ipc.on("scan", move |_: &Call| {
        // From a thread of the app's, where no span is open: a trace of its own begins.
        let ipc = sender.clone();
        std::thread::spawn(move || {
            let _ = ipc.emit("scan.progress", &serde_json::json!({ "done": 12 }));
        });
    })
    .unwrap();
    ipc.on("asset.hovered", |_: &Call| {
        let _preview = tracing::info_span!("load_preview").entered();
        std::thread::sleep(Duration::from_millis(20));
    })
    .unwrap();
    ipc.on("finished", move |_: &Call| finished()).unwrap();
}

#[tracing::instrument]
async fn read_metadata() {
    tokio::time::sleep(Duration::from_millis(25)).await;
}

struct Trace {
    title: &'static str,
    all: Vec<Span>,
    rows: Vec<Row>,
}

/// A span as a line of a waterfall. Times are milliseconds since the trace's root began.
struct Row {
    depth: usize,
    name: String,
    kind: String,
    start: f64,
    end: f64,
    events: Vec<(String, f64)>,
    /// Ours alone.
    attributes: Vec<(String, String)>,
}

impl Trace {
    fn print(&self) {
        let whole = self.rows.iter().map(|row| row.end).fold(0.0, f64::max);
        println!("{}\n", self.title);
        println!("  start      ms");
        for row in &self.rows {
            row.print(whole);
        }
        println!();
        let stages = stages(&self.all);
        for stage in Stage::ALL {
            let ms = stages.get(stage).as_secs_f64() * 1e3;
            println!("{:<13}{ms:>5.1} ms", stage.name());
        }
        println!();
    }

    fn to_json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            let events = row.events.iter();
            let events = events.map(|(name, at)| serde_json::json!({ "name": name, "at": at }));
            serde_json::json!({
                "depth": row.depth,
                "name": row.name,
                "kind": row.kind,
                "start": row.start,
                "end": row.end,
                "events": events.collect::<Vec<_>>(),
            })
        });
        serde_json::json!({ "title": self.title, "spans": rows.collect::<Vec<_>>() })
    }
}

impl Row {
    fn print(&self, whole: f64) {
        let indent = "  ".repeat(self.depth);
        let name = format!("{indent}{} ({})", self.name, self.kind);
        let (start, ms) = (self.start, self.end - self.start);
        let bar = bar(start, self.end, whole);
        println!("{start:7.1} {ms:7.1}  {name:<44}|{bar}|");
        for (event, at) in &self.events {
            println!("{at:7.1}          {indent}· {event}");
        }
        for (key, value) in &self.attributes {
            println!("                 {indent}  {key} = {value}");
        }
    }
}

/// Adds a span, and then what is within it.
fn add_rows(span: &Span, all: &[Span], root: &Span, depth: usize, rows: &mut Vec<Row>) {
    let ms = |at: u64| at.saturating_sub(root.start_time_unix_nano) as f64 / 1e6;
    let kind = span.kind().as_str_name();
    let ours = |attribute: &&KeyValue| attribute.key.starts_with("spanwire.");
    let events = span.events.iter();
    rows.push(Row {
        depth,
        name: span.name.clone(),
        kind: kind.trim_start_matches("SPAN_KIND_").to_lowercase(),
        start: ms(span.start_time_unix_nano),
        end: ms(span.end_time_unix_nano),
        events: events
            .map(|event| (event.name.clone(), ms(event.time_unix_nano)))
            .collect(),
        attributes: span.attributes.iter().filter(ours).map(text_of).collect(),
    });
    let mut children: Vec<_> = all
        .iter()
        .filter(|child| child.parent_span_id == span.span_id)
        .collect();
    children.sort_by_key(|child| child.start_time_unix_nano);
    for child in children {
        add_rows(child, all, root, depth + 1, rows);
    }
}

fn text_of(attribute: &KeyValue) -> (String, String) {
    let value = attribute
        .value
        .as_ref()
        .and_then(|value| value.value.clone());
    let value = match value.unwrap() {
        Value::DoubleValue(number) => format!("{number:.6}"),
        Value::IntValue(number) => number.to_string(),
        Value::StringValue(text) => text,
        other => format!("{other:?}"),
    };
    (attribute.key.clone(), value)
}

fn bar(start: f64, end: f64, whole: f64) -> String {
    const WIDTH: f64 = 40.0;
    let column = |ms: f64| (ms / whole * WIDTH).clamp(0.0, WIDTH) as usize;
    let from = column(start).min(WIDTH as usize - 1);
    let to = column(end).max(from + 1);
    let rest = WIDTH as usize - to;
    [" ".repeat(from), "█".repeat(to - from), " ".repeat(rest)].concat()
}
