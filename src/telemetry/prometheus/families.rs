//! Which metrics a scrape shows, and under which names.

use std::collections::BTreeSet;
use std::sync::Arc;

use metrics::atomics::AtomicU64;

use super::names::full_name;
use super::recorder::{Buckets, State};
use crate::semconv::Instrument;
use crate::telemetry::metrics::metadata::Description;
use crate::telemetry::metrics::registry::Family;

/// A metric as a scrape shows it.
pub(super) struct ExposedFamily {
    /// With unit and `_total`: what its samples' names begin with.
    pub(super) name: String,
    pub(super) description: Description,
    pub(super) cells: Cells,
    /// OpenMetrics reserves more names than there are samples; whether one of them is somebody
    /// else's.
    pub(super) clashes: bool,
}

/// The series of a metric.
pub(super) enum Cells {
    Counter(Arc<Family<AtomicU64>>),
    /// The bits of each value.
    Gauge(Arc<Family<AtomicU64>>),
    Histogram(Arc<Family<Buckets>>),
}

impl ExposedFamily {
    pub(super) fn kind(&self) -> Instrument {
        match self.cells {
            Cells::Counter(_) => Instrument::Counter,
            Cells::Gauge(_) => Instrument::Gauge,
            Cells::Histogram(_) => Instrument::Histogram,
        }
    }

    /// The name without `_total`.
    pub(super) fn stem(&self) -> &str {
        match self.cells {
            Cells::Counter(_) => self.name.strip_suffix("_total").unwrap_or(&self.name),
            Cells::Gauge(_) | Cells::Histogram(_) => &self.name,
        }
    }

    /// The names of its samples, and that of a histogram itself.
    fn sample_names(&self) -> Vec<String> {
        match self.cells {
            Cells::Counter(_) | Cells::Gauge(_) => vec![self.name.clone()],
            Cells::Histogram(_) => ["", "_bucket", "_sum", "_count"]
                .map(|suffix| format!("{}{suffix}", self.name))
                .into(),
        }
    }

    /// The further names that OpenMetrics keeps for a metric of this kind, whether or not there are
    /// such samples.
    fn reserved_names(&self) -> Vec<String> {
        let created = || format!("{}_created", self.stem());
        match self.cells {
            Cells::Counter(_) => vec![self.stem().to_owned(), created()],
            Cells::Gauge(_) => Vec::new(),
            Cells::Histogram(_) => vec![created()],
        }
    }
}

/// Every metric of `state`, by name.
///
/// A name is shown once, or a scrape would fail as a whole: a counter goes before a gauge, and that
/// before a histogram.
pub(super) fn exposed(state: &State) -> Vec<ExposedFamily> {
    let counters = state.counters.families().into_iter();
    let gauges = state.gauges.families().into_iter();
    let histograms = state.histograms.families().into_iter();
    let all = counters
        .map(|(name, family)| (name, family.name.clone(), Cells::Counter(family)))
        .chain(gauges.map(|(name, family)| (name, family.name.clone(), Cells::Gauge(family))))
        .chain(
            histograms.map(|(name, family)| (name, family.name.clone(), Cells::Histogram(family))),
        );
    let mut taken = BTreeSet::from([TARGET_INFO.to_owned()]);
    let mut shown = Vec::new();
    for (name, dotted, cells) in all {
        let mut metric = ExposedFamily {
            name,
            description: state.descriptions.of(&dotted),
            cells,
            clashes: false,
        };
        metric.name = full_name(&metric.name, metric.description.unit, metric.kind());
        let names = metric.sample_names();
        if names.iter().all(|name| !taken.contains(name)) {
            taken.extend(names);
            shown.push(metric);
        }
    }
    // Only now, since samples go before names that are kept for none.
    for metric in &mut shown {
        let names = metric.reserved_names();
        metric.clashes = names.iter().any(|name| taken.contains(name));
        if !metric.clashes {
            taken.extend(names);
        }
    }
    shown
}

/// The resource's metric.
pub(super) const TARGET_INFO: &str = "target_info";
