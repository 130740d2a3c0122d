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
        // The plugin asks only if neither the builder nor the configuration has an answer: it
        // cannot see telemetry that the app sets up after the plugin.
        if !settings.telemetry.unwrap_or_else(|| !app_has_telemetry()) {
            return None;
        }
        let mut builder = builder(service_name, settings, |name| std::env::var(name).ok())
            .service_version(version)
            .resource_attribute(TAURI_WAY, way.as_str())
            .resource_attribute(TAURI_VERSION, tauri::VERSION);
        if let Some(file) = consent_file {
            builder = builder.consent_file(file);
        }
        // Last: what the app's closure sets replaces what the settings gave.
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

/// As the settings say, where the environment does not.
///
/// A release opens no port and sends nothing before one of them, or the app, says so.
fn builder(
    service_name: &str,
    settings: &Settings,
    environment: impl Fn(&str) -> Option<String> + 'static,
) -> TelemetryBuilder {
    let variables = settings.variables.clone();
    let builder = Telemetry::builder(service_name)
        .on_behalf_of_app()
        .environment(move |name| {
            // An empty variable counts as unset, as OpenTelemetry's specification says: the setting
            // holds then.
            let set = environment(name).filter(|value| !value.is_empty());
            set.or_else(|| variables.get(name).cloned())
        });
    if settings.ask_first {
        builder.start_paused()
    } else {
        builder
    }
}

/// Whether the app has set telemetry up before: Spanwire's, which may record no metrics, or a
/// recorder of its own. The facade's recorder, which does nothing, has no size.
fn app_has_telemetry() -> bool {
    Telemetry::is_set_up() || metrics::with_recorder(|recorder| size_of_val(recorder) > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spanwire::telemetry::{OffReason, Output};

    use super::*;

    /// What a build without debug assertions has on.
    fn released(settings: &Value, variable: Option<(&'static str, &'static str)>) -> Vec<Output> {
        let (settings, warnings) = Settings::read(settings);
        assert_eq!(warnings, []);
        let environment = move |name: &str| {
            let (set, value) = variable?;
            (set == name).then(|| value.to_owned())
        };
        let builder = builder("app", &settings, environment).on_behalf_of_released_app();
        let config = builder.resolve();
        let is_on = |output: &&Output| config.off_reason(**output).is_none();
        Output::ALL.iter().filter(is_on).copied().collect()
    }

    #[test]
    fn a_release_has_everything_off_until_a_setting_or_a_variable_names_a_place() {
        assert_eq!(released(&json!({}), None), []);
        let unrelated = json!({ "serviceName": "paint", "askFirst": true, "tracesPerSecond": 5 });
        assert_eq!(released(&unrelated, None), []);
        let prometheus = [Output::Prometheus];
        assert_eq!(released(&json!({ "prometheusPort": 0 }), None), prometheus);
        let port = ("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
        assert_eq!(released(&json!({}), Some(port)), prometheus);
        let empty = ("OTEL_EXPORTER_PROMETHEUS_PORT", "");
        assert_eq!(released(&json!({}), Some(empty)), []);
        let endpoint = json!({ "otlpEndpoint": "http://127.0.0.1:4318" });
        assert_eq!(released(&endpoint, None), [Output::Traces]);
    }

    /// The test above says itself that the app is released; this one, that the plugin leaves it open.
    #[test]
    fn the_plugin_acts_for_the_app_whose_build_decides() {
        let builder = builder("app", &Settings::default(), |_| None);
        assert!(format!("{builder:?}").contains("OtherApp"), "{builder:?}");
        let reason = builder.resolve().off_reason(Output::Prometheus);
        let expected = (!cfg!(debug_assertions)).then_some(OffReason::NotRequested);
        assert_eq!(reason, expected);
    }
}
