//! What the plugin has to say to the people who run the app.

use std::fmt::Display;
use std::io::Write;

use tracing::subscriber::NoSubscriber;

/// A warning: to the app's subscriber, or to stderr where the app has none.
pub(crate) fn warn(text: impl Display) {
    if app_listens() {
        tracing::warn!(target: "spanwire", "{text}");
    } else {
        // A failure to write to stderr is ignored.
        let _ = writeln!(std::io::stderr(), "spanwire: {text}");
    }
}

/// What is as it should be: to the app's subscriber alone.
pub(crate) fn inform(text: impl Display) {
    tracing::info!(target: "spanwire", "{text}");
}

fn app_listens() -> bool {
    tracing::dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>())
}
