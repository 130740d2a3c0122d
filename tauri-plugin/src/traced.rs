//! The way that needs no seam: the app's handler, wrapped.

use std::sync::Arc;

use spanwire::semconv::ErrorType;
use tauri::ipc::{Invoke, InvokeBody};
use tauri::{Manager, Runtime};

use crate::plugin_state::PluginState;
use crate::seam_scope::SeamScope;
use crate::way::Way;

/// Wraps what `generate_handler!` makes, so that the app's commands are seen where the plugin cannot
/// answer Tauri's `ipc` scheme: see [`Way`].
///
/// Where it can, this does nothing, and no command is counted twice. Otherwise a command is recorded
/// from its call until the handler returns: for a sync command that is all of it, for an async one
/// until it was spawned. Whether a command answered with an error is not seen, nor are the commands
/// of other plugins and events.
///
/// ```no_run
/// #[tauri::command]
/// fn save(layers: Vec<String>) -> usize {
///     layers.len()
/// }
///
/// # fn run(context: tauri::Context) -> tauri::Result<()> {
/// tauri::Builder::default()
///     .plugin(tauri_plugin_spanwire::init("paint-tool"))
///     .invoke_handler(tauri_plugin_spanwire::traced(tauri::generate_handler![save]))
///     .run(context)
/// # }
/// ```
pub fn traced<R: Runtime>(
    handler: impl Fn(Invoke<R>) -> bool + Send + Sync + 'static,
) -> impl Fn(Invoke<R>) -> bool + Send + Sync + 'static {
    move |invoke| {
        if SeamScope::is_entered() {
            return handler(invoke);
        }
        let webview = invoke.message.webview_ref();
        let plugin = webview.app_handle().try_state::<Arc<PluginState<R>>>();
        // Cloned, since the state is borrowed from `invoke`, which the handler takes.
        let Some(plugin) = plugin.map(|plugin| Arc::clone(&plugin)) else {
            // The plugin is not there.
            return handler(invoke);
        };
        if plugin.way == Way::Seam {
            plugin.bypassed(webview.label());
        }
        let tracked = plugin.tracked(webview.label());
        let command = invoke.message.command().to_owned();
        let bytes = body_bytes(invoke.message.payload());
        let mut handling = tracked.observer.call(&command).size(bytes).begin();
        let is_known = handling.in_scope(|| handler(invoke));
        handling.end(if is_known {
            Ok(())
        } else {
            Err(ErrorType::UnknownEvent)
        });
        is_known
    }
}

fn body_bytes(body: &InvokeBody) -> usize {
    match body {
        InvokeBody::Json(value) => value.to_string().len(),
        InvokeBody::Raw(bytes) => bytes.len(),
    }
}
