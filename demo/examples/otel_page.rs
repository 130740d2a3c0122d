//! A page with an OpenTelemetry SDK of its own: its spans go over the wire to the app's collector,
//! and what Rust does for it is part of its traces.
//!
//! Run with `cargo run -p spanwire-demo --example otel_page` (under `xvfb-run -a` without a display),
//! and `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318` for a collector to look at.
//! With `-- --once` it closes by itself when a picture has been opened. The page's source is
//! `page/examples/otel_page.ts`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use spanwire::ipc::{Call, DataError, PageTraces};
use spanwire::{Ipc, Telemetry};
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::window::WindowBuilder;
use wry::WebViewBuilder;

/// What other threads, and the handlers, ask of the event loop.
#[derive(Debug)]
enum UserEvent {
    /// Something waits for the page.
    Pump,
    Close,
}

const PAGE: &str = concat!(
    include_str!("otel_page.html"),
    "<script>",
    include_str!("otel_page.js"),
    "</script>"
);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|arg| arg == "--once");
    let telemetry = Telemetry::builder("otel_page").install()?;
    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();

    let ipc = Ipc::builder("main")
        // The page's spans are exported with the app's own.
        .page_spans(telemetry.page_spans())
        // A call with a `traceparent` is in the trace that it names.
        .page_traces(PageTraces::Accepted)
        .build();
    ipc.on("picture.load", |call: &Call| -> Result<usize, DataError> {
        let name: String = call.data()?;
        println!("{name} is loaded");
        Ok(decode(&name))
    })?;
    let proxy = event_loop.create_proxy();
    ipc.on("opened", move |_: &Call| {
        if once {
            let _ = proxy.send_event(UserEvent::Close);
        }
    })?;

    let window = WindowBuilder::new().build(&event_loop)?;
    let proxy = event_loop.create_proxy();
    let builder = WebViewBuilder::new().with_html(PAGE);
    let builder = spanwire::webview::attach(builder, &ipc, move || {
        let _ = proxy.send_event(UserEvent::Pump);
    });
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        builder.build_gtk(window.default_vbox().ok_or("the window has no content")?)?
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window)?;

    // Ctrl-C and SIGTERM end the loop too, and so reach its flush.
    let quit = event_loop.create_proxy();
    ctrlc::set_handler(move || {
        let _ = quit.send_event(UserEvent::Close);
    })?;

    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::Close)
            | Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => {
                *control_flow = ControlFlow::Exit;
            }
            // `run` never returns and ends the process: what `main` holds is not dropped.
            Event::LoopDestroyed => {
                ipc.close();
                println!("{}", telemetry.shutdown(Duration::from_secs(2)));
            }
            _ => {}
        }
    })
}

#[tracing::instrument]
fn decode(name: &str) -> usize {
    640 * 480
}
