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

    /// Writes a report of what the app's history knows to the new file `path`: see
    /// [`Telemetry::report`]. It takes up to some seconds, so do not call it on the main thread.
    ///
    /// # Errors
    ///
    /// [`NoHistory`](spanwire::history::report::ReportError::NoHistory) too where the plugin has
    /// installed no telemetry.
    #[cfg(feature = "report")]
    fn spanwire_report(
        &self,
        path: impl AsRef<std::path::Path>,
    ) -> Result<spanwire::history::report::Report, spanwire::history::report::ReportError>;

    /// By which way commands are seen; `None` without the plugin.
    fn spanwire_way(&self) -> Option<Way>;
}

impl<R: Runtime, M: Manager<R>> SpanwireExt<R> for M {
    fn spanwire_telemetry(&self) -> Option<&Telemetry> {
        let installed = self.try_state::<AppTelemetry>()?;
        Some(installed.inner().telemetry())
    }

    #[cfg(feature = "report")]
    fn spanwire_report(
        &self,
        path: impl AsRef<std::path::Path>,
    ) -> Result<spanwire::history::report::Report, spanwire::history::report::ReportError> {
        let telemetry = self.spanwire_telemetry();
        telemetry
            .ok_or(spanwire::history::report::ReportError::NoHistory)?
            .report(path)
    }

    fn spanwire_way(&self) -> Option<Way> {
        Some(self.try_state::<Arc<PluginState<R>>>()?.way)
    }
}
