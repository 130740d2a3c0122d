//! What the builder and the environment say about consent, and on whose behalf.

use std::path::{Path, PathBuf};

use super::builder::TelemetryBuilder;
use super::options::ActsFor;
use super::routing::Routing;
use super::settings::Settings;
use crate::telemetry::consent::{ConsentConfig, StateFile};

impl TelemetryBuilder {
    /// Starts paused: nothing is recorded, sent, served or written until
    /// [`Telemetry::resume`](crate::telemetry::Telemetry::resume). Default: `SPANWIRE_CONSENT`, or
    /// recording.
    ///
    /// For an app that asks first. With [`consent_file`](Self::consent_file) the answer holds for
    /// the next start too. No variable of the environment turns on what is off by this.
    pub fn start_paused(mut self) -> Self {
        self.starts_paused = true;
        self
    }

    /// Remembers there whether telemetry is paused: [`Telemetry::pause`] and [`resume`] write it, and
    /// the next start begins so. Default: no file, and each start begins as it is configured.
    ///
    /// The file is replaced at once, for this user alone; its folder is made if need be. What cannot
    /// be read, holds something else, or may have been written by another user is a
    /// [`Warning`](crate::telemetry::Warning) and counts as paused. Choose a file in the app's own
    /// folder for configuration.
    ///
    /// [`Telemetry::pause`]: crate::telemetry::Telemetry::pause
    /// [`resume`]: crate::telemetry::Telemetry::resume
    pub fn consent_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.consent_file = Some(path.into());
        self
    }

    /// Says that a library sets telemetry up for an app: a plugin of a framework, for example.
    ///
    /// In a build without debug assertions no port is opened then and nothing is sent or written
    /// until the app or its environment asks for it: the endpoint `/metrics` needs one of
    /// `OTEL_METRICS_EXPORTER`, `OTEL_EXPORTER_PROMETHEUS_HOST`, `OTEL_EXPORTER_PROMETHEUS_PORT`,
    /// [`metrics`](Self::metrics), [`prometheus_host`](Self::prometheus_host) or
    /// [`prometheus_port`](Self::prometheus_port); all else is off by default anyway. So people who
    /// use the app find no port that its author does not know of. In a build with debug assertions
    /// nothing changes.
    ///
    /// What is set on the builder counts as the app's word. So a library sets no destination of its
    /// own, and hands the builder to the app:
    ///
    /// ```
    /// use spanwire::telemetry::{Telemetry, TelemetryBuilder};
    ///
    /// fn init(configure: impl FnOnce(TelemetryBuilder) -> TelemetryBuilder) {
    ///     let builder = Telemetry::builder("app").on_behalf_of_app();
    ///     # let builder = builder.environment(|_| None);
    ///     let telemetry = configure(builder).install();
    ///     // …
    ///     # drop(telemetry);
    /// }
    ///
    /// init(|builder| builder.prometheus_port(0));
    /// ```
    pub fn on_behalf_of_app(mut self) -> Self {
        self.acts_for = ActsFor::OtherApp {
            // This crate is built with the app's profile, unless a `[profile.*.package]` entry of
            // the app overrides it.
            is_release: !cfg!(debug_assertions),
        };
        self
    }

    /// As [`on_behalf_of_app`](Self::on_behalf_of_app) in a build without debug assertions,
    /// whatever this build is: for the tests of a library.
    #[cfg(feature = "testing")]
    pub fn on_behalf_of_released_app(mut self) -> Self {
        self.acts_for = ActsFor::OtherApp { is_release: true };
        self
    }

    pub(super) fn consent(&self, settings: &Settings) -> ConsentConfig {
        ConsentConfig {
            environment: settings.consent,
            starts_paused: self.starts_paused,
            file: self.consent_file.as_deref().map(file),
        }
    }
}

fn file(path: &Path) -> StateFile {
    StateFile::new(path)
}

impl Settings {
    /// Takes the endpoint out of the default where a library acts for a released app that has not
    /// asked for it.
    pub(super) fn wait_for_app(&mut self, builder: &TelemetryBuilder) {
        let is_released = builder.acts_for == ActsFor::OtherApp { is_release: true };
        if is_released && !self.asks_for_metrics(builder) {
            // Unset and not refused: nothing is wrong, so there is no warning and `strict` accepts
            // it.
            self.metrics_exporter = Routing::Unset;
        }
    }

    /// Whether the app or its environment names a destination for metrics, beyond the default.
    fn asks_for_metrics(&self, builder: &TelemetryBuilder) -> bool {
        // `Settings::read` has put the defaults in by now, so the settings cannot tell whether a
        // variable was set. A value that cannot be used counts, too: it has a warning of its own.
        let is_set = |name: &str| {
            let value = (builder.environment)(name);
            value.is_some_and(|value| !value.trim().is_empty())
        };
        let by_environment = [
            "OTEL_METRICS_EXPORTER",
            "OTEL_EXPORTER_PROMETHEUS_HOST",
            "OTEL_EXPORTER_PROMETHEUS_PORT",
        ];
        builder.metrics.is_some()
            || names_endpoint(builder)
            || by_environment.into_iter().any(is_set)
    }
}

fn names_endpoint(builder: &TelemetryBuilder) -> bool {
    #[cfg(feature = "metrics-exporter-prometheus")]
    if builder.prometheus_exporter.is_some() {
        return true;
    }
    #[cfg(feature = "prometheus")]
    return builder.prometheus_host.is_some() || builder.prometheus_port.is_some();
    #[cfg(not(feature = "prometheus"))]
    {
        let _ = builder;
        false
    }
}
