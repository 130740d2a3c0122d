//! Hands to the page what waits for it.

use tracing::Level;
use wry::WebView;

use super::address;
use super::state::{Document, WebviewState};
use crate::ipc::{Ipc, Script};
use crate::semconv::{self, ErrorType};
use crate::startup::{self, Phase};

impl Ipc {
    /// Hands to the page what waits for it; call it on the webview's thread when woken.
    ///
    /// Returns when nothing waits any more, or when the page has as much as it may have
    /// unacknowledged. It does not wait for the page to run anything.
    ///
    /// Before each script the webview is asked where it is. While it is at an origin that is not
    /// [allowed](crate::ipc::IpcBuilder::allow_origin), or on its way there, messages wait for
    /// the next page that may have them, or for this one when it stays.
    pub fn pump(&self, webview: &WebView) {
        #[cfg(target_os = "linux")]
        super::gtk::listen(self, webview);
        // Nothing once it was reached: one relaxed load.
        startup::reached(Phase::Webview);
        // It ends: acknowledgements come in on this same thread, so nothing makes room meanwhile.
        while let Some(script) = self.next_script_for(webview) {
            if webview.evaluate_script(&script.text()).is_err() {
                self.evaluation_failed(script);
            }
        }
    }

    /// Calls `handler` when the page's process ended, on the thread of the event loop.
    ///
    /// The page is gone by then and what it had in flight has ended. The handler may only tell the
    /// event loop, which then loads the page anew: what waits in the queue goes to that one.
    /// A page that crashes at its start crashes again, so count before you reload without end.
    ///
    /// # Platform-specific
    ///
    /// Called on Linux alone, after the first [`pump`](Self::pump). On macOS give
    /// `with_on_web_content_process_terminate_handler` of wry's builder a closure that calls
    /// [`page_gone`](Self::page_gone); on Windows the webview's `ProcessFailed` is the place. There,
    /// a page that crashed otherwise looks like one that does not answer.
    pub fn on_page_crash(&self, handler: impl Fn() + Send + Sync + 'static) {
        self.webview().on_crash(handler);
    }

    /// What the adapter knows of the webview.
    pub(super) fn webview(&self) -> &WebviewState {
        self.transport()
    }

    /// The next script that the page may have, wherever it is now. Asking costs a third of a
    /// microsecond on WebKitGTK, and a script holds up to hundreds of messages.
    fn next_script_for(&self, webview: &WebView) -> Option<Script> {
        match self.refused_origin(webview) {
            None => {
                self.webview().resume();
                self.next_script()
            }
            Some(origin) => {
                self.webview().pause();
                self.warn_refused_origin(&origin);
                self.pause()
            }
        }
    }

    /// The origin that messages may not go to, of the page or of the one that is coming.
    fn refused_origin(&self, webview: &WebView) -> Option<Document> {
        // The address that is being loaded, if any.
        let address = webview.url();
        #[cfg(not(target_os = "linux"))]
        if let Ok(address) = &address {
            self.page_is_at(address);
        }
        let next = Document {
            // A webview that does not say where it is may be anywhere.
            origin: address.map_or_else(
                |_| Some(address::OPAQUE.to_owned()),
                |address| address::origin(&address),
            ),
        };
        // Who is still there, while the next one is being loaded.
        let now = self.webview().document();
        let is_refused = |document: &Document| !self.allows_origin(document.origin.as_deref());
        Some(next)
            .filter(is_refused)
            .or_else(|| now.filter(is_refused))
    }

    fn warn_refused_origin(&self, document: &Document) {
        // Without an origin it is no page yet, or one that the app has no name for.
        let Some(origin) = document.origin.as_deref() else {
            return;
        };
        // The one is ours, and the others were reported as pages that cannot send.
        let is_silent = origin == address::waiting_origin() || origin == address::OPAQUE;
        if !is_silent && self.has_pending() && self.webview().refused(origin).0 {
            tracing::event!(
                name: semconv::EVENT_PAGE_FORBIDDEN_ORIGIN,
                target: "spanwire",
                Level::WARN,
                { {semconv::WEBVIEW_NAME} = self.name() },
                "messages wait for the page, since {origin} is not allowed: \
                 allow it with IpcBuilder::allow_origin if it is the app's own"
            );
        }
    }

    /// Reports a page at an address from which no message arrives.
    pub(super) fn page_is_at(&self, address: &str) {
        let Some((unsupported, first)) = self.webview().at(address) else {
            return;
        };
        self.page_error(ErrorType::UnsupportedAddress);
        if first.0 {
            tracing::event!(
                name: semconv::EVENT_PAGE_UNSUPPORTED_ADDRESS,
                target: "spanwire",
                Level::ERROR,
                { {semconv::WEBVIEW_NAME} = self.name(), {semconv::ERROR_TYPE} = ErrorType::UnsupportedAddress.as_str() },
                "{}", unsupported.remedy()
            );
        }
    }
}
