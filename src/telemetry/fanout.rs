//! Both exporters at once.
//!
//! Not `metrics_util`'s: that one is not `Send`, and a handle of it takes one more step for each of
//! the two.

use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::metrics::otel_recorder::OtelRecorder;
use super::prometheus::PrometheusRecorder;

/// A recorder that hands everything to both.
pub(crate) fn fanout(prometheus: PrometheusRecorder, otel: OtelRecorder) -> Fanout {
    Fanout { prometheus, otel }
}

/// Records into Prometheus' and OpenTelemetry's series.
#[derive(Debug)]
pub(crate) struct Fanout {
    prometheus: PrometheusRecorder,
    otel: OtelRecorder,
}

impl Recorder for Fanout {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.prometheus
            .describe_counter(name.clone(), unit, text.clone());
        self.otel.describe_counter(name, unit, text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.prometheus
            .describe_gauge(name.clone(), unit, text.clone());
        self.otel.describe_gauge(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.prometheus
            .describe_histogram(name.clone(), unit, text.clone());
        self.otel.describe_histogram(name, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Both(
            self.prometheus.register_counter(key, metadata),
            self.otel.register_counter(key, metadata),
        )))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Both(
            self.prometheus.register_gauge(key, metadata),
            self.otel.register_gauge(key, metadata),
        )))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Both(
            self.prometheus.register_histogram(key, metadata),
            self.otel.register_histogram(key, metadata),
        )))
    }
}

/// A handle to a series of each.
struct Both<H>(H, H);

impl CounterFn for Both<Counter> {
    fn increment(&self, value: u64) {
        self.0.increment(value);
        self.1.increment(value);
    }

    fn absolute(&self, value: u64) {
        self.0.absolute(value);
        self.1.absolute(value);
    }
}

impl GaugeFn for Both<Gauge> {
    fn increment(&self, value: f64) {
        self.0.increment(value);
        self.1.increment(value);
    }

    fn decrement(&self, value: f64) {
        self.0.decrement(value);
        self.1.decrement(value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
        self.1.set(value);
    }
}

impl HistogramFn for Both<Histogram> {
    fn record(&self, value: f64) {
        self.0.record(value);
        self.1.record(value);
    }

    fn record_many(&self, value: f64, count: usize) {
        // Passed on whole: the trait's default would record the value `count` times.
        self.0.record_many(value, count);
        self.1.record_many(value, count);
    }
}

#[cfg(test)]
mod tests;
