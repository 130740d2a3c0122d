//! The main thread, as the rounds use it from another one.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use spanwire::ipc::Ipc;
use tao::event_loop::EventLoopProxy;
use tao::window::Window;
use wry::WebView;

use crate::arrivals::Arrivals;

/// What the event loop is asked for.
pub(crate) enum UserEvent {
    Pump,
    Do(Box<dyn FnOnce(&Windows) + Send>),
    End,
}

/// What lives on the main thread.
pub(crate) struct Windows {
    pub(crate) raw: Rc<OnceCell<WebView>>,
    pub(crate) ours: WebView,
    pub(crate) ipc: Ipc,
    /// Kept open: each webview is in one of them.
    pub(crate) _windows: [Window; 2],
}

/// The main thread, asked from another one.
#[derive(Clone)]
pub(crate) struct MainThread {
    pub(crate) proxy: EventLoopProxy<UserEvent>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) ipc: Ipc,
    /// The web processes: of the raw way's page, and of ours.
    pub(crate) pages: [u32; 2],
}

impl MainThread {
    /// Does something on the main thread, and waits for it.
    pub(crate) fn ui<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Windows) -> R + Send + 'static,
    ) -> R {
        let (done, result) = sync_channel(1);
        let work = Box::new(move |windows: &Windows| _ = done.send(work(windows)));
        assert!(
            self.proxy.send_event(UserEvent::Do(work)).is_ok(),
            "the loop runs"
        );
        result.recv().unwrap()
    }
}
