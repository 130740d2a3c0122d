//! What a metric is called, counts in and means: from `semconv.rs`, or as the app described it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::{KeyName, SharedString, Unit};

use crate::semconv::{self, APP_BOUNDS};

/// What the app said of its own metrics; what was said first holds.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct Descriptions(Mutex<HashMap<KeyName, Description>>);

/// A metric's unit and meaning.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::telemetry) struct Description {
    /// In UCUM, as OpenTelemetry writes units; empty when the app told none.
    pub(in crate::telemetry) unit: &'static str,
    /// Empty when the app told none.
    pub(in crate::telemetry) text: SharedString,
}

impl Descriptions {
    pub(in crate::telemetry) fn add(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        // Our own metrics describe themselves, and an app must not change that.
        if semconv::metric(name.as_str()).is_some() {
            return;
        }
        let unit = unit.map_or("", ucum);
        let mut described = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // OpenTelemetry's instrument is made with the description of its first series and cannot
        // change it, so the first holds for both recorders.
        described.entry(name).or_insert(Description { unit, text });
    }

    pub(in crate::telemetry) fn of(&self, name: &str) -> Description {
        if let Some(metric) = semconv::metric(name) {
            return Description {
                unit: metric.unit,
                text: SharedString::const_str(metric.description),
            };
        }
        let described = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        described.get(name).cloned().unwrap_or_default()
    }
}

/// The bucket bounds of the histogram of that name; some of ours have none.
pub(in crate::telemetry) fn bounds(name: &str) -> &'static [f64] {
    semconv::metric(name).map_or(APP_BOUNDS, |metric| metric.bounds)
}

fn ucum(unit: Unit) -> &'static str {
    match unit {
        // Not `1`: that is a ratio.
        Unit::Count => "",
        Unit::Percent => "%",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::Nanoseconds => "ns",
        Unit::Tebibytes => "TiBy",
        Unit::Gibibytes => "GiBy",
        Unit::Mebibytes => "MiBy",
        Unit::Kibibytes => "KiBy",
        Unit::Bytes => "By",
        Unit::TerabitsPerSecond => "Tbit/s",
        Unit::GigabitsPerSecond => "Gbit/s",
        Unit::MegabitsPerSecond => "Mbit/s",
        Unit::KilobitsPerSecond => "kbit/s",
        Unit::BitsPerSecond => "bit/s",
        Unit::CountPerSecond => "1/s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_first_holds_and_nothing_overrides_ours() {
        let descriptions = Descriptions::default();
        assert_eq!(descriptions.of("app.load"), Description::default());
        descriptions.add("app.load".into(), Some(Unit::Milliseconds), "First.".into());
        descriptions.add("app.load".into(), None, "Second.".into());
        descriptions.add("process.uptime".into(), None, "Mine.".into());
        let load = descriptions.of("app.load");
        assert_eq!((load.unit, &*load.text), ("ms", "First."));
        let uptime = descriptions.of("process.uptime");
        assert_eq!(
            (uptime.unit, &*uptime.text),
            ("s", semconv::PROCESS_UPTIME.description)
        );
    }

    #[test]
    fn a_histogram_of_the_apps_own_has_bounds_too() {
        assert_eq!(bounds("app.load"), APP_BOUNDS);
        assert_eq!(bounds("spanwire.ipc.batch.size"), semconv::BATCH_BOUNDS);
        assert!(bounds("spanwire.ipc.call.duration").is_empty());
    }
}
