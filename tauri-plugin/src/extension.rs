//! What the app can reach of the plugin.

use std::sync::Arc;

use spanwire::Telemetry;
use tauri::{Manager, Runtime};

use crate::app_telemetry::AppTelemetry;
use crate::plugin_state::PluginState;
use crate::way::Way;

/// What the app can reach of the plugin, from its handle and its windows.
pub trait SpanwireExt<R: Runtime> {
    /// The telemetry that the plugin has installed, to pause and resume it; `None` when the app has
    /// its own, or there is none.
    fn spanwire_telemetry(&self) -> Option<&Telemetry>;

    /// By which way commands are seen; `None` without the plugin.
    fn spanwire_way(&self) -> Option<Way>;
}

impl<R: Runtime, M: Manager<R>> SpanwireExt<R> for M {
    fn spanwire_telemetry(&self) -> Option<&Telemetry> {
        let installed = self.try_state::<AppTelemetry>()?;
        Some(installed.inner().telemetry())
    }

    fn spanwire_way(&self) -> Option<Way> {
        Some(self.try_state::<Arc<PluginState<R>>>()?.way)
    }
}
