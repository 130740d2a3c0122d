//! One line more than a plugin: what only the app's builder can do.

use std::sync::Arc;

use tauri::ipc::InvokeResponseBody;
use tauri::{Manager, Runtime, Webview};

use crate::page_script::{LETS_INVOKE_BE_WRAPPED, PageApi};
use crate::plugin_state::PluginState;

/// Registers the plugin with this app's builder, and does what a plugin alone cannot: it sees each
/// `invoke` of a page begin and settle, counts the messages of channels, and gives the page
/// `window.spanwire` with `trace`, `record` and `flush`.
///
/// Tauri keeps one channel interceptor: an app that sets its own afterwards replaces this one, and
/// channels are not counted then.
///
/// ```no_run
/// # fn run(context: tauri::Context) -> tauri::Result<()> {
/// tauri_plugin_spanwire::instrument(tauri::Builder::default(), "paint-tool").run(context)
/// # }
/// ```
pub fn instrument<R: Runtime>(
    builder: tauri::Builder<R>,
    service_name: impl Into<String>,
) -> tauri::Builder<R> {
    crate::Builder::new(service_name).instrument(builder)
}

impl crate::Builder {
    /// As [`instrument`], with this set-up.
    pub fn instrument<R: Runtime>(mut self, builder: tauri::Builder<R>) -> tauri::Builder<R> {
        self.page_api = PageApi::Global;
        builder
            .append_invoke_initialization_script(LETS_INVOKE_BE_WRAPPED)
            .plugin(self.build())
            .channel_interceptor(|webview, id, _, body| {
                channel_message(webview, id.0, body);
                // Tauri sends it, as without us.
                false
            })
    }
}

/// A message of a channel leaves for the page.
fn channel_message<R: Runtime>(webview: &Webview<R>, id: u32, body: &InvokeResponseBody) {
    let plugin = webview.app_handle().try_state::<Arc<PluginState<R>>>();
    // A command may send on when its window is closed.
    let tracked = plugin.and_then(|plugin| plugin.known(webview.label()));
    let Some(tracked) = tracked else { return };
    tracked.channel_message(
        id,
        match body {
            InvokeResponseBody::Json(text) => text.len(),
            InvokeResponseBody::Raw(bytes) => bytes.len(),
        },
    );
}
