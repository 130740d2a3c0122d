//! Telemetry for an app that has none of its own.

use std::path::PathBuf;
use std::time::Duration;

use spanwire::Telemetry;
use spanwire::semconv::{TAURI_VERSION, TAURI_WAY};
use spanwire::telemetry::TelemetryBuilder;

use crate::diagnostics::warn;
use crate::settings::Settings;
use crate::way::Way;

/// What sets the library's builder up further; it beats the environment and the settings.
pub(crate) type Configure = Box<dyn FnOnce(TelemetryBuilder) -> TelemetryBuilder + Send>;

/// The app closes at once, and waits no longer than this for the collector.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);

/// Telemetry that the plugin has installed.
#[derive(Debug)]
pub(crate) struct AppTelemetry {
    telemetry: Telemetry,
    shutdown_deadline: Duration,
}

impl AppTelemetry {
    /// Installs it, unless the app has its own.
    pub(crate) fn install(
        service_name: &str,
        version: &str,
        way: Way,
        settings: &Settings,
        consent_file: Option<PathBuf>,
        configure: Option<Configure>,
    ) -> Option<Self> {
        if settings.telemetry == Some(false) {
            return None;
        }
        if settings.telemetry.is_none() && app_has_recorder() {
            return None;
        }
        let variables = settings.variables.clone();
        // A release opens no port and sends nothing before the app or its environment says so.
        let mut builder = Telemetry::builder(service_name)
            .on_behalf_of_app()
            .service_version(version)
            .resource_attribute(TAURI_WAY, way.as_str())
            .resource_attribute(TAURI_VERSION, tauri::VERSION)
            .environment(move |name| {
                let set = std::env::var(name).ok().filter(|value| !value.is_empty());
                set.or_else(|| variables.get(name).cloned())
            });
        if settings.ask_first {
            builder = builder.start_paused();
        }
        if let Some(file) = consent_file {
            builder = builder.consent_file(file);
        }
        if let Some(configure) = configure {
            builder = configure(builder);
        }
        match builder.install() {
            Ok(telemetry) => Some(Self {
                telemetry,
                shutdown_deadline: settings.shutdown_deadline.unwrap_or(SHUTDOWN_DEADLINE),
            }),
            // A strict builder refuses; the app runs on.
            Err(error) => {
                warn(format_args!("there is no telemetry: {error}"));
                None
            }
        }
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Sends what is queued, by a deadline.
    pub(crate) fn shutdown(&self) {
        let _report = self.telemetry.shutdown(self.shutdown_deadline);
    }
}

/// Whether the process has a recorder of metrics already; the facade's own has no size.
fn app_has_recorder() -> bool {
    metrics::with_recorder(|recorder| size_of_val(recorder) > 0)
}
