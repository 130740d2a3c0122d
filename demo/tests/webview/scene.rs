//! One window with one wire, and what is heard from its page.

use std::time::Duration;

use spanwire::ipc::{Call, Ipc};
use spanwire::testing::Capture;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::{Window, WindowBuilder};
use wry::{WebView, WebViewBuilder, WebViewBuilderExtUnix};

/// Beyond it a scenario has failed.
const TIME_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum UserEvent {
    Pump,
    /// The page said this.
    Heard(String),
    TimedOut,
}

/// A window that is not shown to anybody yet.
pub(crate) struct Scene {
    event_loop: EventLoop<UserEvent>,
    window: Window,
    pub(crate) ipc: Ipc,
    pub(crate) capture: Capture,
}

/// What a step of a scenario has at hand.
pub(crate) struct Stage<'a> {
    pub(crate) ipc: &'a Ipc,
    pub(crate) webview: &'a WebView,
}

/// Tells the scenario something, from any thread.
#[derive(Clone)]
pub(crate) struct Teller(EventLoopProxy<UserEvent>);

impl Teller {
    pub(crate) fn tell(&self, what: &str) {
        let _ = self.0.send_event(UserEvent::Heard(what.into()));
    }
}

/// Whether a scenario goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Wait,
    End,
}

impl Scene {
    pub(crate) fn new(ipc: impl FnOnce() -> Ipc) -> Self {
        let capture = Capture::new();
        let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
        let window = WindowBuilder::new().build(&event_loop).unwrap();
        let ipc = capture.run(ipc);
        // Everything that the page calls `say` with is a step of the scenario.
        let heard = event_loop.create_proxy();
        ipc.on("say", move |call: &Call<'_>| {
            let _ = heard.send_event(UserEvent::Heard(call.data().unwrap()));
        })
        .unwrap();
        Self {
            event_loop,
            window,
            ipc,
            capture,
        }
    }

    pub(crate) fn teller(&self) -> Teller {
        Teller(self.event_loop.create_proxy())
    }

    /// Opens the page and runs `step` for each thing that is heard, until it says that it is the end.
    /// The webview comes back, still open.
    pub(crate) fn play(
        &mut self,
        builder: WebViewBuilder<'_>,
        mut step: impl FnMut(&Stage<'_>, &str) -> Next,
    ) -> WebView {
        let Self {
            event_loop,
            window,
            ipc,
            capture,
        } = self;
        let proxy = event_loop.create_proxy();
        let builder = capture.run(|| {
            spanwire::webview::attach(builder, ipc, move || _ = proxy.send_event(UserEvent::Pump))
        });
        let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();
        let late = event_loop.create_proxy();
        std::thread::spawn(move || {
            std::thread::sleep(TIME_LIMIT);
            let _ = late.send_event(UserEvent::TimedOut);
        });
        let mut heard = Vec::new();
        capture.run(|| {
            event_loop.run_return(|event, _, control_flow| {
                *control_flow = ControlFlow::Wait;
                match event {
                    Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
                    Event::UserEvent(UserEvent::Heard(what)) => {
                        let stage = Stage {
                            ipc,
                            webview: &webview,
                        };
                        if step(&stage, &what) == Next::End {
                            *control_flow = ControlFlow::Exit;
                        }
                        heard.push(what);
                    }
                    Event::UserEvent(UserEvent::TimedOut) => {
                        panic!(
                            "after {heard:?} nothing more was heard: {ipc:?} {}",
                            capture.text()
                        );
                    }
                    _ => {}
                }
            });
        });
        webview
    }

    /// Lets the event loop do what is left to do, until it has nothing of ours any more.
    pub(crate) fn settle(&mut self) {
        let proxy = self.event_loop.create_proxy();
        let _ = proxy.send_event(UserEvent::Heard(String::new()));
        self.capture.run(|| {
            self.event_loop.run_return(|event, _, control_flow| {
                *control_flow = match event {
                    Event::UserEvent(UserEvent::Heard(_)) => ControlFlow::Exit,
                    _ => ControlFlow::Wait,
                };
            });
        });
    }
}
