//! Where the people who run the app read what telemetry has to say about itself.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::subscriber::NoSubscriber;

/// Whether what is logged is written to stderr too, where nobody would see it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// Unless the app has a subscriber of its own, to which `tracing` brings it.
    Stderr,
    Quiet,
}

impl Reporter {
    /// Writes one line, if nobody else shows it. What goes wrong with that is not told to anybody.
    pub(crate) fn report(self, text: impl Display) {
        if !app_listens() {
            self.write(text);
        }
    }

    /// The same, also when the app's subscriber turns warnings down.
    #[cfg(feature = "otlp")]
    pub(in crate::telemetry) fn report_unless_shown(self, text: impl Display) {
        if !app_listens() || !tracing::event_enabled!(tracing::Level::WARN) {
            self.write(text);
        }
    }

    fn write(self, text: impl Display) {
        if self == Self::Stderr {
            // `eprintln!` would panic where stderr cannot be written.
            let _ = writeln!(
                std::io::stderr(),
                "spanwire: {}",
                one_line(&text.to_string())
            );
        }
    }
}

/// The text without what would move a terminal's cursor: a collector may answer anything.
pub(in crate::telemetry) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Ours exports and prints nothing.
static OWN_SUBSCRIBER_IS_IN_FORCE: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "otlp")]
pub(in crate::telemetry) fn own_subscriber_is_in_force(is: bool) {
    // Relaxed: it orders nothing. A warning at that very moment may miss stderr.
    OWN_SUBSCRIBER_IS_IN_FORCE.store(is, Ordering::Relaxed);
}

/// Whether the app has a subscriber of its own.
pub(in crate::telemetry) fn app_listens() -> bool {
    // On this thread: a subscriber that is in force on another one alone does not show the line.
    !OWN_SUBSCRIBER_IS_IN_FORCE.load(Ordering::Relaxed)
        && tracing::dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>())
}
