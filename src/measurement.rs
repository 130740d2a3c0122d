//! Values of the app's own: frames per second, cache hits, whatever it or its page measures.
//!
//! ```
//! use spanwire::measurement::{self, Measurement};
//!
//! // Now and then:
//! measurement::record("scene.layers", 12.0);
//! // Often: make the handle once and keep it.
//! let fps = Measurement::new("fps").category("render").unit("{frame}/s");
//! fps.record(59.8);
//! ```
//!
//! Each is a series of the gauge `spanwire.measurement`, so what is exported is the last value.
//! The page's `record` ends here too.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use metrics::Gauge;

use crate::instrument::cardinality::{CappedNames, NameSource};
use crate::instrument::event_name::is_event_name;
use crate::instrument::handles::{self, Instruments};
use crate::semconv::{self, OTHER};

/// Records a value under `name`.
///
/// The same as a [`Measurement`] made for one value, but that nothing is allocated for a name that
/// is known.
pub fn record(name: &str, value: f64) {
    SeriesKey::named(name).app_series().record(value);
}

/// A kept handle to one measurement.
///
/// Names and categories are as those of events ([`check_event_name`](crate::ipc::check_event_name)),
/// and tell series apart: use few, fixed ones.
/// A measurement with something else, and one beyond the 200 of the app, shares the series whose
/// name and category are `_OTHER`.
#[derive(Clone, Debug)]
#[must_use = "nothing is measured before record()"]
pub struct Measurement {
    name: Box<str>,
    category: Option<Box<str>>,
    unit: Option<Box<str>>,
    series: OnceLock<Arc<Series>>,
}

impl Measurement {
    /// A measurement of that name, without category and unit.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            category: None,
            unit: None,
            series: OnceLock::new(),
        }
    }

    /// What it is grouped by. Default: nothing.
    pub fn category(self, category: &str) -> Self {
        Self {
            category: Some(category.into()),
            // Another key is another series, so a kept one is dropped.
            series: OnceLock::new(),
            ..self
        }
    }

    /// Its unit, best as UCUM writes it: 1 to 64 visible ASCII characters but `"` and `\`.
    /// Default: none.
    pub fn unit(self, unit: &str) -> Self {
        Self {
            unit: Some(unit.into()),
            series: OnceLock::new(),
            ..self
        }
    }

    /// Records a value; the last one is what is exported.
    ///
    /// Nothing is recorded while there is no recorder, nor a value that is not finite.
    pub fn record(&self, value: f64) {
        let key = SeriesKey {
            name: &self.name,
            category: self.category.as_deref(),
            unit: self.unit.as_deref(),
        };
        self.series.get_or_init(|| key.app_series()).record(value);
    }
}

/// Records a value of the page's.
pub(crate) fn record_from_page(
    name: &str,
    category: Option<&str>,
    unit: Option<&str>,
    value: f64,
) -> Result<(), InvalidName> {
    let key = SeriesKey {
        name,
        category,
        unit,
    };
    // A page's invalid name is a breach that the wire counts; an app's goes to `_OTHER`.
    if !key.is_valid() {
        return Err(InvalidName);
    }
    key.series(NameSource::External).record(value);
    Ok(())
}

/// A name, a category or a unit has a character or a length that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidName;

/// What tells measurements apart.
#[derive(Clone, Copy)]
struct SeriesKey<'a> {
    name: &'a str,
    category: Option<&'a str>,
    unit: Option<&'a str>,
}

impl<'a> SeriesKey<'a> {
    fn named(name: &'a str) -> Self {
        Self {
            name,
            category: None,
            unit: None,
        }
    }

    fn is_valid(self) -> bool {
        is_event_name(self.name)
            && self.category.is_none_or(is_event_name)
            && self.unit.is_none_or(is_unit)
    }

    fn app_series(self) -> Arc<Series> {
        if self.is_valid() {
            self.series(NameSource::Registered)
        } else {
            Arc::clone(SERIES.other())
        }
    }

    fn series(self, source: NameSource) -> Arc<Series> {
        let make = |_: &Arc<str>| Series {
            name: self.name.into(),
            // The series keeps the parts apart, since the map's key may hold all three of them.
            category: self.category.map(Into::into),
            unit: self.unit.map(Into::into),
            gauge: Instruments::new(),
        };
        match (self.category, self.unit) {
            // The usual case: the name is the key, and nothing is allocated.
            (None, None) => SERIES.get(self.name, source, make),
            (category, unit) => {
                // No part has a control character in it, so no two measurements share a key.
                let (category, unit) = (category.unwrap_or_default(), unit.unwrap_or_default());
                SERIES.get(&format!("{}\0{category}\0{unit}", self.name), source, make)
            }
        }
    }
}

/// The series of the whole process: webviews share them, and so the caps hold for all together.
static SERIES: LazyLock<CappedNames<Series>> = LazyLock::new(|| {
    CappedNames::new(|other| Series {
        name: Arc::clone(other),
        category: Some(OTHER.into()),
        unit: None,
        gauge: Instruments::new(),
    })
});

struct Series {
    name: Arc<str>,
    category: Option<Box<str>>,
    unit: Option<Box<str>>,
    gauge: Instruments<Gauge>,
}

impl Series {
    fn record(&self, value: f64) {
        // A sum or a mean over the series would be lost with one such value.
        if !value.is_finite() {
            return;
        }
        if let Some(gauge) = self.gauge.get(|| self.register()) {
            gauge.set(value);
        }
    }

    fn register(&self) -> Gauge {
        let mut labels = vec![(semconv::MEASUREMENT_NAME, &*self.name)];
        labels.extend(
            self.category
                .as_deref()
                .map(|category| (semconv::CATEGORY, category)),
        );
        labels.extend(
            self.unit
                .as_deref()
                .map(|unit| (semconv::MEASUREMENT_UNIT, unit)),
        );
        handles::gauge(&semconv::MEASUREMENT, &labels)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series")
            .field("name", &self.name)
            .field("category", &self.category)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

fn is_unit(unit: &str) -> bool {
    (1..=UNIT_LEN_MAX).contains(&unit.len())
        && unit
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// The longest unit, in bytes.
const UNIT_LEN_MAX: usize = 64;
