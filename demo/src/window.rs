//! The window: an event loop that pumps the wire, and a page that it serves itself.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use spanwire::ipc::Ipc;
use spanwire::startup::{Phase, reached};
use tao::dpi::LogicalSize;
use tao::event::{Event, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::window::{Window, WindowBuilder};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wry::http::Request;
use wry::{RequestAsyncResponder, WebView, WebViewBuilder};

use crate::args::Args;
use crate::faults::{Faults, Victims};
use crate::handlers::{self, Session};
use crate::import::{self, Imports};
use crate::library::Library;
use crate::send::send_stats;
use crate::serve;
use crate::summary::Summary;
use crate::ui::{Ui, UserEvent};

/// Opens the window and runs it until it is closed or its time is up.
pub(crate) fn run(
    args: &Args,
    session: Session,
    ipc: &Ipc,
    runtime: &Handle,
) -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    reached(Phase::EventLoop);
    // A proxy is the only way to wake the loop from another thread.
    let ui = Ui::new(event_loop.create_proxy());
    let window = WindowBuilder::new()
        .with_title("Lightbox")
        .with_inner_size(LogicalSize::new(1_180, 760))
        .build(&event_loop)?;
    reached(Phase::Window);

    let idle = Arc::new(Notify::new());
    let page_idle = Arc::clone(&idle);
    let library = Arc::new(Library::new());
    let imports = Imports::bounded("imports", 32);
    let on_idle = move || page_idle.notify_one();
    // The app registers the handlers before it loads the page, since the page's first call must
    // find its handler.
    handlers::register(ipc, &library, &imports, session, on_idle)?;
    let importer = import::start_importer(ipc.clone(), Arc::clone(&library), &imports)?;
    let webview = open_page(&window, ipc, library, runtime.clone(), ui.clone())?;
    reached(Phase::Webview);
    let faults = start_faults(args, ipc, &imports, &ui)?;

    runtime.spawn(summarise(args.interval, ui.clone()));
    let stats = runtime.spawn(show_stats(ipc.clone()));
    runtime.spawn(end_in_time(args.run_for, faults.clone(), ui.clone()));

    let mut summary = Summary::new(ipc);
    let mut ending = false;
    // `run` ends in `process::exit`, and then no telemetry would be flushed.
    event_loop.run_return(|event, _, control_flow| {
        // Timers are tasks of the runtime that send an event: `WaitUntil` is no reliable timer on
        // Linux.
        *control_flow = ControlFlow::Wait;
        let end = match event {
            Event::UserEvent(UserEvent::Pump) => {
                ipc.pump(&webview);
                false
            }
            Event::UserEvent(UserEvent::Summary) => {
                summary.print(ipc);
                false
            }
            Event::UserEvent(UserEvent::Do(work)) => {
                work.run(&webview);
                false
            }
            Event::UserEvent(UserEvent::Exit) => {
                *control_flow = ControlFlow::Exit;
                false
            }
            Event::UserEvent(UserEvent::End) => true,
            Event::WindowEvent {
                event: WindowEvent::CloseRequested,
                ..
            } => {
                // At once, since the page may need seconds to finish what it began.
                window.set_visible(false);
                true
            }
            _ => false,
        };
        // The user may press Ctrl-C and close the window. One end is enough.
        if end && !ending {
            ending = true;
            faults.iter().for_each(Faults::end_all);
            // What is sent after the last look at what is open would be dropped at the end.
            stats.abort();
            runtime.spawn(wind_down(ipc.clone(), Arc::clone(&idle), ui.clone()));
        }
    });

    summary.end();
    ipc.close();
    imports.close();
    importer.join();
    Ok(())
}

/// None without having been asked for: then nothing of theirs is registered.
fn start_faults(
    args: &Args,
    ipc: &Ipc,
    imports: &Imports,
    ui: &Ui,
) -> Result<Option<Faults>, Box<dyn Error>> {
    if !args.has_faults() {
        return Ok(None);
    }
    let victims = Victims {
        ipc: ipc.clone(),
        imports: imports.clone(),
        ui: ui.clone(),
    };
    Faults::start(victims, &args.fault, args.console()).map(Some)
}

/// Without one GTK panics, with a text that helps nobody.
pub(crate) fn require_display() -> Result<(), &'static str> {
    let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !has("DISPLAY") && !has("WAYLAND_DISPLAY") {
        return Err(
            "there is no display: `make demo` brings a virtual one, or run it under `xvfb-run -a`",
        );
    }
    Ok(())
}

fn open_page(
    window: &Window,
    ipc: &Ipc,
    library: Arc<Library>,
    runtime: Handle,
    ui: Ui,
) -> wry::Result<WebView> {
    let serve = move |_: &str, request: Request<Vec<u8>>, responder: RequestAsyncResponder| {
        let library = Arc::clone(&library);
        // The thread of the window has better things to do than to draw pictures.
        runtime.spawn(async move {
            responder.respond(serve::answer(&library, request.uri().path()));
        });
    };
    let builder = WebViewBuilder::new()
        .with_asynchronous_custom_protocol(serve::SCHEME.into(), serve)
        .with_url(format!("{}/", serve::ORIGIN));
    let builder = spanwire::webview::attach(builder, ipc, move || ui.ask(UserEvent::Pump));
    #[cfg(target_os = "linux")]
    {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        // wry's `build` supports X11 alone on Linux. `build_gtk` works on Wayland too.
        let content = window.default_vbox().ok_or(wry::Error::MessageSender)?;
        builder.build_gtk(content)
    }
    #[cfg(not(target_os = "linux"))]
    builder.build(window)
}

async fn summarise(interval: Duration, ui: Ui) {
    loop {
        tokio::time::sleep(interval).await;
        ui.ask(UserEvent::Summary);
    }
}

/// Keeps the page's footer up to date, however seldom the summary is printed.
async fn show_stats(ipc: Ipc) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        send_stats(&ipc);
    }
}

async fn end_in_time(run_for: Option<Duration>, faults: Option<Faults>, ui: Ui) {
    let time_is_up = async {
        match run_for {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time_is_up => {}
        () = signalled() => {}
    }
    // It may be the event loop that hangs.
    faults.iter().for_each(Faults::end_all);
    ui.ask(UserEvent::End);
}

/// Ctrl-C; on Unix also what ends a service, and the end of the terminal. Never when the system has
/// no such signals for this process.
async fn signalled() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        tokio::select! {
            () = interrupted => {}
            () = received(SignalKind::terminate()) => {}
            () = received(SignalKind::hangup()) => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}

#[cfg(unix)]
async fn received(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => _ = signals.recv().await,
        Err(_) => std::future::pending().await,
    }
}

/// Lets the page finish what it began, and the wire deliver what it holds.
async fn wind_down(ipc: Ipc, idle: Arc<Notify>, ui: Ui) {
    // The page answers with `session.idle` when what it began has ended.
    if ipc.emit("session.stop", &()).is_ok() {
        let _ = tokio::time::timeout(IDLE_AFTER_MAX, idle.notified()).await;
    }
    let delivered = async {
        while ipc.metrics().messages_open > 0 {
            // Polled: the wire has no event for it, and this happens once.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(DELIVERED_AFTER_MAX, delivered).await;
    ui.ask(UserEvent::Exit);
}

/// A render or an import takes one to two seconds, and several times that on a busy machine. What
/// it still sends after the wire's last look would be dropped by the close.
const IDLE_AFTER_MAX: Duration = Duration::from_secs(10);
/// A page that others keep from the processor has taken more than one.
const DELIVERED_AFTER_MAX: Duration = Duration::from_secs(3);
