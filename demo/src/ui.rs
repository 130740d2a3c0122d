//! The thread of the window, as the other threads see it.

use std::fmt;

use tao::event_loop::EventLoopProxy;
use wry::WebView;

/// What the other threads ask of the event loop.
#[derive(Debug)]
pub(crate) enum UserEvent {
    /// Something waits for the page.
    Pump,
    /// It is time for the next line of the summary.
    Summary,
    /// Something is to be done there.
    Do(Work),
    /// The time is up, or somebody pressed Ctrl-C.
    End,
    /// What was under way has ended, or has had its time.
    Exit,
}

/// Something that only the thread of the window can do.
// wry's `WebView` is not `Send`, so the work goes to its thread and not the webview to others.
pub(crate) struct Work(Box<dyn FnOnce(&WebView) + Send>);

impl Work {
    pub(crate) fn run(self, webview: &WebView) {
        (self.0)(webview);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

/// The way to that thread.
#[derive(Clone)]
pub(crate) struct Ui(EventLoopProxy<UserEvent>);

impl Ui {
    pub(crate) fn new(proxy: EventLoopProxy<UserEvent>) -> Self {
        Self(proxy)
    }

    pub(crate) fn ask(&self, what: UserEvent) {
        // It fails when the loop has ended, and then there is nothing left to ask.
        let _ = self.0.send_event(what);
    }

    /// Does something there, some time. It does not wait for that.
    pub(crate) fn run(&self, work: impl FnOnce(&WebView) + Send + 'static) {
        self.ask(UserEvent::Do(Work(Box::new(work))));
    }
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").finish_non_exhaustive()
    }
}
