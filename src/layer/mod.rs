//! The `tracing` layers that turn spans and events into OpenTelemetry's.

#[cfg(feature = "otlp")]
mod filters;
pub(crate) mod integers;
mod span_starter;

use opentelemetry::trace::Tracer;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "otlp")]
pub(crate) use self::filters::{EventsOnly, SubscriberFilter, TelemetryFilter};
use self::integers::{ForgetIntegers, RememberIntegers};
use self::span_starter::SpanStarter;

/// Turns spans into OpenTelemetry spans.
///
/// Location, thread, inactivity and target fields are off: together they cost a third of a span.
/// Context activation stays on, since log records take their trace's ids from it. Integers need a
/// processor that calls [`restore_integers`](crate::layer::integers::restore_integers).
pub(crate) fn span_layer<S, T>(tracer: T) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync,
{
    let spans = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        // On by default, these four copy the text of an error that an event has to the span's
        // attributes and status. The text of an error belongs to its log record alone.
        .with_error_fields_to_exceptions(false)
        .with_error_records_to_exceptions(false)
        .with_error_events_to_exceptions(false)
        .with_error_events_to_status(false)
        .with_tracer(SpanStarter(tracer));
    // The order matters: each later layer is called after the one before it. The integers must be
    // at hand when the middle one ends the span, and forgotten after that.
    RememberIntegers.and_then(spans).and_then(ForgetIntegers)
}

/// Whether a subscriber has a layer of [`span_layer`].
#[cfg(feature = "otlp")]
pub(crate) fn has_span_layer(subscriber: &tracing::Dispatch) -> bool {
    // By the last layer, since its type has no parameters; that of the middle one names the app's
    // subscriber.
    subscriber.downcast_ref::<ForgetIntegers>().is_some()
}

/// Turns events into log records.
pub(crate) fn log_layer(
    provider: &SdkLoggerProvider,
) -> OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger> {
    OpenTelemetryTracingBridge::new(provider)
}
