//! Which metrics a scrape shows, and under which names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::conflicts::Conflict;
use super::names::{full_name, kind_name, metric_name, unit_name};
use super::recorder::State;
use super::series::{Recorded, Values};
use crate::semconv::{self, ENDPOINT_METRIC_CONFLICTS, Instrument};
use crate::telemetry::metrics::metadata::Description;
use crate::telemetry::metrics::registry::Family;

/// A metric as a scrape shows it.
pub(super) struct ExposedFamily {
    /// With unit and `_total`: what its samples' names begin with.
    pub(super) name: String,
    pub(super) description: Description,
    pub(super) values: Values,
    /// A histogram without bounds has no buckets to show: its sum and its count are a summary.
    pub(super) is_summary: bool,
    /// OpenMetrics reserves more names than there are samples; whether one of them is that of
    /// another metric.
    pub(super) clashes: bool,
}

impl ExposedFamily {
    pub(super) fn kind(&self) -> Instrument {
        match self.values {
            Values::Counter(_) => Instrument::Counter,
            Values::Gauge(_) => Instrument::Gauge,
            Values::Histogram(_) => Instrument::Histogram,
        }
    }

    /// What Prometheus calls its type.
    pub(super) fn type_name(&self) -> &'static str {
        if self.is_summary {
            return "summary";
        }
        kind_name(self.kind())
    }

    /// The name without `_total`.
    pub(super) fn stem(&self) -> &str {
        stem(Kind::of(self.kind()), &self.name)
    }

    /// The names of its samples, and that of a histogram itself.
    fn sample_names(&self) -> Vec<String> {
        match self.values {
            Values::Counter(_) | Values::Gauge(_) => vec![self.name.clone()],
            Values::Histogram(_) => ["", "_bucket", "_sum", "_count"]
                .map(|suffix| format!("{}{suffix}", self.name))
                .into(),
        }
    }

    /// The further names that OpenMetrics keeps for a metric of this kind, whether or not there are
    /// such samples.
    fn reserved_names(&self) -> Vec<String> {
        let created = || format!("{}_created", self.stem());
        match self.values {
            Values::Counter(_) => vec![self.stem().to_owned(), created()],
            // OpenMetrics has no suffix for gauges.
            Values::Gauge(_) => Vec::new(),
            Values::Histogram(_) => vec![created()],
        }
    }
}

/// What a scrape shows, and what it leaves out.
pub(super) struct Exposed {
    pub(super) families: Vec<ExposedFamily>,
    pub(super) conflicts: BTreeSet<Conflict>,
}

/// Every metric of `state`, by kind and name.
///
/// Metrics of the app's that get one name are one when they are of one kind. Of several kinds one
/// is shown, since a name with two types would spoil the scrape as a whole: Spanwire's own goes
/// before the app's, and a counter before a gauge, and that before a histogram.
pub(super) fn exposed(state: &State) -> Exposed {
    let mut groups: BTreeMap<(Kind, String), Vec<Described>> = BTreeMap::new();
    for described in recorded(state) {
        let group = groups.entry(described.kind_and_name()).or_default();
        group.push(described);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, group) in &mut groups {
        // `false` sorts first, so a metric of ours decides about bounds, unit and text of its
        // group.
        group.sort_by_key(|one| !one.is_ours);
    }
    groups.sort_by_key(|((kind, name), group)| {
        let is_ours = group.iter().any(|one| one.is_ours);
        // The order in which names are given away, which does not depend on the order of
        // registration: a scrape shows the same metrics each time.
        (!is_ours, *kind, stem(*kind, name).to_owned())
    });

    let count = ENDPOINT_METRIC_CONFLICTS.prometheus_name();
    // These two names are taken before all others: the endpoint writes both without a look at what
    // the app has.
    let mut taken = BTreeSet::from([TARGET_INFO.to_owned(), count.clone()]);
    let mut shown = Vec::new();
    let mut conflicts = BTreeSet::new();
    for ((_, name), group) in groups {
        let (metric, left_out) = merged(&name, &group);
        let names = metric.sample_names();
        // One name that is taken spoils the scrape, so the metric is left out as a whole.
        if names.iter().any(|name| taken.contains(name)) {
            conflicts.extend(group.iter().map(|one| one.conflict(&name)));
            continue;
        }
        conflicts.extend(left_out);
        taken.extend(names);
        let all = group.iter().map(|one| one.conflict(&name)).collect();
        shown.push((metric, all));
    }
    reserve(&mut taken, &mut shown, &mut conflicts);
    let mut families: Vec<_> = shown.into_iter().map(|(metric, _)| metric).collect();
    // Only where there is one, since an app without conflicts has no use for a gauge that says 0.
    if !conflicts.is_empty() {
        families.push(ExposedFamily {
            name: count,
            description: state.descriptions.of(ENDPOINT_METRIC_CONFLICTS.name),
            #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 metrics")]
            values: Values::Gauge(BTreeMap::from([(String::new(), conflicts.len() as f64)])),
            is_summary: false,
            clashes: false,
        });
    }
    // Sorted again, as the gauge above came last.
    families.sort_by_key(|metric| (Kind::of(metric.kind()), metric.stem().to_owned()));
    Exposed {
        families,
        conflicts,
    }
}

