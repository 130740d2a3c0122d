//! A mixing desk for audio that uses itself, healthy or with faults on purpose.
//!
//! Run with `cargo run -p spanwire-demo --example mixer` (under `xvfb-run -a` without a display);
//! `-- --help` lists the faults. `--history FILE` keeps what is measured.

use std::borrow::Cow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use spanwire::startup::{Phase, reached};
use spanwire::webview::Page;
use spanwire::{Ipc, Telemetry};
use tao::dpi::LogicalSize;
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::window::WindowBuilder;
use wry::WebViewBuilder;

use desk::Desk;
use options::{Faults, Options};

mod desk;
mod handlers;
mod options;
mod threads;
mod web_process;

/// What other threads ask of the event loop.
#[derive(Debug)]
pub(crate) enum UserEvent {
    /// Something waits for the page.
    Pump,
    PollDevice,
    /// The page's process ended.
    Reload,
    KillPage,
    Quit,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read();
    let mut telemetry = Telemetry::builder("mixer");
    if let Some(file) = &options.history {
        telemetry = telemetry.history(file);
    }
    let telemetry = telemetry.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;

    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    reached(Phase::EventLoop);
    let desk = Arc::new(Desk::new(Faults::new(options.faults.clone()))?);
    desk.scan_plugins();

    let page = Page::embedded("mixer", file)?;
    let ipc = Ipc::builder("desk")
        .runtime(runtime.handle().clone())
        .allow_origin(page.origin())
        .build();
    handlers::register(&ipc, &desk)?;

    let window = WindowBuilder::new()
        .with_title("Mixer")
        .with_inner_size(LogicalSize::new(1_000, 700))
        .build(&event_loop)?;
    reached(Phase::Window);
    let proxy = event_loop.create_proxy();
    let builder = page.load(WebViewBuilder::new());
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
    reached(Phase::Webview);

    let proxy = event_loop.create_proxy();
    let quit = proxy.clone();
    ctrlc::set_handler(move || {
        let _ = quit.send_event(UserEvent::Quit);
    })?;
    #[cfg(target_os = "linux")]
    {
        let reload = proxy.clone();
        ipc.on_page_crash(move || {
            let reload = reload.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(1));
                let _ = reload.send_event(UserEvent::Reload);
            });
        });
    }
    threads::start(&ipc, &desk, &proxy, &options);

    let origin = page.origin().to_owned();
    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::PollDevice) => desk.poll_device(),
            Event::UserEvent(UserEvent::KillPage) => web_process::kill(),
            Event::UserEvent(UserEvent::Reload) => {
                // Without the page the window stays empty, and the user closes it.
                let _ = webview.load_url(&format!("{origin}/"));
            }
            Event::UserEvent(UserEvent::Quit)
            | Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => *control_flow = ControlFlow::Exit,
            Event::LoopDestroyed => {
                desk.jobs.close();
                ipc.close();
                telemetry.shutdown(Duration::from_secs(2));
                desk.clean_up();
            }
            _ => {}
        }
    })
}

/// The files of the page.
fn file(path: &str) -> Option<Cow<'static, [u8]>> {
    let text = match path {
        "index.html" => include_str!("page/index.html"),
        "desk.css" => include_str!("page/desk.css"),
        "desk.js" => include_str!("page/desk.js"),
        "session.js" => include_str!("page/session.js"),
        _ => return None,
    };
    Some(Cow::Borrowed(text.as_bytes()))
}
