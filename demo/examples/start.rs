//! The app of `docs/guide/start.md`, word for word.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use spanwire::ipc::{Call, DataError};
use spanwire::{Ipc, Telemetry};
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::window::WindowBuilder;
use wry::WebViewBuilder;

const PAGE: &str = r#"<!doctype html>
<input value="world"> <button>Greet</button> <p></p>
<script>
  const [input, button, answer] = ["input", "button", "p"].map((tag) => document.querySelector(tag));
  button.onclick = async () => (answer.textContent = await spanwire.invoke("greet", input.value));
  spanwire.on("tick", (seconds) => (document.title = `open for ${seconds} s`));
  button.click();
</script>"#;

/// What wakes the event loop.
#[derive(Debug)]
enum Wake {
    /// Something waits for the page.
    Pump,
    /// Ctrl-C or SIGTERM.
    Quit,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 1. Telemetry, for the whole process.
    let telemetry = Telemetry::builder("hello").install()?;
    if let Some(addr) = telemetry.prometheus_addr() {
        println!("metrics at http://{addr}/metrics");
    }

    // 2. The wire: what the page may ask, and what it is told.
    let ipc = Ipc::builder("main").build();
    ipc.on("greet", |call: &Call| -> Result<String, DataError> {
        let name: String = call.data()?;
        Ok(format!("Hello {name}"))
    })?;
    let ticker = ipc.clone();
    std::thread::spawn(move || {
        for seconds in 0_u64.. {
            let _ = ticker.emit_latest("tick", &seconds);
            std::thread::sleep(Duration::from_secs(1));
        }
    });

    // 3. The window, with the wire on its webview.
    let event_loop = EventLoopBuilder::<Wake>::with_user_event().build();
    let proxy = event_loop.create_proxy();
    let window = WindowBuilder::new()
        .with_title("hello")
        .build(&event_loop)?;
    let builder = WebViewBuilder::new().with_html(PAGE);
    let builder = spanwire::webview::attach(builder, &ipc, move || {
        let _ = proxy.send_event(Wake::Pump);
    });
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        builder.build_gtk(window.default_vbox().ok_or("the window has no content")?)?
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window)?;

    // 4. Ctrl-C and SIGTERM end the loop as closing the window does, and so reach its flush.
    let quit = event_loop.create_proxy();
    ctrlc::set_handler(move || {
        let _ = quit.send_event(Wake::Quit);
    })?;

    // 5. The loop: pump when woken, and flush at the end, since `run` never returns.
    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(Wake::Pump) => ipc.pump(&webview),
            Event::UserEvent(Wake::Quit)
            | Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => *control_flow = ControlFlow::Exit,
            Event::LoopDestroyed => {
                ipc.close();
                println!("{}", ipc.metrics());
                println!("{}", telemetry.shutdown(Duration::from_secs(2)));
            }
            _ => {}
        }
    })
}
