//! Telemetry that the app sets up itself, before the plugin.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanwire::Telemetry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What telemetry the app has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Own {
    /// None.
    Nothing,
    /// Spanwire's, by `install`; a span of the app's has had Spanwire's subscriber put in place.
    Installed,
    /// Spanwire's, by `build`: its layer is in a subscriber of the app's.
    Parts,
    /// A subscriber that writes lines to stderr.
    Lines,
}

/// Sets it up, under the name `own`.
pub(crate) fn set_up(own: Own) -> Option<Telemetry> {
    match own {
        Own::Nothing => None,
        Own::Installed => {
            let telemetry = Telemetry::builder("own").install().unwrap();
            tracing::info_span!("before").in_scope(|| {});
            Some(telemetry)
        }
        Own::Parts => {
            let (telemetry, parts) = Telemetry::builder("own").build().unwrap();
            tracing_subscriber::registry().with(parts.layer()).init();
            parts.set_globals();
            Some(telemetry)
        }
        Own::Lines => {
            let lines = tracing_subscriber::fmt().with_ansi(false);
            lines.with_writer(std::io::stderr).init();
            None
        }
    }
}

/// The app exits: its telemetry is its own affair.
pub(crate) fn shut_down(telemetry: Option<&Telemetry>) {
    if let Some(telemetry) = telemetry {
        let _report = telemetry.shutdown(Duration::from_secs(10));
    }
}
