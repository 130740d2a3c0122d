//! One line more than a plugin: what only the app's builder can do.

use tauri::Runtime;

use crate::channels;

/// Registers the plugin with this app's builder, and counts the messages of channels, which a plugin
/// alone cannot see.
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
    pub fn instrument<R: Runtime>(self, builder: tauri::Builder<R>) -> tauri::Builder<R> {
        builder
            .plugin(self.build())
            .channel_interceptor(|webview, id, _, body| {
                channels::message(webview, id, body);
                // Tauri sends it, as without us.
                false
            })
    }
}
