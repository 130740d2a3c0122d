//! What becomes of webviews: opened, loaded, reloaded, crashed, closed.

use std::collections::HashSet;

use spanwire::ipc::PageState;
use tauri::webview::{PageLoadEvent, PageLoadPayload};
use tauri::{Manager, RunEvent, Runtime, Webview, WindowEvent};

use crate::events;
use crate::plugin_state::PluginState;
use crate::way::Way;

/// A webview was made.
pub(crate) fn created<R: Runtime>(plugin: &PluginState<R>, webview: Webview<R>) {
    let tracked = plugin.opened(webview.clone());
    // Tauri calls this on the thread of its event loop.
    tracked.observer.set_main_thread();
    let app = webview.app_handle().clone();
    tracked.observer.on_wake(move |wake| {
        // Where the event loop has ended, the wake is dropped with the task.
        let _ = app.run_on_main_thread(move || wake.answer());
    });
    #[cfg(target_os = "linux")]
    crate::web_process::watch(&webview, tracked);
    #[cfg(not(target_os = "linux"))]
    drop((webview, tracked));
}

/// A page is loaded into a webview, or has been.
pub(crate) fn page_load<R: Runtime>(
    plugin: &PluginState<R>,
    webview: &Webview<R>,
    payload: &PageLoadPayload<'_>,
) {
    let tracked = plugin.tracked(webview.label());
    match payload.event() {
        PageLoadEvent::Started => {
            // The page that was there cannot be answered any more, and listens to nothing.
            tracked.page.replaced();
            events::clear(&tracked, webview);
            // The page's script says itself that it is there, and it must not have done so before.
            // WebKitGTK keeps that order.
            if cfg!(target_os = "linux") || plugin.way != Way::Seam {
                tracked.observer.set_page_state(PageState::Loading);
            }
        }
        PageLoadEvent::Finished => tracked.observer.set_page_state(PageState::Ready),
    }
}

/// Something happened to the app.
pub(crate) fn on_event<R: Runtime>(plugin: &PluginState<R>, event: &RunEvent) {
    match event {
        RunEvent::WindowEvent {
            label,
            event: WindowEvent::Destroyed,
            ..
        } => close(plugin, plugin.labels_of_window(label)),
        // Pages are not asked any more; what waits for their word ends here.
        RunEvent::Exit => close(plugin, plugin.labels()),
        _ => {}
    }
}

fn close<R: Runtime>(plugin: &PluginState<R>, labels: Vec<String>) {
    for label in labels {
        let Some((tracked, webview)) = plugin.closed(&label) else {
            continue;
        };
        tracked.page.replaced();
        tracked.observer.set_page_state(PageState::Closed);
        if let Some(webview) = webview {
            events::clear(&tracked, &webview);
        }
    }
}

/// Webviews that were made before the plugin was there: the app registers it in its `setup`, say.
pub(crate) fn made_before<R: Runtime>(app: &impl Manager<R>) -> HashSet<String> {
    app.webview_windows().into_keys().collect()
}
