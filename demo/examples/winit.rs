//! The same with winit. On Linux it has no GTK loop, which WebKitGTK needs: it is run from here.
//!
//! Run with `cargo run -p spanwire-demo --example winit` (under `xvfb-run -a` without a display).
//! With `-- --once` it closes by itself when the page has been greeted.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::time::Duration;

use spanwire::ipc::{Call, DataError};
use spanwire::{Ipc, Telemetry};
use winit::application::ApplicationHandler;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::window::{Window, WindowId};
use wry::dpi::{LogicalPosition, PhysicalSize};
use wry::{Rect, WebView, WebViewBuilder};

/// What other threads, and the handlers, ask of the event loop.
#[derive(Debug)]
enum UserEvent {
    /// Something waits for the page.
    Pump,
    Close,
}

const PAGE: &str = "<h1>…</h1><script>
    const greet = async () => {
        document.querySelector('h1').textContent = await spanwire.invoke('greet', 'winit');
        spanwire.emit('greeted');
    };
    greet();
</script>";

struct App {
    ipc: Ipc,
    proxy: EventLoopProxy<UserEvent>,
    /// The webview goes before its window.
    open: Option<(WebView, Window)>,
    telemetry: Option<Telemetry>,
}

impl App {
    fn open(&self, event_loop: &ActiveEventLoop) -> Result<(WebView, Window), Box<dyn Error>> {
        let window = event_loop.create_window(Window::default_attributes())?;
        let proxy = self.proxy.clone();
        let builder = WebViewBuilder::new()
            .with_html(PAGE)
            .with_bounds(bounds(window.inner_size()));
        let builder = spanwire::webview::attach(builder, &self.ipc, move || {
            let _ = proxy.send_event(UserEvent::Pump);
        });
        Ok((builder.build_as_child(&window)?, window))
    }
}

fn bounds(size: PhysicalSize<u32>) -> Rect {
    Rect {
        position: LogicalPosition::new(0, 0).into(),
        size: size.into(),
    }
}

impl ApplicationHandler<UserEvent> for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.open.is_none() {
            match self.open(event_loop) {
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    println!("no window: {error}");
                    event_loop.exit();
                }
            }
        }
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, ask: UserEvent) {
        match (ask, &self.open) {
            (UserEvent::Pump, Some((webview, _))) => self.ipc.pump(webview),
            (UserEvent::Pump, None) => {}
            (UserEvent::Close, _) => event_loop.exit(),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match (event, &self.open) {
            (WindowEvent::CloseRequested, _) => event_loop.exit(),
            (WindowEvent::Resized(size), Some((webview, _))) => {
                let _ = webview.set_bounds(bounds(size));
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        // winit does not see what comes for GTK, so it looks after it: up to so late a message of
        // the page is. With tao there is no such delay.
        #[cfg(target_os = "linux")]
        {
            while gtk::events_pending() {
                gtk::main_iteration_do(false);
            }
            event_loop.set_control_flow(ControlFlow::wait_duration(Duration::from_millis(5)));
        }
        #[cfg(not(target_os = "linux"))]
        event_loop.set_control_flow(ControlFlow::Wait);
    }

    /// The last thing that winit calls, on every platform.
    fn exiting(&mut self, _: &ActiveEventLoop) {
        self.ipc.close();
        self.open = None;
        println!("{}", self.ipc.metrics());
        if let Some(telemetry) = self.telemetry.take() {
            println!("{}", telemetry.shutdown(Duration::from_secs(2)));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|arg| arg == "--once");
    let telemetry = Telemetry::builder("winit").install()?;
    #[cfg(target_os = "linux")]
    {
        gtk::init()?;
        // WebKitGTK's drawing makes an X error (`GLXBadWindow`) that harms nobody and that winit
        // would end its loop for. Telling it from others takes unsafe code: wry's example has it.
        winit::platform::x11::register_xlib_error_hook(Box::new(|_, _| true));
    }

    let event_loop = EventLoop::<UserEvent>::with_user_event().build()?;
    let proxy = event_loop.create_proxy();
    let ipc = Ipc::builder("main").build();
    ipc.on("greet", |call: &Call| -> Result<String, DataError> {
        let name: String = call.data()?;
        Ok(format!("Hello {name}"))
    })?;
    let close = proxy.clone();
    ipc.on("greeted", move |_: &Call| {
        println!("the page was greeted");
        if once {
            let _ = close.send_event(UserEvent::Close);
        }
    })?;
    // Ctrl-C and SIGTERM end the loop too, and so reach its flush.
    let quit = proxy.clone();
    ctrlc::set_handler(move || {
        let _ = quit.send_event(UserEvent::Close);
    })?;

    let mut app = App {
        ipc,
        proxy,
        open: None,
        telemetry: Some(telemetry),
    };
    event_loop.run_app(&mut app)?;
    Ok(())
}
