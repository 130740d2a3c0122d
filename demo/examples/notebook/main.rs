//! A note-taking app that uses itself, and can be made ill: each `--fault NAME` is an illness that an
//! app gets in real life. `scripts/scenarios.mjs` starts it with each of them and asks
//! `spanwire doctor --diagnose` what is wrong.
//!
//! Run with `cargo run -p spanwire-demo --example notebook -- --fault slow-disk` (under `xvfb-run -a`
//! without a display). `--help` names the faults.
//!
//! It is written with the public API alone, and does not know by what it is judged.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod background;
mod collector;
mod faults;
mod handlers;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use spanwire::startup::{Phase, reached};
use spanwire::webview::{Page, attach};
use spanwire::{Ipc, Telemetry};
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy};
use tao::window::{Window, WindowBuilder};
use wry::{WebView, WebViewBuilder};

use crate::background::Background;
use crate::faults::{Fault, Faults};

/// A note-taking app that uses itself.
#[derive(Debug, Parser)]
struct Args {
    /// What goes wrong; may be given twice
    #[arg(long, value_enum)]
    fault: Vec<Fault>,
    /// Seconds in which nothing goes wrong yet
    #[arg(long, default_value_t = 15)]
    warm_up: u64,
    /// Seconds until the app closes by itself; without it, it stays
    #[arg(long = "for")]
    seconds: Option<u64>,
    /// Port of /metrics; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// What other threads, and the handlers, ask of the event loop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UserEvent {
    /// Something waits for the page of that pane.
    Pump(usize),
    /// Loads the first pane's page anew.
    Reload,
    /// Hides the first pane's window.
    Hide,
    Quit,
}

/// One window. Fields are dropped in order, and the webview has to go before its window.
struct Pane {
    webview: WebView,
    ipc: Ipc,
    window: Window,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let faults = Arc::new(Faults::new(&args.fault));
    let mut builder = Telemetry::builder("notebook").prometheus_port(args.port);
    if faults.is_chosen(Fault::SlowCollector) {
        builder = builder.otlp_endpoint(collector::start(Arc::clone(&faults))?);
    }
    let telemetry = builder.install()?;
    if let Some(addr) = telemetry.prometheus_addr() {
        println!("metrics http://{addr}/metrics");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;

    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    reached(Phase::EventLoop);
    if faults.is_chosen(Fault::SlowStartup) {
        // For example a migration of the notes' file that a release brought.
        std::thread::sleep(Duration::from_secs(6));
    }

    let page = page(Arc::clone(&faults))?;
    let mut panes = vec![open(&event_loop, &page, "editor", 0, &runtime, &faults)?];
    if faults.is_chosen(Fault::FloodedPreview) {
        panes.push(open(&event_loop, &page, "preview", 1, &runtime, &faults)?);
    }

    let proxy = event_loop.create_proxy();
    let background = Background::start(
        &runtime,
        panes.iter().map(|pane| pane.ipc.clone()).collect(),
        Arc::clone(&faults),
    );
    runtime.spawn(begin_faults(
        Duration::from_secs(args.warm_up),
        Arc::clone(&faults),
        panes[0].ipc.clone(),
        proxy.clone(),
    ));
    if let Some(seconds) = args.seconds {
        let quit = proxy.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(seconds));
            let _ = quit.send_event(UserEvent::Quit);
        });
    }
    ctrlc::set_handler(move || {
        let _ = proxy.send_event(UserEvent::Quit);
    })?;

    let mut telemetry = Some(telemetry);
    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump(index)) => {
                if let Some(pane) = panes.get(index) {
                    pane.ipc.pump(&pane.webview);
                }
            }
            Event::UserEvent(UserEvent::Reload) => {
                let _ = panes[0].webview.reload();
            }
            Event::UserEvent(UserEvent::Hide) => panes[0].window.set_visible(false),
            Event::UserEvent(UserEvent::Quit)
            | Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => *control_flow = ControlFlow::Exit,
            // `run` never returns and ends the process: what `main` holds is not dropped.
            Event::LoopDestroyed => {
                background.close();
                panes.iter().for_each(|pane| pane.ipc.close());
                if let Some(telemetry) = telemetry.take() {
                    println!("{}", telemetry.shutdown(Duration::from_secs(1)));
                }
            }
            _ => {}
        }
    })
}

const INDEX: &[u8] = include_bytes!("page/index.html");
const SCRIPT: &str = include_str!("page/main.js");

/// What a release with a misplaced brace ships.
const BROKEN_SCRIPT: &str = "const { invoke = spanwire;";

/// A page that finds itself outdated whenever it is loaded.
const RELOADING_SCRIPT: &str = "setTimeout(() => location.reload(), 2000);";

fn page(faults: Arc<Faults>) -> Result<Page, Box<dyn Error>> {
    Ok(Page::embedded("notebook", move |path| {
        Some(match path {
            "index.html" => INDEX.into(),
            "main.js" if faults.is_on(Fault::DeadScript) => BROKEN_SCRIPT.as_bytes().into(),
            "main.js" if faults.is_on(Fault::ReloadLoop) => {
                Cow::Owned(format!("{SCRIPT}\n{RELOADING_SCRIPT}").into_bytes())
            }
            "main.js" => SCRIPT.as_bytes().into(),
            _ => return None,
        })
    })?)
}

fn open(
    event_loop: &EventLoop<UserEvent>,
    page: &Page,
    name: &'static str,
    index: usize,
    runtime: &tokio::runtime::Runtime,
    faults: &Arc<Faults>,
) -> Result<Pane, Box<dyn Error>> {
    let window = WindowBuilder::new().with_title(name).build(event_loop)?;
    reached(Phase::Window);
    let ipc = Ipc::builder(name)
        .runtime(runtime.handle().clone())
        .allow_origin(page.origin())
        .build();
    handlers::register(&ipc, faults)?;
    let proxy = event_loop.create_proxy();
    let builder = page.load(WebViewBuilder::new());
    let builder = attach(builder, &ipc, move || {
        let _ = proxy.send_event(UserEvent::Pump(index));
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
    Ok(Pane {
        webview,
        ipc,
        window,
    })
}

/// What begins at one moment. The rest of the app asks [`Faults::is_on`].
async fn begin_faults(
    warm_up: Duration,
    faults: Arc<Faults>,
    ipc: Ipc,
    proxy: EventLoopProxy<UserEvent>,
) {
    tokio::time::sleep(warm_up).await;
    faults.begin();
    println!("faults begin");
    for fault in faults.chosen() {
        if let Some(function) = fault.page_function() {
            let _ = ipc.eval(&format!("faults.{function}()"));
        }
        match fault {
            Fault::DeadScript | Fault::ReloadLoop => {
                let _ = proxy.send_event(UserEvent::Reload);
            }
            Fault::HiddenWindow => {
                let _ = proxy.send_event(UserEvent::Hide);
            }
            Fault::BurstAfterSleep => faults::sleep_as_a_laptop(),
            Fault::ThrottledCpu => faults::keep_every_core_busy(),
            _ => {}
        }
    }
}
