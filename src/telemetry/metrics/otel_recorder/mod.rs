//! From the `metrics` facade to OpenTelemetry.
//!
//! Counters and gauges are atomics of our own, observed when the SDK collects: that is the cheapest
//! way to record them, and `absolute`, series at zero and sums at the limit come out as Prometheus
//! shows them. Histograms are bound instruments, since the SDK has no other way in.
//!
//! The SDK calls us back while it holds a lock that the making of an instrument needs. So all
//! instruments that [`publish`] may register are made up front, none is made under a lock of ours,
//! and registering a series of a known metric touches no lock of the SDK's but the instrument's own.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata,
    Recorder, SharedString, Unit,
};
use opentelemetry::metrics::{BoundHistogram, Meter};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::{Aggregation, InstrumentKind, MeterProviderBuilder, Stream};

use super::metadata::{Descriptions, bounds};
use super::registry::{Family, OVERFLOW, Series, series_max};
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles::publish;
use crate::semconv::{self, Instrument, METRICS, SCOPE};

/// Records into the instruments of a meter.
///
/// Unit, description and bounds are those of `semconv.rs`; for the app's own metrics unit and
/// description are those given by `describe_*!` before the first series was registered, later ones
/// are not seen. A name that OpenTelemetry does not allow has `_` for what is wrong with it.
/// Values that are not finite are not recorded.
#[derive(Debug)]
pub(crate) struct OtelRecorder {
    meter: Meter,
    counters: Series<Observed>,
    gauges: Series<Observed>,
    histograms: Series<Bound>,
    descriptions: Descriptions,
}

impl OtelRecorder {
    /// `meter` is of a provider that went through [`with_limits`] and is called [`SCOPE`].
    pub(crate) fn new(meter: Meter) -> Self {
        Self::publishing(meter, publish)
    }

    fn publishing(meter: Meter, publish: impl Fn() + Send + Sync + 'static) -> Self {
        let recorder = Self {
            meter,
            counters: Series::new(),
            gauges: Series::new(),
            histograms: Series::new(),
            descriptions: Descriptions::default(),
        };
        // Callbacks run in the order in which they were registered, so that each collection
        // publishes before it observes. The instrument itself has no series and is never exported.
        recorder
            .meter
            .u64_observable_counter("spanwire.publish")
            .with_callback(move |_| {
                // A panic here would poison the SDK's lock, and with it all metrics.
                let _ = catch_panic(&publish);
            })
            .build();
        for metric in METRICS {
            match metric.instrument {
                Instrument::Counter => drop(recorder.counter(metric.name)),
                Instrument::Gauge | Instrument::UpDownCounter => {
                    drop(recorder.gauge(metric.name));
                }
                Instrument::Histogram => drop(recorder.histogram(metric.name)),
            }
        }
        recorder
    }

    fn counter(&self, name: &str) -> Arc<Family<Observed>> {
        let (family, new) = self
            .counters
            .family(name, || Family::new(name, Observed::new));
        // `new` is true for one thread alone, and no lock of ours is held here.
        if new {
            let observed = Arc::clone(&family);
            let description = self.descriptions.of(name);
            self.meter
                .u64_observable_counter(instrument_name(name))
                .with_unit(description.unit)
                .with_description(description.text.to_string())
                .with_callback(move |observer| {
                    observed.for_each(|_, series| {
                        let value = series.cell.load(Ordering::Acquire);
                        observer.observe(value, &series.attributes);
                    });
                })
                .build();
        }
        family
    }

    fn gauge(&self, name: &str) -> Arc<Family<Observed>> {
        let (family, new) = self
            .gauges
            .family(name, || Family::new(name, Observed::new));
        if new {
            let observed = Arc::clone(&family);
            let description = self.descriptions.of(name);
            let unit = description.unit;
            let text = description.text.to_string();
            if is_up_down_counter(name) {
                self.meter
                    .i64_observable_up_down_counter(instrument_name(name))
                    .with_unit(unit)
                    .with_description(text)
                    .with_callback(move |observer| {
                        // These count things, so there is nothing after the point.
                        observed.for_each(|_, series| {
                            observer.observe(series.value() as i64, &series.attributes);
                        });
                    })
                    .build();
            } else {
                self.meter
                    .f64_observable_gauge(instrument_name(name))
                    .with_unit(unit)
                    .with_description(text)
                    .with_callback(move |observer| {
                        observed.for_each(|_, series| {
                            observer.observe(series.value(), &series.attributes);
                        });
                    })
                    .build();
            }
        }
        family
    }

