//! The same small app twice: by hand, and on the wire. `docs/guide/migrate.md` shows its parts.
//!
//! `cargo run -p spanwire-demo --example migrate -- before` or `after`; each ends by itself.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use tao::event_loop::EventLoop;
use tao::window::{Window, WindowBuilder};
use wry::{WebView, WebViewBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("before") => before::run(),
        _ => after::run(),
    }
}

/// What the app is there for.
fn save(layers: &[String]) -> usize {
    println!("saved {} layers", layers.len());
    layers.len()
}

/// Takes its time, hence a thread.
fn thumbnail(layer: String) -> usize {
    layer.len()
}

/// A message that belongs to neither side's protocol.
fn of_the_app(text: &str) {
    println!("the app's own: {text}");
}

mod before {
    use super::*;
    use serde::Deserialize;
    use tao::event::Event;
    use tao::event_loop::{ControlFlow, EventLoopBuilder};

    const PAGE: &str = r#"<script>
        const open = new Map();
        let last = 0;
        const save = (layers) =>
          new Promise((resolve) => {
            open.set(++last, resolve);
            window.ipc.postMessage(JSON.stringify({ cmd: "save", id: last, data: layers }));
          });
        const settle = (id, saved) => {
          open.get(id)(saved);
          open.delete(id);
        };

        window.addEventListener("progress", ({ detail }) => {
          if (detail === 100) window.ipc.postMessage(JSON.stringify({ cmd: "done" }));
        });
        save(["sky", "hills"]).then((saved) => {
          window.ipc.postMessage(`print ${saved}`);
          window.ipc.postMessage(JSON.stringify({ cmd: "export" }));
        });
    </script>"#;

    enum UserEvent {
        Settle(u64, usize),
        Progress(u32),
        Done,
    }

    #[derive(Deserialize)]
    struct Message {
        cmd: String,
        #[serde(default)]
        id: u64,
        #[serde(default)]
        data: Vec<String>,
    }

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
        let proxy = event_loop.create_proxy();
        let builder = WebViewBuilder::new().with_html(PAGE);

        let builder = builder.with_ipc_handler(move |request| {
            let Ok(message) = serde_json::from_str::<Message>(request.body()) else {
                return of_the_app(request.body());
            };
            match message.cmd.as_str() {
                "save" => {
                    let saved = save(&message.data);
                    let _ = proxy.send_event(UserEvent::Settle(message.id, saved));
                }
                "export" => {
                    let proxy = proxy.clone();
                    std::thread::spawn(move || {
                        for percent in 1..=100 {
                            let _ = proxy.send_event(UserEvent::Progress(percent));
                        }
                    });
                }
                "done" => _ = proxy.send_event(UserEvent::Done),
                _ => {}
            }
        });

        let (_window, webview) = open(&event_loop, builder)?;
        event_loop.run(move |event, _, control_flow| {
            *control_flow = ControlFlow::Wait;
            match event {
                Event::UserEvent(UserEvent::Settle(id, saved)) => {
                    let _ = webview.evaluate_script(&format!("settle({id}, {saved})"));
                }
                Event::UserEvent(UserEvent::Progress(percent)) => {
                    let event = format!("new CustomEvent('progress', {{ detail: {percent} }})");
                    let _ = webview.evaluate_script(&format!("window.dispatchEvent({event})"));
                }
                Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
                _ => {}
            }
        })
    }
}

mod after {
    use super::*;
    use serde::Deserialize;
    use spanwire::ipc::{Call, DataError, Ipc, PageEvents};
    use spanwire::telemetry::Telemetry;
    use std::time::Duration;
    use tao::event::Event;
    use tao::event_loop::{ControlFlow, EventLoopBuilder};

    const PAGE: &str = r#"<script>
        const save = (layers) => spanwire.invoke("save", layers);

        window.addEventListener("progress", ({ detail }) => {
          if (detail === 100) spanwire.emit("done");
        });
        save(["sky", "hills"]).then((saved) => {
          window.ipc.postMessage(`print ${saved}`);
          const detail = { panel: "layers" };
          window.ipc.postMessage(JSON.stringify({ type: "event", event: "ui.opened", detail }));
          spanwire.invoke("thumbnail", "sky").then(() => spanwire.emit("export"));
        });
    </script>"#;

    enum UserEvent {
        Wake,
        Done,
    }

    #[derive(Deserialize)]
    struct Opened {
        panel: String,
    }

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let telemetry = Telemetry::builder("migrate").prometheus_port(0).install()?;
        let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
        let proxy = event_loop.create_proxy();
        let builder = WebViewBuilder::new().with_html(PAGE);

        let ipc = Ipc::builder("main")
            .page_events(PageEvents::SpanwireAndPlain)
            .build();

        ipc.on("save", |call: &Call<'_>| -> Result<usize, DataError> {
            let layers: Vec<String> = call.data()?;
            Ok(save(&layers))
        })?;

        ipc.on_deferred("thumbnail", |call: Call<'static>, responder| {
            std::thread::spawn(move || {
                let made = responder.in_scope(|| call.data().map(thumbnail)); // in the call's trace
                let _ = responder.respond(made);
            });
        })?;

        let sender = ipc.clone();
        ipc.on("export", move |_: &Call<'_>| {
            let ipc = sender.clone();
            std::thread::spawn(move || {
                for percent in 1..=100 {
                    let _ = ipc.emit("progress", &percent);
                }
            });
        })?;

        ipc.on("ui.opened", |call: &Call<'_>| -> Result<(), DataError> {
            let Opened { panel } = call.data()?;
            println!("opened {panel}");
            Ok(())
        })?;

        let done = proxy.clone();
        ipc.on("done", move |_: &Call<'_>| {
            _ = done.send_event(UserEvent::Done);
        })?;

        let builder = spanwire::webview::attach_with(
            builder,
            &ipc,
            move || _ = proxy.send_event(UserEvent::Wake),
            |request| of_the_app(request.body()),
        );

        let (_window, webview) = open(&event_loop, builder)?;
        let quit = event_loop.create_proxy();
        ctrlc::set_handler(move || _ = quit.send_event(UserEvent::Done))?;
        event_loop.run(move |event, _, control_flow| {
            *control_flow = ControlFlow::Wait;
            match event {
                Event::UserEvent(UserEvent::Wake) => ipc.pump(&webview),
                Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
                Event::LoopDestroyed => {
                    ipc.close();
                    telemetry.shutdown(Duration::from_secs(2));
                }
                _ => {}
            }
        })
    }
}

fn open<T>(
    event_loop: &EventLoop<T>,
    builder: WebViewBuilder<'_>,
) -> Result<(Window, WebView), Box<dyn Error>> {
    let window = WindowBuilder::new().build(event_loop)?;
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        builder.build_gtk(window.default_vbox().ok_or("the window has no content")?)?
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window)?;
    Ok((window, webview))
}
