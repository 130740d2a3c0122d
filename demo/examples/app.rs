//! An app as one would ship it: its page within the binary, or from a dev server while developing;
//! loaded anew when it crashed.
//!
//! Run with `cargo run -p spanwire-demo --example app` (under `xvfb-run -a` without a display), or
//! with `-- --dev http://localhost:5173` for a page from there.
//! With `-- --once` it makes its page crash, and closes by itself when that is back.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use spanwire::ipc::Call;
use spanwire::webview::{Page, attach};
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
    /// The page's process ended.
    Reload,
    /// The page says that it is there.
    There,
    Close,
}

/// A page that crashes so often crashes again.
const RELOADS_MAX: u32 = 3;

const INDEX: &[u8] = b"<!doctype html><title>app</title><script type=module src=main.js></script>";
const MAIN: &[u8] = b"spanwire.on('news', (text) => document.body.append(text));
    spanwire.emit('there');";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|arg| arg == "--once");
    let dev = std::env::args().skip_while(|arg| arg != "--dev").nth(1);
    let telemetry = Telemetry::builder("app").install()?;

    let page = match dev {
        Some(address) => Page::dev_server(&address)?,
        None => Page::embedded("app", |path| {
            Some(match path {
                "index.html" => INDEX.into(),
                "main.js" => MAIN.into(),
                _ => return None,
            })
        })?,
    };
    // No other page may use the wire, and none gets what is meant for this one.
    let ipc = Ipc::builder("main").allow_origin(page.origin()).build();

    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let there = event_loop.create_proxy();
    ipc.on("there", move |_: &Call| {
        let _ = there.send_event(UserEvent::There);
    })?;
    let reload = event_loop.create_proxy();
    ipc.on_page_crash(move || {
        let _ = reload.send_event(UserEvent::Reload);
    });

    let window = WindowBuilder::new().build(&event_loop)?;
    let proxy = event_loop.create_proxy();
    let builder = page.load(WebViewBuilder::new());
    let builder = attach(builder, &ipc, move || {
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

    let mut reloads = 0;
    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::Reload) => {
                reloads += 1;
                println!("the page crashed");
                if reloads <= RELOADS_MAX {
                    // It waits in the queue until the new page is there.
                    let _ = ipc.emit("news", "I had to load you anew.");
                    let _ = webview.reload();
                } else {
                    *control_flow = ControlFlow::Exit;
                }
            }
            Event::UserEvent(UserEvent::There) => {
                println!("the page is there");
                match (once, reloads) {
                    (true, 0) => crash(),
                    (true, _) => *control_flow = ControlFlow::Exit,
                    (false, _) => {}
                }
            }
            Event::UserEvent(UserEvent::Close)
            | Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => *control_flow = ControlFlow::Exit,
            // `run` never returns and ends the process: what `main` holds is not dropped.
            Event::LoopDestroyed => {
                ipc.close();
                println!(
                    "{}\n{}",
                    ipc.metrics(),
                    telemetry.shutdown(Duration::from_secs(2))
                );
            }
            _ => {}
        }
    })
}

/// Ends this app's web processes, as the kernel does when memory runs out.
fn crash() {
    let parent = std::process::id().to_string();
    let _ = std::process::Command::new("pkill")
        .args(["-KILL", "-P", &parent, "WebKitWebProces"])
        .status();
}
