//! A page with an OpenTelemetry SDK, in a real window: its spans arrive in one trace with what Rust
//! did for it, beyond the rate they are dropped and counted, an app that wants none gets none, and
//! hostile ones harm nothing.
//!
//! Both windows and the OTLP receiver are in one child process that has a display. An event loop
//! wants the main thread, and there is one for each process, hence no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use spanwire::Telemetry;
use spanwire::ipc::{Call, Ipc, IpcBuilder, Limits, PageTraces};
use spanwire::telemetry::Sampler;
use spanwire_testkit::virtual_display;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::{Window, WindowBuilder};
use wry::{WebView, WebViewBuilderExtUnix};

use spanwire_testkit::receiver::{Received, Receiver, text};
use spanwire_testkit::scrape::scrape;

/// Tells the child, which has a display, from the parent, which gives it one.
const CHILD: &str = "SPANWIRE_OTEL_PAGE_TEST_CHILD";

/// The example's page, and what this test has it do.
const PAGE: &str = concat!(
    include_str!("../examples/otel_page.html"),
    "<script>",
    include_str!("../examples/otel_page.js"),
    "</script><script>",
    include_str!("otel_page.js"),
    "</script>"
);

/// Fewer than the page makes at once.
const PER_SECOND: u32 = 300;

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(CHILD).is_some() {
        let seen = run();
        the_pages_spans_and_rusts_are_one_trace(&seen);
        beyond_the_rate_spans_are_dropped_and_counted(&seen);
        what_rust_cannot_hold_is_repaired_and_counted(&seen);
        an_app_that_takes_none_gets_none_and_the_page_is_told(&seen);
        println!("test otel_page ... ok");
        return ExitCode::SUCCESS;
    }
    virtual_display::run(virtual_display::command().env(CHILD, "1"))
}

fn the_pages_spans_and_rusts_are_one_trace(seen: &Seen) {
    let of = |name: &str, kind: SpanKind| -> &Span {
        let mut found = seen.spans.iter().filter(|span| {
            let webview = text(&span.attributes, "spanwire.webview.name");
            span.name == name && span.kind() == kind && webview.as_deref() == Some("gallery")
        });
        let one = found.next();
        assert!(found.next().is_none(), "{name} twice");
        one.unwrap_or_else(|| panic!("no {name}: {:?}", seen.names()))
    };
    let click = of("open picture", SpanKind::Internal);
    let draw = of("draw", SpanKind::Internal);
    let client = of("picture.load", SpanKind::Client);
    let handler = of("picture.load", SpanKind::Server);
    let reply = of("reply picture.load", SpanKind::Internal);
    assert!(click.parent_span_id.is_empty(), "{click:?}");
    for (child, parent) in [
        (draw, click),
        (client, click),
        (handler, client),
        (reply, handler),
    ] {
        assert_eq!(child.parent_span_id, parent.span_id, "{child:?} {parent:?}");
        assert_eq!(child.trace_id, click.trace_id, "{child:?}");
    }
    assert_eq!(text(&click.attributes, "picture.name").unwrap(), "sunrise");
    // One process and two clocks, of which WebKitGTK's page has one that steps 1 ms.
    let ms = |span: &Span| {
        (
            span.start_time_unix_nano / 1_000_000,
            span.end_time_unix_nano / 1_000_000,
        )
    };
    println!(
        "click {:?} client {:?} handler {:?}",
        ms(click),
        ms(client),
        ms(handler)
    );
    assert!(click.start_time_unix_nano < draw.end_time_unix_nano);

    assert!(
        seen.spans.iter().any(|span| span.name == "after"),
        "{:?}",
        seen.names()
    );
    for service in &seen.services {
        assert_eq!(service, "otel-page-test");
    }
}

fn beyond_the_rate_spans_are_dropped_and_counted(seen: &Seen) {
    let counted = &seen.counted["gallery"];
    println!("{counted:?}");
    let many = seen.spans.iter().filter(|span| span.name == "many").count() as u64;
    assert!((u64::from(PER_SECOND)..1_500).contains(&many), "{many}");
    // The rest of them, and what was hostile beyond the second's.
    assert!(counted["over_rate"] >= 1_500 - many, "{counted:?}");
    // Each kind of what is wrong was seen, in the page or in the host.
    for why in ["malformed", "too_large", "invalid_id", "invalid_time"] {
        assert!(counted.contains_key(why), "{why}: {counted:?}");
    }
    let ours = seen.spans.iter().filter(|span| {
        ["open picture", "draw", "many", "after", "hostile"].contains(&span.name.as_str())
            || span.name.starts_with('\u{fffd}')
    });
    assert_eq!(counted["ok"], ours.count() as u64, "{:?}", seen.names());
    let hostile = seen.spans.iter().filter(|span| span.name == "hostile");
    for span in hostile {
        assert!(span.attributes.len() <= 128, "{}", span.attributes.len());
    }
}

fn what_rust_cannot_hold_is_repaired_and_counted(seen: &Seen) {
    let repaired = seen
        .spans
        .iter()
        .find(|span| span.name == "half \u{fffd}")
        .unwrap_or_else(|| panic!("{:?}", seen.names()));
    let shown = |key| text(&repaired.attributes, key).unwrap();
    assert_eq!(shown("large").parse(), Ok(1e20));
    let list = shown("list");
    let places = ["1.5", "NaN", "3.0"].map(|number| list.find(number));
    assert!(places.is_sorted() && places[0].is_some(), "{list}");
    assert_eq!(seen.counted["gallery"]["repaired"], 1);
}

