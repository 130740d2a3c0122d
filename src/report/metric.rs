//! Values that the app gives to the client.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::error::RecordMetricError;
use super::id::new_id;
use crate::clock::Clock;
use crate::instrument::event_name::is_event_name;
use crate::measurement::Measurement;

/// A value that was measured at some time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Tells it apart; records of one id are values of one thing.
    pub id: String,
    /// What was measured, as an event is named
    /// ([`check_event_name`](crate::ipc::check_event_name)): use few, fixed names.
    pub name: String,
    /// What it belongs to.
    pub category: MetricCategory,
    /// The value; a finite number.
    pub value: f64,
    /// Its unit, best as UCUM writes it: `ms`, `By`, `%`. Empty when it has none.
    pub unit: String,
    /// When it was measured.
    pub timestamp: SystemTime,
    /// What else is known of it. It stays in the client: Prometheus and OTLP never get it.
    pub metadata: HashMap<String, String>,
}

impl Metric {
    /// A metric that was measured now, with an id of its own and without metadata.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        category: MetricCategory,
        value: f64,
        unit: impl Into<String>,
    ) -> Self {
        Self {
            id: new_id(),
            name: name.into(),
            category,
            value,
            unit: unit.into(),
            timestamp: Clock::current().now_and_wall().1,
            metadata: HashMap::new(),
        }
    }

    /// The same with this id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The same with one more entry of metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    pub(super) fn check(&self) -> Result<(), RecordMetricError> {
        let invalid = |field, reason| Err(RecordMetricError::InvalidMetric { field, reason });
        // Every text has a bound, since 10,000 metrics and 300 snapshots of them are kept.
        if self.id.is_empty() || self.id.len() > ID_LEN_MAX {
            return invalid("id", "is not 1 to 128 bytes");
        }
        if !is_event_name(&self.name) {
            return invalid("name", "is not 1 to 128 bytes of printable characters");
        }
        if !is_event_name(self.category.as_str()) {
            return invalid("category", "is not 1 to 128 bytes of printable characters");
        }
        // A NaN would make each mean and each sum that it gets into one.
        if !self.value.is_finite() {
            return invalid("value", "is not a finite number");
        }
        let is_unit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if self.unit.len() > UNIT_LEN_MAX || !self.unit.bytes().all(is_unit) {
            return invalid(
                "unit",
                "is not up to 64 visible ASCII characters but \" and \\",
            );
        }
        let metadata = self.metadata.iter();
        let bytes: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
        if bytes > METADATA_BYTES_MAX {
            return invalid("metadata", "has more than 4,096 bytes");
        }
        Ok(())
    }

    /// Hands the value on to the recorder that is installed, if one is.
    pub(super) fn publish(&self) {
        // Neither the id nor the metadata: they are not from a small set, so they may not tell
        // series apart.
        let mut measurement = Measurement::new(&self.name).category(self.category.as_str());
        if !self.unit.is_empty() {
            measurement = measurement.unit(&self.unit);
        }
        measurement.record(self.value);
    }
}

const ID_LEN_MAX: usize = 128;
const UNIT_LEN_MAX: usize = 64;
const METADATA_BYTES_MAX: usize = 4_096;

/// What a metric belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MetricCategory {
    /// What is sent and received.
    Network,
    /// What the page or the app draws.
    Rendering,
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// The graphics processor.
    Gpu,
    /// Files and databases.
    Storage,
    /// Messages between page and host.
    Ipc,
    /// What a user sees and feels.
    UserExperience,
    /// Anything else, under a name of the app's own.
    Custom(String),
}

impl MetricCategory {
    /// The value of `spanwire.measurement.category`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Network => "network",
            Self::Rendering => "rendering",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
            Self::Storage => "storage",
            Self::Ipc => "ipc",
            Self::UserExperience => "user_experience",
            Self::Custom(name) => name,
        }
    }
}

impl Serialize for MetricCategory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Metrics of the app's own that each snapshot gets, for what is cheaper to look up than to record.
///
/// ```
/// use spanwire::report::{Metric, MetricCategory, MetricSource};
///
/// struct Cache;
///
/// impl MetricSource for Cache {
///     fn collect(&self) -> Vec<Metric> {
///         vec![Metric::new("cache.entries", MetricCategory::Memory, 12.0, "").with_id("cache")]
///     }
/// }
/// ```
pub trait MetricSource: Send + Sync {
    /// The metrics now. Each snapshot calls it on the caller's thread: be quick. A panic is caught
    /// and gives none; invalid metrics are left out.
    fn collect(&self) -> Vec<Metric>;
}
