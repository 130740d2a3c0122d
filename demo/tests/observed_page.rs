//! A page whose messages an app's own layer carries over plain wry: its script measures it, and one
//! click is one trace through that layer, the host and back.
//!
//! The window and the OTLP receiver are in one child process that has a display. An event loop
//! wants the main thread, and there is one for each process, hence no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire::Telemetry;
use spanwire::ipc::PageState;
use spanwire::ipc::observe::{Delivery, Observer, PageScript};
use spanwire::semconv::ErrorType;
use spanwire::telemetry::Sampler;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape;
use spanwire_testkit::virtual_display;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoopBuilder, EventLoopProxy};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::WindowBuilder;
use tracing::instrument;
use wry::WebViewBuilderExtUnix;
use wry::http::Response;

/// How often the page clicks each of its buttons.
const CLICKS: usize = 5;

/// Tells the child, which has a display, from the parent, which gives it one.
const CHILD: &str = "SPANWIRE_OBSERVED_PAGE_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(CHILD).is_some() {
        check(&click());
        println!("test an_observed_click_is_one_trace ... ok");
        return ExitCode::SUCCESS;
    }
    virtual_display::run(virtual_display::command().env(CHILD, "1"))
}

fn check(spans: &[Span]) {
    let mut traces: BTreeMap<&[u8], Vec<&Span>> = BTreeMap::new();
    for span in spans {
        assert!(
            span.start_time_unix_nano <= span.end_time_unix_nano,
            "{span:#?}"
        );
        traces.entry(&span.trace_id).or_default().push(span);
    }
    let mut trees: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for trace in traces.values() {
        *trees.entry(tree(trace)).or_default() += 1;
    }
    // The app's own start is a trace, too.
    trees.retain(|tree, _| tree.first().is_none_or(|root| root != "startup internal"));
    let expected: BTreeMap<Vec<String>, usize> = [
        vec![
            "ui.look internal",
            "  look client",
            "    look server",
            "      look internal",
            "        send moved producer",
            "          process moved consumer",
            "      reply look internal",
            "        process look consumer",
        ],
        vec![
            "fail client handler_error",
            "  fail server handler_error",
            "    reply fail internal",
            "      process fail consumer",
        ],
        vec![
            "trip client",
            "  trip server",
            "    send broken producer",
            "      process broken consumer",
            "    reply trip internal",
            "      process trip consumer",
        ],
    ]
    .into_iter()
    .map(|tree| (tree.into_iter().map(str::to_owned).collect(), CLICKS))
    .collect();
    assert_eq!(trees, expected);
    for client in spans
        .iter()
        .filter(|span| span.kind == i32::from(SpanKind::Client))
    {
        let events: Vec<_> = client.events.iter().map(|event| &*event.name).collect();
        assert_eq!(events, ["posted", "received", "settled"]);
    }
}

/// A trace, children indented below their parents, with what failed.
fn tree(trace: &[&Span]) -> Vec<String> {
    let mut lines = Vec::new();
    let root = trace
        .iter()
        .find(|span| span.parent_span_id.is_empty())
        .unwrap();
    add(trace, root, 0, &mut lines);
    assert_eq!(lines.len(), trace.len(), "an orphan: {trace:#?}");
    lines
}

fn add(trace: &[&Span], span: &Span, depth: usize, lines: &mut Vec<String>) {
    let kind = SpanKind::try_from(span.kind).unwrap().as_str_name();
    let kind = kind.trim_start_matches("SPAN_KIND_").to_lowercase();
    let error = span.attributes.iter().find(|of| of.key == "error.type");
    let error = error.map(
        |of| match of.value.as_ref().unwrap().value.as_ref().unwrap() {
            opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(error) => {
                format!(" {error}")
            }
            other => format!(" {other:?}"),
        },
    );
    let error = error.unwrap_or_default();
    lines.push(format!("{}{} {kind}{error}", "  ".repeat(depth), span.name));
    let mut children: Vec<_> = trace
        .iter()
        .filter(|child| child.parent_span_id == span.span_id)
        .collect();
    children.sort_by_key(|child| (child.start_time_unix_nano, child.name.clone()));
    for child in children {
        add(trace, child, depth + 1, lines);
    }
}

enum UserEvent {
    /// A script for the page, and the message that it brings.
    Send(String, Box<Delivery>),
    Done,
    TimedOut,
}