fn an_app_that_takes_none_gets_none_and_the_page_is_told(seen: &Seen) {
    assert!(seen.told.contains("takes no spans"), "{}", seen.told);
    let counted = &seen.counted["plain"];
    // What the example exported, and what the test did.
    let keys: Vec<_> = counted.keys().map(String::as_str).collect();
    assert_eq!(keys, ["not_accepted"]);
    assert!(counted["not_accepted"] >= 1);
    assert!(!seen.spans.iter().any(|span| span.name == "refused"));
}

/// What came out.
struct Seen {
    spans: Vec<Span>,
    services: Vec<String>,
    /// By webview: how many by `error.type`, `ok` for those that were passed on.
    counted: BTreeMap<String, BTreeMap<String, u64>>,
    /// What the page was told that may send none.
    told: String,
}

impl Seen {
    fn names(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        for span in &self.spans {
            *names.entry(span.name.as_str()).or_default() += 1;
        }
        names
    }
}

#[derive(Clone, Copy, Debug)]
enum UserEvent {
    Pump,
    Finished,
    TimedOut,
}

/// One window. Fields are dropped in order, and the webview has to go before its window.
struct Pane {
    webview: WebView,
    ipc: Ipc,
    _window: Window,
}

fn run() -> Seen {
    let receiver = Receiver::start();
    let telemetry = Telemetry::builder("otel-page-test")
        .environment(|name| (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "100000".to_owned()))
        .otlp_endpoint(receiver.url())
        .prometheus_port(0)
        .without_system()
        .sampler(Sampler::ParentBasedAlwaysOn)
        .install()
        .unwrap();
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let proxy = event_loop.create_proxy();
    let told = Arc::new(Mutex::new(String::new()));

    let mut limits = Limits::default();
    limits.page_spans_per_second_max = PER_SECOND;
    let gallery = Ipc::builder("gallery")
        .page_spans(telemetry.page_spans())
        .page_traces(PageTraces::Accepted)
        .limits(limits);
    let panes = [gallery, Ipc::builder("plain")].map(|builder| open(&event_loop, builder, &told));
    let timer = proxy.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(60));
        let _ = timer.send_event(UserEvent::TimedOut);
    });
    let mut finished = 0;
    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => {
                panes.iter().for_each(|pane| pane.ipc.pump(&pane.webview))
            }
            Event::UserEvent(UserEvent::Finished) => {
                finished += 1;
                if finished == panes.len() {
                    *control_flow = ControlFlow::Exit;
                }
            }
            Event::UserEvent(UserEvent::TimedOut) => panic!("{finished} pages finished"),
            _ => {}
        }
    });
    telemetry.flush(Duration::from_secs(30)).unwrap();
    let mut counted = BTreeMap::<_, BTreeMap<_, u64>>::new();
    for sample in scrape(telemetry.prometheus_addr().unwrap()) {
        if sample.name == "spanwire_page_spans_total" {
            let error = sample.label("error_type");
            let key = if error.is_empty() { "ok" } else { error };
            let of = counted.entry(sample.label("spanwire_webview_name").to_owned());
            of.or_default().insert(key.to_owned(), sample.value as u64);
        }
    }
    for pane in &panes {
        pane.ipc.close();
    }
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!(
        (report.spans.lost, report.spans.dropped),
        (0, 0),
        "{report}"
    );
    let service =
        |received: &Received| text(&received.resource().attributes, "service.name").unwrap();
    Seen {
        spans: receiver.spans(),
        services: receiver.received().iter().map(service).collect(),
        counted,
        told: told.lock().unwrap().clone(),
    }
}

fn open(event_loop: &EventLoop<UserEvent>, builder: IpcBuilder, told: &Arc<Mutex<String>>) -> Pane {
    let ipc = builder.build();
    register(&ipc, event_loop.create_proxy(), Arc::clone(told));
    let window = WindowBuilder::new().build(event_loop).unwrap();
    let proxy = event_loop.create_proxy();
    let builder = wry::WebViewBuilder::new().with_html(PAGE);
    let builder =
        spanwire::webview::attach(builder, &ipc, move || _ = proxy.send_event(UserEvent::Pump));
    let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();
    Pane {
        webview,
        ipc,
        _window: window,
    }
}

fn register(ipc: &Ipc, proxy: EventLoopProxy<UserEvent>, told: Arc<Mutex<String>>) {
    let is_plain = ipc.name() == "plain";
    ipc.on("is.plain", move |_: &Call<'_>| {
        Ok::<_, Infallible>(is_plain)
    })
    .unwrap();
    ipc.on("picture.load", |_: &Call<'_>| {
        Ok::<_, Infallible>(640 * 480)
    })
    .unwrap();
    ipc.on("opened", |_: &Call<'_>| ()).unwrap();
    ipc.on(
        "told",
        move |call: &Call<'_>| -> Result<(), serde_json::Error> {
            *told.lock().unwrap() = call.data()?;
            Ok(())
        },
    )
    .unwrap();
    ipc.on("finished", move |_: &Call<'_>| {
        let _ = proxy.send_event(UserEvent::Finished);
    })
    .unwrap();
    ipc.on("failed", |call: &Call<'_>| -> Result<(), Infallible> {
        panic!("the page failed: {}", call.json())
    })
    .unwrap();
}
