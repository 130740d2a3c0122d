//! The process that runs a page, where WebKitGTK tells of its end.

use std::sync::Arc;

use spanwire::ipc::PageState;
use tauri::{Runtime, Webview};
use webkit2gtk::WebViewExt;

use crate::events;
use crate::tracked::Tracked;

/// Marks the page as gone when its process ends by itself.
pub(crate) fn watch<R: Runtime>(webview: &Webview<R>, tracked: Arc<Tracked>) {
    let handle = webview.clone();
    let watched = webview.with_webview(move |platform| {
        platform
            .inner()
            // On the main thread. Tauri has no event for it, and evaluating a script still
            // succeeds.
            .connect_web_process_terminated(move |_, _| {
                tracked.page.replaced();
                events::clear(&tracked, &handle);
                tracked.observer.set_page_state(PageState::Gone);
            });
    });
    // A webview that is gone already has no process to watch.
    drop(watched);
}