/// The app's own message layer, and what it tells the observer.
struct Layer {
    observer: Observer,
    proxy: EventLoopProxy<UserEvent>,
}

impl Layer {
    fn take(&self, text: &str) {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "report" => self.observer.page_report(rest).unwrap(),
            "ask" => {
                let (call, request) = rest.split_once(' ').unwrap();
                self.ask(call, request);
            }
            "done" => drop(self.proxy.send_event(UserEvent::Done)),
            _ => panic!("the page said: {text}"),
        }
    }

    fn ask(&self, call: &str, request: &str) {
        let (id, command, asset): (u64, String, u32) = serde_json::from_str(request).unwrap();
        let mut handling = self
            .observer
            .call(&command)
            .size(request.len())
            .page_call(call)
            .begin();
        let answer = handling.in_scope(|| match &*command {
            "look" => Ok(look(self, asset)),
            "trip" => {
                self.tell("broken", asset);
                Ok(asset)
            }
            _ => Err(ErrorType::HandlerError),
        });
        let script = format!(
            "answer({id}, {}, {})",
            answer.is_ok(),
            answer.unwrap_or_default()
        );
        let reply = handling.reply(answer.map(drop), script.len());
        self.send(script, reply);
    }

    /// Sends the page an event.
    fn tell(&self, event: &str, asset: u32) {
        let mut delivery = self.observer.send(event, 4);
        let script = format!("tell({}, '{event}', {asset})", delivery.number());
        self.send(script, delivery);
    }

    fn send(&self, script: String, delivery: Delivery) {
        drop(
            self.proxy
                .send_event(UserEvent::Send(script, Box::new(delivery))),
        );
    }
}

#[instrument(skip(layer))]
fn look(layer: &Layer, asset: u32) -> u32 {
    layer.tell("moved", asset);
    asset + 1
}

/// Opens the window, lets the page click, and returns every span that was exported.
fn click() -> Vec<Span> {
    let receiver = Receiver::start();
    let telemetry = Telemetry::builder("observed-page-test")
        .environment(|_| None)
        .otlp_endpoint(receiver.url())
        .prometheus_port(0)
        .sampler(Sampler::AlwaysOn)
        .install()
        .unwrap();
    let script = PageScript::new();
    let observer = Observer::builder("observed").page_script(&script).build();
    observer.set_main_thread();
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let window = WindowBuilder::new().build(&event_loop).unwrap();
    let proxy = event_loop.create_proxy();
    let layer = Layer {
        observer: observer.clone(),
        proxy: proxy.clone(),
    };
    let adapter = include_str!("observed_adapter.js");
    let builder = wry::WebViewBuilder::new()
        .with_custom_protocol("observed".into(), |_, _| {
            Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(include_bytes!("observed_page.html").into())
                .unwrap()
        })
        .with_initialization_script(format!("({adapter})({})", script.expression()))
        .with_ipc_handler(move |request| layer.take(request.body()))
        .with_url("observed://localhost/");
    let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(60));
        let _ = proxy.send_event(UserEvent::TimedOut);
    });
    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Send(script, mut delivery)) => {
                delivery.sent(1);
                webview.evaluate_script(&script).unwrap();
                delivery.handed_over();
            }
            Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
            Event::UserEvent(UserEvent::TimedOut) => {
                panic!("the page did not finish: {observer:?}")
            }
            _ => {}
        }
    });
    assert_eq!(
        observer.page_state(),
        PageState::Ready,
        "by the page's own word"
    );
    let metrics = observer.metrics();
    let clicks = CLICKS as u64;
    assert_eq!(metrics.messages_received, 3 * clicks);
    assert_eq!(
        (metrics.messages_sent, metrics.messages_open),
        (5 * clicks, 0)
    );
    // The adapter runs the listener within `delivered`, and both see what it throws.
    let errors = scrape(telemetry.prometheus_addr().unwrap());
    let errors: Vec<_> = errors
        .iter()
        .filter(|sample| sample.name == "spanwire_page_errors_total")
        .map(|sample| {
            let label = |name| sample.label(name);
            (
                label("error_type"),
                label("spanwire_ipc_event"),
                sample.value,
            )
        })
        .collect();
    assert_eq!(errors, [("listener_error", "broken", CLICKS as f64)]);
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.spans.lost, report.spans.dropped),
        (0, 0),
        "{report}"
    );
    receiver.spans()
}
