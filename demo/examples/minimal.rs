//! The least that a wry app needs: a window, a wire and telemetry that is flushed at the end.
//!
//! Run with `cargo run -p spanwire-demo --example minimal` (under `xvfb-run -a` without a display).
//! With `-- --once` it closes by itself when the page has been greeted.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use spanwire::ipc::{Call, DataError};
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

const PAGE: &str = "<h1>…</h1><script>
    spanwire.on('tick', (n) => document.title = n);
    const greet = async () => {
        document.querySelector('h1').textContent = await spanwire.invoke('greet', 'page');
        spanwire.emit('greeted');
    };
    greet();
</script>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|arg| arg == "--once");
    let telemetry = Telemetry::builder("minimal").install()?;
    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();

    let ipc = Ipc::builder("main").build();
    ipc.on("greet", |call: &Call| -> Result<String, DataError> {
        let name: String = call.data()?;
        Ok(format!("Hello {name}"))
    })?;
    let proxy = event_loop.create_proxy();
    ipc.on("greeted", move |_: &Call| {
        if once {
            let _ = proxy.send_event(UserEvent::Close);
        }
    })?;
    ipc.emit("tick", &1)?;

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
