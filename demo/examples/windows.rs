//! Two windows in one app: a wire each, and one message to the event loop that says which.
//!
//! Run with `cargo run -p spanwire-demo --example windows` (under `xvfb-run -a` without a display).
//! With `-- --once` the left window closes by itself, and the right one after it.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use spanwire::ipc::Call;
use spanwire::{Ipc, Telemetry};
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy};
use tao::window::{Window, WindowBuilder, WindowId};
use wry::{WebView, WebViewBuilder};

/// What other threads, and the handlers, ask of the event loop.
#[derive(Debug)]
enum UserEvent {
    /// Something waits for the page of that window.
    Pump(WindowId),
    Close(WindowId),
    /// All of them.
    Quit,
}

/// One window. Fields are dropped in order, and the webview has to go before its window.
struct Pane {
    webview: WebView,
    ipc: Ipc,
    _window: Window,
}

/// The right page counts what it hears; each is there when its first call is answered.
const PAGE: &str = "<h1></h1><script>
    const title = document.querySelector('h1');
    spanwire.on('news', (text) => spanwire.emit('heard', title.textContent = text));
    spanwire.invoke('hello').then((text) => title.textContent = text);
</script>";

fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|arg| arg == "--once");
    let telemetry = Telemetry::builder("windows").install()?;
    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();

    // The names become an attribute of metrics: a fixed one for each kind of window, and not one
    // for each document that is opened.
    let mut panes = HashMap::new();
    for name in ["left", "right"] {
        let (id, pane) = open(&event_loop, name, once)?;
        panes.insert(id, pane);
    }

    // Ctrl-C and SIGTERM end the loop too, and so reach its flush.
    let quit = event_loop.create_proxy();
    ctrlc::set_handler(move || {
        let _ = quit.send_event(UserEvent::Quit);
    })?;

    let mut telemetry = Some(telemetry);
    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump(id)) => {
                // A wake may come after its window was closed.
                if let Some(pane) = panes.get(&id) {
                    pane.ipc.pump(&pane.webview);
                }
            }
            Event::UserEvent(UserEvent::Close(id))
            | Event::WindowEvent {
                window_id: id,
                event: WindowEvent::CloseRequested,
                ..
            } => {
                if let Some(pane) = panes.remove(&id) {
                    // What still waited for this page is dropped, and counted as such.
                    pane.ipc.close();
                    println!("{} is closed\n{}", pane.ipc.name(), pane.ipc.metrics());
                }
                for pane in panes.values() {
                    let _ = pane.ipc.emit("news", "the other one was closed");
                }
                if panes.is_empty() {
                    *control_flow = ControlFlow::Exit;
                }
            }
            Event::UserEvent(UserEvent::Quit) => *control_flow = ControlFlow::Exit,
            // `run` never returns and ends the process: what `main` holds is not dropped.
            Event::LoopDestroyed => {
                panes.values().for_each(|pane| pane.ipc.close());
                if let Some(telemetry) = telemetry.take() {
                    println!("{}", telemetry.shutdown(Duration::from_secs(2)));
                }
            }
            _ => {}
        }
    })
}

fn open(
    event_loop: &EventLoop<UserEvent>,
    name: &'static str,
    once: bool,
) -> Result<(WindowId, Pane), Box<dyn Error>> {
    let window = WindowBuilder::new().with_title(name).build(event_loop)?;
    let id = window.id();
    let proxy = event_loop.create_proxy();

    let ipc = Ipc::builder(name).build();
    register(&ipc, name, once, id, proxy.clone())?;
    let builder = WebViewBuilder::new().with_html(PAGE);
    let builder = spanwire::webview::attach(builder, &ipc, move || {
        let _ = proxy.send_event(UserEvent::Pump(id));
    });
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        builder.build_gtk(window.default_vbox().ok_or("the window has no content")?)?
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window)?;
    let pane = Pane {
        webview,
        ipc,
        _window: window,
    };
    Ok((id, pane))
}

fn register(
    ipc: &Ipc,
    name: &'static str,
    once: bool,
    id: WindowId,
    proxy: EventLoopProxy<UserEvent>,
) -> Result<(), Box<dyn Error>> {
    let close = move || {
        if once {
            let _ = proxy.send_event(UserEvent::Close(id));
        }
    };
    let close_left = close.clone();
    ipc.on("hello", move |_: &Call| {
        println!("{name} says hello");
        if name == "left" {
            close_left();
        }
        Ok::<_, Infallible>(format!("This is {name}."))
    })?;
    ipc.on(
        "heard",
        move |call: &Call| -> Result<(), serde_json::Error> {
            println!("{name} heard that {}", call.data::<String>()?);
            close();
            Ok(())
        },
    )?;
    Ok(())
}