    fn histogram(&self, name: &str) -> Arc<Family<Bound>> {
        // A histogram is made before it is known whether another thread was faster, since binding
        // its series needs it. The SDK gives both threads the same aggregation for the name.
        let make = || {
            let description = self.descriptions.of(name);
            let instrument = self
                .meter
                .f64_histogram(instrument_name(name))
                .with_unit(description.unit)
                .with_description(description.text.to_string())
                .with_boundaries(bounds(name).to_vec())
                .build();
            Family::new(name, move |labels| {
                Bound(instrument.bind(&attributes(labels)))
            })
        };
        self.histograms.family(name, make).0
    }
}

impl Recorder for OtelRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.descriptions.add(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.descriptions.add(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.descriptions.add(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counter(key.name()).cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauge(key.name()).cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.histogram(key.name()).cell(key))
    }
}

/// Gives the provider the limits and bounds of our metrics.
///
/// The SDK's limit lies one above ours, for the series of what is beyond it. Smallest and largest
/// value are left out of histograms: Prometheus has none, and the SDK reports the range of `f64`
/// for a bound series that was never recorded to.
pub(crate) fn with_limits(builder: MeterProviderBuilder) -> MeterProviderBuilder {
    builder.with_view(|instrument: &opentelemetry_sdk::metrics::Instrument| {
        let known = semconv::metric(instrument.name()).is_some();
        if !known && instrument.scope().name() != SCOPE {
            return None;
        }
        let mut stream =
            // The SDK takes memory for this many series when it makes an instrument, so a limit of
            // 2,000 for each of ours would be a waste.
            Stream::builder().with_cardinality_limit(series_max(instrument.name()) + 1);
        if instrument.kind() == InstrumentKind::Histogram {
            stream = stream.with_aggregation(aggregation(bounds(instrument.name())));
        }
        stream.build().ok()
    })
}

/// How a histogram with these bounds is kept: without any it finds its own.
fn aggregation(bounds: &[f64]) -> Aggregation {
    if bounds.is_empty() {
        // The defaults of OpenTelemetry's specification: at most 160 buckets, 5 % wide for values
        // that are up to 4,000 times one another.
        return Aggregation::Base2ExponentialHistogram {
            max_size: 160,
            max_scale: 20,
            record_min_max: false,
        };
    }
    Aggregation::ExplicitBucketHistogram {
        boundaries: bounds.to_vec(),
        record_min_max: false,
    }
}

/// Whether the gauge of the facade is a sum in the conventions. The app's own are gauges.
fn is_up_down_counter(name: &str) -> bool {
    semconv::metric(name).is_some_and(|metric| metric.instrument == Instrument::UpDownCounter)
}

/// A counter's or gauge's series.
struct Observed {
    /// The count, or the bits of the gauge's value.
    cell: AtomicU64,
    attributes: Vec<KeyValue>,
}

impl Observed {
    fn new(labels: &[Label]) -> Self {
        Self {
            cell: AtomicU64::new(0),
            attributes: attributes(labels),
        }
    }

    /// A gauge's value.
    fn value(&self) -> f64 {
        f64::from_bits(self.cell.load(Ordering::Acquire))
    }
}

impl CounterFn for Observed {
    fn increment(&self, value: u64) {
        CounterFn::increment(&self.cell, value);
    }

    fn absolute(&self, value: u64) {
        CounterFn::absolute(&self.cell, value);
    }
}

impl GaugeFn for Observed {
    fn increment(&self, value: f64) {
        GaugeFn::increment(&self.cell, value);
    }

    fn decrement(&self, value: f64) {
        GaugeFn::decrement(&self.cell, value);
    }

    fn set(&self, value: f64) {
        GaugeFn::set(&self.cell, value);
    }
}

/// A histogram's series.
struct Bound(BoundHistogram<f64>);

impl HistogramFn for Bound {
    fn record(&self, value: f64) {
        self.0.record(value);
    }
}

fn attributes(labels: &[Label]) -> Vec<KeyValue> {
    let attribute = |label: &Label| {
        let value = match label.key() {
            OVERFLOW => Value::Bool(true),
            // The facade has texts alone, and this one is a number in the conventions.
            semconv::SERVER_PORT => label
                .value()
                .parse()
                .map_or_else(|_| label.value().to_owned().into(), Value::I64),
            _ => label.value().to_owned().into(),
        };
        KeyValue::new(label.key().to_owned(), value)
    };
    labels.iter().map(attribute).collect()
}

/// The name in the form that OpenTelemetry allows.
fn instrument_name(name: &str) -> Cow<'static, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let mut name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "x_");
    }
    // All is ASCII by now, so this is a character's boundary.
    name.truncate(NAME_LEN_MAX);
    name.into()
}

/// OpenTelemetry's limit.
const NAME_LEN_MAX: usize = 255;

#[cfg(test)]
mod tests;
