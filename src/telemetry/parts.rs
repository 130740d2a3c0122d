//! The parts of telemetry, for an app that puts them in place itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::Recorder;
use opentelemetry::global;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
#[cfg(feature = "otlp")]
use opentelemetry::trace::TracerProvider;
#[cfg(feature = "otlp")]
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
#[cfg(feature = "otlp")]
use opentelemetry_sdk::trace::SdkTracerProvider;
#[cfg(feature = "otlp")]
use tracing::Subscriber;
#[cfg(feature = "otlp")]
use tracing::level_filters::LevelFilter;
#[cfg(feature = "otlp")]
use tracing_subscriber::Layer;
#[cfg(feature = "otlp")]
use tracing_subscriber::filter::FilterExt;
#[cfg(feature = "otlp")]
use tracing_subscriber::layer::Identity;
#[cfg(feature = "otlp")]
use tracing_subscriber::registry::LookupSpan;

use super::config::options::Propagator;
#[cfg(feature = "otlp")]
use super::subscriber;
use crate::instrument::handles;
#[cfg(feature = "otlp")]
use crate::instrument::span_filter::SuppressionFilter;
#[cfg(feature = "otlp")]
use crate::layer::{EventsOnly, SubscriberFilter, TelemetryFilter, log_layer, span_layer};
#[cfg(feature = "otlp")]
use crate::semconv;
use crate::timer;

/// What [`TelemetryBuilder::build`](super::TelemetryBuilder::build) makes, for the app to put in
/// place. What is off is `None`.
///
/// The app adds [`layer`](Self::layer) to its subscriber and calls [`set_globals`](Self::set_globals).
/// One with a recorder of its own sets it before, with [`recorder`](Self::recorder) beside it.
#[non_exhaustive]
pub struct TelemetryParts {
    /// Takes the metrics: the process' recorder, which [`set_globals`](Self::set_globals) sets, or one
    /// of several in a fan-out of the app's.
    ///
    /// Two telemetries side by side, as in tests, each take `metrics::with_local_recorder(&*recorder, …)`
    /// with what the `Arc` points to, which is then to live as long as the process
    /// (`std::mem::forget` a clone): handles are kept for each recorder, told apart by its address,
    /// so that another recorder at the same place would write into this one's series.
    pub recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    /// Makes the spans: `opentelemetry::global::set_tracer_provider`, for those with explicit
    /// times. The [`layer`](Self::layer) has it already.
    #[cfg(feature = "otlp")]
    pub tracer_provider: Option<SdkTracerProvider>,
    /// Makes log records. The [`layer`](Self::layer) has it already.
    #[cfg(feature = "otlp")]
    pub logger_provider: Option<SdkLoggerProvider>,
    /// Reads and writes `traceparent` and baggage, as `OTEL_PROPAGATORS` says:
    /// `opentelemetry::global::set_text_map_propagator`.
    pub propagator: TextMapCompositePropagator,
    /// From when an operation counts as slow: [`timer::set_slow_threshold`].
    ///
    /// [`timer::set_slow_threshold`]: crate::timer::set_slow_threshold
    pub slow_threshold: Duration,
    pub(crate) propagators: Vec<Propagator>,
    #[cfg(feature = "otlp")]
    pub(crate) level: LevelFilter,
}

impl TelemetryParts {
    /// A layer that makes OpenTelemetry's spans and log records from those of `tracing`; add it to
    /// a subscriber that is based on a `Registry`. It lets nothing through that comes from the
    /// crates that carry telemetry.
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let wanted = TelemetryFilter(self.level);
        let spans = self.tracer_provider.as_ref().map(|provider| {
            // What `wanted` turns down costs nothing at its call site any more. The rest asks both
            // at each span, since suppression depends on the current context.
            span_layer(provider.tracer(semconv::SCOPE)).with_filter(wanted.and(SuppressionFilter))
        });
        let logs = self
            .logger_provider
            .as_ref()
            .map(|provider| log_layer(provider).with_filter(wanted.and(EventsOnly)));
        match (spans, logs) {
            (Some(spans), Some(logs)) => Box::new(spans.and_then(logs)),
            (Some(spans), None) => Box::new(spans),
            (None, Some(logs)) => Box::new(logs),
            // A layer that does nothing, so the app adds one whatever is configured.
            (None, None) => Box::new(Identity::new()),
        }
    }

    /// Sets all that is process-wide but the subscriber, as
    /// [`install`](super::TelemetryBuilder::install) does: the recorder, if the process has none yet,
    /// OpenTelemetry's tracer provider and propagator, and from when an operation counts as slow.
    ///
    /// Without it nothing is counted unless the app sets [`recorder`](Self::recorder), the spans of
    /// messages to the page are not made, trace ids do not cross to it, and
    /// `SPANWIRE_SLOW_THRESHOLD_MS` has no effect. A tracer provider and a propagator that were set
    /// before are replaced; an app that has a tracer provider to keep sets `recorder`,
    /// [`propagator`](Self::propagator) and [`slow_threshold`](Self::slow_threshold) by itself.
    pub fn set_globals(&self) {
        if let Some(recorder) = &self.recorder {
            // One that the app has set stays.
            let _ = metrics::set_global_recorder(Arc::clone(recorder));
        }
        #[cfg(feature = "otlp")]
        if let Some(provider) = &self.tracer_provider {
            global::set_tracer_provider(provider.clone());
            // Those of handlers and operations.
            if self.level >= LevelFilter::INFO {
                subscriber::expect_spans();
            }
        }
        global::set_text_map_propagator(propagator(&self.propagators));
        timer::set_slow_threshold(self.slow_threshold);
        // Last: code that found no provider looks again when it sees this.
        handles::installed();
    }

    /// What goes in front of the layer where there is no other.
    #[cfg(feature = "otlp")]
    pub(crate) fn subscriber_filter(&self) -> SubscriberFilter {
        SubscriberFilter {
            wanted: TelemetryFilter(self.level),
            has_spans: self.tracer_provider.is_some(),
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn has_layer(&self) -> bool {
        self.tracer_provider.is_some() || self.logger_provider.is_some()
    }
}

pub(crate) fn propagator(propagators: &[Propagator]) -> TextMapCompositePropagator {
    // A composite of none is a no-op, which is what `OTEL_PROPAGATORS=none` asks for.
    let propagators = propagators.iter().map(|propagator| {
        let propagator: Box<dyn TextMapPropagator + Send + Sync> = match propagator {
            Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
            Propagator::Baggage => Box::new(BaggagePropagator::new()),
        };
        propagator
    });
    TextMapCompositePropagator::new(propagators.collect())
}

impl fmt::Debug for TelemetryParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("TelemetryParts");
        f.field("recorder", &self.recorder.is_some());
        #[cfg(feature = "otlp")]
        f.field("tracer_provider", &self.tracer_provider.is_some())
            .field("logger_provider", &self.logger_provider.is_some());
        f.finish_non_exhaustive()
    }
}
