//! What lives on the main thread: the windows, each with its webview and its wire.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::SyncSender;

use spanwire::ipc::Ipc;
use tao::event_loop::{EventLoopProxy, EventLoopWindowTarget};
use tao::platform::unix::WindowExtUnix;
use tao::window::{Window, WindowBuilder};
use wry::{WebView, WebViewBuilder, WebViewBuilderExtUnix};

use super::page::{self, Page};

/// What the event loop is asked for.
pub(super) enum UserEvent {
    /// Something waits for this window's page.
    Pump(&'static str),
    Do(Work),
    End,
}

pub(super) type Work = Box<dyn FnOnce(&mut Ui, &EventLoopWindowTarget<UserEvent>) + Send>;

impl fmt::Debug for UserEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pump(_) => "Pump",
            Self::Do(_) => "Do",
            Self::End => "End",
        })
    }
}

/// A line that a page said beside the wire.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) window: &'static str,
    pub(super) text: String,
}

/// The windows that are open.
pub struct Ui {
    windows: BTreeMap<&'static str, Open>,
    proxy: EventLoopProxy<UserEvent>,
    lines: SyncSender<Line>,
}

struct Open {
    // In this order: the webview is in the window.
    webview: WebView,
    window: Window,
    ipc: Ipc,
}

impl Ui {
    pub(super) fn new(proxy: EventLoopProxy<UserEvent>, lines: SyncSender<Line>) -> Self {
        Self {
            windows: BTreeMap::new(),
            proxy,
            lines,
        }
    }

    pub(super) fn open(
        &mut self,
        target: &EventLoopWindowTarget<UserEvent>,
        name: &'static str,
        ipc: &Ipc,
        page: Page,
    ) {
        let window = WindowBuilder::new().build(target).unwrap();
        let mut builder = WebViewBuilder::new();
        for scheme in page::SCHEMES {
            let page = page.clone();
            builder = builder
                .with_custom_protocol(scheme.into(), move |_, request| page.serve(request.uri()));
        }
        if let Some(script) = page.first {
            builder = builder.with_initialization_script(script);
        }
        let (proxy, lines) = (self.proxy.clone(), self.lines.clone());
        let mut builder = spanwire::webview::attach_with(
            builder,
            ipc,
            move || _ = proxy.send_event(UserEvent::Pump(name)),
            move |request| {
                let text = request.into_body();
                // The scenario is gone, or a page says more than any scenario reads.
                let _ = lines.try_send(Line { window: name, text });
            },
        );
        for script in page.last {
            builder = builder.with_initialization_script(script);
        }
        let webview = builder
            .with_url(format!("{}/", page::ORIGIN))
            .build_gtk(window.default_vbox().unwrap())
            .unwrap();
        let ipc = ipc.clone();
        self.windows.insert(
            name,
            Open {
                webview,
                window,
                ipc,
            },
        );
    }

    /// As an app does when its window is closed: the webview goes, then the window.
    pub fn close(&mut self, name: &str) {
        let open = self.windows.remove(name).expect("the window is open");
        drop(open.webview);
        drop(open.window);
    }

    /// Runs what waits for that window's page.
    pub fn pump(&self, name: &str) {
        // A wake may come for a window that has been closed since.
        if let Some(open) = self.windows.get(name) {
            open.ipc.pump(&open.webview);
        }
    }

    /// The webview of an open window.
    pub fn webview(&self, name: &str) -> &WebView {
        &self.open_window(name).webview
    }

    /// An open window.
    pub fn window(&self, name: &str) -> &Window {
        &self.open_window(name).window
    }

    fn open_window(&self, name: &str) -> &Open {
        self.windows.get(name).expect("the window is open")
    }
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.windows.keys()).finish()
    }
}
