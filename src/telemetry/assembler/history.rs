//! The history on the machine.

use super::Assembler;
use crate::history::{History, HistoryError};
use crate::telemetry::config::accepted::HISTORY;
use crate::telemetry::config::warning::Warning;

impl Assembler<'_> {
    /// Opens the history, if one is wanted. A file that cannot be used must not keep an app from its
    /// start.
    pub(super) fn history(&mut self) {
        let config = self.config;
        let Some((setting, path)) = &config.history else {
            return;
        };
        let settings = &config.settings;
        let mut options = History::options(path)
            .service(config.service_name())
            .retention(settings.retention)
            .max_bytes(settings.history_max_bytes)
            .ipc_slow_threshold(settings.ipc_slow_threshold);
        let attribute = |name: &'static str| {
            let value = config.resource.get_ref(&name.into());
            value.map(|value| value.as_str().into_owned())
        };
        #[cfg(feature = "otlp")]
        {
            // The history calls a span slower than usual by the same factor as tail sampling does.
            // Without the feature `otlp` its own default holds.
            options.slow_factor = settings.otlp.slow_factor;
        }
        options.version = attribute("service.version");
        options.instance = attribute("service.instance.id");
        #[cfg(feature = "profile")]
        {
            options.profile = settings.profile;
        }
        // A history that starts paused does not touch its file. The report below then knows of no
        // unclean end; `Telemetry::resume` looks for one again.
        options.starts_paused = self.switch.is_paused();
        match options.open() {
            Ok(history) => {
                let report = history.report();
                if let Some(description) = report.unclean_end {
                    self.warnings.push(Warning::UncleanEnd { description });
                }
                // The app goes on with an empty history, and this warning says where the old one
                // is.
                if let Some(aside) = report.set_aside {
                    let instead = format!(
                        "it was damaged and is now at {}, and a new one is begun",
                        aside.display()
                    );
                    self.warn_history(setting, instead);
                }
                self.telemetry.history = Some(history);
            }
            // `HistoryError` leaves its source out of its text, and the source has the system's
            // reason.
            Err(error) => {
                self.warn_history(setting, format!("there is no history: {}", said(&error)))
            }
        }
    }

    fn warn_history(&mut self, setting: &'static str, instead: String) {
        let path = self.config.history.as_ref().map(|(_, path)| path);
        let path = path.map(|path| path.to_string_lossy()).unwrap_or_default();
        let warning = Warning::value(setting, &path, HISTORY, instead);
        self.warnings.push(warning);
    }
}

/// The error and what is behind it.
fn said(error: &HistoryError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