/// Marks what has a name that OpenMetrics keeps for another; histograms first, since they are left
/// out there when they have none.
///
/// Only when all samples have their names, since these go before names that are kept for none.
fn reserve(
    taken: &mut BTreeSet<String>,
    shown: &mut [(ExposedFamily, Vec<Conflict>)],
    conflicts: &mut BTreeSet<Conflict>,
) {
    let is_histogram = |metric: &ExposedFamily| matches!(metric.values, Values::Histogram(_));
    for histograms in [true, false] {
        let of_kind = shown.iter_mut();
        for (metric, names) in of_kind.filter(|(metric, _)| is_histogram(metric) == histograms) {
            let reserved = metric.reserved_names();
            metric.clashes = reserved.iter().any(|name| taken.contains(name));
            if !metric.clashes {
                taken.extend(reserved);
            } else if histograms {
                // A counter that clashes is shown all the same, see `openmetrics.rs`.
                conflicts.extend(names.drain(..));
            }
        }
    }
}

/// One metric of all that have one name and kind, and what of them it has no room for.
fn merged(name: &str, group: &[Described]) -> (ExposedFamily, Vec<Conflict>) {
    let mut values = None;
    let mut bounds = None;
    let mut description = Description::default();
    let mut conflicts = Vec::new();
    for one in group {
        // Buckets with other bounds cannot be added up, nor queried together.
        // The first of the group has the say, which is ours if there is one.
        let bounds = *bounds.get_or_insert(one.recorded.bounds());
        let values = values.get_or_insert_with(|| one.recorded.no_values());
        if one.recorded.bounds() != bounds || !one.recorded.add_to(values) {
            conflicts.push(one.conflict(name));
        }
        // Of several units and texts the first is told, as OpenTelemetry has it.
        let new = &one.description;
        if unit_name(description.unit, one.instrument()).is_empty() {
            description.unit = new.unit;
        }
        if description.text.is_empty() {
            description.text = new.text.clone();
        }
    }
    // A group is never empty, so this stands for nothing that is shown.
    let values = values.unwrap_or(Values::Gauge(BTreeMap::new()));
    let metric = ExposedFamily {
        name: name.to_owned(),
        description,
        is_summary: matches!(values, Values::Histogram(_)) && bounds.is_some_and(<[f64]>::is_empty),
        values,
        clashes: false,
    };
    (metric, conflicts)
}

/// What was recorded under one name of the app's, and what the app said of it.
struct Described {
    recorded: Recorded,
    description: Description,
    /// Whether the name is one of Spanwire's conventions.
    is_ours: bool,
}

impl Described {
    fn instrument(&self) -> Instrument {
        match self.recorded {
            Recorded::Counter(_) => Instrument::Counter,
            Recorded::Gauge(_) => Instrument::Gauge,
            Recorded::Histogram(_) => Instrument::Histogram,
        }
    }

    /// The name with unit and `_total`.
    fn kind_and_name(&self) -> (Kind, String) {
        let instrument = self.instrument();
        let name = metric_name(self.recorded.name());
        let name = full_name(&name, self.description.unit, instrument);
        (Kind::of(instrument), name)
    }

    fn conflict(&self, shown: &str) -> Conflict {
        Conflict {
            name: self.recorded.name().to_owned(),
            kind: kind_name(self.instrument()),
            shown: shown.to_owned(),
        }
    }
}

/// Everything recorded, by kind and by the app's name.
fn recorded(state: &State) -> impl Iterator<Item = Described> {
    fn all<C>(
        families: Vec<(String, Arc<Family<C>>)>,
        recorded: fn(Arc<Family<C>>) -> Recorded,
    ) -> impl Iterator<Item = Recorded> {
        families
            .into_iter()
            .map(move |(_, family)| recorded(family))
    }
    all(state.counters.families(), Recorded::Counter)
        .chain(all(state.gauges.families(), Recorded::Gauge))
        .chain(all(state.histograms.families(), Recorded::Histogram))
        .map(|recorded| {
            let description = state.descriptions.of(recorded.name());
            Described {
                is_ours: semconv::metric(recorded.name()).is_some(),
                recorded,
                description,
            }
        })
}

/// In the order in which they go before one another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn of(instrument: Instrument) -> Self {
        match instrument {
            Instrument::Counter => Self::Counter,
            Instrument::Gauge | Instrument::UpDownCounter => Self::Gauge,
            Instrument::Histogram => Self::Histogram,
        }
    }
}

/// A counter's name without `_total`.
fn stem(kind: Kind, name: &str) -> &str {
    match kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        Kind::Gauge | Kind::Histogram => name,
    }
}

/// The resource's metric.
pub(super) const TARGET_INFO: &str = "target_info";
