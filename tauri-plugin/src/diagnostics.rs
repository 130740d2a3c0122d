//! What the plugin has to say to the people who run the app.

use std::fmt::Display;
use std::io::Write;

use spanwire::Telemetry;

/// A warning: to the log, and to stderr where the app has no subscriber that shows it.
pub(crate) fn warn(text: impl Display) {
    tracing::warn!(target: "spanwire", "{text}");
    if !Telemetry::app_has_subscriber() {
        // A failure to write to stderr is ignored.
        let _ = writeln!(std::io::stderr(), "spanwire: {text}");
    }
}

/// What is as it should be: to the log alone.
pub(crate) fn inform(text: impl Display) {
    tracing::info!(target: "spanwire", "{text}");
}
